"""``where``: a mapping, or Qdrant's own Filter, as a Filter over metadata."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime
from typing import Any, TypeAlias

from qdrant_client import models

from rolevec.errors import InvalidFilter
from rolevec.qdrant.ids import point_id
from rolevec.qdrant.payloads import METADATA

Where: TypeAlias = Mapping[str, Any] | models.Filter
Condition: TypeAlias = (
    models.FieldCondition
    | models.IsEmptyCondition
    | models.IsNullCondition
    | models.HasIdCondition
    | models.Filter
)

_NOTHING = models.HasIdCondition(has_id=[])
_RANGES = ("gt", "gte", "lt", "lte")


def to_filter(where: Where | None) -> models.Filter | None:
    """Translate a ``where``.

    All entries of a mapping must hold. A key is a metadata field (a dotted path reaches into
    nested mappings); its value is what the field must equal, a list of which it must be one, or a
    mapping of operators: eq, ne, in, nin, gt, gte, lt, lte (numbers, dates, ISO 8601 strings),
    exists, text (all words occur). The keys "and", "or" (lists of mappings), "not" (a mapping)
    combine, and "$id" selects by document id. Operators may carry a leading "$". As in Qdrant, a
    field that holds a list matches if one of its items does, "ne" and "nin" hold where the field
    is missing, and "exists" is false for null and for empty lists.

    Args:
        where: None selects everything. A Filter is taken as it is: its keys are payload paths,
            under which metadata stand as ``metadata.<field>``.

    Raises:
        InvalidFilter: names the entry that makes no sense.
    """
    if where is None or isinstance(where, models.Filter):
        return where
    if not isinstance(where, Mapping):
        raise InvalidFilter(f"where is a {type(where).__name__}, not a mapping or a models.Filter")
    return _all_of(where) if where else None


def _all_of(where: Mapping[str, Any]) -> models.Filter:
    must: list[Any] = []
    for key, value in where.items():
        if not isinstance(key, str) or not key:
            raise InvalidFilter(f"where has the key {key!r}; keys are names of metadata fields")
        combine = _COMBINE.get(key.removeprefix("$"))
        if combine is not None:
            must.append(combine(value))
        elif key == "$id":
            ids = [value] if isinstance(value, (str, int)) else list(value)
            must.append(models.HasIdCondition(has_id=[point_id(i) for i in ids]))
        else:
            must.extend(_field(key, value))
    return models.Filter(must=must)


def _parts(name: str, value: Any) -> list[models.Filter]:
    parts = [value] if isinstance(value, Mapping) and name == "not" else value
    if not isinstance(parts, Sequence) or isinstance(parts, str) or not parts:
        raise InvalidFilter(f"{name!r} takes a non-empty list of mappings, not {value!r}")
    for part in parts:
        if not isinstance(part, Mapping) or not part:
            raise InvalidFilter(f"{name!r} holds {part!r}, which is not a non-empty mapping")
    return [_all_of(part) for part in parts]


_COMBINE: dict[str, Callable[[Any], models.Filter]] = {
    "and": lambda value: models.Filter(must=list(_parts("and", value))),
    "or": lambda value: models.Filter(should=list(_parts("or", value))),
    "not": lambda value: models.Filter(must_not=list(_parts("not", value))),
}


def _field(name: str, value: Any) -> list[Condition]:
    key = f"{METADATA}.{name}"
    if not isinstance(value, Mapping):
        return [
            _one_of(key, value) if isinstance(value, (list, tuple, set)) else _equal(key, value)
        ]
    operators = {str(op).removeprefix("$"): operand for op, operand in value.items()}
    unknown = operators.keys() - {*_OPERATORS, *_RANGES}
    if unknown or not operators:
        raise InvalidFilter(
            f"{name!r}: unknown operator {', '.join(sorted(unknown)) or '{}'};"
            f" known are {', '.join([*_OPERATORS, *_RANGES])}"
        )
    conditions = [_OPERATORS[op](key, v) for op, v in operators.items() if op in _OPERATORS]
    bounds = {op: v for op, v in operators.items() if op in _RANGES}
    return [*conditions, _between(key, bounds)] if bounds else conditions


def _equal(key: str, value: Any) -> Condition:
    if value is None:
        return models.IsNullCondition(is_null=models.PayloadField(key=key))
    if isinstance(value, float):
        if not math.isfinite(value):
            raise InvalidFilter(f"{key}: cannot compare with {value}")
        return models.FieldCondition(key=key, range=models.Range(gte=value, lte=value))
    if isinstance(value, (date, datetime)):
        return models.FieldCondition(key=key, range=models.DatetimeRange(gte=value, lte=value))
    if not isinstance(value, (bool, int, str)):
        raise InvalidFilter(f"{key}: cannot compare with a {type(value).__name__}")
    if isinstance(value, int) and not -(1 << 63) <= value < 1 << 63:
        raise InvalidFilter(f"{key}: {value} does not fit 64 bits")
    return models.FieldCondition(key=key, match=models.MatchValue(value=value))


def _one_of(key: str, values: Any) -> Condition:
    if not isinstance(values, (list, tuple, set)):
        raise InvalidFilter(f"{key}: 'in' and 'nin' take a list, not {values!r}")
    options = list(values)
    if not options:
        return _NOTHING
    if all(isinstance(v, str) for v in options) or all(type(v) is int for v in options):
        return models.FieldCondition(key=key, match=models.MatchAny(any=options))
    return models.Filter(should=[_equal(key, value) for value in options])


def _not(condition: Condition) -> Condition:
    return models.Filter(must_not=[condition])


def _exists(key: str, wanted: Any) -> Condition:
    if not isinstance(wanted, bool):
        raise InvalidFilter(f"{key}: 'exists' is True or False, not {wanted!r}")
    empty = models.IsEmptyCondition(is_empty=models.PayloadField(key=key))
    return _not(empty) if wanted else empty


def _text(key: str, words: Any) -> Condition:
    if not isinstance(words, str) or not words.strip():
        raise InvalidFilter(f"{key}: 'text' takes words, not {words!r}")
    return models.FieldCondition(key=key, match=models.MatchText(text=words))


def _between(key: str, bounds: Mapping[str, Any]) -> Condition:
    if all(type(v) in {int, float} and math.isfinite(v) for v in bounds.values()):
        return models.FieldCondition(key=key, range=models.Range(**bounds))
    moments: dict[str, Any] = {}
    for op, bound in bounds.items():
        try:
            moments[op] = datetime.fromisoformat(bound) if isinstance(bound, str) else bound
        except ValueError as error:
            raise InvalidFilter(f"{key}: {bound!r} is neither a number nor ISO 8601") from error
        if not isinstance(moments[op], date):
            raise InvalidFilter(f"{key}: cannot order by {bound!r}; use a number or a date")
    return models.FieldCondition(key=key, range=models.DatetimeRange(**moments))


_OPERATORS: dict[str, Callable[[str, Any], Condition]] = {
    "eq": _equal,
    "ne": lambda key, value: _not(_equal(key, value)),
    "in": _one_of,
    "nin": lambda key, values: _not(_one_of(key, values)),
    "exists": _exists,
    "text": _text,
}
