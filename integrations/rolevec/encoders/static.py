"""Static encoder: the mean of token rows from a table, numpy only."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from tokenizers import Tokenizer

from rolevec.encoders.table import TokenTable
from rolevec.encoders.tokens import Ids, TokenEncoder, read_tokenizer
from rolevec.errors import InvalidText, ModelNotAvailable
from rolevec.fingerprint import CONTENT_REVISION
from rolevec.models.card import ModelCard
from rolevec.prompts import Prompts
from rolevec.truncation import TruncationPolicy

FORMAT = "rolevec-static"


class StaticEncoder(TokenEncoder):
    """Rows of a token table, averaged.

    A folder holds ``tokenizer.json``, ``config.json`` (format "rolevec-static") and
    ``model.safetensors`` with the table (see `TokenTable`), which is memory-mapped, so that
    loading costs the tokenizer only and processes share the pages.
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
        self._table = TokenTable(self.folder / "model.safetensors")
        self._unknown: int | None = config.get("unk_id")
        self._nothing = [] if self._unknown is None else [self._unknown]
        self._check(self.tokenizer)

    def _check(self, tokenizer: Tokenizer) -> None:
        rows, dim = self._table.vocabulary, self._table.dim
        if dim != self.card.dim or tokenizer.get_vocab_size() > rows:
            raise ModelNotAvailable(
                f"{self.folder.name}: a table of {rows} x {dim} does not fit a vocabulary of"
                f" {tokenizer.get_vocab_size()} and dim {self.card.dim}"
            )

    def _forward(self, batch: list[Ids]) -> npt.NDArray[np.float32]:
        # What the table knows nothing of is left out, unless there is nothing else.
        known = [[i for i in ids if i != self._unknown] or ids or self._nothing for ids in batch]
        if not all(known):
            raise InvalidText(f"a text holds no character that {self.name} makes a token of")
        lengths = np.fromiter(map(len, known), np.int64, len(known))
        flat = np.fromiter(chain.from_iterable(known), np.int64, int(lengths.sum()))
        sums = self._table.sums(flat, np.cumsum(lengths) - lengths)
        return np.asarray(sums / lengths[:, None], dtype=np.float32)

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
