"""Round the rows of a table to fewer bits, row by row or through codebooks."""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from rolevec.encoders.coded import COARSE, CODED, CODES, CodedRows
from rolevec.encoders.rows import FOUR_BIT_ZERO, Floats, Ids

Bits: TypeAlias = Literal[2, 4, 8, 16]

# Shares of a row's largest weight that are tried as its last step.
_CUTS = (1.0, 0.95, 0.9, 0.85, 0.8, 0.75, 0.7, 0.65)
# In 8 bits also this one: a row that comes from 4 bits has no other steps, and stays as it is.
_FROM_FOUR = 127 / 7
# Rows from which the entries of codebooks are learned, and passes over them.
_SAMPLE = 1 << 15
_PASSES = 15


def quantise(
    table: Floats, bits: Literal[4, 8] = 8
) -> tuple[npt.NDArray[np.int8] | npt.NDArray[np.uint8], Floats]:
    """Round each row to steps of its own size: 255 of them in 8 bits, 15 in 4.

    A row's largest weights are cut where that lets the others err less: of a few shares of the
    largest one, the step is taken that leaves the smallest squared error.

    Args:
        table: float32, shape (vocab, dim).
        bits: of a weight; 4 needs an even dimension.

    Returns:
        rows and float32 scales (vocab,). In 8 bits the rows are int8 (vocab, dim); in 4 bits they
        are uint8 (vocab, dim / 2), packed as `HalfByteRows` unpacks them. ``scales[:, None] *
        rows`` is no farther from the table, row by row, than with the largest weight as the last
        step. A row of zeros has scale 0.
    """
    most = 127 if bits == 8 else 7
    largest = np.abs(table).max(axis=1)
    scales = np.zeros(len(table), np.float32)
    rounded = np.zeros(table.shape, np.int8)
    smallest = np.full(len(table), np.inf)
    for share in _CUTS if bits == 4 else (*_CUTS, _FROM_FOUR):
        tried = (largest * share / most).astype(np.float32)[:, None]
        steps = np.divide(table, tried, out=np.zeros_like(table), where=tried > 0)
        steps = np.clip(np.rint(steps), -most, most)
        error = np.square(table - steps * tried).sum(axis=1)
        better = error < smallest
        smallest[better], scales[better] = error[better], tried[better, 0]
        rounded[better] = steps[better].astype(np.int8)
    if bits == 8:
        return rounded, scales
    low, high = np.split((rounded + FOUR_BIT_ZERO).astype(np.uint8), 2, axis=1)
    return low | high << 4, scales


def encode_products(
    table: Floats, seed: int = 0, weights: int = CODED
) -> tuple[npt.NDArray[np.uint8], Floats, npt.NDArray[np.float16]]:
    """Product quantisation of unit rows: a byte for four weights, 2 bits a weight, or for eight.

    The codebooks are the centres of k-means over a sample of the rows, one book a place; see
    `CodedRows` and `MixedRows` for which weights share a place. A row's scale is the one that
    leaves the smallest squared error, or, with eight weights a byte, that keeps its length: the
    former would take an eighth off it, and the row would count so much less in a sum.

    Args:
        table: float32, shape (vocab, dim), dim a multiple of ``weights``.
        seed: of the sample.
        weights: w that a byte stands for, 4 or 8.

    Returns:
        codes, uint8 (vocab, dim / w); scales (vocab,); codebooks, float16 (dim / w, 256, w). A row
        of zeros has scale 0.
    """
    parts, lengths = _unit_parts(table, weights)
    sample = np.random.default_rng(seed).permutation(np.flatnonzero(lengths))[:_SAMPLE]
    books = np.zeros((len(parts), CODES, weights), np.float16)
    for book, part in zip(books, parts, strict=True):
        book[:] = _k_means(np.ascontiguousarray(part)[sample])
    codes, scales, taken = _encode(parts, lengths, books)
    if weights == COARSE:
        scales = np.divide(lengths, taken, out=np.zeros_like(taken), where=taken > 0)
    return codes, scales, books


def refine_products(
    table: Floats,
    codes: npt.NDArray[np.uint8],
    scales: Floats,
    books: npt.NDArray[np.float16],
) -> tuple[npt.NDArray[np.uint8], Floats]:
    """Codes of what `encode_products` left out of rows, in the same books; see `RefinedRows`.

    Args:
        table: rows, shape (n, dim).
        codes: theirs, as ``scales``.
        books: of the table they are from.

    Returns:
        codes and scales of a further row for each, to be added to it.
    """
    rows = CodedRows(codes, books)
    reached = rows.arranged(rows.unpacked(np.arange(len(codes)))) * scales[:, None]
    codes, scales, _ = _encode(*_unit_parts(table - reached), books)
    return codes, scales


