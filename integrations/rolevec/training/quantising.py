"""Round the rows of a table to fewer bits, row by row or through codebooks."""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from rolevec.encoders.rows import FOUR_BIT_ZERO
from rolevec.training.products import encode_products

Floats = npt.NDArray[np.float32]
Bits: TypeAlias = Literal[2, 4, 8, 16]

# Shares of a row's largest weight that are tried as its last step.
_CUTS = (1.0, 0.95, 0.9, 0.85, 0.8, 0.75, 0.7, 0.65)
# In 8 bits also this one: a row that comes from 4 bits has no other steps, and stays as it is.
_FROM_FOUR = 127 / 7


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


def pack(table: Floats, bits: Bits, moment: Floats | None = None) -> dict[str, npt.NDArray[Any]]:
    """The tensors of a table in so many bits a weight, as `TokenTable` reads them.

    Args:
        table: float32, shape (vocab, dim).
        bits: of a weight.
        moment: of the vectors that rows are compared with, which counts for 2 bits; see
            `encode_products`.

    Raises:
        ValueError: float16 cannot carry a weight.
    """
    if bits == 2:
        codes, scales, books = encode_products(table, moment)
        return {"embeddings": codes, "scales": scales, "codebooks": books}
    if bits != 16:
        rows, scales = quantise(table, bits)
        return {"embeddings": rows, "scales": scales}
    largest = float(np.abs(table).max(initial=0))
    if largest > float(np.finfo(np.float16).max):
        raise ValueError(f"float16 cannot carry a weight of {largest:.3g}; take bits=8")
    return {"embeddings": table.astype(np.float16)}
