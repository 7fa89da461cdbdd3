"""A token table on disk, memory-mapped: rows of 4 or 8 bits, or floats, and sums of them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from rolevec.errors import ModelNotAvailable

Ints = npt.NDArray[np.int64]

_DTYPES = {"I8": np.int8, "U8": np.uint8, "F16": np.float16, "F32": np.float32}
# Two weights lie in a byte, the first half of a row in the low bits, each plus this.
FOUR_BIT_ZERO = 8
# Rows gathered at a time; what they unpack to should stay in a core's cache.
_BLOCK = 2048


class TokenTable:
    """One row per token: ``embeddings`` and, for integers, a scale per row.

    ``embeddings`` is float16, float32 or int8 of shape (vocabulary, dim), or uint8 of shape
    (vocabulary, dim / 2) with two 4-bit weights in a byte. The file is mapped, not read: loading
    takes no time and processes share the pages.

    Args:
        path: a safetensors file with ``embeddings`` and, optionally, ``scales`` (vocabulary,).

    Raises:
        ModelNotAvailable: the file cannot be read, or holds no such table.
    """

    def __init__(self, path: Path) -> None:
        tensors = _map_tensors(path)
        self._rows = tensors["embeddings"]
        self._packed = self._rows.dtype == np.uint8
        scales = tensors.get("scales")
        if self._packed and scales is None:
            raise ModelNotAvailable(f"{path} holds 4-bit rows without their scales")
        self._scales = None if scales is None else scales.astype(np.float32)
        self.vocabulary = len(self._rows)
        self.dim = self._rows.shape[1] * (2 if self._packed else 1)

    def sums(self, ids: Ints, starts: Ints) -> npt.NDArray[np.float32]:
        """Sums of rows.

        Args:
            ids: rows to add up, group after group; shape (n,).
            starts: where each group starts, the first at 0, none empty; shape (groups,).

        Returns:
            float32, shape (groups, dim). A group's sum does not depend on the other groups.
        """
        sums = np.empty((len(starts), self.dim), dtype=np.float32)
        ends = np.append(starts[1:], len(ids))
        first = 0
        while first < len(starts):
            last = int(np.searchsorted(ends, starts[first] + _BLOCK, side="right"))
            last = max(last, first + 1)
            part = slice(int(starts[first]), int(ends[last - 1]))
            rows = self._weighted(ids[part])
            edges = (ends[first:last] - starts[first]).tolist()
            # One reduction each: numpy's reduceat takes ten times as long along this axis.
            for group, (start, end) in enumerate(pairwise([0, *edges]), first):
                np.add.reduce(rows[start:end], axis=0, out=sums[group])
            first = last
        return sums

    def _weighted(self, ids: Ints) -> npt.NDArray[np.float32]:
        rows = self._rows[ids]
        if self._packed:
            half = rows.shape[1]
            whole = np.empty((len(ids), 2 * half), dtype=np.float32)
            np.bitwise_and(rows, 15, out=whole[:, :half], casting="unsafe")
            np.right_shift(rows, 4, out=whole[:, half:], casting="unsafe")
            whole -= FOUR_BIT_ZERO
        else:
            whole = rows.astype(np.float32)
        if self._scales is not None:
            whole *= self._scales[ids, None]
        return whole


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
