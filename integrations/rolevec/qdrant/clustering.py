"""Clusters of a collection's documents."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, fields
from itertools import islice
from typing import TYPE_CHECKING, cast

import numpy as np
import numpy.typing as npt

from rolevec.documents import Document
from rolevec.qdrant.arguments import positive
from rolevec.qdrant.payloads import document_of
from rolevec.qdrant.reading import Reading
from rolevec.qdrant.twins import threaded
from rolevec.ranking.clustering.cluster import Clusters, Method, cluster
from rolevec.ranking.clustering.groups import centred
from rolevec.vectors import Matrix

if TYPE_CHECKING:
    from rolevec.qdrant.filters import Where


@dataclass(frozen=True, slots=True, eq=False)
class DocumentClusters(Clusters):
    """`Clusters` of documents.

    Attributes:
        documents: n of them; the rows of ``labels`` are theirs.
        vectors: what was clustered, shape (n, dim): their vectors, centred by group if asked.
    """

    documents: Sequence[Document]
    vectors: Matrix


class Clustering(Reading):
    """The part of `Collection` that groups documents."""

    def cluster(
        self,
        n_clusters: int | None = None,
        *,
        where: Where | None = None,
        limit: int | None = None,
        group_field: str | None = None,
        seed: int = 0,
        method: Method = "silhouette",
        keep_noise: bool = False,
    ) -> DocumentClusters:
        """Group the documents by the cosine of their vectors, with keywords for each group.

        Vectors and texts are held in memory: about 2 KB a document at 512 dimensions, and its text.

        Args:
            n_clusters: how many; None finds the number.
            where: cluster only these; see `rolevec.qdrant.filters.to_filter`.
            limit: at most so many documents, the first in the order of the engine's ids.
            group_field: metadata field, such as the language, that clusters should cut across.
            seed: of everything random.
            method: how the number is found; see `rolevec.cluster`.
            keep_noise: see `rolevec.cluster`.

        Raises:
            ValueError: an argument without meaning.
            MissingExtra: scikit-learn is not installed.
        """
        documents, vectors = _read(self, self._opened.dim, where, limit)
        return cluster_rows(
            documents,
            vectors,
            n_clusters,
            group_field=group_field,
            seed=seed,
            method=method,
            keep_noise=keep_noise,
        )

    acluster = threaded(cluster)


def cluster_rows(
    documents: Sequence[Document],
    vectors: Matrix,
    n_clusters: int | None,
    *,
    group_field: str | None = None,
    seed: int = 0,
    method: Method = "silhouette",
    keep_noise: bool = False,
) -> DocumentClusters:
    """`Collection.cluster` for documents at hand, with their vectors, shape (n, dim)."""
    groups = None if group_field is None else _groups(documents, group_field)
    found = cluster(
        vectors,
        n_clusters,
        seed=seed,
        texts=[document.text for document in documents],
        groups=groups,
        method=method,
        keep_noise=keep_noise,
    )
    plain = {field.name: getattr(found, field.name) for field in fields(found)}
    if groups is not None:
        vectors = centred(vectors, groups)
    return DocumentClusters(**plain, documents=documents, vectors=vectors)


def _read(
    collection: Reading, dim: int, where: Where | None, limit: int | None
) -> tuple[list[Document], Matrix]:
    """Documents and vectors, into one matrix that is made once."""
    total = collection.count(where)
    if limit is not None:
        total = min(total, positive(limit, "limit"))
    vectors = np.empty((total, dim), np.float32)
    documents: list[Document] = []
    points = collection.scroll_points(where, with_vectors=True) if total else iter(())
    for row, point in enumerate(islice(points, total)):
        vectors[row] = cast("npt.NDArray[np.float32]", point.vector)
        documents.append(document_of(point.id, point.payload))
    return documents, vectors[: len(documents)]


def _groups(documents: Sequence[Document], field: str) -> list[str]:
    """A document without the field is in the group of those without it."""
    return [json.dumps(document.metadata.get(field), sort_keys=True) for document in documents]
