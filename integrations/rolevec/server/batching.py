"""Work from many connections, done together: bounded, fair between clients, the short before bulk.

A job is cut into pieces that fit the token budget. Workers, which are threads, take as many pieces
of one key as fit it, one client after the other. While they work the next pieces gather, so that
batches grow with the load and nobody waits for company when there is none.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar

from rolevec.server.failures import Kind, Refused
from rolevec.server.keys import retry_after

R = TypeVar("R")

# A job this small goes ahead of bulk ...
URGENT_ITEMS = 8
URGENT_COST = 2048
# ... but not for ever: bulk gets its turn after so many batches that went ahead of it.
_PATIENCE = 4
_LONGEST_WAIT = 30.0


class Execute(Protocol[R]):
    """Does some groups of items of one key; one result a group."""

    def __call__(self, key: Hashable, groups: list[list[str]], /) -> list[R]:
        """See above."""


@dataclass(frozen=True, slots=True)
class Batch:
    """What is told of a finished batch.

    Attributes:
        requests: pieces in it.
        items: texts in it.
        cost: its estimated tokens.
        seconds: it took.
    """

    requests: int
    items: int
    cost: int
    seconds: float


@dataclass(slots=True, eq=False)
class Job(Generic[R]):
    """Items that one request waits for.

    Attributes:
        key: only pieces of equal keys are done together.
        client: who asked; clients take turns.
        future: the parts' results in order, or the first error.
    """

    key: Hashable
    client: str
    future: asyncio.Future[list[R]]
    urgent: bool
    parts: list[R | None] = field(default_factory=list)
    left: int = 0
    waiting: int = 0  # cost of the pieces that no worker has taken

    def finish(self, place: int, result: R | Exception) -> None:
        """Take the result of a piece; on the event loop."""
        if self.future.done():
            return
        if isinstance(result, Exception):
            self.future.set_exception(result)
            return
        self.parts[place] = result
        self.left -= 1
        if not self.left:
            self.future.set_result([part for part in self.parts if part is not None])


@dataclass(slots=True, eq=False)
class _Piece(Generic[R]):
    job: Job[R]
    place: int
    items: list[str]
    cost: int


class _Lane(Generic[R]):
    """Pieces that wait, by client; clients take turns."""

    def __init__(self) -> None:
        self._clients: OrderedDict[str, deque[_Piece[R]]] = OrderedDict()

    def __bool__(self) -> bool:
        return bool(self._clients)

    def put(self, piece: _Piece[R]) -> None:
        self._clients.setdefault(piece.job.client, deque()).append(piece)

    def take(self, budget: int) -> list[_Piece[R]]:
        """Pieces of one key that fit a budget; the first is taken whatever its cost.

        A client whose piece does not fit keeps its place in the row, so that it is the first next
        time.
        """
        batch: list[_Piece[R]] = []
        key: Hashable = None
        more = True
        while more and budget > 0:
            more = False
            for client in list(self._clients):
                piece = self._clients[client][0]
                if batch and (piece.job.key != key or piece.cost > budget):
                    continue
                batch.append(self._pop(client))
                key = piece.job.key
                budget -= piece.cost
                more = True
        return batch

    def _pop(self, client: str) -> _Piece[R]:
        pieces = self._clients[client]
        piece = pieces.popleft()
        if pieces:
            self._clients.move_to_end(client)
        else:
            del self._clients[client]
        return piece

    def drop(self, job: Job[R]) -> None:
        pieces = self._clients.get(job.client)
        if pieces is None:
            return
        kept = deque(piece for piece in pieces if piece.job is not job)
        if kept:
            self._clients[job.client] = kept
        else:
            del self._clients[job.client]


class Batcher(Generic[R]):
    """A queue and the threads that empty it.

    `submit` and `drop` are called on the event loop.

    Attributes:
        budget: most cost in one batch, as long as it holds more than one piece.

    Args:
        name: of the threads.
        execute: does the work, in a thread.
        budget: see above.
        queue_cost: most cost that waits; one client gets half of it.
        queue_jobs: most jobs that wait.
        workers: number of threads.
        on_batch: told of every batch, in a thread.
    """

    def __init__(
        self,
        name: str,
        execute: Execute[R],
        *,
        budget: int,
        queue_cost: int,
        queue_jobs: int,
        workers: int = 1,
        on_batch: Callable[[Batch], None] | None = None,
    ) -> None:
        self._name = name
        self._execute = execute
        self.budget = budget
        self._most_cost = queue_cost
        self._most_jobs = queue_jobs
        self._workers = workers
        self._on_batch = on_batch
        self._ready = threading.Condition(threading.Lock())
        self._urgent: _Lane[R] = _Lane()
        self._bulk: _Lane[R] = _Lane()
        self._streak = 0
        self._idle = 0
        self._stopping = False
        self._threads: list[threading.Thread] = []
        self._loop: asyncio.AbstractEventLoop | None = None
        self._seconds_per_cost = 0.0
        self._jobs: set[Job[R]] = set()  # those with a piece that no worker has taken
        self._by_client: dict[str, int] = {}
        self._cost = 0

    @property
    def waiting_jobs(self) -> int:
        """Jobs with a piece that no worker has taken."""
        return len(self._jobs)

    @property
    def waiting_cost(self) -> int:
        """Cost of the pieces that no worker has taken."""
        return self._cost

    def start(self) -> None:
        """Start the threads; results go to the running event loop."""
        self._loop = asyncio.get_running_loop()
        for number in range(self._workers):
            thread = threading.Thread(
                target=self._work, name=f"rolevec {self._name} {number}", daemon=True
            )
            thread.start()
            self._threads.append(thread)

    def stop(self) -> None:
        """Let the threads empty the queue and end; waits for them, so not on the event loop."""
        with self._ready:
            self._stopping = True
            self._ready.notify_all()
        for thread in self._threads:
            thread.join()

    def submit(
        self, key: Hashable, items: Sequence[str], costs: Sequence[int], client: str
    ) -> Job[R]:
        """Queue a job of at least one item.

        Raises:
            Refused: too much is waiting.
        """
        loop = self._loop
        if loop is None or self._stopping:
            raise Refused(Kind.UNAVAILABLE, "the server is not taking work; try another one")
        cost = sum(costs)
        urgent = len(items) <= URGENT_ITEMS and cost <= min(URGENT_COST, self.budget)
        job: Job[R] = Job(key, client, loop.create_future(), urgent)
        pieces = self._cut(job, items, costs)
        job.parts = [None] * len(pieces)
        job.left, job.waiting = len(pieces), cost
        lane = self._urgent if urgent else self._bulk
        with self._ready:
            self._admit(job, cost)
            for piece in pieces:
                lane.put(piece)
            if self._idle:
                self._ready.notify(min(self._idle, len(pieces)))
        return job

    def drop(self, job: Job[R]) -> None:
        """Forget what of a job no worker has taken."""
        with self._ready:
            if job in self._jobs:
                (self._urgent if job.urgent else self._bulk).drop(job)
                self._leave(job, job.waiting)

    def _cut(self, job: Job[R], items: Sequence[str], costs: Sequence[int]) -> list[_Piece[R]]:
        pieces = [_Piece(job, 0, [], 0)]
        for item, cost in zip(items, costs, strict=True):
            piece = pieces[-1]
            if piece.items and piece.cost + cost > self.budget:
                piece = _Piece(job, len(pieces), [], 0)
                pieces.append(piece)
            piece.items.append(item)
            piece.cost += cost
        return pieces

    def _admit(self, job: Job[R], cost: int) -> None:
        own = self._by_client.get(job.client, 0)
        full = self._cost + cost > self._most_cost or own + cost > self._most_cost // 2
        if len(self._jobs) >= self._most_jobs or (self._cost and full):
            wait = min(_LONGEST_WAIT, self._cost * self._seconds_per_cost / self._workers)
            raise Refused(
                Kind.OVERLOADED,
                f"{len(self._jobs)} requests of about {self._cost} tokens are waiting, which is as"
                " many as this server takes; try again later",
                headers={"retry-after": retry_after(wait)},
            )
        self._jobs.add(job)
        self._cost += cost
        self._by_client[job.client] = own + cost

    def _leave(self, job: Job[R], cost: int) -> None:
        """A part of a job waits no longer."""
        job.waiting -= cost
        self._cost -= cost
        self._by_client[job.client] -= cost
        if not job.waiting:
            self._jobs.discard(job)
            if not self._by_client[job.client]:
                del self._by_client[job.client]

    def _work(self) -> None:
        loop = self._loop
        assert loop is not None
        while batch := self._next():
            started = time.perf_counter()
            results = self._attempt(batch)
            seconds = time.perf_counter() - started
            cost = sum(piece.cost for piece in batch)
            loop.call_soon_threadsafe(_deliver, batch, results)
            self._seconds_per_cost += 0.2 * (seconds / cost - self._seconds_per_cost)
            if self._on_batch is not None:
                items = sum(len(piece.items) for piece in batch)
                self._on_batch(Batch(len(batch), items, cost, seconds))

    def _next(self) -> list[_Piece[R]]:
        """Pieces to do now; empty when there will be none any more."""
        with self._ready:
            while not self._urgent and not self._bulk:
                if self._stopping:
                    return []
                self._idle += 1
                self._ready.wait()
                self._idle -= 1
            bulk = self._bulk and (not self._urgent or self._streak >= _PATIENCE)
            self._streak = 0 if bulk or not self._bulk else self._streak + 1
            batch = (self._bulk if bulk else self._urgent).take(self.budget)
            for piece in batch:
                self._leave(piece.job, piece.cost)
            return batch

    def _attempt(self, batch: list[_Piece[R]]) -> list[R | Exception]:
        """Do a batch; if it fails do its pieces one by one, so that only the culprit fails."""
        try:
            return [*self._execute(batch[0].job.key, [piece.items for piece in batch])]
        except Exception as error:
            if len(batch) == 1:
                return [error]
        return [self._attempt([piece])[0] for piece in batch]


def _deliver(batch: list[_Piece[R]], results: list[R | Exception]) -> None:
    for piece, result in zip(batch, results, strict=True):
        piece.job.finish(piece.place, result)
