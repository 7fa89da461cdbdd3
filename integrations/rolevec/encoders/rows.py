"""Rows of a token table as they lie on disk: floats, bytes or half bytes; see also `coded`."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import numpy as np
import numpy.typing as npt

Ids = npt.NDArray[np.integer[Any]]
Floats = npt.NDArray[np.float32]

# Two weights lie in a byte, the first half of a row in the low bits, each plus this.
FOUR_BIT_ZERO = 8


class Rows(ABC):
    """Rows before scaling, and perhaps in an order of dimensions of their own.

    Attributes:
        dim: of a row.
        zero: what each weight of `unpacked` is too high by.
    """

    dim: int
    zero: int = 0

    @abstractmethod
    def __len__(self) -> int: ...

    @abstractmethod
    def unpacked(self, ids: Ids) -> Floats:
        """Some of the rows; float32, shape (n, dim)."""

    def arranged(self, sums: Floats) -> Floats:
        """Sums of unpacked rows (n, dim), with their dimensions in the order of the table."""
        return sums


class PlainRows(Rows):
    """Numbers as they are: int8, float16 or float32, shape (vocabulary, dim)."""

    def __init__(self, weights: npt.NDArray[Any]) -> None:
        self._weights = weights
        self.dim = weights.shape[1]

    def __len__(self) -> int:
        return len(self._weights)

    def unpacked(self, ids: Ids) -> Floats:
        """Some of the rows; float32, shape (n, dim)."""
        return self._weights[ids].astype(np.float32, copy=False)


class HalfByteRows(Rows):
    """Two weights of 4 bits in a byte; uint8, shape (vocabulary, dim / 2)."""

    zero = FOUR_BIT_ZERO

    def __init__(self, pairs: npt.NDArray[np.uint8]) -> None:
        self._pairs = pairs
        self.dim = 2 * pairs.shape[1]

    def __len__(self) -> int:
        return len(self._pairs)

    def unpacked(self, ids: Ids) -> Floats:
        """Some of the rows, `zero` too high; float32, shape (n, dim)."""
        pairs = self._pairs[ids]
        half = pairs.shape[1]
        whole = np.empty((len(ids), 2 * half), dtype=np.float32)
        np.bitwise_and(pairs, 15, out=whole[:, :half], casting="unsafe")
        np.right_shift(pairs, 4, out=whole[:, half:], casting="unsafe")
        return whole
