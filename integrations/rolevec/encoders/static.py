"""Static encoder: the mean of token rows from a table, numpy only."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from tokenizers import Tokenizer

from rolevec.encoders.dictionary import Dictionary
from rolevec.encoders.overlap import ridge_of
from rolevec.encoders.progress import Advance
from rolevec.encoders.sounds import Sounds, SoundSettings
from rolevec.encoders.table import TokenTable
from rolevec.encoders.terms import damp, led
from rolevec.encoders.tokens import Ids, TokenEncoder, read_tokenizer
from rolevec.encoders.trie import Ints
from rolevec.encoders.words import Tokens, WordIds
from rolevec.errors import InvalidText, ModelNotAvailable
from rolevec.fingerprint import CONTENT_REVISION
from rolevec.models.card import ModelCard
from rolevec.models.static_card import read_config, static_card
from rolevec.prompts import Prompts
from rolevec.roles import Role
from rolevec.truncation import TruncationPolicy

# From this many texts on it pays to prepare the cache of words, and to use it once it is there.
_WORTH_PREPARING = 512
_WORTH_USING = 32


class StaticEncoder(TokenEncoder):
    """Rows of a token table, averaged; queries may go through a matrix after that.

    A token that stands in a text n times counts n**tf_power, which config.json tells (1 if it does
    not). Where it tells a ``ridge``, what several tokens of a text say counts less than several
    times (see `without_overlap`). Where the table brings a ``query_map``, texts that begin with the
    token ``query_id`` are moved by it. Where config.json has ``sounds``, the last dimensions tell
    how the words of queries, and of texts that begin with the token ``document_id``, sound (see
    `Sounds`). Where the table brings a dictionary, rare words are read as what they mean (see
    `Dictionary`).

    A folder holds ``tokenizer.json`` (or it packed, as ``tokenizer.json.gz``), ``config.json``
    (format "rolevec-static") and ``model.safetensors`` with the table (see `TokenTable`), which is
    memory-mapped, so that loading costs the tokenizer only and processes share the pages.

    Where the tokenizer allows, many texts are tokenised word by word through a bounded cache (see
    `WordIds`), in two threads, one of which adds up rows while the other looks up words.
    """

    backend = "static"
    chunk = 1 << 13
    threads = 2

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
        config, card = _settings(self.folder)
        super().__init__(
            card,
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
        self._tf_power = float(config.get("tf_power", 1))
        self._query: int | None = config.get("query_id")
        try:
            self._ridge = None if config.get("ridge") is None else ridge_of(config["ridge"])
            self._sounds = self._sounds_of(config)
        except ValueError as error:
            raise ModelNotAvailable(f"{self.folder / 'config.json'}: {error}") from error
        entries = self._table.entries
        self.dictionary = None if entries is None else Dictionary(self.tokenizer, entries)
        self._check(self.tokenizer)
        self._words: WordIds | None = None
        self._words_tried = threading.Lock()
        self._wordless = False

    def _check(self, tokenizer: Tokenizer) -> None:
        rows, dim = self._table.vocabulary, self._table.dim
        moved = self._table.query_map
        if moved is not None and moved.shape != (dim, dim):
            raise ModelNotAvailable(
                f"{self.folder.name}: a query_map of shape {moved.shape} for {dim} dimensions"
            )
        if self._sounds is not None:
            dim += self._sounds.dim
        if dim != self.card.dim or tokenizer.get_vocab_size() > rows:
            raise ModelNotAvailable(
                f"{self.folder.name}: a table of {rows} x {dim} does not fit a vocabulary of"
                f" {tokenizer.get_vocab_size()} and dim {self.card.dim}"
            )

    def _sounds_of(self, config: Mapping[str, Any]) -> Sounds | None:
        if config.get("sounds") is None:
            return None
        if self._table.letters is None:
            raise ValueError("sounds, but a table without letters")
        return Sounds(
            SoundSettings.of(config["sounds"]),
            self.tokenizer,
            self._table.letters,
            query=self._query,
            document=config.get("document_id"),
            tf_power=self._tf_power,
        )

    def _forward(self, batch: list[Ids]) -> npt.NDArray[np.float32]:
        # What the table knows nothing of is left out, unless there is nothing else.
        known = [[i for i in ids if i != self._unknown] or ids or self._nothing for ids in batch]
        if not all(known):
            raise InvalidText(f"a text holds no character that {self.name} makes a token of")
        lengths = np.fromiter(map(len, known), np.int64, len(known))
        flat = np.fromiter(chain.from_iterable(known), np.int64, int(lengths.sum()))
        rows = np.empty((len(batch), self.card.dim), np.float32)
        self._pool(rows, np.arange(len(batch)), flat, lengths)
        return rows

    def _rows(
        self, texts: list[str], role: Role, batch_size: int | None, advance: Advance
    ) -> tuple[npt.NDArray[np.float32], list[int]]:
        words = self._words_for(len(texts), role)
        if words is None:
            return super()._rows(texts, role, batch_size, advance)
        refused = set(words.refused(texts))
        kept = np.array([i for i in range(len(texts)) if i not in refused], np.int64)
        prompt = self.tokenizer.encode(self.prompts.parts(role)[0], add_special_tokens=False).ids
        rows = np.empty((len(texts), self.card.dim), np.float32)
        whole = np.array(sorted(refused), np.int64)
        for start, tokens in words.batches([texts[i] for i in kept] if refused else texts):
            places = kept[start : start + len(tokens.known)]
            fits = self._fill(rows, places, tokens, prompt)
            advance(int(fits.sum()))
            whole = np.append(whole, places[~fits])
        dropped = [0] * len(texts)
        if whole.size:
            rest = whole.tolist()
            rows[whole], lost = super()._rows([texts[i] for i in rest], role, batch_size, advance)
            for place, number in zip(rest, lost, strict=True):
                dropped[place] = number
        return rows, dropped

    def _words_for(self, count: int, role: Role) -> WordIds | None:
        """The cache of words, if it is worth using and right for the role's prompt."""
        before, after = self.prompts.parts(role)
        if count < _WORTH_USING or after or self._wordless:
            return None
        if self._words is None and count >= _WORTH_PREPARING:
            with self._words_tried:
                if self._words is None and not self._wordless:
                    self._words = WordIds.of(self.tokenizer, self._unknown)
                    self._wordless = self._words is None
        return self._words if self._words is not None and self._words.prefixes(before) else None

    def _fill(
        self, rows: npt.NDArray[np.float32], places: Ints, tokens: Tokens, prompt: Sequence[int]
    ) -> npt.NDArray[np.bool_]:
        """Fill in the rows of texts that need no cut and have known tokens; True for those."""
        fits = tokens.known > 0
        if self.max_tokens is not None:
            fits &= tokens.total + len(prompt) <= self.max_tokens
        ids: npt.NDArray[np.integer[Any]] = tokens.ids
        lengths = tokens.known
        if not fits.all():
            ids, lengths = ids[np.repeat(fits, lengths)], lengths[fits]
            places = places[fits]
        # The prompt stands among the tokens, as where a text is tokenised whole: added up apart it
        # would change the last bits.
        known = np.array([i for i in prompt if i != self._unknown], np.int64)
        ids, lengths = led(ids, lengths, known)
        self._pool(rows, places, ids, lengths)
        return fits

    def _pool(
        self,
        rows: npt.NDArray[np.float32],
        places: Ints,
        ids: npt.NDArray[np.integer[Any]],
        lengths: Ints,
    ) -> None:
        """Put the mean of each text in its place, moved if it is a query, with its sounds."""
        if not len(lengths):
            return
        if self.dictionary is not None:
            ids, lengths = self.dictionary.read(ids, lengths)
        queries = np.flatnonzero(ids[np.cumsum(lengths) - lengths] == self._query)
        terms, sizes, weights = ids, lengths, None
        if self._tf_power != 1:
            terms, sizes, weights = damp(ids, lengths, self._tf_power)
        starts = np.cumsum(sizes) - sizes
        means = rows[:, : self._table.dim]
        self._table.means(
            terms, starts, weights=weights, ridge=self._ridge, out=means, places=places
        )
        if self._table.query_map is not None and queries.size:
            _move(means, places[queries], self._table.query_map)
        if self._sounds is not None:
            self._sounds.fill(rows, places, ids, lengths)

    def _token_rows(self, batch: list[Ids]) -> list[npt.NDArray[np.float32]]:
        return [self._rows_of(ids) for ids in batch]

    def _rows_of(self, ids: Ids) -> npt.NDArray[np.float32]:
        """Rows (tokens, dim of the table): their mean is the text's, but for what they share."""
        rows = self._table.sums(np.array(ids, np.int64), np.arange(len(ids)))
        if self._unknown is not None:
            rows[np.array(ids) == self._unknown] = 0
        for start, end, token in self.dictionary.found(ids) if self.dictionary else ():
            rows[start:end] = 0
            rows[start] = self._table.sums(np.array([token]), np.zeros(1, np.int64))[0]
        if self._table.query_map is not None and ids[:1] == [self._query]:
            rows += rows @ self._table.query_map
        return rows

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (str(self.folder), self._options)


def _move(rows: npt.NDArray[np.float32], queries: Ints, matrix: npt.NDArray[np.float32]) -> None:
    """Take the rows of queries through a table's matrix."""
    units = rows[queries]
    lengths = np.linalg.norm(units, axis=1, keepdims=True)
    units = np.divide(units, lengths, out=units, where=lengths > 0)
    rows[queries] = units + units @ matrix


def _rebuild(folder: str, options: dict[str, Any]) -> StaticEncoder:
    return StaticEncoder(folder, **options)


def is_static_folder(folder: Path) -> bool:
    """True if the folder holds a model of this format."""
    try:
        read_config(folder)
    except (FileNotFoundError, ModelNotAvailable):
        return False
    return True


def _settings(folder: Path) -> tuple[dict[str, Any], ModelCard]:
    try:
        config = read_config(folder)
    except FileNotFoundError as error:
        raise ModelNotAvailable(f"{folder} holds no static model: {error}") from error
    return config, static_card(folder, config)


def _content_hash(path: Path) -> str:
    with path.open("rb") as file:
        return CONTENT_REVISION + hashlib.file_digest(file, "sha256").hexdigest()
