"""What a collection does to its documents."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from operator import length_hint
from typing import TYPE_CHECKING, cast

import numpy.typing as npt

from rolevec.documents import Document
from rolevec.encoders.progress import counter
from rolevec.encoders.protocol import encode_with_report
from rolevec.errors import InvalidVector
from rolevec.qdrant.adding import (
    AddReport,
    Node,
    batches,
    check_lengths,
    identify_all,
    points_of,
)
from rolevec.qdrant.arguments import check_listed, chosen_filter, is_filter, positive, selects
from rolevec.qdrant.backends.gate import Moved
from rolevec.qdrant.ids import PointId, listed_ids, point_id
from rolevec.qdrant.opened import Opened
from rolevec.qdrant.placement import check_shards
from rolevec.qdrant.twins import threaded
from rolevec.roles import Role
from rolevec.truncation import TruncationReport
from rolevec.vectors import unit_rows

if TYPE_CHECKING:
    from qdrant_client import models

    from rolevec.qdrant.filters import Where

_PAGE = 256


class Writing:
    """The writing half of `Collection`."""

    _opened: Opened

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
        at = self._opened
        spread_by = at.check().shard_key
        # Only for the bar: a source may have to read itself through to tell.
        total = (length_hint(documents) or None) if progress else None
        if isinstance(documents, Sequence):
            documents = identify_all(documents)
            check_lengths(documents, at.encoder)
            check_shards(documents, spread_by)
        report = AddReport()
        with counter(total, f"adding to {at.name}", show=progress) as advance:
            for batch, read in batches(documents, batch_size):
                report = report.plus(len(batch), self._add(batch))
                advance(read)
        self._opened.backend.flush()
        return report

    def _add(self, batch: Sequence[Document]) -> TruncationReport:
        while True:
            at = self._opened
            encoded = encode_with_report(
                at.encoder, [document.text for document in batch], Role.DOCUMENT
            )
            vectors = at.cut(encoded.vectors, len(batch))
            at.check()
            try:
                at.backend.upsert(points_of(batch, vectors, encoded.truncation.dropped))
            except Moved:
                # Migrated by this very object while the batch was encoded: once more, then.
                if self._opened is at:
                    raise
            else:
                return encoded.truncation

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
        at = self._opened
        named = identify_all(documents, blank=True)
        rows = unit_rows(vectors, at.dim)
        if len(rows) != len(named) or (nodes and len(nodes) != len(named)):
            raise InvalidVector(f"{len(named)} documents, {len(rows)} vectors, {len(nodes)} nodes")
        at.check()
        points = points_of(named, rows, nodes=nodes)
        # Of equal ids the last one counts, as if they had come one by one.
        latest = list({point.id: point for point in points}.values())
        for start in range(0, len(latest), _PAGE):
            at.backend.upsert(latest[start : start + _PAGE])
        at.backend.flush()
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
        while True:
            at = self._opened
            try:
                return _delete(at, ids, where)
            except Moved:
                if self._opened is at:
                    raise

    aadd = threaded(add)
    aadd_vectors = threaded(add_vectors)
    adelete = threaded(delete)


def _delete(at: Opened, ids: Iterable[str | int] | Where | None, where: Where | None) -> int:
    selection: Sequence[PointId] | models.Filter
    if ids is not None and not isinstance(ids, Mapping) and not is_filter(ids):
        listed = listed_ids(cast("Iterable[str | int]", ids))
        selection = list({point_id(i): None for i in listed})
        found = len(at.backend.retrieve(selection)) if selection else 0
    else:
        chosen = chosen_filter(cast("Where", ids if ids is not None else where))
        if chosen is None or not selects(chosen):
            raise ValueError("an empty filter selects everything; name the ids instead")
        selection = chosen
        found = at.backend.count(selection)
    if found:
        at.backend.delete(selection)
        at.backend.flush()
    return found
