"""scikit-learn's estimators, so run that a seed gives the same answer on any number of threads."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import numpy.typing as npt

from rolevec.errors import MissingExtra
from rolevec.vectors import Matrix

Rows = npt.NDArray[np.float32]
Labels = npt.NDArray[np.intp]

# Above this many points k-means sees mini-batches; below, it is Lloyd's algorithm.
FULL_KMEANS = 20_000
_BATCH = 4096
# The limit on threads is the process's: two calls at a time would restore each other's.
_ONE_THREAD = threading.Lock()


@contextmanager
def one_thread() -> Iterator[None]:
    """Arithmetic on one thread: sums of floats depend on how threads share them.

    Raises:
        MissingExtra: scikit-learn is not installed.
    """
    try:
        from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]
    except ImportError as error:
        raise MissingExtra("scikit-learn", "cluster") from error
    with _ONE_THREAD, threadpool_limits(1):
        yield


def kmeans(rows: Matrix, count: int, seed: int, starts: int) -> Rows:
    """Centres of Euclidean k-means with k-means++ starts, shape (count, dim).

    Mini-batches above `FULL_KMEANS` points (Sculley, "Web-scale k-means clustering", WWW 2010).

    Args:
        rows: unit rows, shape (n, dim), with at least ``count`` different ones.
        count: number of clusters.
        seed: of the starts.
        starts: k-means++ starts; the best is kept.
    """
    from sklearn.cluster import KMeans, MiniBatchKMeans  # type: ignore[import-untyped]

    if len(rows) <= FULL_KMEANS:
        model = KMeans(count, n_init=starts, random_state=seed)
    else:
        model = MiniBatchKMeans(
            count, n_init=starts, batch_size=max(_BATCH, 4 * count), random_state=seed
        )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that some rows are as good as equal
        return np.asarray(model.fit(rows).cluster_centers_, np.float32)


def hdbscan(rows: Rows, least: int, samples: int) -> Labels:
    """Labels of HDBSCAN, -1 for points in no dense region, shape (n,).

    Campello, Moulavi and Sander, "Density-based clustering based on hierarchical density
    estimates" (PAKDD 2013).

    Args:
        rows: shape (n, dim); of low dimension, or nothing is dense.
        least: smallest group that is a cluster.
        samples: neighbours that make a point dense.
    """
    from sklearn.cluster import HDBSCAN

    model = HDBSCAN(min_cluster_size=least, min_samples=samples, n_jobs=1, copy=False)
    return np.asarray(model.fit_predict(rows), np.intp)


def nearest_labels(known: Rows, labels: Labels, rows: Rows) -> Labels:
    """The label of the nearest known row, shape (n,).

    Args:
        known: shape (m, dim), of low dimension.
        labels: theirs, shape (m,).
        rows: shape (n, dim).
    """
    from sklearn.neighbors import KNeighborsClassifier  # type: ignore[import-untyped]

    model = KNeighborsClassifier(1, algorithm="kd_tree", n_jobs=1).fit(known, labels)
    return np.asarray(model.predict(rows), np.intp)


def silhouette(rows: Matrix, labels: Labels) -> float:
    """Mean silhouette by cosine; -1 where there are not between 2 and n - 1 labels."""
    from sklearn.metrics import silhouette_score  # type: ignore[import-untyped]

    if not 2 <= len(np.unique(labels)) < len(rows):
        return -1.0
    return float(silhouette_score(rows, labels, metric="cosine"))


def principal(rows: Rows, dimensions: int) -> Rows:
    """Coordinates along the first principal components, shape (n, dimensions) or fewer columns.

    The sign of each is fixed by the entry of the component that is largest in size.
    """
    from sklearn.decomposition import PCA  # type: ignore[import-untyped]

    dimensions = min(dimensions, *rows.shape)
    # The covariance method keeps one dim x dim matrix, whatever the number of points.
    solver = "covariance_eigh" if len(rows) > rows.shape[1] else "full"
    model = PCA(dimensions, svd_solver=solver)
    return np.asarray(model.fit_transform(rows), np.float32)
