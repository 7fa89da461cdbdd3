"""What a collection tells about its documents."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import numpy.typing as npt

from rolevec.documents import Document, Hit
from rolevec.qdrant.arguments import chosen_filter, positive
from rolevec.qdrant.backends.protocol import Point
from rolevec.qdrant.hybrid import chosen_fusion, query_vectors
from rolevec.qdrant.ids import PointId, listed_ids, point_id
from rolevec.qdrant.nearest import hit_of, in_order, nearest_sparse
from rolevec.qdrant.opened import Opened
from rolevec.qdrant.payloads import document_of
from rolevec.qdrant.twins import threaded
from rolevec.ranking.fusion import Fusion
from rolevec.ranking.mmr import mmr

if TYPE_CHECKING:
    from qdrant_client import models

    from rolevec.qdrant.filters import Where

_PAGE = 256


class Reading:
    """The reading half of `Collection`."""

    _opened: Opened

    def search(
        self,
        query: str,
        *,
        k: int = 10,
        where: Where | None = None,
        min_score: float | None = None,
        rescore: bool | None = None,
        hybrid: bool | Fusion = False,
    ) -> list[Hit]:
        """The k documents nearest to a query.

        Args:
            query: encoded under `Role.QUERY`.
            k: most hits.
            where: see `rolevec.qdrant.filters.to_filter`.
            min_score: leave out hits with a lower cosine.
            rescore: score the candidates of a quantised scan with the full vectors; None does so
                wherever the collection is quantised.
            hybrid: fuse the ranking by vectors with the one by keywords; a `Fusion` says how. The
                scores are then sums of reciprocal ranks, good for comparing hits of one search.

        Returns:
            Best first; equal scores by id.

        Raises:
            UnsupportedByBackend: hybrid, and the collection was not made so.
            ValueError: hybrid, and a min_score.
        """
        at = self._opened
        vectors = at.queries([query])
        return at.search(
            vectors, k, where, min_score=min_score, rescore=rescore, hybrid=hybrid, texts=[query]
        )[0]

    def search_many(
        self,
        queries: Sequence[str],
        *,
        k: int = 10,
        where: Where | None = None,
        hybrid: bool | Fusion = False,
    ) -> list[list[Hit]]:
        """`search` for many queries, encoded and run as one batch."""
        if not queries:
            return []
        at = self._opened
        return at.search(at.queries(queries), k, where, hybrid=hybrid, texts=queries)

    def search_sparse(self, query: str, *, k: int = 10, where: Where | None = None) -> list[Hit]:
        """The k documents of a hybrid collection with the highest BM25 for a query's words.

        Returns:
            Best first, those with none of the words left out; equal scores by id.

        Raises:
            UnsupportedByBackend: the collection is not hybrid.
        """
        return [hit_of(point) for point in self.points_sparse(query, k=k, where=where)]

    def points_sparse(self, query: str, *, k: int = 10, where: Where | None = None) -> list[Point]:
        """`search_sparse`, with payloads as they are stored."""
        at = self._opened
        vectors = query_vectors(at.name, at.check(), [query])
        return nearest_sparse(at.backend, vectors, positive(k), chosen_filter(where))[0]

    def search_by_vector(
        self,
        vector: npt.ArrayLike,
        *,
        k: int = 10,
        where: Where | None = None,
        min_score: float | None = None,
        rescore: bool | None = None,
        hybrid: bool | Fusion = False,
        text: str | None = None,
    ) -> list[Hit]:
        """`search` with a vector (dim,) in place of a text.

        Args:
            vector: of any length above zero.
            k, where, min_score, rescore, hybrid: as in `search`.
            text: the query, for the keywords of a hybrid search.

        Raises:
            InvalidVector: wrong dimension, NaN, infinity or zero length.
        """
        at = self._opened
        at.check()
        rows = at.one_row(vector)
        return at.search(
            rows, k, where, min_score=min_score, rescore=rescore, hybrid=hybrid, texts=[text]
        )[0]

    def points_by_vector(
        self,
        vector: npt.ArrayLike,
        *,
        k: int = 10,
        where: Where | None = None,
        hybrid: bool | Fusion = False,
        text: str | None = None,
    ) -> list[Point]:
        """`search_by_vector`, with payloads as they are stored."""
        at = self._opened
        at.check()
        fusion = chosen_fusion(hybrid)
        return at.points(at.one_row(vector), k, where, fusion=fusion, texts=[text])[0]

    def diverse(
        self,
        query: str,
        *,
        k: int = 10,
        fetch_k: int = 50,
        diversity: float = 0.5,
        where: Where | None = None,
    ) -> list[Hit]:
        """Relevant documents that repeat each other little (maximal marginal relevance).

        Args:
            query: encoded under `Role.QUERY`.
            k: most hits.
            fetch_k: nearest documents to choose from.
            diversity: 0 is a plain search, 1 is as unlike each other as can be.
            where: see `rolevec.qdrant.filters.to_filter`.

        Returns:
            In the order chosen, with the cosine to the query as score.
        """
        at = self._opened
        vector = at.queries([query])[0]
        found = diverse_points(at, vector, k, fetch_k, diversity, chosen_filter(where))
        return [hit_of(point) for point in found]

    def diverse_by_vector(
        self,
        vector: npt.ArrayLike,
        *,
        k: int = 10,
        fetch_k: int = 50,
        diversity: float = 0.5,
        where: Where | None = None,
    ) -> list[Hit]:
        """`diverse` with a vector (dim,) in place of a text."""
        at = self._opened
        at.check()
        row = at.one_row(vector)[0]
        found = diverse_points(at, row, k, fetch_k, diversity, chosen_filter(where))
        return [hit_of(point) for point in found]

    def get(self, ids: Iterable[str | int] | str | int) -> list[Document]:
        """Documents by id, in the order of the ids; those that are not there are left out."""
        return [document_of(point.id, point.payload) for point in _points(self._opened, ids)]

    def get_vectors(self, ids: Iterable[str | int] | str | int) -> dict[str, npt.NDArray[Any]]:
        """Unit vectors (dim,) by document id; those that are not there are left out."""
        found = _points(self._opened, ids, with_vectors=True)
        return {
            document_of(point.id, point.payload).id or str(point.id): point.vector
            for point in found
            if point.vector is not None
        }

    def count(self, where: Where | None = None) -> int:
        """How many documents there are, or match."""
        return self._opened.backend.count(chosen_filter(where))

    def scroll(self, where: Where | None = None, *, batch_size: int = _PAGE) -> Iterator[Document]:
        """All documents, or those that match, in the order of the engine's ids, page by page."""
        for point in self.scroll_points(where, batch_size=batch_size):
            yield document_of(point.id, point.payload)

    def scroll_points(
        self, where: Where | None = None, *, batch_size: int = _PAGE, with_vectors: bool = False
    ) -> Iterator[Point]:
        """`scroll`, with payloads as they are stored and, on request, vectors."""
        backend, chosen, offset = self._opened.backend, chosen_filter(where), None
        batch_size = positive(batch_size, "batch_size")
        while True:
            page, offset = backend.scroll(chosen, batch_size, offset, with_vectors=with_vectors)
            yield from page
            if offset is None:
                return

    asearch = threaded(search)
    asearch_many = threaded(search_many)
    asearch_sparse = threaded(search_sparse)
    asearch_by_vector = threaded(search_by_vector)
    adiverse = threaded(diverse)
    adiverse_by_vector = threaded(diverse_by_vector)
    aget = threaded(get)
    acount = threaded(count)


def diverse_points(
    at: Opened,
    vector: npt.NDArray[np.float32],
    k: int,
    fetch_k: int,
    diversity: float,
    where: models.Filter | None,
    left_out: AbstractSet[PointId] = frozenset(),
) -> list[Point]:
    """The k points of `Reading.diverse`; none of those left out is chosen, nor counts."""
    limit = max(positive(k), positive(fetch_k, "fetch_k")) + len(left_out)
    found = at.backend.query(
        vector[None, :], limit, where, with_vectors=True, rescoring=at.rescoring()
    )[0]
    found = [point for point in in_order(found) if point.id not in left_out]
    if not found:
        return []
    rows = np.vstack([cast("npt.NDArray[np.float32]", p.vector) for p in found])
    return [found[i] for i in mmr(vector, rows, k, diversity)]


def _points(
    at: Opened, ids: Iterable[str | int] | str | int, *, with_vectors: bool = False
) -> list[Point]:
    wanted = list({point_id(i): None for i in listed_ids(ids)})
    if not wanted:
        return []
    found = at.backend.retrieve(wanted, with_vectors=with_vectors)
    by_id = {point.id: point for point in found}
    return [by_id[i] for i in wanted if i in by_id]
