"""Write a token table in 4 or 8 bits a weight, with the files that make it a model."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt
from safetensors.numpy import save
from tokenizers import Tokenizer

from rolevec.encoders.table import FOUR_BIT_ZERO
from rolevec.models.static_card import FORMAT
from rolevec.training.tokenizer import save_tokenizer

FORMAT_VERSION = 2
# Shares of a row's largest weight that are tried as its last step.
_CUTS = (1.0, 0.95, 0.9, 0.85, 0.8, 0.75, 0.7, 0.65)
# In 8 bits also this one: a row that comes from 4 bits has no other steps, and stays as it is.
_FROM_FOUR = 127 / 7

Bits: TypeAlias = Literal[4, 8, 16]


def quantise(
    table: npt.NDArray[np.float32], bits: Literal[4, 8] = 8
) -> tuple[npt.NDArray[np.int8] | npt.NDArray[np.uint8], npt.NDArray[np.float32]]:
    """Round each row to steps of its own size: 255 of them in 8 bits, 15 in 4.

    A row's largest weights are cut where that lets the others err less: of a few shares of the
    largest one, the step is taken that leaves the smallest squared error.

    Args:
        table: float32, shape (vocab, dim).
        bits: of a weight; 4 needs an even dimension.

    Returns:
        rows and float32 scales (vocab,). In 8 bits the rows are int8 (vocab, dim); in 4 bits they
        are uint8 (vocab, dim / 2), packed as `TokenTable` unpacks them. ``scales[:, None] * rows``
        is no farther from the table, row by row, than with the largest weight as the last step. A
        row of zeros has scale 0.
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


def export(
    folder: Path,
    tokenizer: Tokenizer,
    table: npt.NDArray[np.float32],
    description: Mapping[str, Any],
    bits: Bits = 8,
    *,
    query_map: npt.NDArray[np.float32] | None = None,
) -> Path:
    """Write tokenizer.json, model.safetensors and config.json.

    Args:
        folder: made if missing; files of an earlier export are replaced.
        tokenizer: its ids are the rows of ``table``.
        table: float32, shape (vocab, dim).
        description: the fields of config.json that the table does not tell.
        bits: of a weight; 16 are a float16 number.
        query_map: matrix that is added to unit queries, q + q @ query_map; shape (dim, dim).

    Raises:
        ValueError: there are more tokens than rows, or float16 cannot carry a weight.
    """
    if tokenizer.get_vocab_size() > len(table):
        raise ValueError(f"{tokenizer.get_vocab_size()} tokens, but {len(table)} rows")
    tensors = _tensors(table, bits)
    if query_map is not None:
        tensors["query_map"] = query_map.astype(np.float16)
    weights = save(tensors)
    config = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        **description,
        "revision": hashlib.sha256(weights).hexdigest()[:12],
        "dim": table.shape[1],
        "pooling": "mean",
        "normalize": True,
    }
    folder.mkdir(parents=True, exist_ok=True)
    save_tokenizer(tokenizer, folder / "tokenizer.json")
    _replace(folder / "model.safetensors", weights)
    text = json.dumps(config, ensure_ascii=False, indent=2) + "\n"
    _replace(folder / "config.json", text.encode())
    return folder


def _tensors(table: npt.NDArray[np.float32], bits: Bits) -> dict[str, npt.NDArray[Any]]:
    if bits != 16:
        rows, scales = quantise(table, bits)
        return {"embeddings": rows, "scales": scales}
    largest = float(np.abs(table).max(initial=0))
    if largest > float(np.finfo(np.float16).max):
        raise ValueError(f"float16 cannot carry a weight of {largest:.3g}; take bits=8")
    return {"embeddings": table.astype(np.float16)}


def _replace(path: Path, content: bytes) -> None:
    # Renaming last keeps a reader, or a kill, from ever meeting half a file.
    part = path.with_name(path.name + ".part")
    part.write_bytes(content)
    part.replace(path)
