"""Sums of rows in which what several tokens of a text say counts less than several times."""

from __future__ import annotations

from collections.abc import Iterable
from math import inf
from typing import TypeAlias

import numpy as np

from rolevec.encoders.rows import Floats

# Rows of some groups, all of one length, shape (groups, tokens, dim), and what each of them counts,
# shape (groups, tokens).
Part: TypeAlias = tuple[Floats, Floats]


def ridge_of(value: object) -> float:
    """A ``ridge`` of a config.json or a recipe.

    Raises:
        ValueError: it is no number above 0.
    """
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < inf:
        raise ValueError(f"ridge={value!r} is no number above 0")
    return float(value)


def without_overlap(sums: Floats, parts: Iterable[Part], ridge: float) -> Floats:
    """Take out of sums what their rows share.

    The sum y of rows w r of a text is as near to one of them as the row is long, |w r|, and nearer
    by all that the other rows have of its direction u. So a passage that says "river", "bank" and
    "water" is near to all three by all three, and its one other subject is lost. Generalised max
    pooling (Murray, Perronnin, CVPR 2014) looks for the vector x that is as near to each row as
    that row alone would have it: it minimises the sum of (<u, x> - |w r|)^2, plus ridge |x|^2. The
    first step of conjugate gradients from y towards it does nearly all: with the overlaps
    o = <u, y> - |w r|, it is y - t v, where v is the sum of o u, and t = |o|^2 / (|v|^2 + ridge
    |o|^2). A text of one token has no overlap, nor have rows at right angles.

    Args:
        sums: plain sums of the rows, shape (groups, dim).
        parts: the rows, all of which together were added up.
        ridge: above 0; the larger, the nearer to the plain sum.

    Returns:
        shape (groups, dim). A group's sum does not depend on the other groups.
    """
    along = np.zeros_like(sums)
    squares = np.zeros((len(sums), 1), np.float32)
    for rows, factors in parts:
        lengths = np.sqrt(np.einsum("gnd,gnd->gn", rows, rows))
        known = lengths > 0
        overlaps = np.matmul(rows, sums[:, :, None])[:, :, 0]
        np.divide(overlaps, lengths, out=overlaps, where=known)
        overlaps -= factors * lengths
        squares += np.square(overlaps).sum(axis=1, keepdims=True)
        np.divide(overlaps, lengths, out=overlaps, where=known)
        along += np.matmul(overlaps[:, None], rows)[:, 0]
    below = np.square(along).sum(axis=1, keepdims=True) + np.float32(ridge) * squares
    along *= np.divide(squares, below, out=np.zeros_like(squares), where=below > 0)
    return np.subtract(sums, along, out=along)
