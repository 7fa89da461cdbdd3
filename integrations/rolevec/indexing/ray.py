"""Batches encoded by actors of a Ray cluster.

Plain actors, not a pipeline of Ray Data: batches are planned while others are under way, and it has
to be known which of them an actor was at when it died.
"""

from __future__ import annotations

import logging
import math
import os
import tempfile
import uuid
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, wait
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

from rolevec.encoders.batching import processors
from rolevec.encoders.protocol import Encoder
from rolevec.errors import MissingExtra, RolevecError
from rolevec.indexing.distributing import Answer, Courier, Job, Worker
from rolevec.indexing.encoding import Done
from rolevec.indexing.planning import Batch
from rolevec.indexing.running import Run
from rolevec.indexing.shards import SUFFIX, load_shards, shard_files
from rolevec.qdrant.bulk import BulkWriter

SHARDS = "shards"

# Batches at an actor: one under way and one at hand.
_AT_HAND = 2
# Batches for each actor that are planned and not yet written: those, and one that waits here.
_AHEAD = _AT_HAND + 1
# Seconds that actors have to finish when a run ends early.
_FAREWELL = 10.0


@dataclass(frozen=True, slots=True)
class RayOptions:
    """How `index_corpus` uses Ray.

    Attributes:
        address: of a running cluster, as for ``ray.init``; None takes ``RAY_ADDRESS``, or starts
            Ray on this machine and stops it at the end. A Ray that is initialised already is used
            as it is.
        cpus: of each actor.
        gpus: of each actor; a fraction lets actors share one.
        encoder: makes each actor's encoder, such as ``partial(load_encoder, "light")``; None sends
            the collection's own, whose files must then be at the same place on every machine.
        shards: folder that the driver and all actors see, for an embedded collection; None takes
            one beside the collection, which actors on this machine see.
        keep_shards: leave the shards there, to be loaded elsewhere.
        attempts: how often a batch is tried before its failure is final.
    """

    address: str | None = None
    cpus: float = 1.0
    gpus: float = 0.0
    encoder: Callable[[], Encoder] | None = None
    shards: str | Path | None = None
    keep_shards: bool = False
    attempts: int = 4

    def __post_init__(self) -> None:
        if self.cpus < 0 or self.gpus < 0 or self.attempts < 1:
            raise ValueError(
                f"cpus={self.cpus}, gpus={self.gpus}, attempts={self.attempts}; an actor needs no"
                " less than nothing, and at least one attempt"
            )


@dataclass(slots=True)
class RayLane:
    """Actors on Ray; see `rolevec.indexing.running.Lane`."""

    workers: int
    options: RayOptions

    def run(self, run: Run, batches: Iterator[Batch]) -> Iterator[Done]:
        """In the order in which actors finish."""
        ray = _ray()
        with ExitStack() as stack:
            folder, mark = stack.enter_context(_shard_folder(run.writer, self.options))
            if folder is not None and not self.options.keep_shards:
                load_shards(shard_files(folder), run, left_over=True)
                run.flush()
            # Ray takes seconds to start, for which there must be a reason.
            first = next(batches, None)
            if first is None:
                return
            job = Job(
                self.options.encoder or run.writer.encoder, run.writer.maker.fingerprint,
                run.strict, self.options.attempts, run.writer.name, run.writer.reach, folder, mark,
            )  # fmt: skip
            stack.enter_context(_cluster(ray, self.options, self.workers))
            pool = _Pool(ray, job, self.options, self.workers)
            stack.callback(pool.stop)
            courier = Courier(
                run, pool, _AHEAD * self.workers + 1, folder, self.options.keep_shards
            )
            yield from courier.deliver(chain([first], batches))
            run.flush()


@dataclass(slots=True)
class _Batch:
    """A row of the plan, and how many actors it ended."""

    number: int
    row: bytes
    ended: int = 0


class _Call(NamedTuple):
    """A batch that an actor was sent: Ray's reference, and the answer once it is there."""

    batch: _Batch
    reference: Any
    answer: Future[Answer]


@dataclass(slots=True)
class _Seat:
    """An actor, and what it was sent, in the order in which it does it."""

    actor: Any
    calls: deque[_Call] = field(default_factory=deque)


class EncodingActor:
    """What runs in an actor; Ray shows it under this name.

    The encoder is made at the first batch, so that what goes wrong there is told as that batch's
    error: Ray keeps only the text of what goes wrong in a constructor.
    """

    def __init__(self, job: Job) -> None:
        self._job = job
        self._worker: Worker | None = None

    def do(self, row: bytes) -> Answer:
        """Encode and write a batch."""
        if self._worker is None:
            self._worker = Worker(self._job)
        return self._worker.do(row)


