"""The number of clusters, where nobody knows it."""

from __future__ import annotations

import numpy as np

from rolevec.ranking.clustering.estimators import (
    Labels,
    hdbscan,
    nearest_labels,
    principal,
    silhouette,
)
from rolevec.ranking.clustering.spherical import spherical_kmeans
from rolevec.vectors import Matrix

# Points whose silhouette is taken: their distances are one matrix of 16 MiB in float32.
_SILHOUETTE_SAMPLE = 2000
_MOST = 100
_STEPS = 20
# HDBSCAN compares every pair of points.
_DENSITY_SAMPLE = 20_000
_DENSITY_DIMENSIONS = 10
_DENSITY_NEIGHBOURS = 5


def by_silhouette(rows: Matrix, seed: int) -> int:
    """The number of clusters, from 2 to 100, whose spherical k-means has the best silhouette.

    Rousseeuw, "Silhouettes", J. Comput. Appl. Math. 20 (1987), by cosine, on a sample of at most
    2000 points; the numbers tried grow by a constant factor.

    Args:
        rows: unit rows, shape (n, dim), of which at least two differ.
        seed: of the sample and of k-means.
    """
    some = rows[_sample(len(rows), _SILHOUETTE_SAMPLE, seed)]
    different = len(np.unique(some, axis=0))
    most = min(_MOST, max(2, len(some) // 4), different)
    if different < 2:  # the sample happened to hold one vector only
        return 2
    counts = sorted({round(float(x)) for x in np.geomspace(2, most, _STEPS)})
    scores = {
        count: silhouette(some, spherical_kmeans(some, count, seed, starts=1)[0])
        for count in counts
    }
    return max(scores, key=lambda count: scores[count])


def by_density(rows: Matrix, seed: int) -> Labels:
    """Labels of HDBSCAN in ten principal components, shape (n,); -1 is noise.

    A cluster has at least a hundredth of the points, and at least five. Of more than 20,000 points
    a sample is clustered; the others take the label of the nearest point of the sample.

    Args:
        rows: unit rows, shape (n, dim), of which at least two differ.
        seed: of the sample.
    """
    least = max(_DENSITY_NEIGHBOURS, min(len(rows), _DENSITY_SAMPLE) // 100)
    if len(rows) < least:
        return np.full(len(rows), -1, np.intp)
    coordinates = principal(rows, _DENSITY_DIMENSIONS)
    chosen = _sample(len(rows), _DENSITY_SAMPLE, seed)
    labels = hdbscan(coordinates[chosen], least, _DENSITY_NEIGHBOURS)
    if len(chosen) == len(rows):
        return labels
    return nearest_labels(coordinates[chosen], labels, coordinates)


def _sample(count: int, most: int, seed: int) -> Labels:
    """Row numbers in order, all of them or ``most`` at random."""
    if count <= most:
        return np.arange(count)
    return np.sort(np.random.default_rng(seed).choice(count, most, replace=False))
