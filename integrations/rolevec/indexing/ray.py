"""Batches encoded by actors of a Ray cluster, with Ray Data."""

from __future__ import annotations

import asyncio
import json
import logging
import math
import os
import queue
import tempfile
import threading
import uuid
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from rolevec.encoders.batching import processors
from rolevec.encoders.protocol import Encoder
from rolevec.errors import MissingExtra, RolevecError
from rolevec.indexing.distributing import Answer, Courier, Job, Worker
from rolevec.indexing.encoding import Done
from rolevec.indexing.planning import Batch
from rolevec.indexing.running import Run
from rolevec.indexing.shards import SUFFIX, load_shards, shard_files
from rolevec.parquet import table_of
from rolevec.qdrant.bulk import BulkWriter

SHARDS = "shards"

# Batches for each actor that are planned and not yet written: one under way, one at hand, one on
# its way there or back.
_AHEAD = 3
_CHATTY = (
    "ray.data._internal.execution.streaming_executor",
    "ray.data._internal.progress",
)


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


class _Pool:
    """The actors: rows in, answers out in any order."""

    def __init__(self, ray: Any, job: Job, options: RayOptions, workers: int) -> None:
        self._ray = ray
        self._feeder = ray.remote(num_cpus=0)(_Feeder).remote()
        self._answers: queue.Queue[tuple[int, Answer] | BaseException] = queue.Queue()
        dataset = _dataset(ray, self._feeder, job, options, workers)
        self._thread = threading.Thread(target=self._drain, args=(dataset,), name="rolevec-ray")
        self._thread.daemon = True
        self._thread.start()

    def put(self, number: int, row: bytes) -> None:
        """Send a batch; the caller holds back, so the feeder keeps only a few."""
        self._ray.get(self._feeder.put.remote(number, row))

    def take(self) -> tuple[int, Answer]:
        """The next answer.

        Raises:
            RolevecError: an actor failed for good.
        """
        answer = self._answers.get()
        if isinstance(answer, BaseException):
            raise _plain(answer) from answer
        self._feeder.forget.remote(answer[0])
        return answer

    def end(self) -> None:
        """No batch follows."""
        self._feeder.end.remote()

    def stop(self) -> None:
        """Let actors finish what they are at, and let them go."""
        self._feeder.end.remote()
        self._thread.join()
        self._ray.kill(self._feeder)

    def _drain(self, dataset: Any) -> None:
        try:
            for row in dataset.iter_rows():
                if answer := json.loads(row["answer"]):
                    self._answers.put((int(row["number"]), answer))
            self._answers.put(RolevecError("Ray ended before all batches were done"))
        except BaseException as error:
            self._answers.put(error)


class _Feeder:
    """An actor: batches of the plan by number, until they are done.

    A reader that dies is started again from the first number; it finds nothing where it was.
    """

    def __init__(self) -> None:
        self._rows: dict[int, bytes] = {}
        self._attempts: Counter[int] = Counter()
        self._next = 0
        self._ended = False
        self._changed = asyncio.Condition()

    async def put(self, number: int, row: bytes) -> None:
        async with self._changed:
            self._rows[number] = row
            self._next = number + 1
            self._changed.notify_all()

    async def end(self) -> None:
        async with self._changed:
            self._ended = True
            self._changed.notify_all()

    async def forget(self, number: int) -> None:
        self._rows.pop(number, None)
        self._attempts.pop(number, None)

    async def row(self, number: int) -> bytes | None:
        """A batch; empty if it is done, None if there is none."""
        async with self._changed:
            await self._changed.wait_for(lambda: number < self._next or self._ended)
        return self._rows.get(number, b"") if number < self._next else None

    async def attempt(self, number: int) -> int:
        """Which attempt at a batch this is."""
        self._attempts[number] += 1
        return self._attempts[number]


def _dataset(ray: Any, feeder: Any, job: Job, options: RayOptions, workers: int) -> Any:
    """One row for each batch: its number and its content in, its number and its answer out."""
    from ray.data import ActorPoolStrategy, DataContext, Datasource, ReadTask
    from ray.data.block import BlockMetadata

    def rows() -> Iterator[Any]:
        number = 0
        while (row := ray.get(feeder.row.remote(number))) is not None:
            yield table_of({"number": [number], "row": [row]})
            number += 1

    class Plan(Datasource):
        def estimate_inmemory_data_size(self) -> int | None:
            return None

        def get_read_tasks(self, parallelism: int, *_: Any, **__: Any) -> list[Any]:
            unknown = BlockMetadata(
                num_rows=None, size_bytes=None, input_files=None, exec_stats=None
            )
            return [ReadTask(rows, unknown)]

    source: Any = Plan

    class Actor:
        def __init__(self) -> None:
            self._worker = Worker(job, lambda n: int(ray.get(feeder.attempt.remote(n))))

        def __call__(self, rows: Any) -> Any:
            pairs = zip(rows["number"], rows["row"], strict=True)
            answers = [json.dumps(self._worker.do(int(n), bytes(row))) for n, row in pairs]
            return {"number": rows["number"], "answer": np.array(answers, dtype=object)}

    context = DataContext.get_current()
    before = context.target_max_block_size, context.enable_progress_bars
    # A block is sent on when it is larger than this: every row at once, and none waits for others.
    context.target_max_block_size, context.enable_progress_bars = 1, False
    try:
        plan = ray.data.read_datasource(source(), override_num_blocks=1, num_cpus=0)
        return plan.map_batches(
            Actor,
            batch_size=1,
            compute=ActorPoolStrategy(size=workers),
            num_cpus=options.cpus,
            num_gpus=options.gpus or None,
        )
    finally:
        context.target_max_block_size, context.enable_progress_bars = before


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
        import ray.data
    except ImportError as error:
        raise MissingExtra("ray[data]", "ray") from error
    # Ray Data tells of every run; what matters here comes as an error.
    for name in _CHATTY:
        logging.getLogger(name).setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", message="The minimum number of concurrent actors")
    return ray
