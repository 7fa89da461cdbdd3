"""Vectors as points of a plane, to be looked at."""

from __future__ import annotations

import warnings
from typing import Literal

import numpy as np

from rolevec.errors import MissingExtra
from rolevec.ranking.clustering.estimators import Rows, one_thread, principal
from rolevec.vectors import Matrix

Projection = Literal["pca", "umap"]

_NEIGHBOURS = 15
# UMAP's spectral start needs more points than it looks for directions.
_FEW = 5


def project(vectors: Matrix, how: Projection = "pca", *, seed: int = 0) -> Rows:
    """A point of the plane for each vector.

    "pca" shows the two directions in which the vectors differ most; distances can be trusted, and
    groups overlap. "umap" (McInnes, Healy and Melville, arXiv:1802.03426) keeps neighbours
    together, so that groups stand apart; distances between groups mean little. Five vectors or
    fewer always go through "pca".

    Args:
        vectors: unit rows, shape (n, dim).
        how: the method.
        seed: of UMAP; the same seed gives the same points.

    Returns:
        float32, shape (n, 2).

    Raises:
        MissingExtra: scikit-learn, or for "umap" umap-learn, is not installed.
    """
    if how == "umap" and len(vectors) > _FEW:
        return _umap(vectors, seed)
    plane = np.zeros((len(vectors), 2), np.float32)
    if len(vectors) > 1:
        with one_thread():
            found = principal(vectors, 2)
        plane[:, : found.shape[1]] = found
    return plane


def _umap(vectors: Matrix, seed: int) -> Rows:
    with warnings.catch_warnings():
        # That tensorflow is missing; that some points have no neighbours.
        warnings.simplefilter("ignore")
        try:
            from umap import UMAP  # type: ignore[import-untyped]
        except ImportError as error:
            raise MissingExtra("umap-learn", "umap") from error
        neighbours = min(_NEIGHBOURS, len(vectors) - 1)
        model = UMAP(n_neighbors=neighbours, metric="cosine", random_state=seed, n_jobs=1)
        return np.asarray(model.fit_transform(vectors), np.float32)
