"""Batches: which pairs, in which roles, as bags of token ids."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np
import numpy.typing as npt

from rolevec.encoders.terms import damp, led, slices
from rolevec.training.config import MADE_FROM, TrainConfig
from rolevec.training.data import language_shares
from rolevec.training.store import Ints, PairStore

# Rows of one language that stand together in a retrieval batch: negatives in another language
# would be told apart by their script alone.
_RUN = 128
# A made-up passage has this many sentences.
_FEWEST_SENTENCES, _MOST_SENTENCES = 2, 8
# Least share of a sentence, or of its translation, that is asked for.
_ASKED, _ASKED_TRANSLATED = 0.35, 0.5
# Tokens of a passage that a cloze question holds: from, and up to but not including.
_CLOZE = (4, 17)


@dataclass(frozen=True, slots=True)
class Bags:
    """Texts as bags of ids: ``ids[offsets[i]:offsets[i + 1]]`` is text i with its role token.

    Attributes:
        ids: shape (n,); each token once a bag.
        offsets: shape (texts + 1,).
        weights: what each id counts, after `damp`; shape (n,).
        roles: role token of each text; shape (texts,).
    """

    ids: Ints
    offsets: Ints
    weights: npt.NDArray[np.float32]
    roles: Ints


@dataclass(frozen=True, slots=True)
class Batch:
    """n pairs; keys (n,) are equal where texts are."""

    left: Bags
    right: Bags
    left_keys: Ints
    right_keys: Ints


class BatchMaker:
    """Draws batches from the stores by kind, language and role, all from one generator.

    Args:
        stores: kind -> pairs to train on.
        config: shares, sizes and the seed.
        query: id of the query token.
        document: id of the document token.
    """

    def __init__(
        self, stores: Mapping[str, PairStore], config: TrainConfig, query: int, document: int
    ) -> None:
        self._stores = {kind: store for kind, store in stores.items() if len(store)}
        self._config = config
        self._query, self._document = query, document
        self._rng = np.random.default_rng(config.seed)
        self._bags = partial(bags, tf_power=config.tf_power)
        self._gather = partial(gather, tf_power=config.tf_power)
        self._languages = {k: _Languages(s, config.temperature) for k, s in self._stores.items()}

    def draw(self, step: int) -> Batch:
        """The batch of one step; it depends on the seed and the step alone."""
        self._rng = np.random.default_rng((self._config.seed, step))
        progress = step / self._config.steps
        mix = {
            kind: share
            for kind, share in self._config.mix.items()
            if MADE_FROM.get(kind, kind) in self._stores
            and not (kind == "lexicon" and progress > self._config.lexicon_until)
        }
        total = sum(mix.values())
        if not total:
            raise ValueError("no pairs of the kinds in mix were found in the data folder")
        kind = str(self._rng.choice(list(mix), p=[share / total for share in mix.values()]))
        if kind == "passage":
            return self._passages()
        if kind == "cloze":
            return self._cloze()
        return self._pairs(kind)

    def _pairs(self, kind: str) -> Batch:
        store, size = self._stores[kind], self._config.batch
        retrieval = kind == "retrieval"
        if retrieval:
            size = max(2, size // 2)
        rows = self._languages[kind].draw(self._rng, size, run=_RUN if retrieval else 1)
        left_roles, right_roles = self._roles(len(rows), retrieval)
        return Batch(
            self._bags(store, store.left[rows], left_roles),
            self._bags(store, store.right[rows], right_roles),
            store.left_key[rows],
            store.right_key[rows],
        )

    def _roles(self, n: int, retrieval: bool) -> tuple[Ints, Ints]:
        """Role ids: query to document for retrieval; otherwise mostly equal, half documents.

        Some translation pairs are mixed, so that the two roles stay comparable in all languages.
        """
        if retrieval:
            return np.full(n, self._query), np.full(n, self._document)
        roles = np.array([self._query, self._document])
        left = roles[(self._rng.random(n) < 0.6).astype(np.intp)]
        other = roles[(self._rng.random(n) < 0.6).astype(np.intp)]
        return left, np.where(self._rng.random(n) < 0.75, left, other)

    def _passages(self) -> Batch:
        """Queries against made-up passages: several sentences of a language, one of them asked.

        The question is a part of that sentence or of its translation. Real questions exist for few
        languages; this gives every language the need to find a few words among many.
        """
        store, rng = self._stores["parallel"], self._rng
        length = int(rng.integers(_FEWEST_SENTENCES, _MOST_SENTENCES + 1))
        # Twice a batch of sentences, so that long passages come in smaller batches.
        wanted = max(2, self._config.batch * 2 // length) * length
        rows = self._languages["parallel"].draw(rng, wanted, run=_RUN * length)
        size = min(len(rows) // length, self._config.batch)
        rows = rows[: size * length].reshape(size, length)
        native = rng.random() < 0.6
        near, far = (store.left, store.right) if native else (store.right, store.left)
        asked = rows[:, 0]
        translated = rng.random(size) < 0.5
        text = np.where(translated, far[asked], near[asked])
        starts, lengths = store.offsets[text], np.diff(store.offsets)[text]
        least = np.where(translated, _ASKED_TRANSLATED, _ASKED)
        share = least + (1 - least) * rng.random(size)
        spans = np.maximum(1, (lengths * share).astype(np.int64))
        starts = starts + (rng.random(size) * (lengths - spans + 1)).astype(np.int64)
        query = self._gather(store, starts, spans, np.full(size, self._query))
        roles = np.full(size, self._document)
        document = self._bags(store, near[rows].ravel(), roles, length)
        return Batch(query, document, store.right_key[asked], store.right_key[asked])

    def _cloze(self) -> Batch:
        """A few words of a passage against the rest of it, half the time with the words left in.

        Inverse cloze task: Lee, Chang, Toutanova, ACL 2019.
        """
        store, rng = self._stores["retrieval"], self._rng
        rows = self._languages["retrieval"].draw(rng, max(2, self._config.batch // 2), run=_RUN)
        passages = store.right[rows]
        starts, lengths = store.offsets[passages], np.diff(store.offsets)[passages]
        spans = np.minimum(rng.integers(*_CLOZE, len(rows)), np.maximum(1, lengths // 2))
        asked = starts + (rng.random(len(rows)) * (lengths - spans + 1)).astype(np.int64)
        cut = np.where(rng.random(len(rows)) < 0.5, spans, 0)
        query = self._gather(store, asked, spans, np.full(len(rows), self._query))
        # Each document is two pieces, before the words and behind them.
        pieces = np.stack([starts, asked + cut], axis=1).ravel()
        sizes = np.stack([asked - starts, starts + lengths - asked - cut], axis=1).ravel()
        document = self._gather(store, pieces, sizes, np.full(len(rows), self._document), 2)
        return Batch(query, document, store.right_key[rows], store.right_key[rows])


class _Languages:
    """Draws rows of a store: a language by its share, then a row of it."""

    def __init__(self, store: PairStore, temperature: float) -> None:
        counts = np.bincount(store.lang, minlength=len(store.langs))
        shares = language_shares({str(i): float(n) for i, n in enumerate(counts)}, temperature)
        self._shares = np.array([shares.get(str(i), 0.0) for i in range(len(counts))])
        self._counts = counts
        self._starts = np.cumsum(counts) - counts

    def draw(self, rng: np.random.Generator, size: int, run: int) -> npt.NDArray[np.intp]:
        """``size`` row numbers; ``run`` of them in sequence share a language."""
        picks = rng.choice(len(self._shares), size=-(-size // run), p=self._shares)
        langs = np.repeat(picks, run)[: max(size, run)]
        within = rng.random(len(langs)) * self._counts[langs]
        rows: npt.NDArray[np.intp] = self._starts[langs] + within.astype(np.intp)
        return rows


def bags(store: PairStore, texts: Ints, roles: Ints, per_bag: int = 1, *, tf_power: float) -> Bags:
    """Texts (n * per_bag,) as n bags, each with its role id; roles has shape (n,)."""
    starts = store.offsets[texts]
    lengths = store.offsets[texts + 1] - starts
    return gather(store, starts, lengths, roles, per_bag, tf_power=tf_power)


def gather(
    store: PairStore,
    starts: Ints,
    lengths: Ints,
    roles: Ints,
    per_bag: int = 1,
    *,
    tf_power: float,
) -> Bags:
    """As `bags`, of pieces of texts: tokens from ``starts`` on, ``lengths`` of them."""
    sizes = lengths.reshape(-1, per_bag).sum(axis=1)
    whole, sizes = led(slices(store.flat, starts, lengths), sizes, roles[:, None])
    ids, sizes, weights = damp(whole, sizes, tf_power)
    return Bags(ids, offsets_of(sizes), weights, roles)


def offsets_of(sizes: Ints) -> Ints:
    """Where slices of these sizes start, one behind the other, and the end."""
    return np.concatenate([np.zeros(1, np.int64), np.cumsum(sizes)])
