"""Exact nearest neighbours by matrix products, a block at a time."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from rolevec.errors import InvalidVector
from rolevec.vectors import Matrix

# One block of scores is 4 Mi numbers: 16 MiB, and twice that for its sort keys.
_QUERY_BLOCK = 512
_DOCUMENT_BLOCK = 8192
_SIGN = np.uint32(1 << 31)
_LOW = np.uint64(0xFFFFFFFF)
_HALF = np.uint64(32)


def top_k(
    queries: Matrix, documents: Matrix, k: int
) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.float32]]:
    """The k documents with the highest cosine to each query, best first.

    Memory is bounded by the block size, whatever the number of documents.

    Args:
        queries: unit rows, shape (n, dim).
        documents: unit rows, shape (m, dim).
        k: how many; at most m are found.

    Returns:
        Row numbers in ``documents`` and cosines, both of shape (n, min(k, m)); equal cosines go
        to the lower row number.

    Raises:
        ValueError: ``k`` is below 1.
        InvalidVector: queries and documents differ in dimension.
    """
    if k < 1:
        raise ValueError(f"k={k}; it must be at least 1")
    if queries.shape[1] != documents.shape[1]:
        raise InvalidVector(
            f"queries of dimension {queries.shape[1]}, documents of dimension {documents.shape[1]}"
        )
    best = np.empty((len(queries), min(k, len(documents))), np.uint64)
    for start in range(0, len(queries), _QUERY_BLOCK):
        some = queries[start : start + _QUERY_BLOCK]
        best[start : start + _QUERY_BLOCK] = _best_keys(some, documents, k)
    return _read_keys(best)


def _best_keys(queries: Matrix, documents: Matrix, k: int) -> npt.NDArray[np.uint64]:
    """Keys of the best, highest first, shape (n, min(k, m))."""
    best = np.empty((len(queries), 0), np.uint64)
    for start in range(0, len(documents), _DOCUMENT_BLOCK):
        scores = queries @ documents[start : start + _DOCUMENT_BLOCK].T
        best = np.hstack([best, _largest(_keys(scores, start), k)])
        best = _largest(best, k)
    return np.sort(best, axis=1)[:, ::-1]


def _keys(scores: npt.NDArray[np.float32], start: int) -> npt.NDArray[np.uint64]:
    """One integer for each score, ordered by score, then by lower row number.

    All keys of a row differ, so that a partition, which promises nothing about equals, keeps to
    the rule on ties. The upper half holds the float's bits, turned so that they sort as it does.
    """
    bits = (scores + np.float32(0)).view(np.uint32)  # -0.0 becomes 0.0, which it is equal to
    ordered = np.where(bits & _SIGN, ~bits, bits | _SIGN).astype(np.uint64)
    rows = np.arange(start, start + scores.shape[1], dtype=np.uint64)
    return (ordered << _HALF) | (_LOW - rows)


def _read_keys(
    keys: npt.NDArray[np.uint64],
) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.float32]]:
    rows = (_LOW - (keys & _LOW)).astype(np.intp)
    ordered = (keys >> _HALF).astype(np.uint32)
    scores = np.where(ordered & _SIGN, ordered ^ _SIGN, ~ordered).view(np.float32)
    return rows, scores


def _largest(keys: npt.NDArray[np.uint64], k: int) -> npt.NDArray[np.uint64]:
    if keys.shape[1] <= k:
        return keys
    if k == 1:
        return np.asarray(keys.max(axis=1, keepdims=True))
    return np.partition(keys, -k, axis=1)[:, -k:]
