"""What texts have in common besides their topic, taken out: a language, a source."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import numpy as np

from rolevec.ranking.clustering.estimators import Labels
from rolevec.vectors import MIN_NORM, Matrix

# A group's mean counts as if so many points at the mean of all belonged to it, so that a group of
# one point does not vanish.
_PRIOR = 5


def numbered(groups: Sequence[Hashable]) -> Labels:
    """Groups as numbers from 0, shape (n,), in order of appearance."""
    numbers: dict[Hashable, int] = {}
    return np.array([numbers.setdefault(group, len(numbers)) for group in groups], np.intp)


def centred(vectors: Matrix, groups: Sequence[Hashable]) -> Matrix:
    """Vectors less the mean of their group, at length 1 again.

    In a multilingual model the mean of a language's vectors holds what the language has in common,
    not the topics (Libovický, Rosa and Fraser, "On the language neutrality of pre-trained
    multilingual representations", Findings of EMNLP 2020). The mean of a small group is drawn
    towards the mean of all.

    Args:
        vectors: unit rows, shape (n, dim).
        groups: the group of each row.

    Returns:
        Unit rows, shape (n, dim).
    """
    group = numbered(groups)
    rows = np.empty_like(vectors)
    everywhere = vectors.mean(axis=0, dtype=np.float64) if len(vectors) else np.zeros(0)
    for number in range(int(group.max(initial=-1)) + 1):
        members = np.flatnonzero(group == number)
        own = vectors[members]
        total = own.sum(axis=0, dtype=np.float64) + _PRIOR * everywhere
        moved = own - total / (len(members) + _PRIOR)
        norms = np.linalg.norm(moved, axis=1, keepdims=True)
        # A point at the mean has no direction left and keeps its own.
        rows[members] = np.where(norms > MIN_NORM, moved / np.maximum(norms, MIN_NORM), own)
    return rows
