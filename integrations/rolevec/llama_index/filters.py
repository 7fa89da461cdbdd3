"""LlamaIndex's metadata filters as Qdrant's."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

from llama_index.core.vector_stores.types import (
    FilterCondition,
    FilterOperator,
    MetadataFilter,
    MetadataFilters,
)
from qdrant_client import models

from rolevec.errors import InvalidFilter, shown
from rolevec.qdrant.filters import DEEPEST, between, equal, has_id, one_of, with_words
from rolevec.qdrant.ids import id_text, listed_ids
from rolevec.qdrant.paths import parts_of, payload_path
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
        must.append(has_id(node_ids))
    if doc_ids is not None:
        must.append(from_documents(doc_ids))
    group = _group(filters, 0) if filters is not None else None
    if group is not None:
        must.append(group)
    return models.Filter(must=must) if must else None


def from_documents(doc_ids: Sequence[str]) -> models.Filter:
    """Nodes cut from these documents, and the documents themselves where they are nodes."""
    ids = [id_text(i) for i in listed_ids(doc_ids)]
    source = one_of("doc_id", ids)
    whole = models.FieldCondition(key="doc_id", match=models.MatchValue(value=_NO_SOURCE))
    return models.Filter(should=[source, models.Filter(must=[has_id(ids), whole])])


def _group(filters: MetadataFilters, depth: int) -> models.Filter | None:
    if depth > DEEPEST:
        raise InvalidFilter(f"filters are nested deeper than {DEEPEST} levels")
    conditions = []
    for item in filters.filters:
        condition = (
            _group(item, depth + 1) if isinstance(item, MetadataFilters) else _condition(item)
        )
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
            f"{shown(item.key)}: Qdrant has no operator {item.operator.value!r};"
            f" there are {', '.join(o.value for o in _OPERATORS)}"
        )
    # At the top level stand all fields but those whose names the payload needs for itself.
    path, nested = payload_path(item.key), parts_of(item.key)[0].key in RESERVED
    return build(f"{METADATA}.{path}" if nested else path, item.value)


def _equal(key: str, value: Any) -> Condition:
    if isinstance(value, list):
        raise InvalidFilter(f"{key}: '==' and '!=' take one value, not a list; use 'in' or 'all'")
    return equal(key, value)


def _one_of(key: str, values: Any) -> Condition:
    return one_of(key, _listed(key, values))


def _all_of(key: str, values: Any) -> Condition:
    return models.Filter(must=[equal(key, value) for value in _listed(key, values)])


def _listed(key: str, values: Any) -> list[Any]:
    if not isinstance(values, list):
        message = f"{key}: 'in', 'nin', 'any' and 'all' take a list, not {shown(values)}"
        raise InvalidFilter(message)
    return values


def _empty(key: str, _: Any) -> Condition:
    missing = models.IsEmptyCondition(is_empty=models.PayloadField(key=key))
    return models.Filter(should=[missing, equal(key, "")])


def _not(build: Callable[[str, Any], Condition]) -> Callable[[str, Any], Condition]:
    return lambda key, value: models.Filter(must_not=[build(key, value)])


def _ordered(bound: str) -> Callable[[str, Any], Condition]:
    return lambda key, value: between(key, {bound: value})


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
    FilterOperator.TEXT_MATCH: with_words,
    FilterOperator.CONTAINS: _equal,
    FilterOperator.IS_EMPTY: _empty,
}
