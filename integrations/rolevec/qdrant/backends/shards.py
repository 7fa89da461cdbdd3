"""Open Edge shards of this process, shared by everyone who asks for the same folder."""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import shutil
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import portalocker
import qdrant_edge as edge

from rolevec.errors import CollectionBusy, CollectionNotFound, RolevecError

T = TypeVar("T")

SIDECAR = "rolevec.json"
_SHARD, _LOCK = "shard", "rolevec.lock"


class Shard:
    """One shard on disk with the record beside it.

    The engine allows one handle on a shard in the whole system. Within a process the handle is
    shared and counted; between processes a lock file decides, because the engine's own lock comes
    too late to protect the making of a shard. A forked child must not touch the engine, whose
    threads it did not inherit: it would wait for ever.

    Attributes:
        record: what `write_record` last wrote; None until there is a shard.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.record: dict[str, Any] | None = None
        self.users = 0
        self._guard = threading.RLock()
        self._process = os.getpid()
        self._handle: edge.EdgeShard | None = None
        self._lock = _take_lock(folder)
        try:
            self._load()
        except BaseException:
            self._lock.release()
            raise

    def _load(self) -> None:
        sidecar = self.folder / SIDECAR
        self.record = json.loads(sidecar.read_text("utf-8")) if sidecar.exists() else None
        if self.record is not None and self.record.get("unfinished"):
            # Killed while the shard was made: nothing was acknowledged yet.
            shutil.rmtree(self.folder / _SHARD, ignore_errors=True)
            self.record = None
        if (self.folder / _SHARD).exists():
            if self.record is None:
                raise RolevecError(
                    f"{self.folder} holds a shard but no {SIDECAR}, so nobody knows which encoder"
                    " made its vectors; restore that file, or remove the folder and index again"
                )
            self._handle = _translated(edge.EdgeShard.load, str(self.folder / _SHARD))

    @property
    def exists(self) -> bool:
        """True once there is a shard."""
        return self._handle is not None

    def create(self, config: edge.EdgeConfig, record: dict[str, Any]) -> None:
        """Make the shard and its record; a kill half-way leaves nothing that is taken for whole."""
        with self._guard:
            self._write({"unfinished": True})
            self._handle = _translated(edge.EdgeShard.create, str(self.folder / _SHARD), config)
            self.write_record(record)

    def write_record(self, record: dict[str, Any]) -> None:
        """Replace the record on disk in one step."""
        with self._guard:
            self._write(record)
            self.record = record

    def _write(self, content: dict[str, Any]) -> None:
        part = self.folder / (SIDECAR + ".part")
        with part.open("w", encoding="utf-8") as file:
            json.dump(content, file, ensure_ascii=False, indent=2)
            file.flush()
            os.fsync(file.fileno())
        part.replace(self.folder / SIDECAR)

    def call(self, use: Callable[[edge.EdgeShard], T]) -> T:
        """Run ``use`` on the handle, alone.

        Raises:
            RolevecError: closed, absent, used after a fork, or refused by the engine.
        """
        if os.getpid() != self._process:
            raise RolevecError(
                f"the embedded store {self.folder} was opened before this process was forked;"
                ' open the collection in the child, or start processes with "spawn"'
            )
        with self._guard:
            if self._handle is None:
                raise RolevecError(f"the embedded store {self.folder} is closed; open it again")
            return _translated(use, self._handle)

    def close(self) -> None:
        """Flush and let the shard go; twice is no error, and a forked child does nothing."""
        if os.getpid() != self._process:
            return
        with self._guard:
            handle, self._handle = self._handle, None
            try:
                if handle is not None:
                    _translated(lambda shard: shard.flush(), handle)
            finally:
                if handle is not None:
                    handle.close()
                self._lock.release()


_OPEN: dict[str, Shard] = {}
_OPENING = threading.Lock()


def acquire(folder: Path, *, create: bool) -> Shard:
    """The shard of a folder, opened if need be; give it back with `release`.

    Raises:
        CollectionNotFound: the folder is not there, and ``create`` is False.
        CollectionBusy: another process has it.
    """
    key = os.path.realpath(folder)
    with _OPENING:
        shard = _OPEN.get(key)
        if shard is not None and not _usable(shard):
            del _OPEN[key]
            with contextlib.suppress(RolevecError):
                shard.close()
            shard = None
        if shard is None:
            if not create and not (folder / SIDECAR).exists() and not (folder / _SHARD).exists():
                raise CollectionNotFound(f"there is no collection at {folder}")
            folder.mkdir(parents=True, exist_ok=True)
            shard = _OPEN[key] = Shard(folder)
        shard.users += 1
        return shard


def release(shard: Shard) -> None:
    """Close the shard when its last user gives it back."""
    with _OPENING:
        shard.users -= 1
        if shard.users > 0:
            return
        for key, known in list(_OPEN.items()):
            if known is shard:
                del _OPEN[key]
        shard.close()


def _usable(shard: Shard) -> bool:
    # A fork leaves entries that belong to the parent; a deleted folder leaves a dead handle.
    return shard._process == os.getpid() and (shard.folder / _LOCK).exists()


@atexit.register
def _close_all() -> None:
    for shard in list(_OPEN.values()):
        shard.close()


def _take_lock(folder: Path) -> portalocker.Lock:
    lock = portalocker.Lock(
        str(folder / _LOCK),
        mode="a",
        timeout=0,
        flags=portalocker.LockFlags.EXCLUSIVE | portalocker.LockFlags.NON_BLOCKING,
    )
    try:
        lock.acquire()
    except portalocker.exceptions.LockException as error:
        raise CollectionBusy(_busy(folder)) from error
    return lock


def _busy(folder: Path) -> str:
    return (
        f"another process has the embedded store {folder} open; close it there, use another"
        " folder, or run a Qdrant server and pass its URL as store="
    )


def _translated(use: Callable[..., T], *arguments: Any) -> T:
    try:
        return use(*arguments)
    except Exception as error:  # the engine raises bare Exception
        if isinstance(error, RolevecError):
            raise
        if "WouldBlock" in str(error):
            raise CollectionBusy(_busy(Path(str(arguments[0])))) from error
        raise RolevecError(f"Qdrant Edge: {error}") from error
