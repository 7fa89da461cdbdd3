"""Searching a backend with a stable order among equal scores."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import numpy.typing as npt

from rolevec.documents import Hit
from rolevec.qdrant.backends.protocol import Backend, Point, Rescoring
from rolevec.qdrant.payloads import document_of
from rolevec.ranking.lexical import Sparse

if TYPE_CHECKING:
    from qdrant_client import models

# Scores this close are the same score: segments and batches round differently in the last bits.
_SAME = 1e-6
# BM25 is a sum of up to some dozens of single-precision numbers, in any order.
_SAME_BM25 = 1e-4
_SPARE = 4
_MOST = 4096

Ask: TypeAlias = Callable[[slice, int], list[list[Point]]]
"""The best points of some of the queries, at most so many of each."""


def nearest(
    backend: Backend,
    vectors: npt.NDArray[np.float32],
    k: int,
    where: models.Filter | None,
    rescoring: Rescoring | None,
    *,
    with_payloads: bool = True,
) -> list[list[Point]]:
    """The k best points of each query row, ties sorted by id."""

    def ask(rows: slice, limit: int) -> list[list[Point]]:
        return backend.query(
            vectors[rows], limit, where, rescoring=rescoring, with_payloads=with_payloads
        )

    return _ranked(ask, k, _SAME)


def nearest_sparse(
    backend: Backend,
    vectors: Sequence[Sparse],
    k: int,
    where: models.Filter | None,
    *,
    with_payloads: bool = True,
) -> list[list[Point]]:
    """The k points with the highest BM25 for each query, ties sorted by id."""

    def ask(rows: slice, limit: int) -> list[list[Point]]:
        return backend.query_sparse(vectors[rows], limit, where, with_payloads=with_payloads)

    return _ranked(ask, k, _SAME_BM25)


def _ranked(ask: Ask, k: int, same: float) -> list[list[Point]]:
    """Engines return ties in any order and cut anywhere among them, so a few more than k are asked
    for, and many more where the tie goes on beyond them."""
    ranked = []
    for row, points in enumerate(ask(slice(None), k + _SPARE)):
        found, limit = points, k + _SPARE
        while len(found) == limit and _tied(found, k, same) and limit < k + _MOST:
            limit = min(limit * 4, k + _MOST)
            found = ask(slice(row, row + 1), limit)[0]
        ranked.append(in_order(found, same)[:k])
    return ranked


def in_order(points: list[Point], same: float = _SAME) -> list[Point]:
    """Best first; scores that differ by less than ``same`` by id, integers before UUIDs."""
    return sorted(points, key=lambda p: (-round(p.score / same), isinstance(p.id, str), p.id))


def hit_of(point: Point) -> Hit:
    """A point found, as the document it came from."""
    document = document_of(point.id, point.payload)
    return Hit(document.id or str(point.id), point.score, document.text, document.metadata)


def _tied(points: list[Point], k: int, same: float) -> bool:
    ordered = sorted((p.score for p in points), reverse=True)
    return ordered[k - 1] - ordered[-1] < same
