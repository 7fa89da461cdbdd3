"""Tokenised pairs in flat arrays: millions of them fit in memory, and a batch is a gather."""

from __future__ import annotations

import json
from array import array
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
import numpy.typing as npt
from tokenizers import Tokenizer

from rolevec.training.data import Pair, source_weight, text_key

Ints = npt.NDArray[np.int64]

# Longer texts are cut for training only; a mean of 192 tokens is already a stable target.
_MAX_TOKENS = 192
_CHUNK = 50_000


@dataclass(frozen=True, slots=True)
class PairStore:
    """Pairs of one kind as token ids.

    Attributes:
        flat: ids of all texts, one after the other; shape (tokens,).
        offsets: where each text starts in ``flat``; shape (texts + 1,).
        left: text number of each left side; shape (pairs,). ``right`` likewise.
        left_key: `text_key` of each left side; shape (pairs,). ``right_key`` likewise.
        lang: index into ``langs`` of each left side; shape (pairs,), ascending.
        langs: language codes.
        sources: source-id -> number of its pairs.
    """

    flat: npt.NDArray[np.int32]
    offsets: Ints
    left: Ints
    right: Ints
    left_key: Ints
    right_key: Ints
    lang: npt.NDArray[np.int32]
    langs: tuple[str, ...]
    sources: Mapping[str, int]

    def __len__(self) -> int:
        return len(self.left)

    def select(self, rows: npt.NDArray[np.intp]) -> PairStore:
        """The same texts with only the pairs in ``rows`` (ascending)."""
        return PairStore(
            self.flat,
            self.offsets,
            self.left[rows],
            self.right[rows],
            self.left_key[rows],
            self.right_key[rows],
            self.lang[rows],
            self.langs,
            self.sources,
        )

    def split(self, held_out: int) -> tuple[PairStore, PairStore]:
        """Training and development pairs, parted by the right text.

        Every pair of a right text falls on the same side, whatever its language, so no English
        sentence of the development part is seen in training.
        """
        apart = np.zeros(len(self), bool) if held_out < 1 else self.right_key % held_out == 0
        return self.select(np.flatnonzero(~apart)), self.select(np.flatnonzero(apart))

    def save(self, path: Path) -> None:
        """Write one uncompressed .npz, whole or not at all."""
        part = path.with_suffix(".part.npz")
        about = json.dumps({"langs": self.langs, "sources": dict(self.sources)})
        arrays = {name: getattr(self, name) for name in _ARRAYS}
        np.savez(part, about=np.array(about), **arrays)
        part.replace(path)

    @classmethod
    def load(cls, path: Path) -> PairStore:
        """Read what `save` wrote."""
        with np.load(path) as archive:
            about = json.loads(str(archive["about"]))
            arrays = {name: archive[name] for name in _ARRAYS}
        return cls(**arrays, langs=tuple(about["langs"]), sources=about["sources"])


_ARRAYS = ("flat", "offsets", "left", "right", "left_key", "right_key", "lang")


def thin(pairs: Iterable[Pair], weights: Mapping[str, float]) -> Iterator[Pair]:
    """Keep a pair with the chance that its source has; which ones depends on the text alone."""
    chances: dict[str, int] = {}
    for pair in pairs:
        if pair.source not in chances:
            chances[pair.source] = round(source_weight(pair.source, weights) * 1000)
        chance = chances[pair.source]
        if chance >= 1000 or text_key(pair.left) // 1000 % 1000 < chance:
            yield pair


def build_store(pairs: Iterable[Pair], tokenizer: Tokenizer) -> PairStore:
    """Tokenise pairs; a right text met before is stored once. Pairs without tokens are dropped."""
    tokenizer.enable_truncation(_MAX_TOKENS)
    builder = _Builder(tokenizer)
    rows = iter(pairs)
    while chunk := list(islice(rows, _CHUNK)):
        builder.add(chunk)
    tokenizer.no_truncation()
    return builder.finish()


class _Builder:
    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer
        self._flat: list[npt.NDArray[np.int32]] = []
        self._lengths: list[Ints] = []
        self._texts = 0
        self._known: dict[str, int] = {}
        self._langs: dict[str, int] = {}
        self._sources: dict[str, int] = {}
        self._rows = tuple(array("q") for _ in range(5))

    def add(self, pairs: list[Pair]) -> None:
        """Tokenise one chunk; left texts are new, right texts are looked up first."""
        fresh: dict[str, int] = {}
        base = self._texts + len(pairs)
        for pair in pairs:
            if pair.right not in self._known and pair.right not in fresh:
                fresh[pair.right] = base + len(fresh)
        encodings = self._tokenizer.encode_batch_fast(
            [pair.left for pair in pairs] + list(fresh), add_special_tokens=False
        )
        ids = [encoding.ids for encoding in encodings]
        self._lengths.append(np.array([len(i) for i in ids], np.int64))
        self._flat.append(np.array([t for i in ids for t in i], np.int32))
        self._known.update(fresh)
        left, right, left_key, right_key, lang = self._rows
        for number, pair in enumerate(pairs, self._texts):
            left.append(number)
            right.append(self._known[pair.right])
            left_key.append(text_key(pair.left))
            right_key.append(text_key(pair.right))
            lang.append(self._langs.setdefault(pair.left_lang, len(self._langs)))
            self._sources[pair.source] = self._sources.get(pair.source, 0) + 1
        self._texts = base + len(fresh)

    def finish(self) -> PairStore:
        """Join the chunks and sort the pairs by language."""
        lengths = np.concatenate([np.zeros(1, np.int64), *self._lengths])
        left, right, left_key, right_key, lang = (np.array(r, np.int64) for r in self._rows)
        kept = np.flatnonzero((lengths[left + 1] > 0) & (lengths[right + 1] > 0))
        rows = kept[np.argsort(lang[kept], kind="stable")]
        return PairStore(
            np.concatenate([np.zeros(0, np.int32), *self._flat]),
            np.cumsum(lengths),
            left[rows],
            right[rows],
            left_key[rows],
            right_key[rows],
            lang[rows].astype(np.int32),
            tuple(self._langs),
            dict(sorted(self._sources.items())),
        )
