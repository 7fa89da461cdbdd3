"""Vectors kept on disk: `CachedEncoder` encodes a text once per model, role and policy."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import sqlite3
import sys
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from rolevec.encoders.base import BaseEncoder
from rolevec.encoders.progress import Advance
from rolevec.encoders.protocol import Encoder, encode_with_report
from rolevec.errors import PartialFailure, RolevecError
from rolevec.prompts import Prompts
from rolevec.roles import Role
from rolevec.truncation import TruncationPolicy
from rolevec.vectors import unit_rows

_SCHEMA = """
CREATE TABLE IF NOT EXISTS vectors (
    key BLOB PRIMARY KEY, vector BLOB NOT NULL, dropped INTEGER NOT NULL
) WITHOUT ROWID
"""
_APPLICATION = 0x726F6C76  # "rolv", so that a database of another program is not written to
_WAIT = 60.0  # seconds for another writer to finish
_KEYS_PER_QUERY = 500  # SQLite's own limit on variables was 999 for long

# A unit row, and the tokens that its text lost.
_Found: TypeAlias = tuple[npt.NDArray[np.float32], int]


def default_cache() -> Path:
    """The file in the user's cache folder that ``cache=True`` stands for."""
    if sys.platform == "win32":
        home = Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    elif sys.platform == "darwin":
        home = Path.home() / "Library" / "Caches"
    else:
        home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return home / "rolevec" / "vectors.sqlite"


class CachedEncoder(BaseEncoder):
    """An encoder whose vectors are kept in a SQLite file and looked up before they are computed.

    Threads and processes may share a file. Vectors are kept whole, so every Matryoshka cut is
    served from one row. A vector is found again only under the same fingerprint, role, truncation
    policy and text. The number of dropped tokens is kept with it: reports and warnings do not
    depend on what is cached.

    Args:
        encoder: what to ask for texts not seen before; closed with this one.
        path: the file, created if absent.

    Raises:
        RolevecError: the file is not a cache of this library, or is damaged.
    """

    def __init__(self, encoder: Encoder, path: str | Path) -> None:
        self.encoder = encoder
        self.path = Path(path)
        own = isinstance(encoder, BaseEncoder)
        truncation: TruncationPolicy = encoder.truncation if own else "end"  # type: ignore[attr-defined]
        # An encoder made elsewhere is only known by what it delivers.
        card = encoder.card if own else replace(encoder.card, dim=encoder.dim)
        super().__init__(
            card,
            revision=encoder.fingerprint.revision,
            prompts=encoder.prompts if own else Prompts(encoder.fingerprint.prompts),  # type: ignore[attr-defined]
            dimensions=encoder.dim,
            truncation=truncation,
        )
        self.fingerprint = encoder.fingerprint
        self.backend = getattr(encoder, "backend", "")
        self.tolerance = getattr(encoder, "tolerance", self.tolerance)
        self.awaits = getattr(encoder, "awaits", False)
        self.tells_truncation = getattr(encoder, "tells_truncation", True)
        self._store = _Store(self.path, card.dim)
        self._store.check()

    def count_tokens(self, texts: Sequence[str], role: Role) -> list[int]:
        """See `BaseEncoder.count_tokens`."""
        return self.encoder.count_tokens(texts, role)

    def _rows(
        self, texts: list[str], role: Role, batch_size: int | None, advance: Advance
    ) -> tuple[npt.NDArray[np.float32], list[int]]:
        keys, found = self._look_up(texts, role)
        missing = [i for i, key in enumerate(keys) if key not in found]
        advance(len(texts) - len(missing))
        if missing:
            wanted = [texts[i] for i in missing]
            with self._keeping_what_is_done(keys, missing, found):
                rows, dropped = self._ask(wanted, role, batch_size, advance)
            found |= self._keep([keys[i] for i in missing], rows, dropped)
        return np.stack([found[key][0] for key in keys]), [found[key][1] for key in keys]

    async def _arows(
        self, texts: list[str], role: Role, batch_size: int | None, advance: Advance
    ) -> tuple[npt.NDArray[np.float32], list[int]]:
        keys, found = await asyncio.to_thread(self._look_up, texts, role)
        missing = [i for i, key in enumerate(keys) if key not in found]
        advance(len(texts) - len(missing))
        if missing and isinstance(self.encoder, BaseEncoder):
            wanted = [texts[i] for i in missing]
            with self._keeping_what_is_done(keys, missing, found):
                rows, dropped = await self.encoder._arows(wanted, role, batch_size, advance)
            fresh = [keys[i] for i in missing]
            found |= await asyncio.to_thread(self._keep, fresh, rows, dropped)
        return np.stack([found[key][0] for key in keys]), [found[key][1] for key in keys]

    def _look_up(self, texts: list[str], role: Role) -> tuple[list[bytes], dict[bytes, _Found]]:
        keys = [self._key(text, role) for text in texts]
        return keys, self._store.read(keys)

    @contextmanager
    def _keeping_what_is_done(
        self, keys: Sequence[bytes], missing: Sequence[int], found: dict[bytes, _Found]
    ) -> Iterator[None]:
        """Keep what a `PartialFailure` brings, and add to it what the file has."""
        try:
            yield
        except PartialFailure as failure:
            fresh = [keys[missing[i]] for i in failure.done]
            found |= self._keep(fresh, failure.vectors, failure.dropped)
            raise self._with_found(failure, keys, found) from failure.__cause__

    def _keep(
        self, keys: Sequence[bytes], rows: npt.NDArray[np.float32], dropped: Sequence[int]
    ) -> dict[bytes, _Found]:
        # Checked before it is stored: what is not finite never gets into the file.
        unit = unit_rows(rows, self.card.dim)
        fresh = {key: (row, lost) for key, row, lost in zip(keys, unit, dropped, strict=True)}
        self._store.write(fresh)
        return fresh

    def _with_found(
        self,
        failure: PartialFailure,
        keys: Sequence[bytes],
        found: Mapping[bytes, _Found],
    ) -> PartialFailure:
        """The same failure with what the file has among the texts that are done."""
        done = [i for i, key in enumerate(keys) if key in found]
        rows = np.empty((len(done), self.card.dim), dtype=np.float32)
        for row, i in enumerate(done):
            rows[row] = found[keys[i]][0]
        return PartialFailure(
            failure.__cause__ if isinstance(failure.__cause__, Exception) else failure,
            done=done,
            vectors=rows,
            dropped=[found[keys[i]][1] for i in done],
            total=len(keys),
        )

    def _ask(
        self, texts: list[str], role: Role, batch_size: int | None, advance: Advance
    ) -> tuple[npt.NDArray[np.float32], list[int]]:
        if isinstance(self.encoder, BaseEncoder):
            return self.encoder._rows(texts, role, batch_size, advance)
        encoded = encode_with_report(self.encoder, texts, role)
        advance(len(texts))
        return encoded.vectors, list(encoded.truncation.dropped)

    def _key(self, text: str, role: Role) -> bytes:
        parts = [self.fingerprint.with_dim(self.card.dim).digest, role, self.truncation, text]
        return hashlib.sha256(json.dumps(parts, ensure_ascii=False).encode()).digest()

    def close(self) -> None:
        """Close the encoder and this thread's connection to the file."""
        super().close()
        self._store.close()
        self.encoder.close()

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.encoder, self.path)


