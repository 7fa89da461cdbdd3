"""Open Edge shards of this process, shared by everyone who asks for the same folder."""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import portalocker
import qdrant_edge as edge

from rolevec.errors import CollectionBusy, CollectionNotFound, RolevecError
from rolevec.qdrant.backends.gate import Gate

T = TypeVar("T")

SIDECAR, MIGRATION = "rolevec.json", "migration.json"
_SHARD, _LOCK = "shard", "rolevec.lock"
# A process that was killed may leave a child behind that builds an index (see `optimize_apart`).
_PATIENCE_SECONDS = 600.0
_OPTIMIZE = """
import sys, qdrant_edge
shard = qdrant_edge.EdgeShard.load(sys.argv[1])
shard.optimize()
shard.flush()
shard.close()
"""


class FolderLock:
    """Keeps other processes out of a folder; held until the last shard in it is closed."""

    def __init__(self, folder: Path) -> None:
        self._lock = _take_lock(folder)
        self._guard = threading.Lock()
        self._holders = 0

    def hold(self) -> None:
        """One shard more."""
        with self._guard:
            self._holders += 1

    def release(self) -> None:
        """One shard less."""
        with self._guard:
            self._holders -= 1
            if self._holders == 0:
                self._lock.release()


class Shard:
    """One shard on disk with the record beside it.

    The engine allows one handle on a shard in the whole system. Within a process the handle is
    shared and counted; between processes a lock file decides, because the engine's own lock comes
    too late to protect the making of a shard. A forked child must not touch the engine, whose
    threads it did not inherit: it would wait for ever.

    Args:
        folder: of the collection.
        sidecar: name of the file with the record.
        name: of the shard's folder in it, if the record does not say so.
        lock: of a shard that is open in the same folder.

    Attributes:
        record: what `write_record` last wrote; None until there is a shard.
        old: records of the shards that this one replaced, and that are still there.
        gate: for who writes.
        superseded: another shard took its place.
    """

    def __init__(
        self,
        folder: Path,
        *,
        sidecar: str = SIDECAR,
        name: str = _SHARD,
        lock: FolderLock | None = None,
    ) -> None:
        self.folder = folder
        self.sidecar, self.name = sidecar, name
        self.record: dict[str, Any] | None = None
        self.old: list[dict[str, Any]] = []
        self.users = 0
        self.gate = Gate()
        self.superseded = False
        self._guard = threading.RLock()
        self._process = os.getpid()
        self._handle: edge.EdgeShard | None = None
        self._closed = False
        self.lock = lock or FolderLock(folder)
        self.lock.hold()
        try:
            self._load()
        except BaseException:
            self.lock.release()
            raise

    @property
    def path(self) -> Path:
        """Where the engine's files are."""
        return self.folder / self.name

    def _load(self) -> None:
        record = read_file(self.folder / self.sidecar)
        if record is not None:
            self.name = record.pop("shard", self.name)
            self.old = record.pop("old", [])
        if record is not None and record.get("unfinished"):
            # Killed while the shard was made: nothing was acknowledged yet.
            shutil.rmtree(self.path, ignore_errors=True)
            record = None
        self.record = record
        if self.path.exists():
            if self.record is None:
                raise RolevecError(
                    f"{self.folder} holds a shard but no {SIDECAR}, so nobody knows which encoder"
                    " made its vectors; restore that file, or remove the folder and index again"
                )
            self._handle = self._patiently_loaded()

    def _patiently_loaded(self) -> edge.EdgeShard:
        # The folder is ours alone, so only a child of a process that was killed can be in there.
        end = time.monotonic() + (_PATIENCE_SECONDS if self.sidecar == MIGRATION else 0.0)
        while True:
            try:
                return _translated(edge.EdgeShard.load, str(self.path))
            except CollectionBusy:
                if time.monotonic() >= end:
                    raise
                time.sleep(0.2)

    @property
    def exists(self) -> bool:
        """True once there is a shard."""
        return self._handle is not None

    def create(self, config: edge.EdgeConfig, record: dict[str, Any]) -> None:
        """Make the shard and its record; a kill half-way leaves nothing that is taken for whole."""
        with self._guard:
            self._write({"unfinished": True})
            self._handle = _translated(edge.EdgeShard.create, str(self.path), config)
            self.write_record(record)

    def write_record(self, record: dict[str, Any]) -> None:
        """Replace the record on disk in one step."""
        with self._guard:
            if self.superseded:
                raise RolevecError(f"the record of {self.path} is history; open the folder again")
            self._write(record)
            self.record = record

    def _write(self, content: dict[str, Any]) -> None:
        # The same file says which shard it is about: replacing it replaces both at once.
        if self.name != _SHARD:
            content = {**content, "shard": self.name}
        if self.old:
            content = {**content, "old": self.old}
        write_file(self.folder / self.sidecar, content)

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

    def optimize_apart(self) -> None:
        """Build the index in a process of its own; nobody may use the shard meanwhile.

        In this process the engine would hold the interpreter, and so all threads, until it is done.
        """
        with self._guard:
            self.call(lambda shard: shard.flush())
            assert self._handle is not None
            self._handle.close()
            self._handle = None
            command = [sys.executable, "-c", _OPTIMIZE, str(self.path)]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            self._handle = self._patiently_loaded()
            if done.returncode:
                raise RolevecError(f"building the index of {self.path}: {done.stderr.strip()}")

    def close(self) -> None:
        """Flush and let the shard go; twice is no error, and a forked child does nothing."""
        if os.getpid() != self._process:
            return
        with self._guard:
            if self._closed:
                return
            self._closed = True
            handle, self._handle = self._handle, None
            try:
                # A superseded shard was flushed before, and its files may be gone.
                if handle is not None and not self.superseded:
                    _translated(lambda shard: shard.flush(), handle)
            finally:
                if handle is not None:
                    handle.close()
                self.lock.release()


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
            # Absolute, because the process may change its directory while the shard is open.
            shard = _OPEN[key] = Shard(folder.absolute())
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


def read_file(path: Path) -> dict[str, Any] | None:
    """The content of a sidecar; None if it is not there."""
    if not path.exists():
        return None
    record: dict[str, Any] = json.loads(path.read_text("utf-8"))
    return record


def write_file(path: Path, content: dict[str, Any]) -> None:
    """Write a sidecar in one step."""
    part = path.with_name(path.name + ".part")
    with part.open("w", encoding="utf-8") as file:
        json.dump(content, file, ensure_ascii=False, indent=2)
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)
    _sync_folder(path.parent)


def replace_open(old: Shard, new: Shard) -> None:
    """From now on, who asks for the folder of ``old`` gets ``new``."""
    with _OPENING:
        for key, known in list(_OPEN.items()):
            if known is old:
                _OPEN[key] = new


def _sync_folder(folder: Path) -> None:
    # A rename survives a power cut once its folder is on the disk; not every system has that.
    if os.name == "posix":
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


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
