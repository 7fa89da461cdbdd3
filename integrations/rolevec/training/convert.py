"""Static models of other libraries, rewritten in our format; neither library is needed."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError
from safetensors.numpy import load_file
from tokenizers import Tokenizer

from rolevec.encoders.folder import role_prompts
from rolevec.encoders.tokens import read_tokenizer
from rolevec.errors import ModelNotAvailable
from rolevec.training.export import export
from rolevec.training.quantising import Bits
from rolevec.vectors import MIN_NORM

Table = npt.NDArray[np.float32]
# Of a folder that says nothing (model2vec, StaticModel.from_pretrained).
_MODEL2VEC_LIMIT = 512


@dataclass(frozen=True, slots=True)
class _Found:
    """A row per token, (vocabulary, dim); the token that no mean counts; the longest text."""

    kind: str
    table: Table
    tokenizer: Tokenizer
    unknown: int | None
    limit: int | None


def convert_static(
    source: str | Path, output: str | Path, *, bits: Bits = 8, name: str | None = None
) -> Path:
    """Rewrite a model2vec or a sentence-transformers StaticEmbedding folder.

    Vectors point where they pointed, and have length 1 whether or not they had it there. Limit and
    prompts are the folder's; most have no prompts.

    Args:
        source: folder of the model, with safetensors weights.
        output: folder for the result, which loads as ``static:OUTPUT``.
        bits: of a weight: 16 keeps float16 numbers, 8 takes half the room.
        name: of the model; None takes the source folder's.

    Returns:
        The output folder.

    Raises:
        ModelNotAvailable: the folder holds neither, or something that the mean of rows of a table
            does not do.
    """
    folder = Path(source)
    found = _read(folder)
    description = {
        "name": name or folder.resolve().name,
        "max_tokens": found.limit,
        "prompts": role_prompts(_json(folder / "config_sentence_transformers.json") or {}),
        "unk_id": found.unknown,
        "source": f"converted from the format of {found.kind}",
    }
    return export(Path(output), found.tokenizer, found.table, description, bits)


def _read(folder: Path) -> _Found:
    config = _json(folder / "config.json") or {}
    where = _static_module(folder, _json(folder / "modules.json") or [])
    if where is None and config.get("model_type") != "model2vec":
        raise ModelNotAvailable(
            f"{folder} holds neither a config.json of model2vec nor a modules.json that begins with"
            " a StaticEmbedding; other models load as they are, or are trained: rolevec.training"
        )
    tensors = _tensors(where or folder)
    tokenizer = read_tokenizer((where or folder) / "tokenizer.json")
    # model2vec writes a modules.json too, so only the name of its table tells.
    if "embeddings" in tensors:
        table, unknown = _checked(_model2vec(tensors), tokenizer, folder), _unknown(tokenizer)
        # Left out of every mean there, so it may be anything; here it stands for a text of nothing
        # else, which must point somewhere.
        if unknown is not None and np.linalg.norm(table[unknown]) < MIN_NORM:
            table[unknown] = table.mean(axis=0)
        limit = config.get("max_length", _MODEL2VEC_LIMIT)
        return _Found("model2vec", table, tokenizer, unknown, limit)
    # It cuts where its tokenizer happens to cut, and counts every token, unknown ones too.
    cut = _json((where or folder) / "tokenizer.json").get("truncation") or {}
    table = _checked(tensors["embedding.weight"].astype(np.float32), tokenizer, folder)
    return _Found("StaticEmbedding", table, tokenizer, None, cut.get("max_length"))


def _static_module(folder: Path, modules: list[dict[str, Any]]) -> Path | None:
    """Where the StaticEmbedding of a modules.json lies; None if there is none."""
    kinds = [str(entry.get("type", "")).rpartition(".")[2] for entry in modules]
    if kinds[:1] != ["StaticEmbedding"]:
        return None
    if set(kinds[1:]) - {"Normalize"}:
        raise ModelNotAvailable(
            f"{folder} chains {', '.join(kinds)}; only Normalize may follow a StaticEmbedding"
        )
    return folder / str(modules[0].get("path") or "")


def _model2vec(tensors: dict[str, npt.NDArray[Any]]) -> Table:
    """A row per token."""
    table = tensors["embeddings"].astype(np.float32)
    if "mapping" in tensors:
        table = table[tensors["mapping"].astype(np.int64)]
    if "weights" in tensors:
        table = table * tensors["weights"].astype(np.float32)[:, None]
    return table


def _checked(table: Table, tokenizer: Tokenizer, folder: Path) -> Table:
    rows, tokens = len(table), tokenizer.get_vocab_size()
    if rows < tokens or not np.isfinite(table).all():
        raise ModelNotAvailable(f"{folder}: {rows} rows for {tokens} tokens, or NaN among them")
    return table


def _unknown(tokenizer: Tokenizer) -> int | None:
    """The id of the unknown token, which model types name in two ways."""
    model: dict[str, Any] = json.loads(tokenizer.to_str())["model"]
    if model.get("unk_token") is not None:
        return tokenizer.token_to_id(model["unk_token"])
    return model.get("unk_id")


def _tensors(folder: Path) -> dict[str, npt.NDArray[Any]]:
    path = folder / "model.safetensors"
    try:
        tensors = load_file(path)
    except (OSError, SafetensorError, KeyError, TypeError) as error:
        raise ModelNotAvailable(f"cannot read the table {path}: {error!r}") from error
    if not {"embeddings", "embedding.weight"} & tensors.keys():
        raise ModelNotAvailable(
            f"{path} holds {', '.join(sorted(tensors))}; expected embeddings or embedding.weight"
        )
    return tensors


def _json(path: Path) -> Any:
    """What a file says; None if there is none."""
    if not path.is_file():
        return None
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ModelNotAvailable(f"cannot read {path}: {error}") from error
