"""A token table on disk, memory-mapped, and sums of its rows."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from rolevec.encoders.rows import Ids, rows_of
from rolevec.errors import ModelNotAvailable

Ints = npt.NDArray[np.int64]

_DTYPES = {"I8": np.int8, "U8": np.uint8, "F16": np.float16, "F32": np.float32, "I32": np.int32}
# Rows gathered at a time; what they unpack to should stay in a core's cache.
_BLOCK = 512


class TokenTable:
    """One row per token: ``embeddings`` and, for integers, a scale per row.

    ``embeddings`` is float16, float32 or int8 of shape (vocabulary, dim), or uint8 of shape
    (vocabulary, dim / 2) with two 4-bit weights in a byte, or, beside ``codebooks``, uint8 of
    shape (vocabulary, dim / 4) with a number for four weights (see `CodedRows`). With codebooks,
    ``refined`` may number rows to each of which a further one belongs, behind the vocabulary's (see
    `RefinedRows`). The file is mapped, not read: loading takes no time and processes share the
    pages.

    Args:
        path: a safetensors file with ``embeddings`` and, optionally, ``scales`` for its rows,
            ``codebooks``, ``refined`` and ``query_map``.

    Attributes:
        vocabulary: number of rows.
        dim: of a row.
        query_map: matrix that moves unit queries, q + q @ query_map; shape (dim, dim), or None.

    Raises:
        ModelNotAvailable: the file cannot be read, or holds no such table.
    """

    def __init__(self, path: Path) -> None:
        tensors = _map_tensors(path)
        try:
            self._rows = rows_of(tensors)
        except ValueError as error:
            raise ModelNotAvailable(f"{path} holds {error}") from error
        self._scales = _float32(tensors.get("scales"))
        self.query_map = _float32(tensors.get("query_map"))
        self.vocabulary = len(self._rows)
        self.dim = self._rows.dim

    def sums(self, ids: Ids, starts: Ints) -> npt.NDArray[np.float32]:
        """Sums of rows.

        Args:
            ids: rows to add up, group after group; shape (n,).
            starts: where each group starts, the first at 0, none empty; shape (groups,).

        Returns:
            float32, shape (groups, dim). A group's sum does not depend on the other groups.
        """
        sums = np.empty((len(starts), self.dim), dtype=np.float32)
        for groups, _, part in self._blocks(ids, starts):
            sums[groups] = part
        return sums

    def means(
        self,
        ids: Ids,
        starts: Ints,
        *,
        weights: npt.NDArray[np.float32] | None = None,
        out: npt.NDArray[np.float32] | None = None,
        places: Ints | None = None,
    ) -> npt.NDArray[np.float32]:
        """Means of rows, as `sums`.

        Args:
            weights: what each id counts, shape (n,); the sum is divided by their number all the
                same.
            out: rows to write to, shape (any, dim); None makes them.
            places: the row of ``out`` for each group; None takes them in order.
        """
        if out is None:
            out = np.empty((len(starts), self.dim), dtype=np.float32)
        for groups, length, sums in self._blocks(ids, starts, weights):
            np.multiply(sums, np.float32(1 / length), out=sums)
            out[groups if places is None else places[groups]] = sums
        return out

    def _blocks(
        self, ids: Ids, starts: Ints, weights: npt.NDArray[np.float32] | None = None
    ) -> Iterator[tuple[Ints, int, npt.NDArray[np.float32]]]:
        """Some groups of one length, that length, and their sums."""
        if not len(starts):
            return
        lengths = np.diff(np.concatenate([starts, [len(ids)]]))
        order = np.argsort(lengths, kind="stable")
        edges = (np.flatnonzero(np.diff(lengths[order])) + 1).tolist()
        for first, last in pairwise([0, *edges, len(order)]):
            length = int(lengths[order[first]])
            step = max(1, _BLOCK // length)
            for start in range(first, last, step):
                groups = order[start : min(start + step, last)]
                yield groups, length, self._sums_of(ids, weights, starts[groups], length)

    def _sums_of(
        self,
        ids: Ids,
        weights: npt.NDArray[np.float32] | None,
        starts: Ints,
        length: int,
    ) -> npt.NDArray[np.float32]:
        """Sums of groups of one length, by one matrix product for so many places."""
        sums = None
        for place in range(0, length, _BLOCK):
            width = min(_BLOCK, length - place)
            places = (starts + place)[:, None] + np.arange(width)
            some = ids[places]
            factors = self._scales_of(some)
            if weights is not None:
                factors = factors * weights[places]
            rows = self._rows.unpacked(some.ravel()).reshape(*some.shape, self.dim)
            part: npt.NDArray[np.float32] = np.matmul(factors[:, None], rows)[:, 0]
            if self._rows.zero:
                part -= self._rows.zero * factors.sum(axis=1, keepdims=True)
            sums = part if sums is None else sums + part
        assert sums is not None
        return self._rows.arranged(sums)

    def _scales_of(self, ids: Ids) -> npt.NDArray[np.float32]:
        return np.ones(ids.shape, np.float32) if self._scales is None else self._scales[ids]


def _float32(tensor: npt.NDArray[Any] | None) -> npt.NDArray[np.float32] | None:
    return None if tensor is None else np.asarray(tensor.astype(np.float32))


def _map_tensors(path: Path) -> Mapping[str, npt.NDArray[Any]]:
    """Memory-map the tensors of a safetensors file (8-byte header length, JSON header, data).

    The safetensors package reads a file into memory; its documented layout is simple enough to map.
    """
    try:
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            header = json.loads(file.read(length))
        data = np.memmap(path, dtype=np.uint8, mode="r", offset=8 + length)
        tensors = {}
        for name, entry in header.items():
            if name == "__metadata__":
                continue
            begin, end = entry["data_offsets"]
            flat = data[begin:end].view(np.dtype(_DTYPES[entry["dtype"]]).newbyteorder("<"))
            tensors[name] = flat.reshape(entry["shape"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelNotAvailable(f"cannot read the table {path}: {error!r}") from error
    if tensors.get("embeddings") is None or tensors["embeddings"].ndim != 2:
        raise ModelNotAvailable(f"{path} holds no two-dimensional tensor 'embeddings'")
    return tensors
