"""Reciprocal-rank fusion: one ranking out of several whose scores cannot be compared."""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import TypeVar

T = TypeVar("T", bound=Hashable)


@dataclass(frozen=True, slots=True)
class Fusion:
    """How a hybrid search puts its two rankings together.

    Attributes:
        dense: weight of the ranking by vectors.
        sparse: weight of the ranking by keywords.
        k: the constant of the formula, see `fuse`.
        candidates: best of each ranking that take part; never fewer than the hits asked for.

    Raises:
        ValueError: a weight is negative or not finite, both are 0, or a count is below 1.
    """

    dense: float = 1.0
    sparse: float = 1.0
    k: int = 60
    candidates: int = 100

    def __post_init__(self) -> None:
        weights = (self.dense, self.sparse)
        if not all(math.isfinite(w) and w >= 0 for w in weights) or not any(weights):
            raise ValueError(f"weights {weights}: neither may be negative, nor both 0")
        if self.k < 1 or self.candidates < 1:
            raise ValueError(f"k={self.k}, candidates={self.candidates}: both are 1 at least")


def fuse(rankings: Sequence[Sequence[T]], weights: Sequence[float], k: int) -> dict[T, float]:
    """The sum over rankings of weight / (k + rank), ranks counted from 1.

    Cormack, Clarke and Buettcher, "Reciprocal rank fusion outperforms Condorcet and individual rank
    learning methods" (SIGIR 2009), where k is 60.

    Args:
        rankings: items, best first, each once.
        weights: one a ranking.
        k: the larger, the less it matters to be first rather than tenth.

    Returns:
        The score of each item, in no order.
    """
    scores: dict[T, float] = {}
    for items, weight in zip(rankings, weights, strict=True):
        for rank, item in enumerate(items, 1):
            scores[item] = scores.get(item, 0.0) + weight / (k + rank)
    return scores
