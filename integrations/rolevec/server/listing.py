"""Long lists as JSON, a part at a time, so that other requests are not kept waiting."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import orjson

# Numbers written without a pause; a few milliseconds.
_PART = 1 << 16


async def rows(matrix: npt.NDArray[np.generic]) -> Any:
    """The rows of an (n, d) array, for `json_answer`."""
    matrix = np.ascontiguousarray(matrix)
    if matrix.size <= _PART:
        return matrix
    return await items(len(matrix), matrix.shape[1], lambda start, end: matrix[start:end])


async def items(total: int, width: int, make: Callable[[int, int], Any]) -> Any:
    """A list of ``total`` items, for `json_answer`.

    Args:
        total: number of items; more than none.
        width: numbers in an item.
        make: gives the items [start, end).
    """
    step = max(1, _PART // width)
    if total <= step:
        return make(0, total)
    parts = []
    for start in range(0, total, step):
        part = orjson.dumps(
            make(start, min(total, start + step)), option=orjson.OPT_SERIALIZE_NUMPY
        )
        parts.append(part[1:-1])
        await asyncio.sleep(0)
    return orjson.Fragment(b"[" + b",".join(parts) + b"]")
