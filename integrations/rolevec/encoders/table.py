"""A token table on disk, memory-mapped."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from rolevec.encoders.coded import coded_rows
from rolevec.encoders.dictionary import Entries
from rolevec.encoders.rows import HalfByteRows, PlainRows, Rows
from rolevec.encoders.sounds import Letters
from rolevec.encoders.summing import RowSums
from rolevec.errors import ModelNotAvailable

_DTYPES = {
    "I8": np.int8, "U8": np.uint8, "U16": np.uint16, "I32": np.int32, "U32": np.uint32,
    "F16": np.float16, "F32": np.float32,
}  # fmt: skip


class TokenTable(RowSums):
    """One row per token: ``embeddings`` and, for integers, a scale per row.

    ``embeddings`` is float16, float32 or int8 of shape (vocabulary, dim), or uint8 of shape
    (vocabulary, dim / 2) with two 4-bit weights in a byte, or, beside ``codebooks``, uint8 of
    shape (vocabulary, dim / 4) with a number for four weights (see `CodedRows`). With codebooks,
    ``refined`` may number rows to each of which a further one belongs, behind the vocabulary's (see
    `RefinedRows`), and the bits of ``coarse`` may mark rows that lie elsewhere, with a number for
    eight weights (see `MixedRows`). The file is mapped, not read: loading takes no time and
    processes share the pages.

    Args:
        path: a safetensors file with ``embeddings`` and, optionally, ``scales`` for its rows,
            ``codebooks``, ``refined``, ``coarse`` with ``coarse_codes`` and ``coarse_codebooks``,
            ``query_map`` with ``query_map_scales`` where it is of integers, ``letters`` with their
            ``letter_sounds``, and ``dictionary_keys`` with their ``dictionary_tokens``.

    Attributes:
        vocabulary: number of rows.
        dim: of a row.
        query_map: matrix that moves unit queries, q + q @ query_map; shape (dim, dim), or None.
        letters: what letters sound like, or None.
        entries: of a dictionary, or None.

    Raises:
        ModelNotAvailable: the file cannot be read, or holds no such table.
    """

    def __init__(self, path: Path) -> None:
        tensors = _map_tensors(path)
        try:
            rows = _rows_of(tensors)
        except ValueError as error:
            raise ModelNotAvailable(f"{path} holds {error}") from error
        super().__init__(rows, _float32(tensors.get("scales")))
        self.query_map = _float32(tensors.get("query_map"))
        scales = tensors.get("query_map_scales")
        if self.query_map is not None and scales is not None:
            self.query_map *= scales[:, None]
        self.letters = None
        if tensors.get("letters") is not None and tensors.get("letter_sounds") is not None:
            points = np.asarray(tensors["letters"]).astype(np.int64)
            self.letters = Letters(points, np.asarray(tensors["letter_sounds"]))
        self.entries = _entries(tensors)
        self.vocabulary = len(rows)


def _rows_of(tensors: Mapping[str, npt.NDArray[Any]]) -> Rows:
    """The rows that a table's tensors hold.

    Raises:
        ValueError: the tensors do not fit each other.
    """
    weights = np.asarray(tensors["embeddings"])  # a memmap's own indexing is slow
    if tensors.get("codebooks") is not None:
        return coded_rows(weights, tensors)
    if weights.dtype == np.uint8:
        if tensors.get("scales") is None:
            raise ValueError("4-bit rows without their scales")
        return HalfByteRows(weights)
    return PlainRows(weights)


def _entries(tensors: Mapping[str, npt.NDArray[Any]]) -> Entries | None:
    if tensors.get("dictionary_keys") is None or tensors.get("dictionary_tokens") is None:
        return None
    return Entries(
        *(np.asarray(tensors[name]) for name in ("dictionary_keys", "dictionary_tokens"))
    )


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
