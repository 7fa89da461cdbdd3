"""What numbers a model computes with, and how far that may move its vectors."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Literal, TypeAlias, get_args

import numpy as np
import numpy.typing as npt

Precision = Literal["auto", "float32", "bfloat16", "float16", "int8"]
Forward: TypeAlias = Callable[[list[list[int]]], npt.NDArray[np.float32]]

# How far a coordinate of a unit vector may move with the company a text is encoded in.
TOLERANCE = {"float32": 1e-5, "float16": 5e-3, "bfloat16": 3e-2, "int8": 5e-2}
# "auto" takes a shorter format only if no vector turns further from float32's than this cosine.
AGREEMENT = 0.999


def check_precision(asked: str, backend: str, has: tuple[str, ...]) -> str:
    """Return what was asked if the backend has it.

    Raises:
        ValueError: it does not, or nobody does.
    """
    if asked not in get_args(Precision):
        raise ValueError(f"precision={asked!r} is not one of {', '.join(get_args(Precision))}")
    if asked not in has:
        raise ValueError(f"precision={asked!r}: {backend} computes in {', '.join(has)}")
    return asked


def lowest_cosine(
    ours: Iterable[npt.NDArray[np.float32]], theirs: Iterable[npt.NDArray[np.float32]]
) -> float:
    """The least cosine between rows (n, dim) that two models make of the same; -1 for NaN."""
    lowest = 1.0
    for left, right in zip(ours, theirs, strict=True):
        with np.errstate(all="ignore"):
            norms = np.linalg.norm(left, axis=1) * np.linalg.norm(right, axis=1)
            cosines = np.sum(left * right, axis=1) / norms
        lowest = min(lowest, float(np.nan_to_num(cosines, nan=-1.0).min()))
    return lowest
