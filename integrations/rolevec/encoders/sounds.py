"""The sound of words: names and loan words are much the same in every language and script."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
from numpy.lib.stride_tricks import sliding_window_view
from tokenizers import Tokenizer

from rolevec.encoders.rows import Floats, Ids
from rolevec.encoders.terms import Ints, slices

Reals = npt.NDArray[np.float64]
Symbols = npt.NDArray[np.uint8]
Codes = npt.NDArray[np.uint16]
Numbers = npt.NDArray[np.uint64]

# What a letter sounds like, in four bits: a class of consonants, a vowel, or the end of a word.
# Which letters of any script are of which class, the model's table tells.
CONSONANTS = ("bp", "fvw", "cgkq", "jsxz", "dt", "l", "m", "n", "r")
VOWEL, END = 10, 15
# Of a letter, at most: a syllable of Hangul or Pinyin.
PER_LETTER = 4
# Of a piece, at most.
_PER_PIECE = 32
_NOT_MET = 255
# So many consonants on end are compared, and words of at least so many as a whole.
_GRAM, _WORD = 4, 3
# Dimensions that each of them goes to.
_SPREAD = 4
_FACTORS = (np.uint64(0xFF51AFD7ED558CCD), np.uint64(0xC4CEB9FE1A85EC53))
_BASE, _WHOLE = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xD1B54A32D192ED03)


@dataclass(frozen=True, slots=True)
class SoundSettings:
    """How much the sound of words counts: ``sounds`` of a model's config.json, or of a recipe.

    Attributes:
        query: length of the sounds' part of a query's vector; the rest has length 1.
        document: the same in a document of at least ``full_at`` tokens; shorter ones have less, in
            proportion: a translation's few words sound alike by chance as often as not.
        full_at: tokens.
        dim: dimensions of the part, which stands behind those of the table.

    Raises:
        ValueError: a number is out of range, or none.
    """

    query: float
    document: float
    full_at: int = 40
    dim: int = 256

    def __post_init__(self) -> None:
        numbers = {name: getattr(self, name) for name in self.__slots__}
        for name, least in {"query": 0, "document": 0, "full_at": 1, "dim": 1}.items():
            if not isinstance(numbers[name], int | float) or not numbers[name] >= least:
                raise ValueError(f"sounds: {name}={numbers[name]!r} is not at least {least}")
        if not isinstance(self.dim, int) or self.dim > 1 << 15:
            raise ValueError(f"sounds: dim={self.dim!r} is no number of dimensions up to 32,768")

    @classmethod
    def of(cls, facts: Any) -> SoundSettings:
        """What a config.json says.

        Raises:
            ValueError: it is no table of these numbers, or one is out of range.
        """
        try:
            return cls(**facts)
        except TypeError as error:
            names = ", ".join(cls.__slots__)
            raise ValueError(f"sounds={facts!r} is no table of {names}") from error


def packed(symbols: Iterable[int]) -> int:
    """Symbols of a letter in one number, the first in its lowest four bits."""
    return sum(symbol << 4 * place for place, symbol in enumerate(symbols))


def _unpacked(code: int) -> list[int]:
    return [code >> 4 * place & 15 for place in range(PER_LETTER) if code >> 4 * place & 15]


@dataclass(frozen=True, slots=True, eq=False)
class Letters:
    """What the letters of a vocabulary sound like.

    Attributes:
        points: code points, ascending; shape (n,). Other characters end a word.
        codes: the symbols of each, see `packed`; 0 for a silent one.
    """

    points: Ints
    codes: Codes


class Sounds:
    """The part of a text's vector that tells how its words sound.

    "Νορμανδία", "Нормандия" and "Normandy" share no token, and few texts teach a table that they
    are one name; but their consonants are n-r-m-n-d in every script. A word is therefore read as
    the classes of its consonants, one after the other, vowels left out but for a first one. What
    texts share is counted by hashing (Weinberger et al., ICML 2009): each four consonants on end,
    and each word of three or more, goes to four dimensions with a sign of its own. Nothing of this
    is trained. Had it dimensions together with the table, the one would be noise in the other, so
    it has its own, behind the table's: a vector cut to these is what it is without sounds.

    Args:
        settings: how much it counts, and its dimensions.
        tokenizer: of the model.
        letters: what they sound like.
        query: id of the token before queries.
        document: of the one before documents. For texts that begin with neither the part is 0.
        tf_power: what stands in a text n times counts n to this power.
    """

    def __init__(
        self,
        settings: SoundSettings,
        tokenizer: Tokenizer,
        letters: Letters,
        *,
        query: int | None,
        document: int | None,
        tf_power: float,
    ) -> None:
        self.dim = settings.dim
        self._settings, self._tokenizer, self._letters = settings, tokenizer, letters
        self._query, self._document, self._tf_power = query, document, tf_power
        vocab = tokenizer.get_vocab_size()
        self._sizes = np.full(vocab, _NOT_MET, np.uint8)
        self._symbols = np.zeros((vocab, _PER_PIECE), np.uint8)
        # They are no part of any word.
        added = [*tokenizer.get_added_tokens_decoder()]
        self._symbols[added, 0], self._sizes[added] = END, 1

    def fill(self, rows: Floats, places: Ints, ids: Ids, lengths: Ints) -> None:
        """Write the part of some texts into what stands for them.

        Args:
            rows: shape (any, dim of the table + dim), the table's part in place.
            places: the row of each text; shape (texts,).
            ids: known tokens of the texts in their order, the prompt's first; shape (n,).
            lengths: how many of them each text has, at least one; shape (texts,).
        """
        weights = self._weights(ids, lengths)
        heard = weights > 0
        if not heard.all():
            rows[places[~heard], -self.dim :] = 0
            if not heard.any():
                return
            ids = ids[np.repeat(heard, lengths)]
            places, lengths, weights = places[heard], lengths[heard], weights[heard]
        sums = self._sums(*self._features(ids, lengths), len(lengths))
        before = np.linalg.norm(rows[places, : -self.dim], axis=1)
        found = np.linalg.norm(sums, axis=1)
        shares = np.divide(weights * before, found, out=np.zeros(len(found)), where=found > 0)
        rows[places, -self.dim :] = sums * shares[:, None]

    def _weights(self, ids: Ids, lengths: Ints) -> Reals:
        """Length of the part in each text, by its role and number of tokens."""
        leading = ids[np.cumsum(lengths) - lengths]
        # The prompt is one token of the length.
        damped = self._settings.document * np.minimum(1, (lengths - 1) / self._settings.full_at)
        documents = np.where(leading == self._document, damped, 0)
        return np.where(leading == self._query, self._settings.query, documents)

    def _features(self, ids: Ids, lengths: Ints) -> tuple[Ints, Numbers]:
        """Whose each stretch of consonants and each word is, and a number for what it is."""
        symbols, sizes = self._symbols_of(ids)
        owners = np.repeat(np.repeat(np.arange(len(lengths)), lengths), sizes)
        # A text begins with the token of its prompt, which ends all words, so none goes on in the
        # next text. Consonants that are doubled in writing are one.
        before = np.concatenate([[END], symbols[:-1]])
        kept = np.where(symbols == VOWEL, before == END, (symbols == END) | (symbols != before))
        symbols, owners = symbols[kept].astype(np.uint64), owners[kept]
        stretches, words = _stretches(symbols), _words(symbols)
        places, numbers = zip(stretches, words, strict=True)
        return owners[np.concatenate(places)], np.concatenate(numbers)

    def _sums(self, owners: Ints, features: Numbers, texts: int) -> Reals:
        """Features of each text in its dimensions; shape (texts, dim)."""
        counts = np.ones(len(features))
        mixed = _mix(features)
        if self._tf_power != 1:
            counts = _times(owners, mixed) ** (self._tf_power - 1)
        parts = mixed.astype("<u8").view("<u2").reshape(-1, _SPREAD).astype(np.int64)
        signs = 1 - 2 * (parts >> 15)
        places = owners[:, None] * self.dim + (parts & 0x7FFF) % self.dim
        weights = (counts[:, None] * signs).ravel()
        flat = np.bincount(places.ravel(), weights, minlength=texts * self.dim)
        return flat.astype(np.float64).reshape(texts, self.dim)

    def _symbols_of(self, ids: Ids) -> tuple[Symbols, Symbols]:
        """Symbols of tokens, one after the other, and how many each token has.

        A piece is looked at when it is first met: a vocabulary's would take as long as loading it.
        """
        sizes = self._sizes[ids]
        if (sizes == _NOT_MET).any():
            for token in np.unique(ids[sizes == _NOT_MET]).tolist():
                found = self._heard(str(self._tokenizer.id_to_token(token)))
                self._symbols[token, : len(found)] = found
                self._sizes[token] = len(found)  # last: another thread may ask for it now
            sizes = self._sizes[ids]
        widest = int(sizes.max(initial=0))
        return self._symbols[ids, :widest][np.arange(widest) < sizes[:, None]], sizes

    def _heard(self, piece: str) -> list[int]:
        found: list[int] = []
        for character in piece:
            code = self._sounds.get(ord(character))
            found += [END] if code is None else _unpacked(code)
        return found[:_PER_PIECE]

    @cached_property
    def _sounds(self) -> dict[int, int]:
        letters = self._letters
        return dict(zip(letters.points.tolist(), letters.codes.tolist(), strict=True))


def _stretches(symbols: Numbers) -> tuple[Ints, Numbers]:
    """Where stretches of consonants within a word start, and a number for each."""
    if len(symbols) < _GRAM:
        return np.empty(0, np.int64), symbols[:0]
    within = ~sliding_window_view(symbols == END, _GRAM).any(axis=1)
    starts = np.flatnonzero(within)
    shifts = 4 * np.arange(_GRAM, dtype=np.uint64)
    numbers: Numbers = (sliding_window_view(symbols, _GRAM)[starts] << shifts).sum(axis=1)
    return starts, numbers


def _words(symbols: Numbers) -> tuple[Ints, Numbers]:
    """Where words of some length start, and a number for each, which is none of a stretch."""
    ends = symbols == END
    starts = np.flatnonzero(~ends & np.concatenate([[True], ends[:-1]]))
    lengths = np.flatnonzero(~ends & np.concatenate([ends[1:], [True]])) + 1 - starts
    starts, lengths = starts[lengths >= _WORD], lengths[lengths >= _WORD]
    if not starts.size:
        return starts, symbols[:0]
    powers = np.cumprod(np.full(int(lengths.max()), _BASE), dtype=np.uint64)
    values = slices(symbols, starts, lengths) * slices(powers, np.zeros_like(starts), lengths)
    numbers: Numbers = np.add.reduceat(values, np.cumsum(lengths) - lengths) ^ _WHOLE
    return starts, numbers


def _times(owners: Ints, features: Numbers) -> Reals:
    """How often each feature is there in its text."""
    order = np.lexsort((features, owners))
    new = (np.diff(owners[order]) != 0) | (np.diff(features[order]) != 0)
    edges = np.concatenate([[0], np.flatnonzero(new) + 1, [len(order)]])
    sizes = np.diff(edges)
    times = np.empty(len(order))
    times[order] = np.repeat(sizes, sizes)
    return times


def _mix(values: Numbers) -> Numbers:
    """Each bit of the result depends on all bits of a value (finaliser of 64-bit MurmurHash3)."""
    for factor in _FACTORS:
        values = (values ^ (values >> np.uint64(33))) * factor
    return values ^ (values >> np.uint64(33))
