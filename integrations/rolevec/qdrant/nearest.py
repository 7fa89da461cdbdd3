"""Searching a backend with a stable order among equal scores."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from rolevec.documents import Hit
from rolevec.qdrant.backends.protocol import Backend, Point, Rescoring
from rolevec.qdrant.payloads import document_of

if TYPE_CHECKING:
    from qdrant_client import models

# Scores this close are the same score: segments and batches round differently in the last bits.
_SAME = 1e-6
_SPARE = 4
_MOST = 4096


def nearest(
    backend: Backend,
    vectors: npt.NDArray[np.float32],
    k: int,
    where: models.Filter | None,
    rescoring: Rescoring | None,
) -> list[list[Point]]:
    """The k best points of each query row, ties sorted by id.

    Engines return ties in any order and cut anywhere among them, so a few more than k are asked
    for, and many more where the tie goes on beyond them.
    """
    ranked = []
    for row, points in enumerate(backend.query(vectors, k + _SPARE, where, rescoring=rescoring)):
        found, limit = points, k + _SPARE
        while len(found) == limit and _tied(found, k) and limit < k + _MOST:
            limit = min(limit * 4, k + _MOST)
            query = vectors[row : row + 1]
            found = backend.query(query, limit, where, rescoring=rescoring)[0]
        ranked.append(in_order(found)[:k])
    return ranked


def in_order(points: list[Point]) -> list[Point]:
    """Best first; equal scores by id, integers before UUIDs."""
    return sorted(points, key=lambda p: (-round(p.score / _SAME), isinstance(p.id, str), p.id))


def hit_of(point: Point) -> Hit:
    """A point found, as the document it came from."""
    document = document_of(point.id, point.payload)
    return Hit(document.id or str(point.id), point.score, document.text, document.metadata)


def _tied(points: list[Point], k: int) -> bool:
    ordered = sorted((p.score for p in points), reverse=True)
    return ordered[k - 1] - ordered[-1] < _SAME
