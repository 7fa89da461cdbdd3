"""A dictionary from pairs of words: which token says what a rare word says."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice

import numpy as np
from tokenizers import Tokenizer

from rolevec.encoders.dictionary import ENDING, Entries, beginnings, shortest
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
# Cosine of two meanings that are about the same.
_ALIKE = 0.4
# Meanings of one beginning that are looked at.
_LOOKED_AT = 40


def dictionary_of(
    pairs: Iterable[Pair],
    tokenizer: Tokenizer,
    rows: Floats,
    most: int,
    spared: Iterable[str] = (),
) -> Entries:
    """Entries for words that a vocabulary cuts up, from their translations into one token.

    A word is entered by its first letters, without up to three of its last ones, as long as what
    words of this beginning mean is about the same; of their translations the one in the middle is
    taken. A beginning whose own beginning is there with the same meaning is left out, and a word of
    a script without spaces of which a part is.

    Args:
        pairs: words and their English translations, on the right.
        tokenizer: of the model.
        rows: the table that was learned; shape (vocab, dim).
        most: entries, at most; the shortest are kept, which serve most words.
        spared: words that no entry is for, nor for what they begin with: those of the language that
            is translated into, of which an entry could only make others.
    """
    known = tokenizer.get_vocab()
    meanings: defaultdict[str, list[int]] = defaultdict(list)
    for letters, token in _words(pairs, tokenizer, known):
        for start in _starts(letters, known):
            meanings[start].append(token)
    for word in spared:
        for start in beginnings(word):
            meanings.pop(start, None)
    chosen = _undisputed(dict(_chosen(meanings, rows)), meanings, rows)
    return Entries.of(dict(islice(chosen.items(), most)))


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
    for start in beginnings(letters)[: 1 if unspaced else _LEFT_OUT + 1]:
        if WORD_MARK + start not in known and not (unspaced and start in known):
            yield start


def _chosen(meanings: Mapping[str, list[int]], rows: Floats) -> Iterator[tuple[str, int]]:
    """Beginnings of one meaning and its token, short ones first."""
    chosen: dict[str, int] = {}
    for start in sorted(meanings, key=lambda start: (len(start), start)):
        some = meanings[start][:_LOOKED_AT]
        units = _units(rows[some])
        mean = units.mean(axis=0)
        if np.linalg.norm(mean) < _AGREED:
            continue
        token = some[int((units @ mean).argmax())]
        if all(chosen.get(part) != token for part in _parts(start)):
            chosen[start] = token
            yield start, token


def _undisputed(
    chosen: Mapping[str, int], meanings: Mapping[str, list[int]], rows: Floats
) -> dict[str, int]:
    """Without the beginnings by which more words are found that mean something else than it."""
    votes = Counter[str]()
    for word, tokens in meanings.items():
        found = next(filter(chosen.__contains__, beginnings(word)), None)
        if found is not None and not is_unspaced(word):
            nearness = _units(rows[tokens[:_LOOKED_AT]]) @ _units(rows[[chosen[found]]])[0]
            votes[found] += 1 if nearness.max() >= _ALIKE else -1
    return {start: token for start, token in chosen.items() if votes[start] >= 0}


def _units(rows: Floats) -> Floats:
    units: Floats = rows / np.linalg.norm(rows, axis=1, keepdims=True).clip(1e-9)
    return units


def _parts(start: str) -> Iterator[str]:
    """What else a word may be found by: what it begins with, or, without spaces, any part of it."""
    if not is_unspaced(start):
        yield from beginnings(start)[1:ENDING]
        return
    for size in range(shortest(start), len(start)):
        yield from (start[place : place + size] for place in range(len(start) - size + 1))
