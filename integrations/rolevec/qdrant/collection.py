"""Collection: documents in Qdrant, with the encoder that made their vectors held to them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from operator import length_hint
from typing import TYPE_CHECKING, Any, Self, cast

import numpy as np
import numpy.typing as npt

from rolevec.documents import Document, Hit
from rolevec.encoders.progress import counter
from rolevec.encoders.protocol import Encoder, encode_with_report
from rolevec.errors import (
    CollectionNotFound,
    InvalidVector,
    RolevecError,
    UnsupportedByBackend,
    shown,
)
from rolevec.fingerprint import Fingerprint
from rolevec.qdrant.adding import (
    AddReport,
    Node,
    batches,
    check_lengths,
    identify_all,
    points_of,
)
from rolevec.qdrant.arguments import (
    check_listed,
    chosen_filter,
    is_filter,
    is_number,
    positive,
    selects,
)
from rolevec.qdrant.backends.protocol import Backend, Point, Rescoring
from rolevec.qdrant.examples import Example, Examples, named_ids
from rolevec.qdrant.identity import About, Quantization, check_encoder
from rolevec.qdrant.ids import PointId, listed_ids, point_id
from rolevec.qdrant.indexes import check_fields
from rolevec.qdrant.nearest import hit_of, nearest
from rolevec.qdrant.opening import create_or_accept
from rolevec.qdrant.payloads import document_of
from rolevec.qdrant.stores import DEFAULT_STORE, Store, open_backend
from rolevec.qdrant.twins import threaded
from rolevec.ranking.mmr import mmr
from rolevec.ranking.recommend import preference
from rolevec.roles import Role
from rolevec.vectors import Matrix, check_dimensions, cut_dimensions, unit_rows

if TYPE_CHECKING:
    from qdrant_client import models

    from rolevec.qdrant.filters import Where

_PAGE = 256
# Candidates per result that a quantised scan hands over to be scored with the full vectors.
_OVERSAMPLING: dict[str, float] = {"int8": 2.0, "turbo4": 4.0, "binary": 8.0}


class Collection:
    """Documents and their vectors under one name; open it with `Collection.open`.

    Every vector is checked (dimension, finite, not zero) and of length 1, distances are cosine,
    and the encoder's fingerprint is compared with the collection's on opening, adding and
    searching. Safe to use from many threads. An embedded store belongs to one process.
    """

    def __init__(self, name: str, encoder: Encoder, backend: Backend, dim: int) -> None:
        self.name = name
        self.encoder = encoder
        self.dim = dim
        self._backend = backend

    @classmethod
    def open(
        cls,
        name: str,
        encoder: Encoder,
        *,
        store: Store = DEFAULT_STORE,
        create: bool = True,
        quantization: Quantization | None = None,
        dimensions: int | None = None,
        indexed_fields: Mapping[str, str] | None = None,
        api_key: str | None = None,
        adopt: bool = False,
    ) -> Self:
        """Open a collection, or make it.

        Args:
            name: its name in the store.
            encoder: makes the vectors; its fingerprint is written into a new collection.
            store: a folder (Qdrant Edge, in this process), ":memory:" (private, gone on close), a
                server's URL, or a QdrantClient.
            create: make the collection if it is not there.
            quantization: the engine scans compressed vectors and scores the best again in full.
            dimensions: keep this many leading coordinates of each vector, re-normalised.
            indexed_fields: metadata field -> "keyword", "integer", "float", "bool", "datetime",
                "text", "geo" or "uuid"; makes filters on it fast.
            api_key: for a URL; None reads ``QDRANT_API_KEY``.
            adopt: take a collection that says nothing about its encoder as this encoder's.

        Raises:
            CollectionMismatch: written by another encoder, or with other settings.
            CollectionNotFound: not there, and ``create`` is False.
            CollectionBusy: another process has the embedded store open.
            UnsupportedByBackend: the engine lacks what was asked for.
        """
        check_dimensions(dimensions, encoder.dim)
        fields = check_fields(indexed_fields)
        about = About(encoder.fingerprint.with_dim(dimensions or encoder.dim), quantization, fields)
        backend = open_backend(name, store, create=create, api_key=api_key)
        try:
            if not backend.exists() and not create:
                raise CollectionNotFound(f"there is no collection {name!r} in {store}")
            create_or_accept(backend, name, about, adopt=adopt)
        except BaseException:
            backend.close()
            raise
        return cls(name, encoder, backend, about.fingerprint.dim)

    @property
    def backend(self) -> str:
        """The storage engine: "edge", "memory" or "server"."""
        return self._backend.name

    @property
    def capabilities(self) -> frozenset[str]:
        """What the engine can do beyond storing and searching."""
        return frozenset(self._backend.capabilities)

    @property
    def fingerprint(self) -> Fingerprint:
        """Of the encoder that wrote the collection."""
        return self._about().fingerprint

    # Writing

    def add(
        self,
        documents: Iterable[Document | str],
        *,
        batch_size: int = 256,
        progress: bool = False,
    ) -> AddReport:
        """Encode documents and write them, batch by batch.

        A document whose id is already there replaces it; one without an id gets one from its text
        and metadata, so adding it twice changes nothing. A list is checked whole before anything
        is written; of a stream, the batches before a bad document stay.

        Args:
            documents: a stream is read as it is written, never kept.
            batch_size: documents encoded and written at a time.
            progress: show a bar on standard error, with the time left where ``documents`` tells
                its length or has a ``__length_hint__``.

        Raises:
            InvalidText: a text is blank or not encodable.
            InputTooLong: a text is too long, and that is an error to the encoder.
            InvalidDocument: an id or metadata that cannot be stored.
            CollectionMismatch: the collection is not this encoder's (any more).
        """
        check_listed(documents)
        batch_size = positive(batch_size, "batch_size")
        self._check()
        # Only for the bar: a source may have to read itself through to tell.
        total = (length_hint(documents) or None) if progress else None
        if isinstance(documents, Sequence):
            documents = identify_all(documents)
            check_lengths(documents, self.encoder)
        report = AddReport()
        with counter(total, f"adding to {self.name}", show=progress) as advance:
            for batch, read in batches(documents, batch_size):
                encoded = encode_with_report(
                    self.encoder, [document.text for document in batch], Role.DOCUMENT
                )
                vectors = self._cut(encoded.vectors, len(batch))
                self._check()
                self._backend.upsert(points_of(batch, vectors, encoded.truncation.dropped))
                report = report.plus(len(batch), encoded.truncation)
                advance(read)
        self._backend.flush()
        return report

    def add_vectors(
        self,
        documents: Sequence[Document | str],
        vectors: npt.ArrayLike,
        *,
        nodes: Sequence[Node | None] = (),
    ) -> AddReport:
        """Write documents whose vectors were made elsewhere, by the same encoder.

        Args:
            documents: n of them; their texts may be blank.
            vectors: shape (n, dim), of any length above zero.
            nodes: what LlamaIndex keeps of each document besides; empty for none.

        Raises:
            InvalidVector: wrong shape, NaN, infinity or zero length; nothing is written.
            InvalidDocument: an id or metadata that cannot be stored; nothing is written.
            InvalidText: a text is not encodable; nothing is written.
        """
        check_listed(documents)
        named = identify_all(documents, blank=True)
        rows = unit_rows(vectors, self.dim)
        if len(rows) != len(named) or (nodes and len(nodes) != len(named)):
            raise InvalidVector(f"{len(named)} documents, {len(rows)} vectors, {len(nodes)} nodes")
        self._check()
        points = points_of(named, rows, nodes=nodes)
        # Of equal ids the last one counts, as if they had come one by one.
        latest = list({point.id: point for point in points}.values())
        for start in range(0, len(latest), _PAGE):
            self._backend.upsert(latest[start : start + _PAGE])
        self._backend.flush()
        return AddReport(len(latest))

    def delete(
        self, ids: Iterable[str | int] | Where | None = None, *, where: Where | None = None
    ) -> int:
        """Delete documents by id or by filter; ids that are not there are no error.

        Args:
            ids: ids, or a filter in its place.
            where: a filter; it must select something by at least one condition.

        Returns:
            How many there were.
        """
        if (ids is None) is (where is None):
            raise ValueError("say what to delete, once: ids, or a filter as where=")
        selection: Sequence[PointId] | models.Filter
        if ids is not None and not isinstance(ids, Mapping) and not is_filter(ids):
            listed = listed_ids(cast("Iterable[str | int]", ids))
            selection = list({point_id(i): None for i in listed})
            found = len(self._backend.retrieve(selection)) if selection else 0
        else:
            chosen = chosen_filter(cast("Where", ids if ids is not None else where))
            if chosen is None or not selects(chosen):
                raise ValueError("an empty filter selects everything; name the ids instead")
            selection = chosen
            found = self._backend.count(selection)
        if found:
            self._backend.delete(selection)
            self._backend.flush()
        return found

    # Reading

    def search(
        self,
        query: str,
        *,
        k: int = 10,
        where: Where | None = None,
        min_score: float | None = None,
        rescore: bool | None = None,
    ) -> list[Hit]:
        """The k documents nearest to a query.

        Args:
            query: encoded under `Role.QUERY`.
            k: most hits.
            where: see `rolevec.qdrant.filters.to_filter`.
            min_score: leave out hits with a lower cosine.
            rescore: score the candidates of a quantised scan with the full vectors; None does so
                wherever the collection is quantised.

        Returns:
            Best first; equal scores by id.
        """
        vectors = self._queries([query])
        return self._search(vectors, k, where, min_score=min_score, rescore=rescore)[0]

    def search_many(
        self, queries: Sequence[str], *, k: int = 10, where: Where | None = None
    ) -> list[list[Hit]]:
        """`search` for many queries, encoded and run as one batch."""
        return self._search(self._queries(queries), k, where) if queries else []

    def search_by_vector(
        self,
        vector: npt.ArrayLike,
        *,
        k: int = 10,
        where: Where | None = None,
        min_score: float | None = None,
        rescore: bool | None = None,
    ) -> list[Hit]:
        """`search` with a vector (dim,) in place of a text.

        Raises:
            InvalidVector: wrong dimension, NaN, infinity or zero length.
        """
        self._check()
        rows = self._one_row(vector)
        return self._search(rows, k, where, min_score=min_score, rescore=rescore)[0]

    def points_by_vector(
        self, vector: npt.ArrayLike, *, k: int = 10, where: Where | None = None
    ) -> list[Point]:
        """`search_by_vector`, with payloads as they are stored."""
        self._check()
        rows, chosen = self._one_row(vector), chosen_filter(where)
        return nearest(self._backend, rows, positive(k), chosen, self._rescoring(None))[0]

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
        vector = self._queries([query])[0]
        return self._diverse(vector, k, fetch_k, diversity, where)

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
        self._check()
        return self._diverse(self._one_row(vector)[0], k, fetch_k, diversity, where)

    def recommend(
        self,
        liked: Sequence[Example],
        disliked: Sequence[Example] = (),
        *,
        k: int = 10,
        where: Where | None = None,
    ) -> list[Hit]:
        """Documents like some and unlike others.

        A string is the id of a document if there is one, else a text. What is named by id is left
        out of the result.

        Args:
            liked: ids, texts, documents or vectors (dim,); at least one.
            disliked: the same; may be empty.
            k: most hits.
            where: see `rolevec.qdrant.filters.to_filter`.

        Raises:
            ValueError: nothing liked.
            CollectionNotFound: an id that looks like one (digits, a UUID) is not there.
        """
        if isinstance(liked, (str, bytes)) or isinstance(disliked, (str, bytes)):
            raise ValueError("recommend takes lists of examples, not a single one")
        if not len(liked):
            raise ValueError("recommend needs at least one liked example")
        self._check()
        named = self._backend.retrieve(named_ids([*liked, *disliked]), with_vectors=True)
        known = {point.id: point.vector for point in named if point.vector is not None}
        examples = Examples(self.name, self.encoder, self.dim, known)
        aim = preference(examples.rows(liked), examples.rows(disliked) if len(disliked) else None)
        limit = positive(k) + len(known)
        chosen = chosen_filter(where)
        points = nearest(self._backend, aim[None, :], limit, chosen, self._rescoring(None))[0]
        return [hit_of(point) for point in points if point.id not in known][:k]

    def get(self, ids: Iterable[str | int] | str | int) -> list[Document]:
        """Documents by id, in the order of the ids; those that are not there are left out."""
        return [document_of(point.id, point.payload) for point in self._points(ids)]

    def get_vectors(self, ids: Iterable[str | int] | str | int) -> dict[str, npt.NDArray[Any]]:
        """Unit vectors (dim,) by document id; those that are not there are left out."""
        found = self._points(ids, with_vectors=True)
        return {
            document_of(point.id, point.payload).id or str(point.id): point.vector
            for point in found
            if point.vector is not None
        }

    def count(self, where: Where | None = None) -> int:
        """How many documents there are, or match."""
        return self._backend.count(chosen_filter(where))

    def scroll(self, where: Where | None = None, *, batch_size: int = _PAGE) -> Iterator[Document]:
        """All documents, or those that match, in the order of the engine's ids, page by page."""
        for point in self.scroll_points(where, batch_size=batch_size):
            yield document_of(point.id, point.payload)

    def scroll_points(
        self, where: Where | None = None, *, batch_size: int = _PAGE, with_vectors: bool = False
    ) -> Iterator[Point]:
        """`scroll`, with payloads as they are stored and, on request, vectors."""
        chosen, offset = chosen_filter(where), None
        batch_size = positive(batch_size, "batch_size")
        while True:
            page, offset = self._backend.scroll(
                chosen, batch_size, offset, with_vectors=with_vectors
            )
            yield from page
            if offset is None:
                return

    # Upkeep

    def optimize(self) -> bool:
        """Build the search index now; True if there was anything to do.

        On an embedded store this holds the whole process until it is done (half a minute for
        100,000 vectors of 384 dimensions on two cores), so call it after a large `add`, not while
        serving. Below about 10 MB of vectors searches are exact and there is nothing to build.
        Servers build in the background, and ":memory:" always searches exactly: both return False.
        """
        return self._backend.optimize()

    def flush(self) -> None:
        """Bring everything written to the disk; `add` has done so at its end."""
        self._backend.flush()

    def close(self) -> None:
        """Let go of the store; twice is no error. The encoder stays open."""
        self._backend.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Collection({self.name!r}, {self.encoder!r}, {self._backend.name})"

    def __reduce__(self) -> tuple[Any, ...]:
        raise TypeError("a Collection cannot be pickled; open it again where it is needed")

    # Inside

    def _about(self) -> About:
        about = self._backend.about()
        if about is None:
            raise RolevecError(f"the collection {self.name!r} was deleted while it was open")
        return about

    def _check(self) -> About:
        about = self._about()
        check_encoder(self.name, about.fingerprint, self.encoder.fingerprint.with_dim(self.dim))
        return about

    def _queries(self, texts: Sequence[str]) -> Matrix:
        self._check()
        return self._cut(self.encoder.encode(texts, Role.QUERY), len(texts))

    def _cut(self, vectors: npt.ArrayLike, count: int) -> Matrix:
        """An encoder's vectors in the collection's dimension; checked, since anyone may write one.

        Raises:
            InvalidVector: not one for each text, or not finite.
        """
        rows = unit_rows(vectors, self.encoder.dim)
        if len(rows) != count:
            raise InvalidVector(f"{self.encoder.name} gave {len(rows)} vectors for {count} texts")
        return cut_dimensions(rows, self.dim)

    def _one_row(self, vector: npt.ArrayLike) -> Matrix:
        rows = unit_rows(vector, self.dim)
        if len(rows) != 1:
            raise InvalidVector(f"expected one vector, got {len(rows)}")
        return rows

    def _rescoring(self, rescore: bool | None) -> Rescoring | None:
        quantization = self._about().quantization
        if quantization is None:
            if rescore:
                raise UnsupportedByBackend(
                    f"rescore=True, but {self.name!r} is not quantised: its scores are exact"
                )
            return None
        wanted = rescore is not False
        return Rescoring(wanted, _OVERSAMPLING[quantization] if wanted else 1.0)

    def _search(
        self,
        vectors: Matrix,
        k: int,
        where: Where | None,
        *,
        min_score: float | None = None,
        rescore: bool | None = None,
    ) -> list[list[Hit]]:
        if min_score is not None and not is_number(min_score):
            raise ValueError(f"min_score={shown(min_score)}; it must be a number")
        found = nearest(
            self._backend, vectors, positive(k), chosen_filter(where), self._rescoring(rescore)
        )
        # Rounding puts the score of a vector with itself a little below or above 1.
        least = -2.0 if min_score is None else min_score - 1e-6
        return [[hit_of(p) for p in points if p.score >= least] for points in found]

    def _diverse(
        self,
        vector: npt.NDArray[np.float32],
        k: int,
        fetch_k: int,
        diversity: float,
        where: Where | None,
    ) -> list[Hit]:
        limit = max(positive(k), positive(fetch_k, "fetch_k"))
        found = self._backend.query(
            vector[None, :], limit, chosen_filter(where), with_vectors=True,
            rescoring=self._rescoring(None),
        )[0]  # fmt: skip
        if not found:
            return []
        rows = np.vstack([cast("npt.NDArray[np.float32]", p.vector) for p in found])
        return [hit_of(found[i]) for i in mmr(vector, rows, k, diversity)]

    def _points(
        self, ids: Iterable[str | int] | str | int, *, with_vectors: bool = False
    ) -> list[Point]:
        wanted = list({point_id(i): None for i in listed_ids(ids)})
        if not wanted:
            return []
        found = self._backend.retrieve(wanted, with_vectors=with_vectors)
        by_id = {point.id: point for point in found}
        return [by_id[i] for i in wanted if i in by_id]

    aadd = threaded(add)
    aadd_vectors = threaded(add_vectors)
    adelete = threaded(delete)
    asearch = threaded(search)
    asearch_many = threaded(search_many)
    asearch_by_vector = threaded(search_by_vector)
    adiverse = threaded(diverse)
    adiverse_by_vector = threaded(diverse_by_vector)
    arecommend = threaded(recommend)
    aget = threaded(get)
    acount = threaded(count)
