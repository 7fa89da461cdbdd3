"""Hybrid search: the ranking by vectors and the ranking by keywords, fused."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from rolevec.encoders.base import check_texts
from rolevec.errors import UnsupportedByBackend, shown
from rolevec.qdrant.backends.protocol import Backend, Point, Rescoring
from rolevec.qdrant.identity import About
from rolevec.qdrant.nearest import in_order, nearest, nearest_sparse
from rolevec.ranking.fusion import Fusion, fuse
from rolevec.ranking.lexical import Bm25, Sparse
from rolevec.vectors import Matrix

if TYPE_CHECKING:
    from qdrant_client import models

# Fused scores are exact sums: this only takes up the rounding of the last digits.
_SAME = 1e-12
# Queries at a time, since each has some hundred candidates.
_BLOCK = 256


def chosen_bm25(hybrid: bool | Bm25) -> Bm25 | None:
    """What ``hybrid=`` of `Collection.open` asks for.

    Raises:
        TypeError: neither a bool nor a `Bm25`.
    """
    if isinstance(hybrid, Bm25):
        return hybrid
    if not isinstance(hybrid, bool):
        raise TypeError(f"hybrid={shown(hybrid)}; it is True, False or a Bm25")
    return Bm25() if hybrid else None


def chosen_fusion(hybrid: bool | Fusion, min_score: float | None = None) -> Fusion | None:
    """What ``hybrid=`` of a search asks for; None is a search by vectors alone.

    Raises:
        TypeError: neither a bool nor a `Fusion`.
        ValueError: a least score besides, which says nothing about sums of reciprocal ranks.
    """
    if hybrid is not True and hybrid is not False and not isinstance(hybrid, Fusion):
        raise TypeError(f"hybrid={shown(hybrid)}; it is True, False or a Fusion")
    if hybrid is False:
        return None
    if min_score is not None:
        raise ValueError(
            f"min_score={shown(min_score)} is a cosine, and the scores of a hybrid search are sums"
            " of reciprocal ranks; leave it out"
        )
    return Fusion() if hybrid is True else hybrid


def query_vectors(name: str, about: About, texts: Sequence[str | None]) -> list[Sparse]:
    """Sparse vectors of queries, as a collection makes them.

    Raises:
        UnsupportedByBackend: it makes none.
        ValueError: a query has no text.
        InvalidText: a text is blank or not encodable.
    """
    if about.bm25 is None:
        raise UnsupportedByBackend(
            f"the collection {name!r} keeps dense vectors only; for keywords, index your documents"
            " into a new collection opened with hybrid=True"
        )
    if None in texts:
        raise ValueError("a hybrid search needs the words of the query: give text= with the vector")
    return [about.bm25.query(text) for text in check_texts([t for t in texts if t is not None])]


def fused(
    backend: Backend,
    vectors: Matrix,
    sparse: Sequence[Sparse],
    k: int,
    where: models.Filter | None,
    rescoring: Rescoring | None,
    fusion: Fusion,
) -> list[list[Point]]:
    """The k best points of each query by reciprocal-rank fusion, ties sorted by id.

    Fused here and not in the engine: engines break the many ties of ranks by chance, and this is
    the same on all of them. Payloads are read for the k best alone.

    Args:
        backend: of a hybrid collection.
        vectors: unit rows (n, dim), one a query.
        sparse: n, one a query.
    """
    found: list[list[Point]] = []
    for start in range(0, len(sparse), _BLOCK):
        part = slice(start, start + _BLOCK)
        found += _fused(backend, vectors[part], sparse[part], k, where, rescoring, fusion)
    return found


def _fused(
    backend: Backend,
    vectors: Matrix,
    sparse: Sequence[Sparse],
    k: int,
    where: models.Filter | None,
    rescoring: Rescoring | None,
    fusion: Fusion,
) -> list[list[Point]]:
    limit = max(k, fusion.candidates)
    rankings, weights = [], []
    if fusion.dense:
        found = nearest(backend, vectors, limit, where, rescoring, with_payloads=False)
        rankings.append(found)
        weights.append(fusion.dense)
    if fusion.sparse:
        rankings.append(nearest_sparse(backend, sparse, limit, where, with_payloads=False))
        weights.append(fusion.sparse)
    best = [
        _best([[point.id for point in points] for points in of_query], weights, k, fusion.k)
        for of_query in zip(*rankings, strict=True)
    ]
    ids = list(dict.fromkeys(point.id for points in best for point in points))
    stored = {point.id: point for point in backend.retrieve(ids)} if ids else {}
    # A point may have been deleted since it was found.
    return [
        [replace(stored[p.id], score=p.score) for p in points if p.id in stored] for points in best
    ]


def _best(
    rankings: Sequence[Sequence[int | str]], weights: Sequence[float], k: int, constant: int
) -> list[Point]:
    scores = fuse(rankings, weights, constant)
    return in_order([Point(id, None, {}, score) for id, score in scores.items()], _SAME)[:k]
