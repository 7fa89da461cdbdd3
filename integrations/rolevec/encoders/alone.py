"""A text that comes alone: all threads share it, where batches are computed side by side."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from threading import Lock
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from rolevec.errors import ModelNotAvailable

Feed: TypeAlias = Mapping[str, npt.NDArray[Any]]
Run: TypeAlias = Callable[[Feed], npt.NDArray[np.float32]]

_log = logging.getLogger(__name__)

# Who encodes one text and ends does not pay for a second opening.
_PATIENCE = 2


class Alone:
    """Chooses between two openings of a graph, by how many calls are under way.

    The first computes batches side by side, each on its share of the threads, which is what pays
    off in bulk. A single text would leave the other threads idle: the third that comes while
    nothing else is under way opens the graph again, with all threads for one call, and from then
    on such texts go there. Vectors differ by no more than rounding. Where the graph cannot be
    opened again, all goes on as before.

    Args:
        shared: runs a call on its share of the threads.
        opened: opens the graph for one call on all threads; None where nothing would be gained.
    """

    def __init__(self, shared: Run, opened: Callable[[], Run] | None) -> None:
        self._shared, self._opened = shared, opened
        self._whole: Run | None = None
        self._under_way = self._seen = 0
        self._lock, self._opening = Lock(), Lock()

    @property
    def is_open(self) -> bool:
        """True once the graph has been opened a second time."""
        return self._whole is not None

    def __call__(self, feed: Feed, rows: int) -> npt.NDArray[np.float32]:
        """Run one call.

        Args:
            feed: the graph's inputs.
            rows: how many texts they hold.
        """
        with self._counted() as alone:
            run = self._for_one() if alone and rows == 1 and self._opened else self._shared
            return run(feed)

    @contextmanager
    def _counted(self) -> Iterator[bool]:
        """Tells if no other call is under way."""
        with self._lock:
            self._under_way += 1
            alone = self._under_way == 1
        try:
            yield alone
        finally:
            with self._lock:
                self._under_way -= 1

    def _for_one(self) -> Run:
        with self._opening:
            self._seen += 1
            if self._whole is None and self._seen > _PATIENCE and self._opened is not None:
                try:
                    self._whole = self._opened()
                except (ModelNotAvailable, MemoryError) as error:
                    self._opened = None
                    _log.info("texts that come alone stay as slow as others: %s", error)
            return self._whole or self._shared
