"""Sums of rows, group by group, at the speed of matrix products."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from itertools import pairwise

import numpy as np

from rolevec.encoders.overlap import Part, without_overlap
from rolevec.encoders.rows import Floats, Ids, Rows
from rolevec.encoders.terms import Ints

# Rows gathered at a time; what they unpack to should stay in a core's cache.
_BLOCK = 512


class RowSums:
    """Sums of rows of which each has a scale, or none has.

    Args:
        rows: to add up.
        scales: of each row; None for 1.

    Attributes:
        dim: of a row.
    """

    def __init__(self, rows: Rows, scales: Floats | None = None) -> None:
        self._rows, self._scales = rows, scales
        self.dim = rows.dim

    def sums(self, ids: Ids, starts: Ints) -> Floats:
        """Sums of rows.

        Args:
            ids: rows to add up, group after group; shape (n,).
            starts: where each group starts, the first at 0, none empty; shape (groups,).

        Returns:
            float32, shape (groups, dim). A group's sum does not depend on the other groups.
        """
        sums = np.empty((len(starts), self.dim), dtype=np.float32)
        for groups, _, part in self.blocks(ids, starts):
            sums[groups] = part
        return sums

    def means(
        self,
        ids: Ids,
        starts: Ints,
        *,
        weights: Floats | None = None,
        ridge: float | None = None,
        out: Floats | None = None,
        places: Ints | None = None,
    ) -> Floats:
        """Means of rows, as `sums`.

        Args:
            weights: what each id counts, shape (n,); the sum is divided by their number all the
                same.
            ridge: take out of each sum what its rows share, see `without_overlap`; None does not.
            out: rows to write to, shape (any, dim); None makes them.
            places: the row of ``out`` for each group; None takes them in order.
        """
        if out is None:
            out = np.empty((len(starts), self.dim), dtype=np.float32)
        for groups, length, sums in self.blocks(ids, starts, weights, ridge):
            np.multiply(sums, np.float32(1 / length), out=sums)
            out[groups if places is None else places[groups]] = sums
        return out

    def blocks(
        self,
        ids: Ids,
        starts: Ints,
        weights: Floats | None = None,
        ridge: float | None = None,
    ) -> Iterator[tuple[Ints, int, Floats]]:
        """Some groups of one length, that length, and their sums; arguments as of `means`."""
        if not len(starts):
            return
        lengths = np.diff(np.concatenate([starts, [len(ids)]]))
        order = np.argsort(lengths, kind="stable")
        edges = (np.flatnonzero(np.diff(lengths[order])) + 1).tolist()
        for first, last in pairwise([0, *edges, len(order)]):
            length = int(lengths[order[first]])
            step = max(1, _BLOCK // length)
            for start in range(first, last, step):
                groups = order[start : min(start + step, last)]
                parts = partial(self._parts, ids, weights, starts[groups], length)
                if length <= _BLOCK:
                    # One part, which is worth keeping; those of long texts are made anew.
                    parts = partial(iter, [*parts()])
                yield groups, length, self._sums_of(parts, ridge)

    def _sums_of(self, parts: Callable[[], Iterator[Part]], ridge: float | None) -> Floats:
        """Sums of groups of one length, by one matrix product for so many places."""
        sums = None
        for rows, factors in parts():
            part: Floats = np.matmul(factors[:, None], rows)[:, 0]
            if self._rows.zero:
                part -= self._rows.zero * factors.sum(axis=1, keepdims=True)
            sums = part if sums is None else sums + part
        assert sums is not None
        if ridge is not None:
            sums = without_overlap(sums, map(self._from_zero, parts()), ridge)
        return self._rows.arranged(sums)

    def _parts(self, ids: Ids, weights: Floats | None, starts: Ints, length: int) -> Iterator[Part]:
        """The rows of groups of one length, some places at a time, and what each counts."""
        for place in range(0, length, _BLOCK):
            width = min(_BLOCK, length - place)
            places = (starts + place)[:, None] + np.arange(width)
            some = ids[places]
            factors = self._scales_of(some)
            if weights is not None:
                factors = factors * weights[places]
            rows = self._rows.unpacked(some.ravel()).reshape(*some.shape, self.dim)
            yield rows, factors

    def _from_zero(self, part: Part) -> Part:
        rows, factors = part
        return (rows - self._rows.zero if self._rows.zero else rows), factors

    def _scales_of(self, ids: Ids) -> Floats:
        return np.ones(ids.shape, np.float32) if self._scales is None else self._scales[ids]
