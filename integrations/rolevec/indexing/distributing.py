"""Batches that other processes encode: what is sent to them, what they do, what they answer.

The plan is the local one and stays with the driver, and so does the ledger: the driver alone
decides what changed, in one SQLite file, and notes what it means to write before a worker gets it.
Workers only encode and write, so any of them may die at any moment: its batch is done again by
another, and equal ids replace each other.
"""

from __future__ import annotations

import json
import socket
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol, TypeAlias

from rolevec.documents import Document
from rolevec.encoders.protocol import Encoder
from rolevec.errors import CollectionMismatch, RemoteError, RolevecError
from rolevec.fingerprint import Fingerprint
from rolevec.indexing.encoding import Done, encode_documents, over_limit
from rolevec.indexing.planning import Batch, Item
from rolevec.indexing.running import Run
from rolevec.indexing.shards import read_shard, write_shard
from rolevec.qdrant.backends.protocol import Point
from rolevec.qdrant.bulk import BulkWriter, PointMaker
from rolevec.qdrant.ids import PointId
from rolevec.truncation import TruncationReport

Answer: TypeAlias = dict[str, Any]

# Seconds before a server that refused for now is asked again; doubled each time.
_PATIENCE = 0.5


class Pool(Protocol):
    """Workers: rows in, answers out in any order."""

    def put(self, number: int, row: bytes) -> None:
        """Send a batch."""

    def take(self) -> tuple[int, Answer]:
        """Wait for the next answer."""


@dataclass(slots=True)
class Courier:
    """Sends planned batches to a pool, and turns its answers into what the run expects.

    Args:
        run: whose ledger and counts.
        pool: of workers.
        ahead: batches sent and not yet answered, at most.
        folder: of the shards; None where workers write themselves.
        keep: leave the shards there.
    """

    run: Run
    pool: Pool
    ahead: int
    folder: Path | None
    keep: bool
    _started: int = field(default_factory=time.time_ns)
    _sent: dict[int, tuple[Batch, list[Item], list[Item]]] = field(default_factory=dict)
    _touched: Counter[PointId] = field(default_factory=Counter)

    def deliver(self, batches: Iterator[Batch]) -> Iterator[Done]:
        """Each batch once, when it is done."""
        for number, batch in enumerate(batches):
            # Actors finish in any order, so what touches the same point waits for its turn.
            points = _touches(batch)
            while len(self._sent) >= self.ahead or any(self._touched[p] for p in points):
                yield self._next()
            self._send(number, batch)
        while self._sent:
            yield self._next()

    def _send(self, number: int, batch: Batch) -> None:
        run, items, too_long = self.run, batch.items, list[Item]()
        encoder = run.writer.encoder
        if not run.strict and getattr(encoder, "truncation", None) == "error":
            late = set(over_limit(encoder, [item.document for item in items]))
            too_long = [item for at, item in enumerate(items) if at in late]
            items = [item for at, item in enumerate(items) if at not in late]
        run.intend(items)
        self._sent[number] = batch, items, too_long
        self._touched.update(_touches(batch))
        self.pool.put(number, _row_of(f"{self._started:020}-{number:012}", items))

    def _next(self) -> Done:
        number, answer = self.pool.take()
        batch, items, too_long = self._sent.pop(number)
        self._touched -= Counter(_touches(batch))
        too_long += [items[at] for at in answer["too_long"]]
        limit = self.run.writer.encoder.max_tokens
        truncation = TruncationReport(tuple(answer["dropped"]), limit)
        done = Done(batch, answer["count"], {}, truncation, too_long, intended=True)
        if answer["shard"] is None or self.folder is None:
            return done
        file = self.folder / answer["shard"]
        if not file.exists():
            raise RolevecError(
                f"an actor wrote {file} on {answer['node']}, and it is not there on this machine;"
                " name a folder that both see: RayOptions(shards=…), --shards"
            )
        shard = read_shard(file, self.run.writer.maker.fingerprint)
        points = {point.id: point for point in shard.points()}
        return replace(done, points=points, spent=None if self.keep else file)


def _touches(batch: Batch) -> set[PointId]:
    return {item.entry.point for item in batch.items} | set(batch.surplus)


def _row_of(order: str, items: Sequence[Item]) -> bytes:
    documents = [[d.text, d.id, d.metadata] for d in (item.document for item in items)]
    return json.dumps([order, documents]).encode("ascii")


@dataclass(frozen=True, slots=True)
class Job:
    """What a worker has to know.

    Attributes:
        encoder: an encoder, or what makes one.
        fingerprint: of the collection.
        strict: a text that is too long is an error.
        attempts: how often a server is asked to take a batch.
        collection: its name.
        reach: options of a client for its server; None writes shards.
        folder: of the shards.
        mark: file that lies in the folder.
    """

    encoder: Encoder | Callable[[], Encoder]
    fingerprint: Fingerprint
    strict: bool
    attempts: int
    collection: str
    reach: dict[str, Any] | None = field(repr=False)
    folder: Path | None
    mark: str

    def maker(self) -> PointMaker:
        """The encoder, held to the collection's fingerprint.

        Raises:
            CollectionMismatch: it is another one here.
        """
        made = self.encoder if isinstance(self.encoder, Encoder) else self.encoder()
        maker = PointMaker(made, self.fingerprint.dim)
        if changed := self.fingerprint.differences(maker.fingerprint):
            raise CollectionMismatch(
                f"the worker on {socket.gethostname()} made {made.fingerprint.describe()}, the"
                f" collection {self.collection!r} wants {self.fingerprint.describe()}"
                f" ({', '.join(changed)} differ); give all machines the same model"
            )
        return maker

    def check_folder(self) -> None:
        """Raise `RolevecError` unless the driver's folder is the one seen here."""
        if self.folder is not None and not (self.folder / self.mark).exists():
            raise RolevecError(
                f"{socket.gethostname()} does not see the driver's folder {self.folder}; name one"
                " that every machine sees: RayOptions(shards=…), --shards"
            )


class Worker:
    """One encoder, and the way to the collection.

    Args:
        job: what to do.

    Raises:
        CollectionMismatch: its encoder is another one here.
        RolevecError: the driver's folder is not seen here.
    """

    def __init__(self, job: Job) -> None:
        job.check_folder()
        self._job = job
        self._maker = job.maker()
        reach = job.reach
        self._writer = (
            None if reach is None else BulkWriter.reached(job.collection, self._maker, reach)
        )

    def do(self, row: bytes) -> Answer:
        """Encode and write a batch.

        Raises:
            RolevecError: what encoding and writing raise.
        """
        order, rows = json.loads(row)
        documents = [Document(text, i, metadata) for text, i, metadata in rows]
        points, truncation, too_long = encode_documents(
            self._maker, documents, strict=self._job.strict
        )
        shard = None
        if self._writer is not None:
            self._write(self._writer, points)
        elif self._job.folder is not None and points:
            wanted = self._job.fingerprint
            shard = write_shard(self._job.folder, wanted, points.values(), order).name
        return {
            "count": len(points),
            "dropped": list(truncation.dropped) if truncation else [],
            "too_long": too_long,
            "shard": shard,
            "node": socket.gethostname(),
        }

    def _write(self, writer: BulkWriter, points: dict[PointId, Point]) -> None:
        for attempt in range(1, self._job.attempts + 1):
            try:
                writer.write(points)
                return
            except RemoteError as error:
                for_now = error.status in {0, 429} or error.status >= 500
                if attempt == self._job.attempts or not for_now:
                    raise
            time.sleep(_PATIENCE * 2**attempt)
