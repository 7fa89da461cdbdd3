"""Which pairs of a batch are not negatives of each other."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Positions = npt.NDArray[np.intp]


def equal_positions(keys: npt.NDArray[np.int64]) -> tuple[Positions, Positions]:
    """All (i, j), i != j, with equal keys; keys has shape (n,)."""
    order = np.argsort(keys, kind="stable")
    ranked = keys[order]
    starts = np.flatnonzero(np.concatenate([[True], ranked[1:] != ranked[:-1]]))
    ends = np.append(starts[1:], len(keys))
    rows, cols = [np.zeros(0, np.intp)], [np.zeros(0, np.intp)]
    for size in np.unique(ends - starts):
        if size == 1:
            continue
        groups = order[starts[ends - starts == size][:, None] + np.arange(size)]
        first, second = np.nonzero(~np.eye(size, dtype=bool))
        rows.append(groups[:, first].ravel())
        cols.append(groups[:, second].ravel())
    return np.concatenate(rows), np.concatenate(cols)


def false_negatives(
    left_keys: npt.NDArray[np.int64], right_keys: npt.NDArray[np.int64]
) -> tuple[Positions, Positions]:
    """Cells of the similarity matrix to leave out of the softmax.

    The same short message recurs in hundreds of languages. If two pairs share either side, the
    other's text is a right answer, and pushing it away would teach the opposite of what is meant.

    Returns:
        Row and column numbers; never on the diagonal. A cell may be named twice.
    """
    by_left, by_right = equal_positions(left_keys), equal_positions(right_keys)
    return np.concatenate([by_left[0], by_right[0]]), np.concatenate([by_left[1], by_right[1]])
