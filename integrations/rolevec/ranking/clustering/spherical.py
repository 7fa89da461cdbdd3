"""Spherical k-means: groups of directions, each with the unit vector of its mean as centre."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from rolevec.ranking.clustering.estimators import Labels, kmeans
from rolevec.vectors import MIN_NORM, Matrix

_ROUNDS = 50
_BLOCK = 8192


def spherical_kmeans(
    rows: Matrix, count: int, seed: int, *, starts: int = 4
) -> tuple[Labels, Matrix]:
    """Cluster unit rows by cosine.

    Euclidean k-means finds the start; the rounds after it maximise the mean cosine of a row to the
    unit centre of its cluster (Dhillon and Modha, "Concept decompositions for large sparse text
    data using clustering", Machine Learning 42, 2001).

    Args:
        rows: unit rows, shape (n, dim), with at least ``count`` different ones.
        count: number of clusters.
        seed: of the starts.
        starts: of the Euclidean k-means, which keeps the best.

    Returns:
        Labels (n,) and unit centres (count, dim); a cluster may have no rows.
    """
    centres = _unit(kmeans(rows, count, seed, starts), rows[:1])
    labels, _ = assign(rows, centres)
    for _ in range(_ROUNDS):
        centres = means(rows, labels, centres)
        before, (labels, _) = labels, assign(rows, centres)
        if np.array_equal(before, labels):
            break
    return labels, means(rows, labels, centres)


def assign(rows: Matrix, centres: Matrix) -> tuple[Labels, npt.NDArray[np.float32]]:
    """The nearest centre of each row and the cosine to it; equal ones go to the lower number."""
    labels = np.empty(len(rows), np.intp)
    cosines = np.empty(len(rows), np.float32)
    for start in range(0, len(rows), _BLOCK):
        part = slice(start, start + _BLOCK)
        scores = rows[part] @ centres.T
        labels[part] = scores.argmax(axis=1)
        cosines[part] = scores.max(axis=1)
    return labels, cosines


def means(rows: Matrix, labels: Labels, otherwise: Matrix) -> Matrix:
    """Unit means of the rows of each label, shape of ``otherwise``, which fills empty places."""
    count, dim = otherwise.shape
    sums = np.zeros((count, dim), np.float64)
    for start in range(0, len(rows), _BLOCK):
        part = slice(start, start + _BLOCK)
        np.add.at(sums, labels[part], rows[part])
    return _unit(sums, otherwise)


def _unit(rows: npt.NDArray[np.floating], otherwise: Matrix) -> Matrix:
    norms = np.linalg.norm(rows, axis=1, keepdims=True)
    unit = rows / np.maximum(norms, MIN_NORM)
    return np.where(norms > MIN_NORM, unit, otherwise).astype(np.float32)
