"""Static encoder: the mean of token rows from a table, numpy only."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from tokenizers import Tokenizer

from rolevec.encoders.tokens import Ids, TokenEncoder, read_tokenizer
from rolevec.errors import ModelNotAvailable
from rolevec.fingerprint import CONTENT_REVISION
from rolevec.models.card import ModelCard
from rolevec.prompts import Prompts
from rolevec.truncation import TruncationPolicy

FORMAT = "rolevec-static"
_DTYPES = {"I8": np.int8, "F16": np.float16, "F32": np.float32}


class StaticEncoder(TokenEncoder):
    """Rows of a token table, averaged.

    A folder holds ``tokenizer.json``, ``config.json`` (format "rolevec-static") and
    ``model.safetensors`` with ``embeddings`` (vocabulary, dim) as int8, float16 or float32 and,
    optionally, ``scales`` (vocabulary,). The table is memory-mapped, so that loading costs the
    tokenizer only and processes share the pages.
    """

    backend = "static"

    def __init__(
        self,
        folder: str | Path,
        *,
        prompts: Mapping[str, str] | None = None,
        dimensions: int | None = None,
        truncation: TruncationPolicy = "warn",
    ) -> None:
        self.folder = Path(folder)
        self._options = {"prompts": prompts, "dimensions": dimensions, "truncation": truncation}
        config = _read_config(self.folder)
        super().__init__(
            _card(config),
            read_tokenizer(self.folder / "tokenizer.json"),
            revision=config.get("revision") or _content_hash(self.folder / "model.safetensors"),
            prompts=Prompts(config.get("prompts")).updated(prompts),
            dimensions=dimensions,
            truncation=truncation,
            special_tokens=False,
            token_budget=1 << 16,
        )
        tensors = _map_tensors(self.folder / "model.safetensors")
        self._table = tensors["embeddings"]
        self._scales = tensors.get("scales")
        self._unknown: int | None = config.get("unk_id")
        self._check(self.tokenizer)

    def _check(self, tokenizer: Tokenizer) -> None:
        rows, dim = self._table.shape
        if dim != self.card.dim or tokenizer.get_vocab_size() > rows:
            raise ModelNotAvailable(
                f"{self.folder.name}: a table of {rows} x {dim} does not fit a vocabulary of"
                f" {tokenizer.get_vocab_size()} and dim {self.card.dim}"
            )

    def _forward(self, batch: list[Ids]) -> npt.NDArray[np.float32]:
        vectors = np.empty((len(batch), self.card.dim), dtype=np.float32)
        for row, ids in enumerate(batch):
            vectors[row] = self._mean(ids)
        return vectors

    def _mean(self, ids: Ids) -> npt.NDArray[np.float32]:
        known = [i for i in ids if i != self._unknown] or ids
        rows = self._table[known].astype(np.float32)
        if self._scales is None:
            return np.asarray(rows.mean(axis=0), dtype=np.float32)
        scales = self._scales[known].astype(np.float32)
        return np.asarray(scales @ rows / len(known), dtype=np.float32)

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (str(self.folder), self._options)


def _rebuild(folder: str, options: dict[str, Any]) -> StaticEncoder:
    return StaticEncoder(folder, **options)


def is_static_folder(folder: Path) -> bool:
    """True if the folder holds a model of this format."""
    try:
        return bool(_read_config(folder)["format"] == FORMAT)
    except ModelNotAvailable:
        return False


def _read_config(folder: Path) -> dict[str, Any]:
    path = folder / "config.json"
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ModelNotAvailable(f"cannot read {path}: {error}") from error
    if not isinstance(config, dict) or config.get("format") != FORMAT:
        raise ModelNotAvailable(f"{path} is not of the format {FORMAT!r}")
    return config


def _card(config: Mapping[str, Any]) -> ModelCard:
    return ModelCard(
        name=config["name"],
        dim=config["dim"],
        max_tokens=config.get("max_tokens"),
        prompts=config.get("prompts") or {},
        pooling="mean",
        revision=config.get("revision"),
        languages=tuple(config.get("languages", ())),
        license=config.get("license", ""),
        source=config.get("source", ""),
        matryoshka_dims=tuple(config.get("matryoshka_dims", ())),
    )


def _content_hash(path: Path) -> str:
    with path.open("rb") as file:
        return CONTENT_REVISION + hashlib.file_digest(file, "sha256").hexdigest()


def _map_tensors(path: Path) -> dict[str, npt.NDArray[Any]]:
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