class _Store:
    """The file: one connection per thread and process."""

    def __init__(self, path: Path, dim: int) -> None:
        self._path = path
        self._dim = dim
        self._local = threading.local()

    def check(self) -> None:
        """Open the file once, so that a wrong one is refused at the start."""
        try:
            self._connection()
        except (sqlite3.Error, OSError) as error:
            raise self._broken(error) from error

    def read(self, keys: Sequence[bytes]) -> dict[bytes, _Found]:
        found = {}
        try:
            connection = self._connection()
            for start in range(0, len(keys), _KEYS_PER_QUERY):
                some = keys[start : start + _KEYS_PER_QUERY]
                marks = ",".join("?" * len(some))
                query = f"SELECT key, vector, dropped FROM vectors WHERE key IN ({marks})"
                for key, vector, dropped in connection.execute(query, some):
                    found[key] = (self._read_vector(vector), int(dropped))
        except (sqlite3.Error, OSError) as error:
            raise self._broken(error) from error
        return found

    def write(self, rows: dict[bytes, _Found]) -> None:
        values: Iterable[tuple[bytes, bytes, int]] = (
            (key, vector.astype("<f4").tobytes(), dropped)
            for key, (vector, dropped) in rows.items()
        )
        try:
            connection = self._connection()
            with connection:
                connection.executemany("INSERT OR IGNORE INTO vectors VALUES (?, ?, ?)", values)
        except (sqlite3.Error, OSError) as error:
            raise self._broken(error) from error

    def close(self) -> None:
        connection = getattr(self._local, "connection", None)
        if connection is not None and self._local.process == os.getpid():
            connection.close()
        self._local.connection = None

    def _read_vector(self, stored: object) -> npt.NDArray[np.float32]:
        if not isinstance(stored, bytes) or len(stored) != 4 * self._dim:
            raise sqlite3.DatabaseError(f"a vector that is not {self._dim} float32 numbers")
        vector = np.frombuffer(stored, "<f4").astype(np.float32)
        if not abs(float(vector @ vector) - 1) < 1e-3:
            raise sqlite3.DatabaseError("a vector that does not have length 1")
        return vector

    def _connection(self) -> sqlite3.Connection:
        connection: sqlite3.Connection | None = getattr(self._local, "connection", None)
        # A connection must not be used across fork().
        if connection is None or self._local.process != os.getpid():
            connection = self._open()
            self._local.connection, self._local.process = connection, os.getpid()
        return connection

    def _open(self) -> sqlite3.Connection:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        connection = sqlite3.connect(self._path, timeout=_WAIT, isolation_level="IMMEDIATE")
        try:
            _use_write_ahead_log(connection)
            connection.execute("PRAGMA synchronous = NORMAL")
            self._create(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    def _create(self, connection: sqlite3.Connection) -> None:
        with closing(connection.execute("PRAGMA application_id")) as rows:
            (application,) = rows.fetchone()
        if application == _APPLICATION:
            return
        with connection:
            connection.execute("BEGIN IMMEDIATE")
            tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master")}
            if tables - {"vectors"} or application not in (0, _APPLICATION):
                raise sqlite3.DatabaseError("a database of another program")
            connection.execute(_SCHEMA)
            connection.execute(f"PRAGMA application_id = {_APPLICATION}")

    def _broken(self, error: Exception) -> RolevecError:
        if _is_busy(error):
            return RolevecError(
                f"the vector cache {self._path} has been locked for {_WAIT:.0f} seconds; another"
                " program holds it: end that one, or pass another path"
            )
        return RolevecError(
            f"the vector cache {self._path} cannot be used: {error}; delete that file (its vectors"
            " are computed anew), pass another path, or load without cache="
        )


def _use_write_ahead_log(connection: sqlite3.Connection) -> None:
    """Readers then go on while one writes. SQLite does not wait by itself for this change."""
    deadline = time.monotonic() + _WAIT
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as error:
            if not _is_busy(error) or time.monotonic() > deadline:
                raise
            time.sleep(0.01)


def _is_busy(error: Exception) -> bool:
    # The low byte; the rest tells why.
    return getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_BUSY
