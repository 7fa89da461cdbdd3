"""Collection: documents in Qdrant, with the encoder that made their vectors held to them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Self

from rolevec.encoders.protocol import Encoder
from rolevec.errors import CollectionNotFound
from rolevec.fingerprint import Fingerprint
from rolevec.qdrant.backends.protocol import Backend
from rolevec.qdrant.clustering import Clustering
from rolevec.qdrant.hybrid import chosen_bm25
from rolevec.qdrant.identity import About, Quantization
from rolevec.qdrant.indexes import check_fields
from rolevec.qdrant.migration import MigrationReport, Plan, Textless, migrate
from rolevec.qdrant.opened import Opened
from rolevec.qdrant.opening import create_or_accept
from rolevec.qdrant.placement import ServerOptions
from rolevec.qdrant.recommending import Recommending
from rolevec.qdrant.stores import DEFAULT_STORE, Store, open_backend
from rolevec.qdrant.twins import threaded
from rolevec.qdrant.writing import Writing
from rolevec.ranking.lexical import Bm25
from rolevec.vectors import check_dimensions


class Collection(Clustering, Recommending, Writing):
    """Documents and their vectors under one name; open it with `Collection.open`.

    Every vector is checked (dimension, finite, not zero) and of length 1, distances are cosine,
    and the encoder's fingerprint is compared with the collection's on opening, adding and
    searching. Safe to use from many threads. An embedded store belongs to one process.
    """

    def __init__(self, name: str, encoder: Encoder, backend: Backend, dim: int) -> None:
        self.name = name
        self._opened = Opened(name, encoder, backend, dim)

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
        hybrid: bool | Bm25 = False,
        api_key: str | None = None,
        adopt: bool = False,
        server: ServerOptions | None = None,
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
            hybrid: keep a sparse vector of each text besides, for keyword and hybrid search; a
                `Bm25` says how. False takes an existing collection as it is.
            api_key: for a URL; None reads ``QDRANT_API_KEY``.
            adopt: take a collection that says nothing about its encoder as this encoder's.
            server: how a server spreads a new collection: shards, copies, shard keys, disk.

        Raises:
            CollectionMismatch: written by another encoder, or with other settings.
            CollectionNotFound: not there, and ``create`` is False.
            CollectionBusy: another process has the embedded store open.
            UnsupportedByBackend: the engine lacks what was asked for.
        """
        check_dimensions(dimensions, encoder.dim)
        fields = check_fields(indexed_fields)
        fingerprint = encoder.fingerprint.with_dim(dimensions or encoder.dim)
        about = About(fingerprint, quantization, fields, chosen_bm25(hybrid))
        backend = open_backend(name, store, create=create, api_key=api_key)
        try:
            if not backend.exists() and not create:
                raise CollectionNotFound(f"there is no collection {name!r} in {store}")
            create_or_accept(backend, name, about, adopt=adopt, server=server)
        except BaseException:
            backend.close()
            raise
        return cls(name, encoder, backend, about.fingerprint.dim)

    @property
    def encoder(self) -> Encoder:
        """Makes the vectors; one that does not fit the collection is refused on its first use."""
        return self._opened.encoder

    @encoder.setter
    def encoder(self, encoder: Encoder) -> None:
        self._opened = replace(self._opened, encoder=encoder)

    @property
    def dim(self) -> int:
        """Dimension of the vectors."""
        return self._opened.dim

    @property
    def _backend(self) -> Backend:
        return self._opened.backend

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
        return self._opened.about().fingerprint

    @property
    def bm25(self) -> Bm25 | None:
        """How the sparse vectors are made; None if the collection is not hybrid."""
        return self._opened.about().bm25

    # Upkeep

    def optimize(self) -> bool:
        """Build the search index now; True if there was anything to do.

        On an embedded store this holds the whole process until it is done (half a minute for
        100,000 vectors of 384 dimensions on two cores), so call it after a large `add`, not while
        serving. Its memory grows with what was written since the last time; `index_corpus` with
        ``optimize=True`` does it piece by piece. Below about 10 MB of vectors searches are exact
        and there is nothing to build.
        Servers build in the background, and ":memory:" always searches exactly: both return False.
        """
        return self._backend.optimize()

    def flush(self) -> None:
        """Bring everything written to the disk; `add` has done so at its end."""
        self._backend.flush()

    def migrate(
        self,
        encoder: Encoder,
        *,
        progress: bool = False,
        resume: bool = True,
        dimensions: int | None = None,
        switch: bool = True,
        queries: Sequence[str] | None = None,
        samples: int = 100,
        k: int = 10,
        least_overlap: float | None = None,
        textless: Textless = "withhold",
    ) -> MigrationReport:
        """Give the collection the vectors of another encoder, while it is in use.

        A successor is filled beside the collection from the texts in it; ids, payloads, payload
        indexes and quantization are the same. Until the switch, searches run on the old vectors
        with the old encoder. What is added, replaced or deleted meanwhile through any `Collection`
        of this process is carried over; another process may read, but should not write. The switch
        is one step that a kill or a power cut cannot halve; from then on this object uses the new
        encoder, and any other that has the collection open raises `CollectionMismatch` and must be
        opened again. The old vectors stay on the disk until `drop_old`.

        Stopped or killed, it goes on from there when it is called again with the same encoder.

        Args:
            encoder: the new one. The old one stays open; it is not needed after the switch.
            progress: show a bar on standard error.
            resume: False discards what an earlier run has done.
            dimensions: keep this many leading coordinates of each new vector, re-normalised.
            switch: False only prepares it and reports; call again to switch.
            queries: to compare the two on; None takes the beginnings of ``samples`` documents.
            samples: how many.
            k: hits to compare for each query.
            least_overlap: do not switch if fewer of the hits are the same, 0 to 1.
            textless: documents without text cannot be encoded: "withhold" the switch if there are
                any, or "leave_out" of the new one.

        Raises:
            CollectionMismatch: the collection is not its encoder's any more.
            InputTooLong: a text is too long, and that is an error to the new encoder.
            RolevecError: a migration is running already, or another process keeps writing.
        """
        plan = Plan(
            encoder, dimensions, progress, resume, switch, queries, samples, k, least_overlap,
            textless,
        )  # fmt: skip
        return migrate(self._opened, plan, self._adopt)

    def _adopt(self, opened: Opened) -> None:
        self._opened = opened

    def drop_old(self, *, unfinished: bool = False) -> int:
        """Delete the vectors that migrations replaced; returns how many collections they were.

        Args:
            unfinished: also what a migration without its switch has left.
        """
        if unfinished:
            self._backend.discard()
        return self._backend.drop_old()

    amigrate = threaded(migrate)
    adrop_old = threaded(drop_old)

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
