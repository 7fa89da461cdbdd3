"""``where``: a mapping, or Qdrant's own Filter, as a Filter over metadata."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Any, TypeAlias

from qdrant_client import models

from rolevec.errors import InvalidDocument, InvalidFilter, shown
from rolevec.qdrant.ids import listed_ids, point_id
from rolevec.qdrant.paths import payload_path
from rolevec.qdrant.payloads import METADATA, survives

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
_COMBINE = {"and": "must", "or": "should", "not": "must_not"}
# The embedded engine walks a filter on its stack: at 500 of these levels the process dies.
DEEPEST = 64
# Reading a long decimal fraction, the engines are wrong by up to 2 units in the last place.
_ROUNDING_ULPS = 4


def to_filter(where: Where | None) -> models.Filter | None:
    """Translate a ``where``.

    All entries of a mapping must hold. A key is a metadata field (a dotted path reaches into
    nested mappings, "[]" and "[3]" into lists; a key that holds a dot or a bracket itself stands
    in double quotes); its value is what the field must equal, a list of which it must be one, or a
    mapping of operators: eq, ne, in, nin, gt, gte, lt, lte (numbers, dates, ISO 8601 strings),
    exists, text (all words occur). The keys "and", "or" (lists of mappings), "not" (a mapping)
    combine, and "$id" selects by document id. Operators may carry a leading "$". As in Qdrant, a
    field that holds a list matches if one of its items does, "ne" and "nin" hold where the field
    is missing, and "exists" is false for null and for empty lists. Order is that of 64-bit floats,
    and floats of more than 15 digits are equal if they differ by no more than rounding.

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
    return _all_of(where, 0) if where else None


def _all_of(where: Mapping[str, Any], depth: int) -> models.Filter:
    if depth > DEEPEST:
        raise InvalidFilter(f"where is nested deeper than {DEEPEST} levels")
    must: list[Any] = []
    for key, value in where.items():
        if not isinstance(key, str) or not key:
            raise InvalidFilter(f"where has the key {shown(key)}; keys are names of fields")
        word = key.removeprefix("$")
        if word in _COMBINE:
            combined: dict[str, Any] = {_COMBINE[word]: _parts(word, value, depth)}
            must.append(models.Filter(**combined))
        elif key == "$id":
            must.append(has_id(value))
        elif key.startswith("$"):
            raise InvalidFilter(
                f"where has no operator {shown(key)}; a field of that name stands in double quotes"
            )
        else:
            must.extend(_field(key, value))
    return models.Filter(must=must)


def _parts(name: str, value: Any, depth: int) -> list[models.Filter]:
    parts = [value] if isinstance(value, Mapping) and name == "not" else value
    if not isinstance(parts, Sequence) or isinstance(parts, (str, bytes)) or not parts:
        raise InvalidFilter(f"{name!r} takes a non-empty list of mappings, not {shown(value)}")
    for part in parts:
        if not isinstance(part, Mapping) or not part:
            raise InvalidFilter(f"{name!r} holds {shown(part)}, which is not a non-empty mapping")
    return [_all_of(part, depth + 1) for part in parts]


def _field(name: str, value: Any) -> list[Condition]:
    key = f"{METADATA}.{payload_path(name)}"
    if not isinstance(value, Mapping):
        many = isinstance(value, (list, tuple, set, frozenset))
        return [one_of(key, value) if many else equal(key, value)]
    operators: dict[str, Any] = {}
    for op, operand in value.items():
        word = op.removeprefix("$") if isinstance(op, str) else ""
        if word not in _OPERATORS and word not in _RANGES:
            known = ", ".join([*_OPERATORS, *_RANGES])
            given = shown(op).strip("'")
            raise InvalidFilter(f"{key}: unknown operator {given}; known are {known}")
        if word in operators:
            raise InvalidFilter(f"{key}: the operator {word!r} is given twice")
        operators[word] = operand
    if not operators:
        raise InvalidFilter(f"{key}: an empty mapping says nothing; give it an operator")
    conditions = [_OPERATORS[op](key, v) for op, v in operators.items() if op in _OPERATORS]
    bounds = {op: v for op, v in operators.items() if op in _RANGES}
    return [*conditions, between(key, bounds)] if bounds else conditions


def has_id(ids: Any) -> Condition:
    """One of these document ids."""
    try:
        return models.HasIdCondition(has_id=[point_id(i) for i in listed_ids(ids)])
    except InvalidDocument as error:
        raise InvalidFilter(f"selecting by id: {error}") from error


