"""Rows of a token table that are numbers in codebooks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from rolevec.encoders.rows import Floats, Ids, Rows

# Weights that one byte stands for where there are codebooks, or where rows are coarse, and entries
# of such a book.
CODED = 4
COARSE = 8
CODES = 256


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
        self._entries = _entries(codebooks)
        self._starts = np.arange(places) * CODES

    def __len__(self) -> int:
        return len(self._codes)

    def unpacked(self, ids: Ids) -> Floats:
        """Some of the rows, place by place; float32, shape (n, dim)."""
        entries = self._entries.take(self._numbers(ids), mode="clip")
        return entries.view(np.float32).reshape(len(ids), self.dim)

    def _numbers(self, ids: Ids) -> npt.NDArray[np.intp]:
        """The entries that some rows are made of; shape (n, places)."""
        return self._codes[ids] + self._starts

    def arranged(self, sums: Floats) -> Floats:
        """From place by place to dimension by dimension."""
        return sums.reshape(len(sums), -1, CODED).transpose(0, 2, 1).reshape(len(sums), self.dim)


def _entries(codebooks: npt.NDArray[Any]) -> npt.NDArray[np.complex128]:
    # Four float32 are as wide as one complex128, and numpy moves an item of that size in one go;
    # nothing is ever computed with these "numbers".
    books = np.ascontiguousarray(codebooks, dtype=np.float32)
    return books.reshape(-1).view(np.complex128)


class MixedRows(CodedRows):
    """Coded rows of which the least used have a byte for eight weights, those of two places.

    Args:
        codes: of the rows that are not coarse, in their order; uint8, shape (n, dim / 4).
        codebooks: theirs; shape (dim / 4, 256, 4).
        coarse: whether a row is coarse; bool, shape (rows,).
        coarse_codes: of those that are, in their order; uint8, shape (rows - n, dim / 8).
        coarse_books: theirs; shape (dim / 8, 256, 8).
    """

    def __init__(
        self,
        codes: npt.NDArray[np.uint8],
        codebooks: npt.NDArray[Any],
        coarse: npt.NDArray[np.bool_],
        coarse_codes: npt.NDArray[np.uint8],
        coarse_books: npt.NDArray[Any],
    ) -> None:
        super().__init__(codes, codebooks)
        self._coarse_codes = coarse_codes
        # Behind the entries of four weights come the halves of those of eight, place by place, so
        # that rows of both kinds are taken in one go.
        halves = coarse_books.reshape(-1, CODES, 2, CODED).swapaxes(1, 2)
        self._coarse_starts = self._starts + len(self._entries)
        self._entries = np.concatenate([self._entries, _entries(halves)])
        # The number among the rows of its kind; of coarse ones its complement, which is negative.
        self._places = np.where(coarse, ~(np.cumsum(coarse) - 1), np.cumsum(~coarse) - 1)
        self._places = self._places.astype(np.int32)

    def __len__(self) -> int:
        return len(self._places)

    def _numbers(self, ids: Ids) -> npt.NDArray[np.intp]:
        places = self._places[ids]
        coarse = np.flatnonzero(places < 0)
        numbers = self._codes.take(places, axis=0, mode="clip") + self._starts
        codes = self._coarse_codes[~places[coarse]]
        numbers[coarse] = codes.repeat(COARSE // CODED, axis=1) + self._coarse_starts
        return numbers


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


def coded_rows(weights: npt.NDArray[Any], tensors: Mapping[str, npt.NDArray[Any]]) -> Rows:
    """The rows of a table's tensors that has codebooks.

    Args:
        weights: the tensor "embeddings".
        tensors: all of them.

    Raises:
        ValueError: the tensors do not fit each other.
    """
    coded, refined = _coded(weights, tensors), tensors.get("refined")
    return coded if refined is None else _refined(coded, refined, tensors.get("scales"))


def _coded(weights: npt.NDArray[Any], tensors: Mapping[str, npt.NDArray[Any]]) -> CodedRows:
    books = tensors["codebooks"]
    _check_books("codebooks", weights, books, CODED)
    if (packed := tensors.get("coarse")) is None:
        return CodedRows(weights, books)
    codes, coarse_books = (tensors.get(name) for name in ("coarse_codes", "coarse_codebooks"))
    if codes is None or coarse_books is None or codes.ndim != 2:
        raise ValueError("coarse rows without their codes or codebooks")
    _check_books("coarse_codebooks", codes, coarse_books, COARSE)
    if packed.dtype != np.uint8 or packed.ndim != 1:
        raise ValueError(f"marks of coarse rows as {packed.dtype} of shape {packed.shape}")
    if codes.shape[1] * COARSE != weights.shape[1] * CODED:
        raise ValueError(f"{codes.shape[1]} codes a coarse row beside {weights.shape[1]}")
    rows = len(weights) + len(codes)
    coarse = np.zeros(rows, bool)
    marks = np.unpackbits(np.asarray(packed))[:rows]
    coarse[: len(marks)] = marks
    if coarse.sum() != len(codes):
        raise ValueError(f"{len(codes)} coarse rows, where {coarse.sum()} are marked")
    return MixedRows(weights, books, coarse, np.asarray(codes), coarse_books)


def _check_books(name: str, codes: npt.NDArray[Any], books: npt.NDArray[Any], weights: int) -> None:
    if codes.dtype != np.uint8 or books.shape != (codes.shape[1], CODES, weights):
        raise ValueError(
            f"{name} of shape {books.shape} for {codes.dtype} codes of shape {codes.shape}"
        )


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
