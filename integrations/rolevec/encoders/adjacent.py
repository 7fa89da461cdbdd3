"""Pairs of pieces that stand side by side in a word: what tells apart words the table cuts up."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
from tokenizers import Tokenizer

from rolevec.encoders.rows import Floats, Ids, Rows
from rolevec.encoders.summing import RowSums
from rolevec.encoders.terms import Ints

Reals = npt.NDArray[np.float64]

_MARK = "▁"
# What is known of a piece, in bits.
_BEGINS, _ENDS, _NOT_MET = np.uint8(1), np.uint8(2), np.uint8(4)
# Pairs share so many rows; two that meet in one row are as good as never in one text.
_BUCKETS = 1 << 20
# A pair within a word of three pieces counts 1 / sqrt(2): the longer word should not count more.
_BY_LENGTH = -0.5
_FACTORS = (np.uint64(0xFF51AFD7ED558CCD), np.uint64(0xC4CEB9FE1A85EC53))
_LEFT, _RIGHT = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xD1B54A32D192ED03)


@dataclass(frozen=True, slots=True)
class PairSettings:
    """How much pairs of pieces count: ``piece_pairs`` of a model's config.json, or of a recipe.

    Attributes:
        query: length of a pair's row in a query, in units of the table; in a recipe, in mean
            lengths of the table's rows.
        document: the same in a document of at least ``full_at`` tokens; shorter ones have less, in
            proportion, because translations, which share no words, are short.
        full_at: tokens.
        first: the first dimension of a pair's row; those before are 0, so that vectors cut to so
            many dimensions are what they are without.

    Raises:
        ValueError: a number is out of range, or none.
    """

    query: float
    document: float
    full_at: int = 40
    first: int = 0

    def __post_init__(self) -> None:
        numbers = {name: getattr(self, name) for name in self.__slots__}
        for name, least in {"query": 0, "document": 0, "full_at": 1, "first": 0}.items():
            if not isinstance(numbers[name], int | float) or not numbers[name] >= least:
                raise ValueError(f"piece_pairs: {name}={numbers[name]!r} is not at least {least}")
        if not isinstance(self.first, int):
            raise ValueError(f"piece_pairs: first={self.first!r} is no dimension")

    @classmethod
    def of(cls, facts: Any) -> PairSettings:
        """What a config.json says.

        Raises:
            ValueError: it is no table of these numbers, or one is out of range.
        """
        try:
            return cls(**facts)
        except TypeError as error:
            names = ", ".join(cls.__slots__)
            raise ValueError(f"piece_pairs={facts!r} is no table of {names}") from error

    def times(self, length: float) -> PairSettings:
        """The same in units so much shorter, in five digits."""
        return replace(
            self,
            query=float(f"{self.query * length:.5g}"),
            document=float(f"{self.document * length:.5g}"),
        )


class PiecePairs:
    """What the pairs of pieces of a text add to the sum of its tokens' rows.

    A word without a row of its own ("μπ ερ να ρντ") is the sum of pieces that other words are full
    of. Each pair of neighbours in it therefore adds a row of its own: of random signs, by the hash
    of the pair. Any two such rows are nearly at right angles, so that texts with the same name,
    code or rare word are nearer, and others are not. Nothing is trained and nothing is stored
    (feature hashing: Weinberger et al., ICML 2009, onto random rows: Achlioptas, PODS 2001).

    Args:
        settings: weights and dimensions.
        tokenizer: its word mark, "▁", tells where words begin.
        dim: of the table's rows.
        query: id of the token before queries.
        document: of the one before documents. Texts that begin with neither have no pairs.
        tf_power: a pair met n times counts n to this power, see `damp`.

    Raises:
        ValueError: the table has no more dimensions than pairs leave alone.
    """

    def __init__(
        self,
        settings: PairSettings,
        tokenizer: Tokenizer,
        dim: int,
        *,
        query: int | None,
        document: int | None,
        tf_power: float,
    ) -> None:
        if settings.first >= dim:
            raise ValueError(f"piece_pairs: first={settings.first} with {dim} dimensions")
        self._tokenizer = tokenizer
        self._edges = np.full(tokenizer.get_vocab_size(), _NOT_MET, np.uint8)
        self._edges[[*tokenizer.get_added_tokens_decoder()]] = _BEGINS | _ENDS
        self._settings, self._tf_power = settings, tf_power
        self._query, self._document = query, document
        self._dim = dim

    @cached_property
    def _sums(self) -> RowSums:
        return RowSums(_SignRows(self._dim - self._settings.first))

    def add(self, rows: Floats, places: Ints, ids: Ids, lengths: Ints, shares: Reals) -> None:
        """Add the rows of the pairs of some texts to what stands for them.

        Args:
            rows: shape (any, dim), changed in place.
            places: the row of each text; shape (texts,).
            ids: known tokens of the texts in their order, the prompt's first; shape (n,).
            lengths: how many of them each text has, at least one; shape (texts,).
            shares: what one unit of the table is in a text's row; shape (texts,).
        """
        texts, buckets, factors = self._pairs(ids, lengths)
        if not len(texts):
            return
        factors = factors * (self._weights(ids, lengths) * shares)[texts]
        starts = _firsts(texts, 0)
        owners = places[texts[starts]]
        for groups, _, sums in self._sums.blocks(buckets, starts, factors.astype(np.float32)):
            rows[owners[groups], self._settings.first :] += sums

    def _weights(self, ids: Ids, lengths: Ints) -> Reals:
        """Of a pair in each text, by its role and length."""
        leading = ids[np.cumsum(lengths) - lengths]
        # The prompt is one token of the length.
        damped = self._settings.document * np.minimum(1, (lengths - 1) / self._settings.full_at)
        documents = np.where(leading == self._document, damped, 0)
        return np.where(leading == self._query, self._settings.query, documents)

    def _pairs(self, ids: Ids, lengths: Ints) -> tuple[Ints, Ints, Reals]:
        """Pairs of all texts, text after text: whose each is, its row, and its weight."""
        edges = self._edges_of(ids)
        within = (edges[1:] & _BEGINS | edges[:-1] & _ENDS) == 0
        ends = np.cumsum(lengths)
        within[ends[:-1] - 1] = False
        at = np.flatnonzero(within)
        if not at.size:
            return at, at, at.astype(np.float64)
        texts = np.searchsorted(ends, at, side="right")
        # Pairs of one word stand side by side, and words are parted by a place that is none.
        sizes = _runs(at, 1)
        weights = np.repeat(sizes**_BY_LENGTH, sizes)
        buckets = _bucket(ids[at], ids[at + 1])
        if self._tf_power != 1:
            weights *= _times(texts << 32 | buckets) ** (self._tf_power - 1)
        return texts, buckets, weights

    def _edges_of(self, ids: Ids) -> npt.NDArray[np.uint8]:
        """Whether each token is a word's first, or nothing follows it in its word.

        A piece is looked at when it is first met: a vocabulary's would take as long as loading it.
        """
        edges = self._edges[ids]
        if (edges == _NOT_MET).any():
            for token in np.unique(ids[edges == _NOT_MET]).tolist():
                piece = str(self._tokenizer.id_to_token(token))
                # The word mark alone goes together with nothing.
                self._edges[token] = _BEGINS * piece.startswith(_MARK) | _ENDS * (piece == _MARK)
            edges = self._edges[ids]
        return edges


def _firsts(values: Ints, step: int) -> Ints:
    """Where values, of which there are some, do not go on from the one before by a step."""
    return np.concatenate([[0], np.flatnonzero(values[1:] - values[:-1] != step) + 1])


def _runs(values: Ints, step: int) -> Ints:
    """How many values go on from each other by a step, run after run."""
    return np.diff(_firsts(values, step), append=len(values))


def _times(keys: Ints) -> Reals:
    """How often each key is there."""
    order = np.argsort(keys)
    sizes = _runs(keys[order], 0)
    times = np.empty(len(keys))
    times[order] = np.repeat(sizes, sizes)
    return times


class _SignRows(Rows):
    """Rows of random signs and length 1: windows into one long line of signs."""

    def __init__(self, dim: int) -> None:
        self.dim = dim
        signs = _signs(_BUCKETS + dim) * np.float32(dim**-0.5)
        self._windows = np.lib.stride_tricks.sliding_window_view(signs, dim)

    def __len__(self) -> int:
        return _BUCKETS

    def unpacked(self, ids: Ids) -> Floats:
        """Some of the rows; float32, shape (n, dim)."""
        return self._windows[ids]


def _signs(count: int) -> Floats:
    """-1 and 1, the same on every machine and with every version of numpy."""
    words = _mix(np.arange(1, count // 64 + 2, dtype=np.uint64) * _LEFT)
    bits = np.unpackbits(words.astype("<u8").view(np.uint8), bitorder="little")[:count]
    return 2 * bits.astype(np.float32) - 1


def _bucket(left: Ids, right: Ids) -> Ints:
    keys = left.astype(np.uint64) * _LEFT + right.astype(np.uint64) * _RIGHT
    return (_mix(keys) % np.uint64(_BUCKETS)).astype(np.int64)


def _mix(values: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    """Each bit of the result depends on all bits of a value (finaliser of 64-bit MurmurHash3)."""
    for factor in _FACTORS:
        values = (values ^ (values >> np.uint64(33))) * factor
    return values ^ (values >> np.uint64(33))