class _Pool:
    """The actors, each with a batch under way and one at hand; the rest wait here.

    Ray restarts no actor and repeats no call: here it is known which batch an actor was at when it
    died, so only that one's attempts are counted, and a new actor takes over.
    """

    def __init__(self, ray: Any, job: Job, options: RayOptions, workers: int) -> None:
        self._ray, self._attempts = ray, options.attempts
        self._kind = ray.remote(num_cpus=options.cpus, num_gpus=options.gpus)(EncodingActor)
        self._job = ray.put(job)
        self._seats = [_Seat(self._actor()) for _ in range(workers)]
        self._waiting: deque[_Batch] = deque()

    def _actor(self) -> Any:
        return self._kind.remote(self._job)

    def put(self, number: int, row: bytes) -> None:
        """Send a batch, or keep it until an actor can have it."""
        self._waiting.append(_Batch(number, row))
        self._send()

    def _send(self) -> None:
        while self._waiting:
            seat = min(self._seats, key=lambda seat: len(seat.calls))
            if len(seat.calls) >= _AT_HAND:
                return
            batch = self._waiting.popleft()
            reference = seat.actor.do.remote(batch.row)
            seat.calls.append(_Call(batch, reference, reference.future()))

    def take(self) -> tuple[int, Answer]:
        """The next answer.

        Raises:
            RolevecError: a batch failed, or ended its actors too often.
        """
        while True:
            busy = [seat for seat in self._seats if seat.calls]
            # Futures, because a signal does not end Ray's own wait.
            wait([seat.calls[0].answer for seat in busy], return_when=FIRST_COMPLETED)
            seat = next(seat for seat in busy if seat.calls[0].answer.done())
            try:
                answer = seat.calls[0].answer.result()
            except self._ray.exceptions.RayActorError as error:
                self._replace(seat, error)
                continue
            except Exception as error:
                raise _plain(error) from error
            batch = seat.calls.popleft().batch
            self._send()
            return batch.number, answer

    def _replace(self, seat: _Seat, error: Exception) -> None:
        """A new actor for one that died or cannot be reached; its batches are done again."""
        self._ray.kill(seat.actor)
        batches = [call.batch for call in seat.calls]
        batches[0].ended += 1
        if batches[0].ended >= self._attempts:
            raise RolevecError(
                f"batch {batches[0].number} ended its worker {self._attempts} times; is there"
                " memory enough for the model and the batch (batch_tokens, --batch-tokens)?"
                f" {_plain(error)}"
            ) from error
        seat.actor = self._actor()
        seat.calls.clear()
        self._waiting.extendleft(reversed(batches))
        self._send()

    def stop(self) -> None:
        """Let actors finish what they are at, for a while; afterwards none writes any more."""
        try:
            under_way = [seat.calls.popleft().answer for seat in self._seats if seat.calls]
            for seat in self._seats:
                for call in seat.calls:
                    self._ray.cancel(call.reference)
            wait(under_way, timeout=_FAREWELL)
        finally:
            for seat in self._seats:
                self._ray.kill(seat.actor)


@contextmanager
def _shard_folder(writer: BulkWriter, options: RayOptions) -> Iterator[tuple[Path | None, str]]:
    """Where shards go, and the name of a file there by which others know it."""
    if writer.reach is not None:
        yield None, ""
        return
    with ExitStack() as stack:
        if options.shards is not None:
            folder = Path(options.shards).resolve()
        elif writer.folder is not None:
            folder = writer.folder.resolve() / SHARDS
        else:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="rolevec-")))
        folder.mkdir(parents=True, exist_ok=True)
        mark = folder / f".{uuid.uuid4().hex}.mark"
        mark.touch()
        stack.callback(_leave, folder, mark, own=options.shards is None)
        yield folder, mark.name


def _leave(folder: Path, mark: Path, *, own: bool) -> None:
    mark.unlink(missing_ok=True)
    if own:
        for part in folder.glob(f".*{SUFFIX}.*.part"):  # of an actor that died
            part.unlink(missing_ok=True)
    with suppress(OSError):  # shards are in it
        folder.rmdir()


@contextmanager
def _cluster(ray: Any, options: RayOptions, workers: int) -> Iterator[None]:
    """A Ray to work on: the one in use, a running cluster, or one on this machine for a while."""
    if ray.is_initialized():
        yield
        return
    address = options.address or os.environ.get("RAY_ADDRESS") or None
    settings: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
    if address is None:
        # Actors share the processors; Ray counts them only to place actors.
        cpus = max(processors(), math.ceil(workers * options.cpus))
        settings |= {"num_cpus": cpus, "include_dashboard": False}
    ray.init(address=address, **settings)
    try:
        found = ray.cluster_resources().get("GPU", 0.0)
        if address is None and found < workers * options.gpus:
            raise RolevecError(
                f"{workers} actors with {options.gpus:g} GPUs each, but this machine has"
                f" {found:g}; ask for fewer, or name a cluster's address"
            )
        yield
    finally:
        ray.shutdown()


def _plain(error: BaseException) -> BaseException:
    """The error of this library behind one of Ray's, or one that says what Ray says."""
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, RolevecError):
            return seen
        seen = getattr(seen, "cause", None) or seen.__cause__
    last = str(error).strip().splitlines()[-1:] or [type(error).__name__]
    return RolevecError(f"Ray: {last[0]}")


def _ray() -> Any:
    # Before the import, which reads it: nothing is reported to Ray's makers.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        import ray
    except ImportError as error:
        raise MissingExtra("ray", "ray") from error
    return ray
