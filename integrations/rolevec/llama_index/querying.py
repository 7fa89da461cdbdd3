"""LlamaIndex's vector queries on a collection."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy.typing as npt
from llama_index.core.vector_stores.types import (
    VectorStoreQuery,
    VectorStoreQueryMode,
    VectorStoreQueryResult,
)

from rolevec.errors import UnsupportedByBackend
from rolevec.llama_index.filters import to_where
from rolevec.llama_index.nodes import node_of_point
from rolevec.qdrant.backends.protocol import Point
from rolevec.qdrant.collection import Collection
from rolevec.qdrant.ids import PointId, point_id
from rolevec.ranking.fusion import Fusion

_WORDS = (VectorStoreQueryMode.HYBRID, VectorStoreQueryMode.SPARSE)
_MODES = (VectorStoreQueryMode.DEFAULT, VectorStoreQueryMode.MMR, *_WORDS)
_OPTIONS = frozenset({"mmr_threshold", "mmr_prefetch_factor", "mmr_prefetch_k"})


def check_query(query: VectorStoreQuery, options: Mapping[str, Any]) -> None:
    """Refuse what would be ignored.

    Raises:
        UnsupportedByBackend: a mode that no collection has.
        ValueError: a mode that goes by words, and no query_str.
        TypeError: an unknown option.
    """
    if query.mode not in _MODES:
        raise UnsupportedByBackend(
            f"query mode {VectorStoreQueryMode(query.mode).value!r}: a collection knows"
            f" {', '.join(repr(m.value) for m in _MODES)}"
        )
    if query.mode in _WORDS and not query.query_str:
        raise ValueError(f"query mode {query.mode.value!r} goes by words; give a query_str")
    if unknown := options.keys() - _OPTIONS:
        raise TypeError(
            f"query has no option {', '.join(sorted(unknown))};"
            f" it has {', '.join(sorted(_OPTIONS))}"
        )


def needs_vector(query: VectorStoreQuery) -> bool:
    """False for a query that goes by words alone."""
    return query.mode != VectorStoreQueryMode.SPARSE


def run(
    collection: Collection,
    vector: npt.ArrayLike | None,
    query: VectorStoreQuery,
    options: Mapping[str, Any],
) -> VectorStoreQueryResult:
    """Search as the query's mode says; only one by words alone needs no vector (dim,)."""
    # An index whose nodes are all in the store passes an empty list of node_ids.
    where = to_where(query.filters, node_ids=query.node_ids or None, doc_ids=query.doc_ids or None)
    k = query.similarity_top_k
    if vector is None:
        k = query.sparse_top_k or k
        return _result_of(collection.points_sparse(query.query_str or "", k=k, where=where))
    if query.mode == VectorStoreQueryMode.HYBRID:
        k = query.hybrid_top_k or k
        return _result_of(
            collection.points_by_vector(
                vector, k=k, where=where, hybrid=_fusion(query), text=query.query_str
            )
        )
    if query.mode == VectorStoreQueryMode.DEFAULT:
        return _result_of(collection.points_by_vector(vector, k=k, where=where))
    threshold = options.get("mmr_threshold", query.mmr_threshold)
    hits = collection.diverse_by_vector(
        vector,
        k=k,
        fetch_k=_prefetch(k, options),
        diversity=0.5 if threshold is None else 1 - threshold,
        where=where,
    )
    stored = collection.scroll_points(to_where(node_ids=[hit.id for hit in hits])) if hits else ()
    found = {point.id: point.payload for point in stored}
    keys = [(point_id(hit.id), hit.score) for hit in hits]
    # A point may have been deleted since it was found.
    return _result([(key, found[key], score) for key, score in keys if key in found])


def _fusion(query: VectorStoreQuery) -> Fusion:
    usual = Fusion()
    candidates = max(usual.candidates, query.sparse_top_k or 0)
    if query.alpha is None:
        return replace(usual, candidates=candidates)
    if not 0 <= query.alpha <= 1:
        raise ValueError(f"alpha={query.alpha} is not between 0, words alone, and 1, vectors alone")
    return Fusion(query.alpha, 1 - query.alpha, candidates=candidates)


def _result_of(points: Sequence[Point]) -> VectorStoreQueryResult:
    return _result([(point.id, point.payload, point.score) for point in points])


def _result(
    found: Sequence[tuple[PointId, Mapping[str, Any], float]],
) -> VectorStoreQueryResult:
    """The nodes in payloads, in their order, with their scores."""
    nodes = [node_of_point(key, payload) for key, payload, _ in found]
    return VectorStoreQueryResult(
        nodes=nodes,
        similarities=[score for _, _, score in found],
        ids=[node.node_id for node in nodes],
    )


def _prefetch(k: int, options: Mapping[str, Any]) -> int:
    """How many candidates MMR chooses from."""
    if options.get("mmr_prefetch_k") is not None:
        return int(options["mmr_prefetch_k"])
    if options.get("mmr_prefetch_factor") is not None:
        return math.ceil(k * float(options["mmr_prefetch_factor"]))
    return max(50, 4 * k)
