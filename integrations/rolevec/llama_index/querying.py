"""LlamaIndex's vector queries on a collection."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
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
from rolevec.qdrant.collection import Collection
from rolevec.qdrant.ids import PointId, point_id

_MODES = (VectorStoreQueryMode.DEFAULT, VectorStoreQueryMode.MMR)
_OPTIONS = frozenset({"mmr_threshold", "mmr_prefetch_factor", "mmr_prefetch_k"})


def check_query(query: VectorStoreQuery, options: Mapping[str, Any]) -> None:
    """Refuse what would be ignored.

    Raises:
        UnsupportedByBackend: a mode other than "default" and "mmr".
        TypeError: an unknown option.
    """
    if query.mode not in _MODES:
        raise UnsupportedByBackend(
            f"query mode {VectorStoreQueryMode(query.mode).value!r}: a collection holds dense"
            f" vectors only; there are {' and '.join(repr(m.value) for m in _MODES)}"
        )
    if unknown := options.keys() - _OPTIONS:
        raise TypeError(
            f"query has no option {', '.join(sorted(unknown))};"
            f" it has {', '.join(sorted(_OPTIONS))}"
        )


def run(
    collection: Collection,
    vector: npt.ArrayLike,
    query: VectorStoreQuery,
    options: Mapping[str, Any],
) -> VectorStoreQueryResult:
    """Search by vector (dim,), plainly or for diversity, as the query's mode says."""
    # An index whose nodes are all in the store passes an empty list of node_ids.
    where = to_where(query.filters, node_ids=query.node_ids or None, doc_ids=query.doc_ids or None)
    k = query.similarity_top_k
    if query.mode == VectorStoreQueryMode.DEFAULT:
        points = collection.points_by_vector(vector, k=k, where=where)
        return _result([(point.id, point.payload, point.score) for point in points])
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
