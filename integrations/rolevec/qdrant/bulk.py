"""A collection as bulk loading sees it: encode, write, look up and delete as separate steps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rolevec.documents import Document
from rolevec.encoders.protocol import Encoder, encode_with_report
from rolevec.fingerprint import Fingerprint
from rolevec.qdrant.adding import checked_rows, points_of
from rolevec.qdrant.backends.protocol import Point
from rolevec.qdrant.collection import Collection
from rolevec.qdrant.ids import PointId
from rolevec.qdrant.payloads import document_of
from rolevec.qdrant.placement import check_shards
from rolevec.roles import Role
from rolevec.truncation import TruncationReport

_PAGE = 256


@dataclass(frozen=True, slots=True)
class PointMaker:
    """Documents as points, without the collection that they are for.

    Attributes:
        encoder: makes the vectors.
        dim: of the collection.
    """

    encoder: Encoder
    dim: int

    @property
    def fingerprint(self) -> Fingerprint:
        """What the collection says of vectors made like this."""
        return self.encoder.fingerprint.with_dim(self.dim)

    def encode(self, documents: Sequence[Document]) -> tuple[list[Point], TruncationReport]:
        """Points ready to write.

        Raises:
            InputTooLong: a text is too long, and that is an error to the encoder.
            InvalidVector: the encoder gave none for a text, or one that is not finite.
        """
        encoded = encode_with_report(self.encoder, [d.text for d in documents], Role.DOCUMENT)
        vectors = checked_rows(self.encoder, encoded.vectors, len(documents), self.dim)
        return points_of(documents, vectors, encoded.truncation.dropped), encoded.truncation


class BulkWriter:
    """The steps of `Collection.add`, so that a caller may overlap them.

    Args:
        collection: open; stays the caller's to close.
    """

    def __init__(self, collection: Collection) -> None:
        self._collection = collection
        # As it is now: after a migration, writing raises instead of mixing two encoders.
        self._opened = collection._opened
        self._backend = self._opened.backend
        self.encoder = self._opened.encoder
        # Touches the encoder only, so it may work in a thread or process of its own.
        self._shard_key = self._opened.about().shard_key
        self.maker = PointMaker(self.encoder, self._opened.dim)

    @classmethod
    def reached(cls, name: str, maker: PointMaker, reach: Mapping[str, Any]) -> BulkWriter:
        """The writer of a collection on a server that another process has opened.

        Args:
            name: of the collection.
            maker: of its points.
            reach: given by the other's `BulkWriter.reach`.

        Raises:
            CollectionNotFound: it is gone.
            CollectionMismatch: it is not this encoder's.
        """
        from qdrant_client import QdrantClient

        client = QdrantClient(**reach)
        opened = Collection.open(
            name, maker.encoder, store=client, create=False, dimensions=maker.dim
        )
        return cls(opened)

    @property
    def name(self) -> str:
        """Of the collection."""
        return self._collection.name

    @property
    def folder(self) -> Path | None:
        """Where an embedded collection lives; None for a server and for ":memory:"."""
        return getattr(self._backend, "folder", None)

    @property
    def address(self) -> str | None:
        """Of a server; None for ":memory:" and an embedded collection."""
        return getattr(self._backend, "address", None)

    @property
    def reach(self) -> dict[str, Any] | None:
        """What a `QdrantClient` of another process needs to reach the same server, keys included.

        None for a collection that only this process can write.
        """
        return getattr(self._backend, "reach", None)

    def check(self) -> str:
        """What identifies the collection: the digest of its first encoder's fingerprint.

        Raises:
            CollectionMismatch: the collection is not this encoder's (any more).
        """
        return self._opened.check().identity

    def check_document(self, document: Document) -> None:
        """Refuse what the collection has no place for.

        Raises:
            InvalidDocument: it names no shard, and the collection is spread by that.
        """
        check_shards([document], self._shard_key)

    def stored(self, ids: Sequence[PointId]) -> dict[PointId, Document]:
        """What is there under these ids."""
        found: dict[PointId, Document] = {}
        for start in range(0, len(ids), _PAGE):
            for point in self._backend.retrieve(ids[start : start + _PAGE]):
                found[point.id] = document_of(point.id, point.payload)
        return found

    def write(self, points: Mapping[PointId, Point]) -> None:
        """Write points; they survive the death of the process, and a power cut after `flush`.

        Raises:
            CollectionMismatch: the collection was replaced by another encoder's.
        """
        self._opened.check()
        rows = list(points.values())
        for start in range(0, len(rows), _PAGE):
            self._backend.upsert(rows[start : start + _PAGE])

    def delete(self, ids: Sequence[PointId]) -> None:
        """Delete points; ids that are not there are no error."""
        for start in range(0, len(ids), _PAGE):
            self._backend.delete(ids[start : start + _PAGE])

    def flush(self) -> None:
        """Bring everything written to the disk."""
        self._backend.flush()

    def optimize(self) -> bool:
        """Build the search index now, see `Collection.optimize`."""
        return self._backend.optimize()
