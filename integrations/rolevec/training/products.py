"""Rows in codebooks, a byte for four weights, so that sums of rows are still told apart."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from rolevec.encoders.rows import CODED, CODES

Floats = npt.NDArray[np.float32]

# Rows from which the entries of codebooks are learned, and passes over them.
_SAMPLE = 1 << 15
_PASSES = 15
# Share of the mean second moment that is added to each dimension's, so that it can be inverted.
_DAMPING = 0.01
# Places whose errors are handed on to all later places at once, and rows that are scaled at once.
_PLACES, _ROWS = 16, 4096


def encode_products(
    table: Floats, moment: Floats | None = None, seed: int = 0
) -> tuple[npt.NDArray[np.uint8], Floats, npt.NDArray[np.float16]]:
    """Product quantisation of unit rows: a byte for four weights, 2 bits a weight.

    The codebooks are the centres of k-means over a sample of the rows, one book a place; see
    `CodedRows` for which four weights share a place. What matters of a row's error e is what it
    does to products with vectors that the row is compared with: e @ moment @ e in the mean. So
    places are coded one after the other, and those to come are moved against what the error so far
    does (as GPTQ does for layers: Frantar, Ashkboos, Hoefler, Alistarh, ICLR 2023). A row's scale
    is the one that leaves the smallest such error.

    Args:
        table: float32, shape (vocab, dim), dim a multiple of 4.
        moment: mean of v.T @ v over vectors v that rows are compared with; shape (dim, dim). None
            is for vectors in all directions alike, where only the squared error counts.
        seed: of the sample.

    Returns:
        codes, uint8 (vocab, dim / 4); scales (vocab,); codebooks, float16 (dim / 4, 256, 4). A row
        of zeros has scale 0.
    """
    dim = table.shape[1]
    lengths = np.linalg.norm(table, axis=1, keepdims=True)
    # Dimensions in the order of places.
    order = np.arange(dim).reshape(CODED, -1).T.ravel()
    units = np.divide(table, lengths, out=np.zeros_like(table), where=lengths > 0)[:, order]
    sample = np.random.default_rng(seed).permutation(np.flatnonzero(lengths[:, 0]))[:_SAMPLE]
    moment = np.eye(dim, dtype=np.float32) if moment is None else moment[np.ix_(order, order)]
    factor, wanted = _factor(moment), units.copy()
    codes = np.empty((len(table), dim // CODED), np.uint8)
    books = np.zeros((dim // CODED, CODES, CODED), np.float16)
    for start in range(0, dim, _PLACES * CODED):
        now = slice(start, min(start + _PLACES * CODED, dim))
        errors = _encode_places(wanted[:, now], factor[now, now], sample, codes, books, start)
        wanted[:, now.stop :] -= errors @ factor[now, now.stop :]
    scales = _scales(units, moment, codes, books) * lengths[:, 0]
    return codes, scales.astype(np.float32), books


def _encode_places(
    wanted: Floats,
    factor: Floats,
    sample: npt.NDArray[np.intp],
    codes: npt.NDArray[np.uint8],
    books: npt.NDArray[np.float16],
    start: int,
) -> Floats:
    """Code some places in sequence, into ``codes`` and ``books``; their errors in own units.

    Such a unit of error, times the factor's row, is what later weights are to be moved by.
    """
    errors = np.empty_like(wanted)
    for at in range(0, wanted.shape[1], CODED):
        own, later = slice(at, at + CODED), slice(at + CODED, None)
        place, into = (start + at) // CODED, factor[own, own]
        out_of = np.linalg.inv(into)
        part = wanted[:, own] @ out_of
        books[place] = _k_means(part[sample]) @ into
        book = books[place].astype(np.float32) @ out_of
        codes[:, place] = _nearest(part, book)
        errors[:, own] = part - book[codes[:, place]]
        wanted[:, later] -= errors[:, own] @ factor[own, later]
    return errors


def _factor(moment: Floats) -> Floats:
    """Upper Cholesky factor U of the inverse, U.T @ U, of the damped moment."""
    exact = moment.astype(np.float64)
    exact += np.eye(len(exact)) * (_DAMPING * np.trace(exact) / len(exact))
    return np.linalg.cholesky(np.linalg.inv(exact)).T.astype(np.float32)


def _scales(
    units: Floats,
    moment: Floats,
    codes: npt.NDArray[np.uint8],
    books: npt.NDArray[np.float16],
) -> Floats:
    """What to multiply coded rows by to be nearest the unit rows; shape (vocab,)."""
    entries, places = books.astype(np.float32), np.arange(codes.shape[1])
    scales = np.zeros(len(units), np.float32)
    for start in range(0, len(units), _ROWS):
        some = slice(start, start + _ROWS)
        read = entries[places, codes[some]].reshape(-1, units.shape[1])
        weighed = read @ moment
        square = (weighed * read).sum(axis=1)
        along = (weighed * units[some]).sum(axis=1)
        np.divide(along, square, out=scales[some], where=square > 0)
    return scales


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
