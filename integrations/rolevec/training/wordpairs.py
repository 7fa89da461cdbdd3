"""Word pairs out of sentence pairs: which word of the translation a rare word stands beside."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt
from tokenizers import Tokenizer

from rolevec.encoders.dictionary import WIDEST
from rolevec.encoders.lattice import WORD_MARK
from rolevec.encoders.terms import slices, word_starts
from rolevec.scripts import is_unspaced
from rolevec.training.batches import offsets_of
from rolevec.training.data import Pair
from rolevec.training.store import Ints, PairStore

# Pieces of a word, at most, where words are set apart.
_PIECES = 10
# Texts that a word is in: of one alone nothing can be told, and of many the rows learn themselves.
_FEWEST, _MOST = 2, 200
# Share of them in which its translation is, at least.
_SHARE = 0.5
# How much speaks for a translation, and how much more than for the next one; see `word_pairs`.
_EVIDENCE, _LEAD = 9.0, 8.0
# Letters of a translation, at least: shorter words are mostly articles and the like.
_LETTERS = 3
# Words beside words that are counted at a time: about 1 GB.
_AT_ONCE = 12_000_000


def word_pairs(store: PairStore, tokenizer: Tokenizer) -> Iterator[Pair]:
    """Words of left texts that the vocabulary cuts up, each with the word that translates it.

    Of the words that have a token of their own, and stand in the right texts of a word's pairs, the
    one is taken for which most speaks: c * log(p / q), where the word and it share c pairs, which
    are the share p of the word's pairs, and q is the share of all right texts that it is in. That
    is what counts for much in the log-likelihood ratio by which Dunning tells pairs of words from
    chance ("Accurate Methods for the Statistics of Surprise and Coincidence", Computational
    Linguistics 19, 1993). If little speaks for it, or about as much for another, the word is left
    out.

    Args:
        store: sentence pairs.
        tokenizer: that they were cut up by.
    """
    pieces = _Pieces.of(tokenizer)
    beside = _Beside.of(store, pieces)
    bounds = np.searchsorted(store.lang, np.arange(len(store.langs) + 1)).tolist()
    for lang, (start, end) in zip(store.langs, pairwise(bounds), strict=True):
        words = _CutWords.of(store, store.left[start:end], pieces, _MOST)
        rights = store.right[start:end][words.texts]
        for word, token in _translations(words, rights, beside):
            translation = pieces.letters[token]
            if len(translation) >= _LETTERS and translation.isalpha():
                yield Pair(words.letters(word, pieces), lang, translation, "eng", "")


def cut_words(store: PairStore, tokenizer: Tokenizer) -> Iterator[str]:
    """Words of right texts that the vocabulary cuts up, and that are in two texts or more."""
    pieces = _Pieces.of(tokenizer)
    words = _CutWords.of(store, np.unique(store.right), pieces)
    for word in range(len(words.sizes)):
        yield words.letters(word, pieces)


@dataclass(frozen=True, slots=True, eq=False)
class _Pieces:
    """A vocabulary.

    Attributes:
        letters: of each piece, without the mark of a word.
        begins: which begin a word; shape (vocab,).
        unspaced: which are of a script that does not set words apart; shape (vocab,).
    """

    letters: list[str]
    begins: npt.NDArray[np.bool_]
    unspaced: npt.NDArray[np.bool_]

    @classmethod
    def of(cls, tokenizer: Tokenizer) -> _Pieces:
        pieces = [tokenizer.id_to_token(token) or "" for token in range(tokenizer.get_vocab_size())]
        letters = [piece.removeprefix(WORD_MARK) for piece in pieces]
        begins = np.array([piece.startswith(WORD_MARK) for piece in pieces])
        return cls(letters, begins, np.array([*map(is_unspaced, letters)]))


@dataclass(frozen=True, slots=True, eq=False)
class _Beside:
    """Words of one token in right texts, each once a text.

    Attributes:
        tokens: of all right texts, one text's after the other's; shape (n,).
        offsets: where those of each text of the store start, and the end; shape (texts + 1,).
        shares: of the right texts, how many hold a token; shape (vocab,).
    """

    tokens: Ints
    offsets: Ints
    shares: npt.NDArray[np.float64]

    @classmethod
    def of(cls, store: PairStore, pieces: _Pieces) -> _Beside:
        texts, vocab = np.unique(store.right), len(pieces.letters)
        ids, starts, sizes, owners = _words(store, texts, pieces)
        whole = sizes == 1
        keys = np.unique(texts[owners[whole]] * vocab + ids[starts[whole]])
        owner, tokens = np.divmod(keys, vocab)
        counts = np.bincount(owner, minlength=len(store.offsets) - 1)
        shares = np.bincount(tokens, minlength=vocab) / max(1, len(texts))
        return cls(tokens, offsets_of(counts), shares)


@dataclass(frozen=True, slots=True, eq=False)
class _CutWords:
    """Different words of several pieces, and which texts they are in.

    Attributes:
        pieces: of each word, -1 behind them; shape (words, 10).
        texts: places of each word's texts among those given, one word's after the other's;
            shape (n,).
        sizes: how many texts each word is in; shape (words,).
    """

    pieces: npt.NDArray[np.int32]
    texts: Ints
    sizes: Ints

    @classmethod
    def of(
        cls, store: PairStore, texts: Ints, pieces: _Pieces, most: int | None = None
    ) -> _CutWords:
        """Those that are in two texts or more, and in ``most`` at most."""
        ids, starts, sizes, owners = _words(store, texts, pieces)
        cut = (sizes > 1) & (sizes <= _PIECES)
        starts, sizes, owners = starts[cut], sizes[cut], owners[cut]
        places = np.arange(_PIECES)
        rows = np.take(ids, starts[:, None] + places, mode="clip").astype(np.int32)
        rows[places >= sizes[:, None]] = -1
        # As one value a word, which sorts faster than a row of ten.
        whole = rows.view(f"V{rows.itemsize * _PIECES}").ravel()
        _, first, numbers = np.unique(whole, return_index=True, return_inverse=True)
        keys = np.unique(numbers * max(1, len(texts)) + owners)
        numbers, owners = np.divmod(keys, max(1, len(texts)))
        met = np.bincount(numbers, minlength=len(first))
        some = (met >= _FEWEST) & (met <= (len(texts) if most is None else most))
        return cls(rows[first[some]], owners[some[numbers]], met[some])

    def letters(self, word: int, pieces: _Pieces) -> str:
        """Of one of the words."""
        return "".join(pieces.letters[p] for p in self.pieces[word].tolist() if p >= 0)


def _words(
    store: PairStore, texts: Ints, pieces: _Pieces
) -> tuple[npt.NDArray[np.int32], Ints, Ints, Ints]:
    """Pieces of some texts; where each word starts, its pieces, and which of the texts it is of.

    Where words are not set apart, any two to five pieces side by side may be one.
    """
    lengths = store.offsets[texts + 1] - store.offsets[texts]
    ids = slices(store.flat, store.offsets[texts], lengths)
    first = pieces.begins[ids]
    edges = word_starts(first, lengths)
    unspaced = pieces.unspaced[ids]
    apart = np.add.reduceat(unspaced, edges) == 0 if len(ids) else first
    starts, sizes = [edges[apart]], [np.diff(np.append(edges, len(ids)))[apart]]
    goes_on = np.append(unspaced & ~first, np.zeros(WIDEST, bool))
    together = unspaced
    for size in range(2, WIDEST + 1):
        together = together & goes_on[size - 1 : len(ids) + size - 1]
        starts.append(np.flatnonzero(together))
        sizes.append(np.full(len(starts[-1]), size))
    found = np.concatenate(starts)
    return ids, found, np.concatenate(sizes), np.repeat(np.arange(len(texts)), lengths)[found]


def _translations(words: _CutWords, rights: Ints, beside: _Beside) -> Iterator[tuple[int, int]]:
    """Numbers of words that one token clearly translates, and that; with their right texts."""
    counts = beside.offsets[rights + 1] - beside.offsets[rights]
    ends = np.cumsum(words.sizes)
    # Words before which so many words stand beside others.
    before = np.append(0, np.cumsum(counts))[np.append(0, ends)]
    parts = np.arange(0, before[-1] + _AT_ONCE, _AT_ONCE)
    cuts = np.unique(np.searchsorted(before, parts).clip(max=len(words.sizes))).tolist()
    for start, end in pairwise(cuts):
        pairs = slice(int(ends[start] - words.sizes[start]), int(ends[end - 1]))
        tokens = slices(beside.tokens, beside.offsets[rights[pairs]], counts[pairs])
        owners = np.repeat(np.arange(start, end), words.sizes[start:end])
        owners = np.repeat(owners, counts[pairs])
        yield from zip(*_clear(owners, tokens, words.sizes, beside.shares), strict=True)


def _clear(
    words: Ints, tokens: Ints, sizes: Ints, shares: npt.NDArray[np.float64]
) -> tuple[list[int], list[int]]:
    """Of words beside tokens, once a pair, the words with a clear translation, and that."""
    keys, counts = np.unique(words * len(shares) + tokens, return_counts=True)
    words, tokens = np.divmod(keys, len(shares))
    share = counts / sizes[words]
    evidence = counts * np.log(share / shares[tokens])
    some = (share >= _SHARE) & (counts >= _FEWEST)
    words, tokens, evidence = words[some], tokens[some], evidence[some]
    order = np.lexsort((-evidence, words))
    words, tokens, evidence = words[order], tokens[order], evidence[order]
    best = np.append(True, words[1:] != words[:-1])[: len(words)]
    # What speaks for the next one; nothing where there is none.
    following = np.append(evidence[1:], 0.0)[: len(words)]
    following[np.append(best[1:], True)[: len(words)]] = 0.0
    clear = best & (evidence >= _EVIDENCE) & (evidence - following >= _LEAD)
    return words[clear].tolist(), tokens[clear].tolist()
