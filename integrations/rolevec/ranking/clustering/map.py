"""A map of clusters: what is drawn, and where it goes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from rolevec.ranking.clustering.cluster import Clusters
from rolevec.ranking.clustering.estimators import Labels, Rows
from rolevec.ranking.clustering.page import page
from rolevec.ranking.clustering.picture import draw
from rolevec.ranking.clustering.projection import Projection, project
from rolevec.vectors import Matrix

# Points drawn; more would hide each other, and a page with their texts would be slow to open.
MOST_POINTS = 20_000


@dataclass(frozen=True, slots=True, eq=False)
class ClusterMap:
    """Points of a plane and what they are.

    Attributes:
        points: float32, shape (m, 2).
        labels: the cluster of each, shape (m,); -1 is noise.
        texts: m of them.
        keywords: of each cluster.
        sizes: points in each cluster, those included that are not drawn.
        title: stands above.
        note: says below how the map was made.
    """

    points: Rows
    labels: Labels
    texts: Sequence[str]
    keywords: Sequence[Sequence[str]]
    sizes: Sequence[int]
    title: str
    note: str


def map_of(
    vectors: Matrix,
    clusters: Clusters,
    texts: Sequence[str],
    *,
    title: str = "",
    projection: Projection = "pca",
    seed: int = 0,
    most: int = MOST_POINTS,
) -> ClusterMap:
    """Lay out clusters in the plane.

    Args:
        vectors: what was clustered, shape (n, dim).
        clusters: of these vectors.
        texts: n of them.
        title: stands above the map; empty for none.
        projection: see `rolevec.ranking.clustering.projection.project`.
        seed: of the projection and of the sample.
        most: points drawn; of more a sample is.

    Raises:
        ValueError: vectors, texts and clusters differ in number.
        MissingExtra: scikit-learn, or for "umap" umap-learn, is not installed.
    """
    count = len(clusters.labels)
    if not len(vectors) == len(texts) == count:
        raise ValueError(f"{len(vectors)} vectors, {len(texts)} texts, {count} labels")
    rows = np.arange(count)
    if count > most:
        rows = np.sort(np.random.default_rng(seed).choice(count, most, replace=False))
    drawn = f"{len(rows):,} of {count:,} texts" if len(rows) < count else f"{count:,} texts"
    return ClusterMap(
        project(vectors[rows], projection, seed=seed),
        clusters.labels[rows],
        [texts[row] for row in rows.tolist()],
        clusters.keywords or [()] * len(clusters),
        clusters.sizes.tolist(),
        title,
        f"{drawn} in {len(clusters)} clusters,"
        f" {projection.upper()} of {vectors.shape[1]} dimensions",
    )


def save_map(
    path: str | Path,
    vectors: Matrix,
    clusters: Clusters,
    texts: Sequence[str],
    *,
    title: str = "",
    projection: Projection = "pca",
    seed: int = 0,
) -> Path:
    """Write a map of clusters: a ``.png`` picture, or an ``.html`` page to look around in.

    The page is one file that loads nothing: texts show under the pointer, it zooms, and its legend
    picks clusters out. Arguments are those of `map_of`.

    Raises:
        ValueError: a suffix that is neither; vectors, texts and clusters differ in number.
        MissingExtra: for a picture, matplotlib is not installed; see `map_of` for the others.
    """
    path = Path(path)
    if path.suffix not in (".png", ".html"):
        raise ValueError(f"{path}: a map is written as .png or .html")
    drawn = map_of(vectors, clusters, texts, title=title, projection=projection, seed=seed)
    if path.suffix == ".png":
        draw(drawn, path)
    else:
        path.write_text(page(drawn), encoding="utf-8")
    return path
