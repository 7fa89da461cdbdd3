"""Recommendation: one vector out of what is liked and what is not."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from rolevec.vectors import Matrix, unit_rows


def preference(liked: Matrix, disliked: Matrix | None = None) -> npt.NDArray[np.float32]:
    """The mean of the liked, moved away from the mean of the disliked by their difference.

    The "average vector" strategy of Qdrant's recommendation API: 2 * mean(liked) - mean(disliked).

    Args:
        liked: unit rows, shape (n, dim), n at least 1.
        disliked: unit rows, shape (m, dim), or None.

    Returns:
        A unit vector, shape (dim,).

    Raises:
        InvalidVector: the two means cancel out.
    """
    aim = liked.mean(axis=0)
    if disliked is not None and len(disliked):
        aim = 2 * aim - disliked.mean(axis=0)
    return np.asarray(unit_rows(aim)[0], dtype=np.float32)
