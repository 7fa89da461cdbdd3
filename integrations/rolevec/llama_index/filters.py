"""LlamaIndex's metadata filters as Qdrant's."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, TypeAlias

from llama_index.core.vector_stores.types import (
    FilterCondition,
    FilterOperator,
    MetadataFilter,
    MetadataFilters,
)
from qdrant_client import models

from rolevec.errors import InvalidFilter
from rolevec.qdrant.ids import point_id
from rolevec.qdrant.payloads import METADATA, RESERVED

Condition: TypeAlias = models.Condition
Filter: TypeAlias = models.Filter

EVERYTHING = models.Filter(must_not=[models.HasIdCondition(has_id=[])])

# What LlamaIndex's stores write where a node has no source document.
_NO_SOURCE = "None"


def to_where(
    filters: MetadataFilters | None = None,
    *,
    node_ids: Sequence[str] | None = None,
    doc_ids: Sequence[str] | None = None,
) -> models.Filter | None:
    """One filter out of all that a LlamaIndex query restricts by.

    "!=" and "nin" hold where the field is missing; a field that holds a list matches if one of its
    items does. Order compares numbers, or dates given as ISO 8601 strings.

    Args:
        filters: on metadata; groups may be nested, and empty ones restrict nothing.
        node_ids: ids of nodes; None restricts nothing, an empty list selects nothing.
        doc_ids: ids of source documents; likewise.

    Returns:
        None if nothing restricts.

    Raises:
        InvalidFilter: an operator that Qdrant lacks, or a value it cannot compare with.
    """
    must: list[Condition] = []
    if node_ids is not None:
        must.append(_has_id(node_ids))
    if doc_ids is not None:
        must.append(from_documents(doc_ids))
    group = _group(filters) if filters is not None else None
    if group is not None:
        must.append(group)
    return models.Filter(must=must) if must else None


def from_documents(doc_ids: Sequence[str]) -> models.Filter:
    """Nodes cut from these documents, and the documents themselves where they are nodes."""
    ids = list(doc_ids)
    source = models.FieldCondition(key="doc_id", match=models.MatchAny(any=ids))
    whole = models.FieldCondition(key="doc_id", match=models.MatchValue(value=_NO_SOURCE))
    return models.Filter(should=[source, models.Filter(must=[_has_id(ids), whole])])


def _has_id(ids: Sequence[str]) -> Condition:
    return models.HasIdCondition(has_id=[point_id(i) for i in ids])


def _group(filters: MetadataFilters) -> models.Filter | None:
    conditions = []
    for item in filters.filters:
        condition = _group(item) if isinstance(item, MetadataFilters) else _condition(item)
        if condition is not None:
            conditions.append(condition)
    if not conditions:
        return None
    if filters.condition is FilterCondition.OR:
        return models.Filter(should=conditions)
    if filters.condition is FilterCondition.NOT:
        return models.Filter(must_not=conditions)
    return models.Filter(must=conditions)


def _condition(item: MetadataFilter) -> Condition:
    build = _OPERATORS.get(item.operator)
    if build is None:
        raise InvalidFilter(
            f"{item.key!r}: Qdrant has no operator {item.operator.value!r};"
            f" there are {', '.join(o.value for o in _OPERATORS)}"
        )
    # At the top level stand all fields but those whose names the payload needs for itself.
    nested = item.key.partition(".")[0] in RESERVED
    return build(f"{METADATA}.{item.key}" if nested else item.key, item.value)


def _equal(key: str, value: Any) -> Condition:
    if value is None:
        return models.IsNullCondition(is_null=models.PayloadField(key=key))
    if isinstance(value, list):
        raise InvalidFilter(f"{key}: '==' and '!=' take one value, not a list; use 'in' or 'all'")
    if isinstance(value, float):
        return models.FieldCondition(key=key, range=models.Range(gte=value, lte=value))
    return models.FieldCondition(key=key, match=models.MatchValue(value=value))


def _one_of(key: str, values: Any) -> Condition:
    options = _listed(key, values)
    if not options:
        return models.HasIdCondition(has_id=[])
    if all(isinstance(v, str) for v in options) or all(type(v) is int for v in options):
        return models.FieldCondition(key=key, match=models.MatchAny(any=options))
    return models.Filter(should=[_equal(key, value) for value in options])


def _all_of(key: str, values: Any) -> Condition:
    return models.Filter(must=[_equal(key, value) for value in _listed(key, values)])


def _listed(key: str, values: Any) -> list[Any]:
    if not isinstance(values, list):
        raise InvalidFilter(f"{key}: 'in', 'nin', 'any' and 'all' take a list, not {values!r}")
    return values


def _text(key: str, words: Any) -> Condition:
    if not isinstance(words, str) or not words.strip():
        raise InvalidFilter(f"{key}: 'text_match' takes words, not {words!r}")
    return models.FieldCondition(key=key, match=models.MatchText(text=words))


def _empty(key: str, _: Any) -> Condition:
    missing = models.IsEmptyCondition(is_empty=models.PayloadField(key=key))
    return models.Filter(should=[missing, _equal(key, "")])


def _not(build: Callable[[str, Any], Condition]) -> Callable[[str, Any], Condition]:
    return lambda key, value: models.Filter(must_not=[build(key, value)])


def _ordered(bound: str) -> Callable[[str, Any], Condition]:
    def build(key: str, value: Any) -> Condition:
        if type(value) in {int, float} and math.isfinite(value):
            return models.FieldCondition(key=key, range=models.Range(**{bound: value}))
        try:
            moment = datetime.fromisoformat(value)
        except (TypeError, ValueError) as error:
            raise InvalidFilter(
                f"{key}: cannot order by {value!r}; use a number or an ISO 8601 date"
            ) from error
        return models.FieldCondition(key=key, range=models.DatetimeRange(**{bound: moment}))

    return build


_OPERATORS: dict[FilterOperator, Callable[[str, Any], Condition]] = {
    FilterOperator.EQ: _equal,
    FilterOperator.NE: _not(_equal),
    FilterOperator.GT: _ordered("gt"),
    FilterOperator.GTE: _ordered("gte"),
    FilterOperator.LT: _ordered("lt"),
    FilterOperator.LTE: _ordered("lte"),
    FilterOperator.IN: _one_of,
    FilterOperator.NIN: _not(_one_of),
    FilterOperator.ANY: _one_of,
    FilterOperator.ALL: _all_of,
    FilterOperator.TEXT_MATCH: _text,
    FilterOperator.CONTAINS: _equal,
    FilterOperator.IS_EMPTY: _empty,
}
