"""Groups of vectors by cosine: their centres, what stands for them, what they are about."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt

from rolevec.errors import shown
from rolevec.ranking.clustering.estimators import Labels, one_thread
from rolevec.ranking.clustering.found import by_density, by_silhouette
from rolevec.ranking.clustering.groups import centred
from rolevec.ranking.clustering.keywords import keywords_of
from rolevec.ranking.clustering.spherical import assign, means, spherical_kmeans
from rolevec.vectors import Matrix, unit_rows

Method = Literal["silhouette", "density"]
"""How a number of clusters is found."""

NOISE = -1


@dataclass(frozen=True, slots=True, eq=False)
class Clusters:
    """n points in k clusters, numbered from the largest to the smallest.

    Attributes:
        labels: the cluster of each point, shape (n,); -1 is noise, which only density leaves.
        centres: unit rows, shape (k, dim): the mean direction of each cluster's points.
        exemplars: the point nearest to each centre, a row number, shape (k,).
        keywords: words that tell each cluster from the others, best first; empty without texts.
        cosines: of each point and its centre, or the nearest centre for noise, shape (n,).
    """

    labels: Labels
    centres: Matrix
    exemplars: Labels
    keywords: tuple[tuple[str, ...], ...]
    cosines: npt.NDArray[np.float32]

    def __len__(self) -> int:
        """Number of clusters."""
        return len(self.centres)

    @property
    def sizes(self) -> Labels:
        """Points in each cluster, shape (k,)."""
        return np.bincount(self.labels[self.labels != NOISE], minlength=len(self))

    def members(self, label: int) -> Labels:
        """Rows of a cluster's points, nearest to the centre first; -1 gives the noise."""
        rows = np.flatnonzero(self.labels == label)
        return rows[np.argsort(-self.cosines[rows], kind="stable")]


def cluster(
    vectors: Matrix,
    n_clusters: int | None = None,
    *,
    seed: int = 0,
    texts: Sequence[str] | None = None,
    groups: Sequence[Hashable] | None = None,
    method: Method = "silhouette",
    keep_noise: bool = False,
) -> Clusters:
    """Group vectors by cosine, into a known number of clusters or a found one.

    A known number runs spherical k-means. "silhouette" runs it for numbers from 2 to 100 on a
    sample and keeps the one with the highest mean silhouette; "density" lets HDBSCAN find groups
    in the first principal components. The same vectors and seed give the same labels, on any
    number of threads. Memory beyond the vectors is bounded; large inputs are sampled.

    Args:
        vectors: shape (n, dim), of any length above zero.
        n_clusters: how many; there are fewer where fewer vectors differ. None finds the number.
        seed: of everything random.
        texts: n of them, for keywords; None leaves the keywords empty.
        groups: what each vector has in common with others besides its topic, its language above
            all: clusters then cut across these groups. What is clustered are the vectors less the
            mean of their group (see `rolevec.ranking.clustering.groups.centred`), and so are
            centres, exemplars and cosines.
        method: how the number is found; not used if it is known.
        keep_noise: with "density", leave points in no dense region at the label -1 instead of
            giving them to the nearest centre.

    Raises:
        InvalidVector: NaN, infinity, zero length, or not a matrix.
        ValueError: ``n_clusters`` below 1, an unknown method, or not one text or group for each
            vector.
        MissingExtra: scikit-learn is not installed.
    """
    rows = unit_rows(vectors)
    _check(n_clusters, method, keep_noise)
    _check_each(len(rows), texts, "text")
    _check_each(len(rows), groups, "group")
    if groups is not None:
        rows = centred(rows, groups)
    with one_thread():
        labels, centres = _grouped(rows, n_clusters, seed, method, keep_noise)
        labels, centres = _by_size(labels, centres)
        nearest, cosines = assign(rows, centres) if len(centres) else _nothing(rows)
        own = np.where(labels == NOISE, nearest, labels)
        # Where k-means stopped, a point may be a hair nearer to another centre.
        moved = np.flatnonzero(own != nearest)
        cosines[moved] = np.einsum("ij,ij->i", rows[moved], centres[own[moved]])
    exemplars = [
        int(members[np.argmax(cosines[members])])
        for members in (np.flatnonzero(labels == label) for label in range(len(centres)))
    ]
    words = () if texts is None else keywords_of(texts, labels, len(centres), groups)
    return Clusters(labels, centres, np.array(exemplars, np.intp), words, cosines)


def _check(n_clusters: int | None, method: str, keep_noise: bool) -> None:
    whole = isinstance(n_clusters, (int, np.integer)) and not isinstance(n_clusters, bool)
    if n_clusters is not None and not (whole and n_clusters >= 1):
        raise ValueError(f"n_clusters={shown(n_clusters)}; it must be at least 1, or None")
    if method not in get_args(Method):
        raise ValueError(f"method={shown(method)}; use one of {', '.join(get_args(Method))}")
    if keep_noise and (n_clusters is not None or method != "density"):
        raise ValueError('keep_noise goes with method="density" and a number that is to be found')


def _check_each(count: int, values: Sequence[Hashable] | None, what: str) -> None:
    if isinstance(values, (str, bytes)) or (values is not None and len(values) != count):
        raise ValueError(f"{count} vectors, {len(values)} {what}s; pass a list of one for each")


def _grouped(
    rows: Matrix, n_clusters: int | None, seed: int, method: Method, keep_noise: bool
) -> tuple[Labels, Matrix]:
    """Labels (n,) and unit centres, in no order and perhaps with empty clusters."""
    most = distinct(rows, 2 if n_clusters is None else n_clusters)
    if most < 2:
        return np.zeros(len(rows), np.intp), means(rows, np.zeros(len(rows), np.intp), rows[:most])
    if n_clusters is not None:
        return spherical_kmeans(rows, most, seed)
    if method == "silhouette":
        return spherical_kmeans(rows, by_silhouette(rows, seed), seed)
    labels = by_density(rows, seed)
    core, count = labels != NOISE, int(labels.max(initial=NOISE)) + 1
    if not count and not keep_noise:
        return np.zeros(len(rows), np.intp), means(rows, np.zeros(len(rows), np.intp), rows[:1])
    centres = means(rows[core], labels[core], rows[:count])
    if not keep_noise:
        labels = np.where(core, labels, assign(rows, centres)[0])
        centres = means(rows, labels, centres)
    return labels, centres


def distinct(rows: Matrix, enough: int) -> int:
    """How many rows differ, counted up to ``enough``."""
    seen: set[bytes] = set()
    for row in rows:
        seen.add(row.tobytes())
        if len(seen) >= enough:
            break
    return len(seen)


def _by_size(labels: Labels, centres: Matrix) -> tuple[Labels, Matrix]:
    """Number the clusters that have points from the largest down; ties by their first point."""
    found, first, sizes = np.unique(labels, return_index=True, return_counts=True)
    order = [i for i in np.lexsort((first, -sizes)) if found[i] != NOISE]
    numbers = np.full(len(centres) + 1, NOISE, np.intp)  # the last place is that of the noise
    numbers[found[order]] = np.arange(len(order))
    return numbers[labels], centres[found[order]]


def _nothing(rows: Matrix) -> tuple[Labels, npt.NDArray[np.float32]]:
    return np.full(len(rows), NOISE, np.intp), np.zeros(len(rows), np.float32)
