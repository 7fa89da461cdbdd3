"""Vectors on their way to an embedded collection: Parquet files that any process can write.

A shard holds the documents of one batch with their vectors. It is written whole or not at all, and
named by what is in it, so that a batch that is done again replaces its own.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from rolevec.documents import Document
from rolevec.errors import CollectionMismatch, RolevecError
from rolevec.fingerprint import Fingerprint
from rolevec.indexing.ledger import Entry, content_hash
from rolevec.indexing.running import Run
from rolevec.parquet import parquet_count, read_notes, read_table, write_table
from rolevec.qdrant.adding import points_of
from rolevec.qdrant.backends.protocol import Point
from rolevec.qdrant.payloads import OWN, document_of
from rolevec.vectors import Matrix

SUFFIX = ".vectors.parquet"

_FORMAT = "1"
_NOTE_FORMAT, _NOTE_FINGERPRINT, _NOTE_ORDER = (
    "rolevec.shard", "rolevec.fingerprint", "rolevec.order",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Shard:
    """What one file holds.

    Attributes:
        documents: n of them, with ids.
        vectors: unit rows (n, dim).
        dropped: tokens cut from each text.
    """

    documents: list[Document]
    vectors: Matrix
    dropped: list[int]

    def points(self) -> list[Point]:
        """Ready to write."""
        return points_of(self.documents, self.vectors, self.dropped)

    def entries(self) -> list[Entry]:
        """As the ledger knows them."""
        points = self.points()
        pairs = zip(points, self.documents, strict=True)
        return [Entry(p.id, d.id or "", content_hash(d)) for p, d in pairs]


def write_shard(
    folder: Path, fingerprint: Fingerprint, points: Iterable[Point], order: str
) -> Path:
    """Write points that were just encoded.

    Args:
        folder: must be there.
        fingerprint: of the encoder, in the collection's dimension.
        points: with vectors.
        order: shards are loaded in the order of these; the same for a batch that is done again.

    Raises:
        MissingExtra: ``pyarrow`` is not installed.
    """
    rows = list(points)
    documents = [document_of(point.id, point.payload) for point in rows]
    name = hashlib.blake2b(fingerprint.digest.encode(), digest_size=16)
    for document in documents:
        name.update(f"{document.id}\0".encode() + content_hash(document))
    file = folder / f"{name.hexdigest()}{SUFFIX}"
    columns = {
        "id": [document.id for document in documents],
        "text": [document.text for document in documents],
        "metadata": [json.dumps(dict(document.metadata)) for document in documents],
        "dropped_tokens": [int(p.payload[OWN].get("dropped_tokens", 0)) for p in rows],
        "vector": np.asarray([point.vector for point in rows], dtype=np.float32),
    }
    notes = {
        _NOTE_FORMAT: _FORMAT,
        _NOTE_FINGERPRINT: json.dumps(fingerprint.to_dict()),
        _NOTE_ORDER: order,
    }
    write_table(file, columns, notes)
    return file


def shard_files(path: Path) -> list[Path]:
    """The shards in a folder, or the one that ``path`` is, in the order to load them.

    Raises:
        RolevecError: one of them is damaged.
    """
    found = [path] if path.is_file() else list(path.glob(f"*{SUFFIX}"))
    shards = [file for file in found if file.name.endswith(SUFFIX) and file.name[0] != "."]
    return sorted(shards, key=lambda file: (_notes(file)[_NOTE_ORDER], file.name))


def shard_rows(files: Sequence[Path]) -> int:
    """Documents in them."""
    return sum(map(parquet_count, files))


def read_shard(file: Path, wanted: Fingerprint) -> Shard:
    """Read a shard.

    Args:
        file: written by `write_shard`.
        wanted: what the collection says of its encoder.

    Raises:
        CollectionMismatch: its vectors were made by another encoder.
        RolevecError: it is damaged.
    """
    stored = Fingerprint.from_dict(json.loads(_notes(file)[_NOTE_FINGERPRINT]))
    if changed := stored.differences(wanted):
        raise CollectionMismatch(
            f"{file} holds vectors of {stored.describe()}, the collection those of"
            f" {wanted.describe()}; they cannot be compared ({', '.join(changed)} differ). Load it"
            " into a collection of its own encoder, or remove it and index the documents again"
        )
    try:
        columns, vectors = read_table(file, "vector")
        rows = zip(columns["text"], columns["id"], columns["metadata"], strict=True)
        documents = [Document(text, i, json.loads(metadata)) for text, i, metadata in rows]
        return Shard(documents, vectors, columns["dropped_tokens"])
    except (ValueError, OSError, KeyError, TypeError) as error:
        raise _damaged(file, error) from error


def load_shards(files: Sequence[Path], run: Run, *, left_over: bool = False) -> None:
    """Put shards into the run's collection without encoding.

    Args:
        files: in order.
        run: of the collection; counts what is written, and what is there already.
        left_over: they are what a run of this source left when it died: load only what the ledger
            still means to write, and remove them.

    Raises:
        CollectionMismatch, RolevecError: as `read_shard`.
    """
    for file in files:
        shard = read_shard(file, run.writer.maker.fingerprint)
        entries = shard.entries()
        points = {point.id: point for point in shard.points()}
        stored = run.writer.stored(list(points)) if run.resume else {}
        known = {point: content_hash(document) for point, document in stored.items()}
        same = [e.point for e in entries if known.get(e.point) == e.content]
        if left_over:
            meant = run.ledger.contents(points) if run.ledger is not None else {}
            entries = [e for e in entries if meant.get(e.point) == e.content]
        skipped = set(same)
        entries = [entry for entry in entries if entry.point not in skipped]
        if run.ledger is not None and not left_over:
            run.ledger.seen(same)
            run.ledger.intend(entries)
        run.writer.write({entry.point: points[entry.point] for entry in entries})
        dropped = dict(zip(points, shard.dropped, strict=True))
        if not left_over:
            run.tally.loaded(len(entries), len(same), [dropped[e.point] for e in entries])
            run.advance(len(points))
        run.wrote(len(entries), file if left_over else None)


def _notes(file: Path) -> dict[str, str]:
    try:
        notes = read_notes(file)
    except (ValueError, OSError) as error:
        raise _damaged(file, error) from error
    if notes.get(_NOTE_FORMAT) != _FORMAT:
        found = notes.get(_NOTE_FORMAT, "no format")
        raise RolevecError(f"{file} is a shard of format {found}; this version reads {_FORMAT}")
    return notes


def _damaged(file: Path, error: Exception) -> RolevecError:
    return RolevecError(
        f"the shard {file} cannot be read: {error}; remove it and index its documents again"
    )
