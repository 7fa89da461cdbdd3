"""Small asynchronous calls, gathered: what arrives while a batch is at work is the next batch."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from rolevec.roles import Role
from rolevec.vectors import Matrix

Rows: TypeAlias = tuple[Matrix, list[int]]
"""Unit rows of some texts, and the tokens that each lost."""

# A call with more texts is a batch of its own.
FEW = 16
# Texts in a batch.
_MOST = 256


@dataclass(eq=False, slots=True)
class _Request:
    encode: Callable[[list[str], Role], Rows]
    texts: Sequence[str]
    role: Role
    answer: Future[Rows] = field(default_factory=Future)


class Gathering:
    """Encodes what concurrent callers ask for, one batch at a time, in a thread of its own.

    A call that finds nobody at work is encoded at once and alone: gathering costs it nothing.
    Callers may be in different event loops and threads. If a batch fails, its calls are encoded one
    by one, so that each has its own error or its own vectors. A copy, by pickle too, starts empty.
    """

    def __init__(self) -> None:
        self._reset()

    def _reset(self) -> None:
        self._process = os.getpid()
        self._lock = threading.Lock()
        self._waiting: list[_Request] = []
        self._busy = False
        self._pool: ThreadPoolExecutor | None = None

    async def rows(
        self, encode: Callable[[list[str], Role], Rows], texts: Sequence[str], role: Role
    ) -> Rows:
        """Encode texts, together with others that wait for the same function and role.

        Args:
            encode: gives the rows of distinct texts.
            texts: distinct and checked, at least one.
            role: theirs.

        Raises:
            Exception: whatever ``encode`` raises for these texts alone.
        """
        if self._process != os.getpid():  # the thread did not come along into a forked child
            self._reset()
        request = _Request(encode, texts, role)
        with self._lock:
            self._waiting.append(request)
            if not self._busy:
                if self._pool is None:
                    self._pool = ThreadPoolExecutor(1, thread_name_prefix="rolevec-gathering")
                self._pool.submit(self._work)
                self._busy = True
        return await asyncio.wrap_future(request.answer)

    def _work(self) -> None:
        while batch := self._next():
            _answer([r for r in batch if r.answer.set_running_or_notify_cancel()])

    def _next(self) -> list[_Request]:
        """The first that waits and all that can go with it; nobody, and then work ends."""
        with self._lock:
            batch: list[_Request] = []
            left: list[_Request] = []
            size = 0
            for request in self._waiting:
                first = batch[0] if batch else request
                alike = request.role == first.role and request.encode == first.encode
                if alike and (not batch or size + len(request.texts) <= _MOST):
                    batch.append(request)
                    size += len(request.texts)
                else:
                    left.append(request)
            self._waiting = left
            self._busy = bool(batch)
            return batch

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), ()


def _answer(batch: Sequence[_Request]) -> None:
    """Give every caller what is its own."""
    if not batch:
        return
    places: dict[str, int] = {}
    for request in batch:
        for text in request.texts:
            places.setdefault(text, len(places))
    try:
        rows, lost = batch[0].encode(list(places), batch[0].role)
    except BaseException as error:
        if len(batch) == 1:
            batch[0].answer.set_exception(error)
            return
        for request in batch:
            _answer([request])
        return
    for request in batch:
        own = [places[text] for text in request.texts]
        request.answer.set_result((rows[own], [lost[place] for place in own]))
