"""Rows of a token table as they lie on disk: floats, bytes, half bytes, or numbers in codebooks."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

Ids = npt.NDArray[np.integer[Any]]
Floats = npt.NDArray[np.float32]

# Two weights lie in a byte, the first half of a row in the low bits, each plus this.
FOUR_BIT_ZERO = 8
# Weights that one byte stands for where there are codebooks, and entries of such a book.
CODED = 4
CODES = 256


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


class CodedRows(Rows):
    """Product quantisation: a byte is a number in the codebook of its place, for four weights.

    Jégou, Douze, Schmid, "Product quantization for nearest neighbor search" (PAMI 2011). The four
    weights of place j are those of dimensions j, j + q, j + 2q and j + 3q, q being dim / 4: where
    a table's first dimensions are its largest, each book has large and small ones, and spends its
    entries on the large.

    Args:
        codes: uint8, shape (vocabulary, dim / 4).
        codebooks: floats, shape (dim / 4, 256, 4).
    """

    def __init__(self, codes: npt.NDArray[np.uint8], codebooks: npt.NDArray[Any]) -> None:
        self._codes = codes
        places = codes.shape[1]
        self.dim = CODED * places
        # Four float32 are as wide as one complex128, and numpy moves an item of that size in one
        # go; nothing is ever computed with these "numbers".
        books = np.ascontiguousarray(codebooks, dtype=np.float32)
        self._entries = books.reshape(-1).view(np.complex128)
        self._starts = np.arange(places) * CODES

    def __len__(self) -> int:
        return len(self._codes)

    def unpacked(self, ids: Ids) -> Floats:
        """Some of the rows, place by place; float32, shape (n, dim)."""
        entries = self._entries.take(self._codes[ids] + self._starts, mode="clip")
        return entries.view(np.float32).reshape(len(ids), self.dim)

    def arranged(self, sums: Floats) -> Floats:
        """From place by place to dimension by dimension."""
        return sums.reshape(len(sums), -1, CODED).transpose(0, 2, 1).reshape(len(sums), self.dim)


class RefinedRows(Rows):
    """Coded rows of which the most used are the sum of two (residual quantisation).

    Jégou, Tavenard, Douze, Amsaleg, "Searching in one billion vectors: re-rank with source coding"
    (ICASSP 2011). A few thousand tokens are most of any text: twice the bits for their rows bring
    its sum much closer. A row is put together when it is first met, so that loading costs nothing,
    and no later use of it.

    Args:
        coded: the rows of the vocabulary, and behind them what is added to those of ``refined``.
        refined: numbers of rows, none twice; shape (n,).
        scales: of all coded rows; shape (rows of ``coded``,).
    """

    def __init__(self, coded: CodedRows, refined: Ids, scales: Floats) -> None:
        self._coded, self._refined = coded, refined
        self.dim = coded.dim
        self._places = np.full(len(coded) - len(refined), -1, np.int32)
        self._places[refined] = np.arange(len(refined))
        own, added = scales[refined], scales[len(self) :]
        self._shares = np.divide(added, own, out=np.zeros_like(added), where=own != 0)
        self._whole = np.empty((len(refined), self.dim), np.float32)
        self._met = np.zeros(len(refined), bool)

    def __len__(self) -> int:
        return len(self._places)

    def unpacked(self, ids: Ids) -> Floats:
        """Some of the rows, place by place; float32, shape (n, dim)."""
        places = self._places[ids]
        self._put_together(places[places >= 0])
        rows = self._whole.take(places, axis=0, mode="clip")
        others = np.flatnonzero(places < 0)
        rows[others] = self._coded.unpacked(ids[others])
        return rows

    def _put_together(self, places: Ids) -> None:
        new = places[~self._met[places]]
        if not new.size:
            return
        new = np.unique(new)
        rows = self._coded.unpacked(len(self) + new)
        rows *= self._shares[new, None]
        rows += self._coded.unpacked(self._refined[new])
        self._whole[new] = rows
        # Last, for other threads; what two of them do at once is the same.
        self._met[new] = True

    def arranged(self, sums: Floats) -> Floats:
        """From place by place to dimension by dimension."""
        return self._coded.arranged(sums)


def rows_of(tensors: Mapping[str, npt.NDArray[Any]]) -> Rows:
    """The rows that a table's tensors hold.

    Raises:
        ValueError: the tensors do not fit each other.
    """
    weights = np.asarray(tensors["embeddings"])  # a memmap's own indexing is slow
    codebooks = tensors.get("codebooks")
    if codebooks is not None:
        if weights.dtype != np.uint8 or codebooks.shape != (weights.shape[1], CODES, CODED):
            raise ValueError(
                f"codebooks of shape {codebooks.shape} for {weights.dtype} codes of shape"
                f" {weights.shape}"
            )
        coded = CodedRows(weights, codebooks)
        refined = tensors.get("refined")
        return coded if refined is None else _refined(coded, refined, tensors.get("scales"))
    if weights.dtype == np.uint8:
        if tensors.get("scales") is None:
            raise ValueError("4-bit rows without their scales")
        return HalfByteRows(weights)
    return PlainRows(weights)


def _refined(
    coded: CodedRows, refined: npt.NDArray[Any], scales: npt.NDArray[Any] | None
) -> RefinedRows:
    if refined.ndim != 1 or refined.dtype.kind != "i":
        raise ValueError(f"numbers of refined rows as {refined.dtype} of shape {refined.shape}")
    if scales is None or scales.shape != (len(coded),):
        raise ValueError("refined rows without a scale for every coded row")
    rows = len(coded) - len(refined)
    if not len(refined) or refined.min() < 0 or refined.max() >= rows:
        raise ValueError(f"numbers of refined rows outside the {rows} rows of the table")
    return RefinedRows(coded, np.asarray(refined), np.asarray(scales, np.float32))
