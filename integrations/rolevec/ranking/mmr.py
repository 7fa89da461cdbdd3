"""Maximal marginal relevance: results that are relevant and do not repeat each other."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from rolevec.vectors import Matrix


def mmr(
    query: npt.NDArray[np.float32], candidates: Matrix, k: int, diversity: float = 0.5
) -> list[int]:
    """Choose candidates one by one, each by its relevance less its likeness to those chosen.

    Carbonell and Goldstein, "The use of MMR" (SIGIR 1998), with lambda = 1 - diversity.

    Args:
        query: unit vector, shape (dim,).
        candidates: unit rows, shape (m, dim).
        k: how many to choose; at most m are.
        diversity: 0 is relevance alone, 1 is unlikeness alone (the first is always the nearest).

    Returns:
        Row numbers in the order chosen; equal values go to the lower number.

    Raises:
        ValueError: ``diversity`` is not between 0 and 1.
    """
    if not 0 <= diversity <= 1:
        raise ValueError(f"diversity={diversity} is not between 0 and 1")
    relevance = candidates @ query
    likeness = np.full(len(candidates), -np.inf)
    chosen: list[int] = []
    for _ in range(min(k, len(candidates))):
        value = (1 - diversity) * relevance - (diversity * likeness if chosen else 0)
        value = value if chosen else relevance
        value[chosen] = -np.inf
        best = int(np.argmax(value))
        chosen.append(best)
        likeness = np.maximum(likeness, candidates @ candidates[best])
    return chosen
