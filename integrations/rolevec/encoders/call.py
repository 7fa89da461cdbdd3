"""One call of `encode`: its texts, each distinct one once, and their vectors as they come."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import numpy.typing as npt

from rolevec.errors import PartialFailure
from rolevec.roles import Role
from rolevec.vectors import Matrix, cut_dimensions

# Rows copied at a time, so that the copy takes no memory to speak of.
_COPIED = 1 << 10


class Call:
    """Hands out distinct texts and puts their vectors where the caller's texts are.

    Args:
        texts: checked, in the caller's order.
        role: theirs.
        dim: dimension of the rows that will come.
        dimensions: what the caller wants of it.
    """

    def __init__(self, texts: Sequence[str], role: Role, dim: int, dimensions: int | None) -> None:
        distinct: dict[str, int] = {}
        self._places = np.fromiter(
            (distinct.setdefault(text, len(distinct)) for text in texts), np.intp, len(texts)
        )
        # Where each distinct text stands first; there its row is put, and copied at the end.
        self._first = np.empty(len(distinct), np.intp)
        self._first[self._places[::-1]] = np.arange(len(texts))[::-1]
        self._dimensions = dimensions
        self._rows = np.empty((len(texts), dim), dtype=np.float32)
        self._lost: list[int] = []
        self.role = role
        self.texts = list(distinct)

    def chunks(self, size: int) -> Iterator[list[str]]:
        """Distinct texts, ``size`` at a time; `add` their rows in this order."""
        for start in range(0, len(self.texts), size):
            yield self.texts[start : start + size]

    def add(self, rows: Matrix, lost: Sequence[int]) -> None:
        """Take the unit rows of a chunk, and the tokens dropped per text."""
        start = len(self._lost)
        self._rows[self._first[start : start + len(rows)]] = rows
        self._lost.extend(lost)

    @property
    def dropped(self) -> list[int]:
        """Tokens dropped from each of the caller's texts."""
        return [self._lost[place] for place in self._places]

    def vectors(self) -> Matrix:
        """Unit rows, shape (n, dimensions), one for each of the caller's texts."""
        again = np.flatnonzero(self._first[self._places] != np.arange(len(self._places)))
        for start in range(0, len(again), _COPIED):
            some = again[start : start + _COPIED]
            self._rows[some] = self._rows[self._first[self._places[some]]]
        return cut_dimensions(self._rows, self._dimensions)

    @contextmanager
    def in_callers_terms(
        self, finish: Callable[[npt.NDArray[np.float32]], Matrix]
    ) -> Iterator[None]:
        """Say of a chunk's `PartialFailure` which of the caller's texts are done.

        Args:
            finish: makes unit rows of what the failure brings.

        Raises:
            PartialFailure: some are; else what caused it.
        """
        try:
            yield
        except PartialFailure as failure:
            start = len(self._lost)
            done = np.zeros(len(self.texts), dtype=bool)
            done[:start] = True
            inside = [start + position for position in failure.done]
            if inside:
                done[inside] = True
                self._rows[self._first[inside]] = finish(failure.vectors)
            positions = np.flatnonzero(done[self._places])
            cause = failure.__cause__
            if not positions.size and isinstance(cause, Exception):
                raise cause from cause.__cause__
            lost = dict(zip(inside, failure.dropped, strict=True)) | dict(enumerate(self._lost))
            raise PartialFailure(
                cause if isinstance(cause, Exception) else failure,
                done=positions.tolist(),
                vectors=cut_dimensions(
                    self._rows[self._first[self._places[positions]]], self._dimensions
                ),
                dropped=[lost[place] for place in self._places[positions].tolist()],
                total=len(self._places),
            ) from cause
