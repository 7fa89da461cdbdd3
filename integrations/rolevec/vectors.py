"""Vectors as numpy float32 rows: unit length, Matryoshka cuts, and Cohere's packed types."""

from __future__ import annotations

from typing import Literal, TypeAlias, get_args

import numpy as np
import numpy.typing as npt

from rolevec.errors import InvalidVector

Matrix: TypeAlias = npt.NDArray[np.float32]
"""float32, shape (n, dim), every row of Euclidean length 1."""

Packing = Literal["float", "int8", "uint8", "binary", "ubinary"]

# Below this a row carries no direction that float32 can be trusted with; Qdrant would store it
# unnormalised (its own threshold is a squared norm of 1.19e-7).
MIN_NORM = 1e-6
# Rows handled at a time, so that they stay in a processor's cache.
_BLOCK = 128
# Kinds of numpy types: floats, integers, booleans, and objects, which are asked for their value.
_NUMBERS = "fiubO"


def as_matrix(vectors: npt.ArrayLike, dim: int | None = None) -> npt.NDArray[np.float32]:
    """Read any (n, d) array-like as float32; one flat vector becomes one row.

    Raises:
        InvalidVector: not numeric, not two-dimensional, not of dimension ``dim``, not finite.
    """
    rows = _as_rows(vectors, dim)
    _check_finite(np.asarray(np.isfinite(rows).all(axis=1)))
    return rows


def _as_rows(vectors: npt.ArrayLike, dim: int | None) -> npt.NDArray[np.float32]:
    try:
        given = np.asarray(vectors)
        # A cast would parse text, count a date's seconds and drop an imaginary part.
        numeric = given.dtype.kind in _NUMBERS
        with np.errstate(over="ignore"):  # to infinity, which is refused later
            rows = np.asarray(given, np.float32) if numeric else np.empty(0, np.float32)
    # Long integers overflow; tensors that carry a gradient refuse with a RuntimeError.
    except (TypeError, ValueError, OverflowError, RuntimeError) as error:
        raise InvalidVector(f"vectors must be numbers in rows of equal length: {error}") from error
    if not numeric:
        raise InvalidVector(f"vectors must be numbers, not of the type {given.dtype}")
    if rows.ndim == 1:
        rows = rows.reshape(1, -1) if rows.size else rows.reshape(0, dim or 0)
    if rows.ndim != 2:
        raise InvalidVector(f"vectors have {rows.ndim} axes; expected two, (n, dim)")
    if dim is not None and rows.shape[1] != dim:
        raise InvalidVector(f"vectors have dimension {rows.shape[1]}; expected {dim}")
    return rows


def _check_finite(finite: npt.NDArray[np.bool_]) -> None:
    if not finite.all():
        bad = np.flatnonzero(~finite)
        raise InvalidVector(
            f"{bad.size} of {len(finite)} vectors hold NaN or infinity, first at {int(bad[0])}"
        )


def unit_rows(vectors: npt.ArrayLike, dim: int | None = None) -> Matrix:
    """Scale each row to Euclidean length 1, in float32.

    Raises:
        InvalidVector: as `as_matrix`, or a row shorter than `MIN_NORM`.
    """
    rows = _as_rows(vectors, dim)
    unit = np.empty(rows.shape, np.float32)
    norms = np.empty(len(rows), np.float64)
    for start in range(0, len(rows), _BLOCK):
        part = slice(start, start + _BLOCK)
        # float64 sums: a float32 square overflows at 1.8e19 and loses the tail of long rows.
        wide = rows[part].astype(np.float64)
        norms[part] = np.sqrt(np.einsum("ij,ij->i", wide, wide))
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):  # refused below
            np.multiply(wide, (1 / norms[part])[:, None], out=unit[part], casting="same_kind")
    # No sum of squares of float32 overflows float64.
    _check_finite(np.isfinite(norms))
    short = np.flatnonzero(norms < MIN_NORM)
    if short.size:
        raise InvalidVector(
            f"vector {int(short[0])} has length {norms[short[0]]:.2g}, which gives no direction"
        )
    return unit


def cut_dimensions(vectors: Matrix, dimensions: int | None) -> Matrix:
    """Keep the first ``dimensions`` coordinates and restore length 1 (Matryoshka).

    Raises:
        InvalidVector: ``dimensions`` is below 1 or above the dimension at hand.
    """
    dim = vectors.shape[1]
    check_dimensions(dimensions, dim)
    if dimensions is None or dimensions == dim:
        return vectors
    return unit_rows(vectors[:, :dimensions])


def check_dimensions(dimensions: int | None, dim: int) -> None:
    """Raise `InvalidVector` unless ``dimensions`` is None or between 1 and ``dim``."""
    if dimensions is not None and not 1 <= dimensions <= dim:
        raise InvalidVector(f"dimensions={dimensions} asked of a model with dimension {dim}")


def pack(vectors: Matrix, packing: Packing) -> npt.NDArray[np.generic]:
    """Convert unit rows (n, dim) to one of Cohere's embedding types.

    ``int8`` spreads [-1, 1] over [-127, 127] and ``uint8`` is that plus 128, so that both keep
    cosine order; ``binary`` and ``ubinary`` hold one sign bit per coordinate, eight to a byte, most
    significant bit first, as signed (bit value minus 128) and unsigned bytes; shape (n, dim / 8).
    Types and packed lengths: Cohere's v2 embed reference.

    Raises:
        InvalidVector: unknown type, or a bit type for a dimension that 8 does not divide.
    """
    if packing not in get_args(Packing):
        raise InvalidVector(f"unknown type {packing!r}; use one of {', '.join(get_args(Packing))}")
    if packing == "float":
        return vectors
    if packing in ("int8", "uint8"):
        steps = np.clip(np.rint(vectors * 127), -127, 127).astype(np.int16)
        return steps.astype(np.int8) if packing == "int8" else (steps + 128).astype(np.uint8)
    if vectors.shape[1] % 8:
        raise InvalidVector(f"{packing} needs a dimension divisible by 8, not {vectors.shape[1]}")
    bits = np.packbits(vectors > 0, axis=1)
    return bits if packing == "ubinary" else (bits.astype(np.int16) - 128).astype(np.int8)
