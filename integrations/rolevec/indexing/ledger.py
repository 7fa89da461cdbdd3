"""The resume ledger: which points a source put into a collection, and with what content."""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from rolevec.documents import Document
from rolevec.errors import RolevecError
from rolevec.qdrant.ids import PointId

LEDGER = "index-ledger.sqlite"
_PAGE = 256

_SCHEMA = """
CREATE TABLE IF NOT EXISTS scopes (
    scope INTEGER PRIMARY KEY,
    collection TEXT NOT NULL,
    fingerprint TEXT NOT NULL,
    source TEXT NOT NULL,
    UNIQUE (collection, fingerprint, source)
);
CREATE TABLE IF NOT EXISTS points (
    scope INTEGER NOT NULL,
    point TEXT NOT NULL,
    id TEXT NOT NULL,
    content BLOB NOT NULL,
    run INTEGER NOT NULL,
    PRIMARY KEY (scope, point)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS points_by_id ON points (scope, id);
"""


def content_hash(document: Document) -> bytes:
    """16 bytes that change with text or metadata."""
    content = json.dumps([document.text, document.metadata], sort_keys=True)
    return hashlib.blake2b(content.encode("ascii"), digest_size=16).digest()


@dataclass(frozen=True, slots=True)
class Entry:
    """A point that this source is about to write."""

    point: PointId
    id: str
    content: bytes


class Ledger:
    """Rows of one source, collection and encoder in an SQLite file.

    A row is written before its point. It says who put a point there, not that it is there: that is
    read from the collection, so a row that outlived its point (a kill between the two, a store
    that was wiped or restored) does no harm.

    Args:
        path: the file, made with its folder if missing.
        collection: name of the collection.
        fingerprint: digest of its encoder's fingerprint.
        source: name of the source.

    Raises:
        RolevecError: the file is no ledger, or cannot be written.
    """

    def __init__(self, path: Path, collection: str, fingerprint: str, source: str) -> None:
        self.path = path
        names = (collection, fingerprint, source)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._database = sqlite3.connect(path, timeout=60)
            self._database.execute("PRAGMA journal_mode = WAL")
            self._database.execute("PRAGMA synchronous = NORMAL")
            self._database.executescript(_SCHEMA)
            self._scope = self._scope_of(names)
            query = "SELECT coalesce(max(run), 0) + 1 FROM points WHERE scope = ?"
            self._run = int(self._database.execute(query, (self._scope,)).fetchone()[0])
            others = "SELECT scope FROM scopes WHERE collection = ? AND fingerprint = ?"
            found = self._database.execute(others, names[:2]).fetchall()
            self._others = [scope for (scope,) in found if scope != self._scope]
        except (sqlite3.Error, OSError) as error:
            raise RolevecError(
                f"the ledger {path} cannot be used: {error}; remove it (nothing is encoded twice"
                " for that), or name another folder with ledger="
            ) from error

    def _scope_of(self, names: tuple[str, str, str]) -> int:
        columns = "collection, fingerprint, source"
        with self._database:
            self._database.execute(
                f"INSERT OR IGNORE INTO scopes ({columns}) VALUES (?, ?, ?)", names
            )
        query = f"SELECT scope FROM scopes WHERE ({columns}) = (?, ?, ?)"
        return int(self._database.execute(query, names).fetchone()[0])

    def owned(self, points: Iterable[PointId]) -> set[PointId]:
        """Those that this source put there."""
        return {point for point in points if self._has(self._scope, point)}

    def _has(self, scope: int, point: PointId) -> bool:
        query = "SELECT 1 FROM points WHERE scope = ? AND point = ?"
        return self._database.execute(query, (scope, _key(point))).fetchone() is not None

    def contents(self, points: Iterable[PointId]) -> dict[PointId, bytes]:
        """What this source last put there, or meant to, of those that it did."""
        query = "SELECT content FROM points WHERE scope = ? AND point = ?"
        found = {
            point: self._database.execute(query, (self._scope, _key(point))).fetchone()
            for point in points
        }
        return {point: bytes(row[0]) for point, row in found.items() if row is not None}

    def intend(self, entries: Iterable[Entry]) -> None:
        """Note, durably, what is about to be written."""
        rows = [(self._scope, _key(e.point), e.id, e.content, self._run) for e in entries]
        with self._database:
            self._database.executemany("INSERT OR REPLACE INTO points VALUES (?, ?, ?, ?, ?)", rows)

    def seen(self, points: Iterable[PointId]) -> None:
        """Note that the source still has these; those it did not put there stay unknown."""
        rows = [(self._run, self._scope, _key(p)) for p in points]
        with self._database:
            self._database.executemany(
                "UPDATE points SET run = ? WHERE scope = ? AND point = ?", rows
            )

    def keep(self, identifier: str) -> None:
        """Note that a document with this id, or the parts of one, may still be in the source."""
        identifier = identifier.encode(errors="replace").decode()
        query = "UPDATE points SET run = ? WHERE scope = ? AND (id = ? OR (id >= ? AND id < ?))"
        # "$" follows "#", so the range holds every part.
        ids = (identifier, identifier + "#", identifier + "$")
        with self._database:
            self._database.execute(query, (self._run, self._scope, *ids))

    def left(self) -> Iterator[list[tuple[PointId, bytes | None]]]:
        """Points that this source put there and this run did not see, with their content, by page.

        The content is None where another source has put the same point there, too.
        """
        query = (
            "SELECT point, content FROM points"
            f" WHERE scope = ? AND run < ? AND point > ? ORDER BY point LIMIT {_PAGE}"
        )
        last = ""
        while rows := self._database.execute(query, (self._scope, self._run, last)).fetchall():
            last = rows[-1][0]
            page = [(_point(key), bytes(content)) for key, content in rows]
            yield [
                (p, None if any(self._has(scope, p) for scope in self._others) else content)
                for p, content in page
            ]

    def forget(self, points: Iterable[PointId]) -> None:
        """Drop rows."""
        rows = [(self._scope, _key(p)) for p in points]
        with self._database:
            self._database.executemany("DELETE FROM points WHERE scope = ? AND point = ?", rows)

    def close(self) -> None:
        """Close the file."""
        self._database.close()


def ledger_path(
    given: str | Path | None, folder: Path | None, address: str | None, collection: str
) -> Path | None:
    """Where a collection's ledger is.

    Args:
        given: a folder; wins.
        folder: of an embedded collection: the ledger goes and comes with it.
        address: of a server: the ledger is in the user's cache, one file for each collection.
        collection: name of the collection.

    Returns:
        None for a collection that lives in memory.
    """
    if folder is not None and given is None:
        return folder / LEDGER
    if given is None and address is None:
        return None
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    root = Path(given) if given is not None else cache / "rolevec" / "ledgers"
    place = json.dumps([address or str(folder), collection]).encode()
    return root / f"{hashlib.sha256(place).hexdigest()[:16]}-{LEDGER}"


def _key(point: PointId) -> str:
    return str(point)


def _point(key: str) -> PointId:
    # A UUID has dashes, so only an integer id is all digits.
    return int(key) if key.isdigit() else key
