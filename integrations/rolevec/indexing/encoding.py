"""Planned documents as points, and what becomes of those that are too long."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from rolevec.documents import Document
from rolevec.encoders.protocol import Encoder
from rolevec.errors import InputTooLong
from rolevec.indexing.planning import Batch, Item
from rolevec.qdrant.backends.protocol import Point
from rolevec.qdrant.bulk import PointMaker
from rolevec.qdrant.ids import PointId
from rolevec.roles import Role
from rolevec.truncation import TruncationReport


@dataclass(slots=True)
class Done:
    """What became of a batch.

    Attributes:
        batch: as it was planned.
        count: points that it gave.
        points: those that are still to be written; none where somebody else has written them.
        truncation: of the texts encoded.
        too_long: items that the encoder refused.
        intended: the ledger knows of them already.
        spent: file that is of no use once the points are on the disk.
    """

    batch: Batch
    count: int
    points: dict[PointId, Point] = field(default_factory=dict)
    truncation: TruncationReport | None = None
    too_long: list[Item] = field(default_factory=list)
    intended: bool = False
    spent: Path | None = None


def encode_documents(
    maker: PointMaker, documents: Sequence[Document], *, strict: bool
) -> tuple[dict[PointId, Point], TruncationReport | None, list[int]]:
    """Points by id, what was cut, and the positions of documents that are too long.

    Raises:
        InputTooLong: a document is, and ``strict`` is set.
    """
    too_long: list[int] = []
    try:
        points, truncation = _points(maker, documents)
    except InputTooLong:
        if strict:
            raise
        too_long = over_limit(maker.encoder, documents)
        refused = set(too_long)
        kept = [document for at, document in enumerate(documents) if at not in refused]
        points, truncation = _points(maker, kept)
    return points, truncation, too_long


def over_limit(encoder: Encoder, documents: Sequence[Document]) -> list[int]:
    """Positions of documents with more tokens than the encoder takes."""
    counts = encoder.count_tokens([document.text for document in documents], Role.DOCUMENT)
    limit = encoder.max_tokens
    return [] if limit is None else [at for at, count in enumerate(counts) if count > limit]


def _points(
    maker: PointMaker, documents: Sequence[Document]
) -> tuple[dict[PointId, Point], TruncationReport | None]:
    if not documents:
        return {}, None
    points, truncation = maker.encode(documents)
    # Of equal ids the last one counts, as if they had come one by one.
    return {point.id: point for point in points}, truncation
