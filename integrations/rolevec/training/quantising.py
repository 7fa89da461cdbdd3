"""Round the rows of a table to fewer bits, row by row or through codebooks."""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from rolevec.encoders.rows import CODED, CODES, FOUR_BIT_ZERO

Floats = npt.NDArray[np.float32]
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
    table: Floats, seed: int = 0
) -> tuple[npt.NDArray[np.uint8], Floats, npt.NDArray[np.float16]]:
    """Product quantisation of unit rows: a byte for four weights, 2 bits a weight.

    The codebooks are the centres of k-means over a sample of the rows, one book a place; see
    `CodedRows` for which four weights share a place. A row's scale is the one that leaves the
    smallest squared error.

    Args:
        table: float32, shape (vocab, dim), dim a multiple of 4.
        seed: of the sample.

    Returns:
        codes, uint8 (vocab, dim / 4); scales (vocab,); codebooks, float16 (dim / 4, 256, 4). A row
        of zeros has scale 0.
    """
    lengths = np.linalg.norm(table, axis=1, keepdims=True)
    units = np.divide(table, lengths, out=np.zeros_like(table), where=lengths > 0)
    parts = units.reshape(len(table), CODED, -1).transpose(2, 0, 1)
    sample = np.random.default_rng(seed).permutation(np.flatnonzero(lengths[:, 0]))[:_SAMPLE]
    codes = np.empty((len(table), len(parts)), np.uint8)
    books = np.zeros((len(parts), CODES, CODED), np.float16)
    along, square = np.zeros(len(table)), np.zeros(len(table))
    for place in range(len(parts)):
        part = np.ascontiguousarray(parts[place])
        books[place] = _k_means(part[sample])
        book = books[place].astype(np.float32)
        codes[:, place] = _nearest(part, book)
        taken = book[codes[:, place]]
        along += (taken * part).sum(axis=1)
        square += np.square(taken).sum(axis=1)
    scales = np.divide(along, square, out=np.zeros_like(along), where=square > 0) * lengths[:, 0]
    return codes, scales.astype(np.float32), books


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


def pack(table: Floats, bits: Bits) -> dict[str, npt.NDArray[Any]]:
    """The tensors of a table in so many bits a weight, as `TokenTable` reads them.

    Raises:
        ValueError: float16 cannot carry a weight.
    """
    if bits == 2:
        codes, scales, books = encode_products(table)
        return {"embeddings": codes, "scales": scales, "codebooks": books}
    if bits != 16:
        rows, scales = quantise(table, bits)
        return {"embeddings": rows, "scales": scales}
    largest = float(np.abs(table).max(initial=0))
    if largest > float(np.finfo(np.float16).max):
        raise ValueError(f"float16 cannot carry a weight of {largest:.3g}; take bits=8")
    return {"embeddings": table.astype(np.float16)}