def equal(key: str, value: Any) -> Condition:
    """The field at a payload path equals a value, or holds it in a list; None is null."""
    if value is None:
        return models.IsNullCondition(is_null=models.PayloadField(key=key))
    if isinstance(value, float):
        return models.FieldCondition(key=key, range=_around(key, float(value)))
    if isinstance(value, date):
        moment = _moment(key, value)
        return models.FieldCondition(key=key, range=models.DatetimeRange(gte=moment, lte=moment))
    return models.FieldCondition(key=key, match=models.MatchValue(value=_exact(key, value)))


def _around(key: str, value: float) -> models.Range:
    if not math.isfinite(value):
        raise InvalidFilter(f"{key}: cannot compare with {value}")
    slack = 0.0 if survives(value) else _ROUNDING_ULPS * math.ulp(value)
    most = sys.float_info.max
    return models.Range(gte=max(value - slack, -most), lte=min(value + slack, most))


def _exact(key: str, value: Any) -> bool | int | str:
    if isinstance(value, str):
        return _utf8(key, value)
    if isinstance(value, bool):
        return value
    if not isinstance(value, int):
        raise InvalidFilter(f"{key}: cannot compare with a {type(value).__name__}")
    if not -(1 << 63) <= value < 1 << 63:
        raise InvalidFilter(f"{key}: {shown(value)} does not fit 64 bits")
    return int(value)


def _utf8(key: str, text: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise InvalidFilter(f"{key}: {shown(text)} cannot be written as UTF-8") from error
    return str.__str__(text)


def one_of(key: str, values: Any) -> Condition:
    """The field equals one of several values."""
    if not isinstance(values, (list, tuple, set, frozenset)):
        raise InvalidFilter(f"{key}: 'in' and 'nin' take a list, not {shown(values)}")
    options = list(values)
    if not options:
        return _NOTHING
    if all(isinstance(v, str) for v in options) or all(type(v) is int for v in options):
        any_of: Any = [_exact(key, v) for v in options]
        return models.FieldCondition(key=key, match=models.MatchAny(any=any_of))
    return models.Filter(should=[equal(key, value) for value in options])


def _not(condition: Condition) -> Condition:
    return models.Filter(must_not=[condition])


def _exists(key: str, wanted: Any) -> Condition:
    if not isinstance(wanted, bool):
        raise InvalidFilter(f"{key}: 'exists' is True or False, not {shown(wanted)}")
    empty = models.IsEmptyCondition(is_empty=models.PayloadField(key=key))
    return _not(empty) if wanted else empty


def with_words(key: str, words: Any) -> Condition:
    """All words occur in the field."""
    if not isinstance(words, str) or not words.strip():
        raise InvalidFilter(f"{key}: a search for words takes words, not {shown(words)}")
    return models.FieldCondition(key=key, match=models.MatchText(text=_utf8(key, words)))


def between(key: str, bounds: Mapping[str, Any]) -> Condition:
    """The field lies within bounds, gt, gte, lt and lte: all numbers or all dates."""
    if all(isinstance(v, (int, float)) and not isinstance(v, bool) for v in bounds.values()):
        numbers: dict[str, Any] = {op: _number(key, v) for op, v in bounds.items()}
        return models.FieldCondition(key=key, range=models.Range(**numbers))
    moments: dict[str, Any] = {op: _moment(key, bound) for op, bound in bounds.items()}
    return models.FieldCondition(key=key, range=models.DatetimeRange(**moments))


def _number(key: str, value: float) -> float:
    try:
        number = float(value)
    except OverflowError:  # an integer
        number = math.inf
    if not math.isfinite(number):
        raise InvalidFilter(f"{key}: cannot order by {shown(value)}; use a finite number")
    return number


def _moment(key: str, value: Any) -> date:
    try:
        moment = datetime.fromisoformat(value) if isinstance(value, str) else value
        # In UTC, since not every engine reads an offset of hours, minutes and seconds.
        if isinstance(moment, datetime) and moment.tzinfo is not None:
            return moment.astimezone(UTC)
    except ValueError as error:
        message = f"{key}: {shown(value)} is neither a number nor ISO 8601"
        raise InvalidFilter(message) from error
    except OverflowError as error:
        raise InvalidFilter(f"{key}: {shown(value)} has no equal in UTC") from error
    if not isinstance(moment, date):
        raise InvalidFilter(f"{key}: cannot order by {shown(value)}; use a number or a date")
    return moment


_OPERATORS: dict[str, Callable[[str, Any], Condition]] = {
    "eq": equal,
    "ne": lambda key, value: _not(equal(key, value)),
    "in": one_of,
    "nin": lambda key, values: _not(one_of(key, values)),
    "exists": _exists,
    "text": with_words,
}
