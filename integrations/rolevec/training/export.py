"""Write a token table with the files that make it a model."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from safetensors.numpy import save
from tokenizers import Tokenizer

from rolevec.encoders.dictionary import Entries
from rolevec.encoders.rows import Ids
from rolevec.encoders.sounds import Letters, SoundSettings
from rolevec.models.static_card import FORMAT, FORMAT_VERSION
from rolevec.training.quantising import Bits, pack, quantise
from rolevec.training.tokenizer import save_tokenizer

# Fields of config.json that vectors depend on and that may be changed for the same table.
_OF_VECTORS = ("ridge", "sounds")


def export(
    folder: Path,
    tokenizer: Tokenizer,
    table: npt.NDArray[np.float32],
    description: Mapping[str, Any],
    bits: Bits = 8,
    *,
    refined: Ids | None = None,
    coarse: Ids | None = None,
    query_map: npt.NDArray[np.float32] | None = None,
    letters: Letters | None = None,
    entries: Entries | None = None,
) -> Path:
    """Write tokenizer.json, model.safetensors and config.json.

    Args:
        folder: made if missing; files of an earlier export are replaced.
        tokenizer: its ids are the rows of ``table``.
        table: float32, shape (vocab, dim).
        description: the fields of config.json that the table does not tell; ``ridge`` and
            ``sounds`` among them are part of what the revision stands for.
        bits: of a weight; 16 are a float16 number, and 2 come from codebooks of 8 bits for four
            weights (see `encode_products`).
        refined: of a table in 2 bits, numbers of rows that get 4.
        coarse: of such a table, numbers of rows that get 1.
        query_map: matrix that is added to unit queries, q + q @ query_map; shape (dim, dim).
        letters: what they sound like, for ``sounds``, whose dimensions stand behind the table's.
        entries: of a dictionary, if there is one.

    Raises:
        ValueError: there are more tokens than rows, ``sounds`` without letters, or float16 cannot
            carry a weight.
    """
    if description.get("sounds") is not None and letters is None:
        raise ValueError("sounds, but no letters to hear them by; see `letters_of`")
    if tokenizer.get_vocab_size() > len(table):
        raise ValueError(f"{tokenizer.get_vocab_size()} tokens, but {len(table)} rows")
    tensors = pack(table, bits, refined=refined, coarse=coarse)
    if query_map is not None:
        tensors["query_map"], tensors["query_map_scales"] = quantise(query_map)
    dim = table.shape[1]
    if letters is not None:
        tensors["letters"] = letters.points.astype(np.int32)
        tensors["letter_sounds"] = letters.codes
    if entries is not None:
        tensors["dictionary_keys"] = entries.keys
        tensors["dictionary_tokens"] = entries.tokens
    if description.get("sounds") is not None:
        dim += SoundSettings.of(description["sounds"]).dim
    weights = save(tensors)
    config = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        **description,
        "revision": _revision(weights, description),
        "dim": dim,
        "pooling": "mean",
        "normalize": True,
    }
    folder.mkdir(parents=True, exist_ok=True)
    save_tokenizer(tokenizer, folder / "tokenizer.json")
    _replace(folder / "model.safetensors", weights)
    text = json.dumps(config, ensure_ascii=False, indent=2) + "\n"
    _replace(folder / "config.json", text.encode())
    return folder


def _revision(weights: bytes, description: Mapping[str, Any]) -> str:
    digest = hashlib.sha256(weights)
    settings = {name: description[name] for name in _OF_VECTORS if description.get(name)}
    if settings:
        digest.update(json.dumps(settings, sort_keys=True).encode())
    return digest.hexdigest()[:12]


def _replace(path: Path, content: bytes) -> None:
    # Renaming last keeps a reader, or a kill, from ever meeting half a file.
    part = path.with_name(path.name + ".part")
    part.write_bytes(content)
    part.replace(path)
