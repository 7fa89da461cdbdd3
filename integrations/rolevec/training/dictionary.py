"""A dictionary from pairs of words: which token says what a rare word says."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice

import numpy as np
from tokenizers import Tokenizer

from rolevec.encoders.dictionary import ENDING, Entries, shortest
from rolevec.encoders.lattice import WORD_MARK
from rolevec.encoders.rows import Floats
from rolevec.scripts import is_unspaced
from rolevec.training.data import Pair

# A word's last letters are left out, up to so many, so that its other forms are found as well.
_LEFT_OUT = 3
# Letters of a word, at most.
_LONGEST = 24
# Words of one beginning are of one meaning if the mean of their unit vectors is at least so long.
_AGREED = 0.75
# Meanings of one beginning that are looked at.
_LOOKED_AT = 40


def dictionary_of(pairs: Iterable[Pair], tokenizer: Tokenizer, rows: Floats, most: int) -> Entries:
    """Entries for words that a vocabulary cuts up, from their translations into one token.

    A word is entered by its first letters, without up to three of its last ones, as long as what
    words of this beginning mean is about the same; of their translations the one in the middle is
    taken. A beginning whose own beginning is there with the same meaning is left out.

    Args:
        pairs: words and their English translations, on the right.
        tokenizer: of the model.
        rows: the table that was learned; shape (vocab, dim).
        most: entries, at most; the shortest are kept, which serve most words.
    """
    known = tokenizer.get_vocab()
    beginnings: defaultdict[str, list[int]] = defaultdict(list)
    for letters, token in _words(pairs, tokenizer, known):
        for start in _starts(letters, known):
            beginnings[start].append(token)
    return Entries.of(dict(islice(_chosen(beginnings, rows), most)))


def _words(
    pairs: Iterable[Pair], tokenizer: Tokenizer, known: Mapping[str, int]
) -> Iterator[tuple[str, int]]:
    """Single words of some length, and the token of a translation, each two once."""
    normalizer, seen = tokenizer.normalizer, set[tuple[str, int]]()
    for pair in pairs:
        english = normalizer.normalize_str(pair.right).strip()
        letters = normalizer.normalize_str(pair.left).strip()
        token = known.get(WORD_MARK + english)
        if token is None or not letters or " " in letters or not letters[0].isalpha():
            continue
        if shortest(letters) <= len(letters) <= _LONGEST and (letters, token) not in seen:
            seen.add((letters, token))
            yield letters, token


def _starts(letters: str, known: Mapping[str, int]) -> Iterator[str]:
    """The word and what it begins with, as far as the vocabulary has no token for it."""
    unspaced = is_unspaced(letters)
    for left_out in range(1 if unspaced else _LEFT_OUT + 1):
        start = letters[: len(letters) - left_out]
        if len(start) < shortest(letters) or WORD_MARK + start in known:
            continue
        if not (unspaced and start in known):
            yield start


def _chosen(beginnings: Mapping[str, list[int]], rows: Floats) -> Iterator[tuple[str, int]]:
    """Beginnings of one meaning and its token, short ones first."""
    chosen: dict[str, int] = {}
    for start in sorted(beginnings, key=lambda start: (len(start), start)):
        some = beginnings[start][:_LOOKED_AT]
        units = rows[some] / np.linalg.norm(rows[some], axis=1, keepdims=True).clip(1e-9)
        mean = units.mean(axis=0)
        if np.linalg.norm(mean) < _AGREED:
            continue
        token = some[int((units @ mean).argmax())]
        shorter = () if is_unspaced(start) else range(1, ENDING)
        if all(chosen.get(start[:-cut]) != token for cut in shorter):
            chosen[start] = token
            yield start, token