def _unit_parts(table: Floats, weights: int = CODED) -> tuple[Floats, Floats]:
    """Unit rows by the place of their weights, shape (dim / w, rows, w), and their lengths."""
    lengths = np.linalg.norm(table, axis=1)
    divisors = lengths[:, None]
    units = np.divide(table, divisors, out=np.zeros_like(table), where=divisors > 0)
    places = units.reshape(len(table), CODED, -1, weights // CODED).transpose(2, 0, 3, 1)
    return places.reshape(-1, len(table), weights), lengths


def _encode(
    parts: Floats, lengths: Floats, books: npt.NDArray[np.float16]
) -> tuple[npt.NDArray[np.uint8], Floats, Floats]:
    """Codes, the scales that leave the least squared error, and lengths of what the codes say."""
    codes = np.empty((len(lengths), len(parts)), np.uint8)
    along, square = np.zeros(len(lengths)), np.zeros(len(lengths))
    for place, half in enumerate(books):
        part, book = np.ascontiguousarray(parts[place]), half.astype(np.float32)
        codes[:, place] = _nearest(part, book)
        taken = book[codes[:, place]]
        along += (taken * part).sum(axis=1)
        square += np.square(taken).sum(axis=1)
    scales = np.divide(along, square, out=np.zeros_like(along), where=square > 0) * lengths
    return codes, scales.astype(np.float32), np.sqrt(square).astype(np.float32)


def _k_means(points: Floats) -> Floats:
    """`CODES` centres, shape (256, width), of points (any, width) that come in random order."""
    centres = np.resize(points, (CODES, points.shape[1]))
    for _ in range(_PASSES):
        nearest = _nearest(points, centres)
        counts = np.bincount(nearest, minlength=CODES)
        used = counts > 0
        for axis, values in enumerate(points.T):
            sums = np.bincount(nearest, weights=values, minlength=CODES)
            centres[used, axis] = sums[used] / counts[used]
    return centres


def _nearest(points: Floats, centres: Floats) -> npt.NDArray[np.intp]:
    # The distance without the point's own length, which is the same for all centres.
    nearness = points @ centres.T
    nearness -= np.square(centres).sum(axis=1) / 2
    nearest: npt.NDArray[np.intp] = nearness.argmax(axis=1)
    return nearest


def pack(
    table: Floats,
    bits: Bits,
    *,
    refined: Ids | None = None,
    coarse: Ids | None = None,
) -> dict[str, npt.NDArray[Any]]:
    """The tensors of a table in so many bits a weight, as `TokenTable` reads them.

    Args:
        table: float32, shape (vocab, dim).
        bits: of a weight.
        refined: numbers of rows that get 4 bits a weight where the others have 2.
        coarse: numbers of rows that get 1, none of them refined.

    Raises:
        ValueError: float16 cannot carry a weight.
    """
    if bits == 2:
        return _pack_products(table, _numbers(refined), _numbers(coarse))
    if bits != 16:
        rows, scales = quantise(table, bits)
        return {"embeddings": rows, "scales": scales}
    largest = float(np.abs(table).max(initial=0))
    if largest > float(np.finfo(np.float16).max):
        raise ValueError(f"float16 cannot carry a weight of {largest:.3g}; take bits=8")
    return {"embeddings": table.astype(np.float16)}


def _numbers(rows: Ids | None) -> npt.NDArray[np.int32]:
    return np.zeros(0, np.int32) if rows is None else rows.astype(np.int32)


def _pack_products(
    table: Floats, refined: npt.NDArray[np.int32], coarse: npt.NDArray[np.int32]
) -> dict[str, npt.NDArray[Any]]:
    is_coarse = np.zeros(len(table), bool)
    is_coarse[coarse] = True
    scales = np.empty(len(table), np.float32)
    codes, scales[~is_coarse], books = encode_products(table[~is_coarse])
    tensors: dict[str, npt.NDArray[Any]] = {"codebooks": books}
    if len(coarse):
        coarse_codes, scales[is_coarse], coarse_books = encode_products(
            table[is_coarse], weights=COARSE
        )
        tensors |= {"coarse": np.packbits(is_coarse)}
        tensors |= {"coarse_codes": coarse_codes, "coarse_codebooks": coarse_books}
    if len(refined):
        places = (np.cumsum(~is_coarse) - 1)[refined]
        more = refine_products(table[refined], codes[places], scales[refined], books)
        codes, scales = np.concatenate([codes, more[0]]), np.concatenate([scales, more[1]])
        tensors["refined"] = refined
    return tensors | {"embeddings": codes, "scales": _halved(scales)}


def _halved(scales: Floats) -> Floats | npt.NDArray[np.float16]:
    """As float16 where none is too small or large for it."""
    half = scales.astype(np.float16)
    return half if np.allclose(half, scales, rtol=2**-10, atol=0) else scales
