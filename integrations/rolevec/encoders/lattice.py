"""Unigram segmentation of many words at once: the tokens of the tokenizer itself, in numpy.

A tokenizer spends most of its time on bookkeeping that a static encoder has no use for: where each
token lies in the text, its string, its alignment through the normaliser. What is left is a Viterbi
search over the pieces of each word, which numpy does for all words together: the matches of all
places by one walk down a trie, then the best path, place by place of all words at once, with the
additions of float64 in the same order, so that ties too fall alike.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from tokenizers import Tokenizer

from rolevec.encoders.trie import Ints, Trie, codepoints

WORD_MARK = "▁"  # what a word begins with in the vocabulary
# Longer words are left to the tokenizer.
LONGEST = 64
# What the tokenizers library takes off the worst score for a character that no piece holds.
_UNKNOWN_PENALTY = 10.0
# Codes of characters: twice their letter, plus one for punctuation; or one of these.
_UNSEEN, _ODD = -1, -2
_NEWLINE = 10

Flags = npt.NDArray[np.bool_]


class Segmented(NamedTuple):
    """Token ids word after word, how many each word has, and the words left to the tokenizer."""

    ids: npt.NDArray[np.int32]
    counts: Ints
    left: Ints


class Lattice:
    """Segments words; `is_possible` tells for which tokenizers.

    What a character becomes is asked of the tokenizer, once; words with characters that become
    several or none, or that may join with their neighbours, are left to it.

    Args:
        tokenizer: of a Unigram model.
        facts: what its tokenizer.json holds.
    """

    def __init__(self, tokenizer: Tokenizer, facts: Mapping[str, Any]) -> None:
        self._tokenizer = tokenizer
        pieces = facts["model"]["vocab"]
        self._unknown: int = facts["model"]["unk_id"]
        self._scores = np.array([score for _, score in pieces], np.float64)
        self._unknown_score = self._scores.min() - _UNKNOWN_PENALTY
        self._trie = Trie([piece for piece, _ in pieces])
        self._mark = self._trie.letter(ord(WORD_MARK))
        self._codes = np.full(0x110000, _UNSEEN, np.int32)

    @staticmethod
    def is_possible(facts: Mapping[str, Any]) -> bool:
        """True for Unigram models over marked words, of which only a beginning holds the mark."""
        model = facts["model"]
        known = {"type", "vocab", "unk_id", "byte_fallback"}
        return (
            model.get("type") == "Unigram"
            and model.get("unk_id") is not None
            and not any(value for key, value in model.items() if key not in known)
            and not model.get("byte_fallback")
            and bool(model["vocab"])
            and all(piece and WORD_MARK not in piece[1:] for piece, _ in model["vocab"])
            and any(piece[0] == WORD_MARK for piece, _ in model["vocab"])
        )

    def segment(self, words: Sequence[str]) -> Segmented:
        """Tokens of words that hold no white space, at least one word."""
        codes, word = self._coded(words)
        left = np.zeros(len(words), bool)
        left[word[codes == _ODD]] = True
        left |= np.bincount(word, minlength=len(words)) > LONGEST
        kept = ~left[word]
        pieces = _Pieces(codes[kept], word[kept], self._mark)
        tokens, ids = self._best(pieces)
        counts = np.bincount(pieces.word[tokens], minlength=len(words))
        return Segmented(ids, counts, np.flatnonzero(left))

    def _coded(self, words: Sequence[str]) -> tuple[npt.NDArray[np.int32], Ints]:
        """The code of each character, and the word it belongs to."""
        points = codepoints("\n".join(words))
        ends = points == _NEWLINE
        inside = ~ends
        points = points[inside]
        codes = self._codes[points]
        unseen = codes == _UNSEEN
        if unseen.any():
            self._look_at(np.unique(points[unseen]))
            codes = self._codes[points]
        return codes, np.cumsum(ends)[inside]

    def _look_at(self, points: npt.NDArray[np.uint32]) -> None:
        """Ask the tokenizer what becomes of characters."""
        characters = [chr(point) for point in points.tolist()]
        normalizer = self._tokenizer.normalizer
        become = characters
        if normalizer is not None:
            become = normalizer.normalize_str("\n".join(characters)).split("\n")
            if len(become) != len(characters):
                become = [normalizer.normalize_str(character) for character in characters]
        for point, character, new in zip(points.tolist(), characters, become, strict=True):
            lone = (
                len(new) == 1 and new not in "\n▁" and not new.isspace() and character != WORD_MARK
            )
            parts = self._parts(new) if lone and _inert(character) and _inert(new) else 0
            code = 2 * self._trie.letter(ord(new)) + (parts == 3) if parts in (1, 3) else _ODD
            self._codes[point] = code

    def _parts(self, character: str) -> int:
        """Into how many words a word with this character in the middle falls."""
        splitter = self._tokenizer.pre_tokenizer
        return len(splitter.pre_tokenize_str(f"a{character}a")) if splitter is not None else 0

    def _best(self, pieces: _Pieces) -> tuple[Ints, npt.NDArray[np.int32]]:
        """Where the tokens of the best paths end, and what they are."""
        best = np.full(pieces.size, -np.inf)
        back = np.zeros(pieces.size, np.int64)
        token = np.zeros(pieces.size, np.int32)
        starts, ends, ids, scores, steps = self._matches(pieces)
        first = 0
        for step, last in enumerate(steps):
            part = slice(first, last)
            first = last
            score = scores[part]
            if step:
                score = score + best[starts[part] - 1]
            # Paths that end at one place do so from different starts: no place is here twice.
            end = ends[part]
            better = np.flatnonzero(score > best[end])
            end = end[better]
            best[end] = score[better]
            back[end] = starts[part][better]
            token[end] = ids[part][better]
        return self._backwards(pieces, back, token)

    def _matches(self, pieces: _Pieces) -> tuple[Ints, Ints, npt.NDArray[np.int32], Any, list[int]]:
        """All pieces that match anywhere, in the order of where in their word they start."""
        places = np.arange(pieces.size)
        nodes = self._trie.first[pieces.letters]
        starts, ends, ids = [], [], []
        for length in range(self._trie.depth):
            alive = np.flatnonzero(nodes)
            places, nodes = places[alive], nodes[alive]
            found = self._trie.word[nodes]
            matched = np.flatnonzero(found >= 0)
            starts.append(places[matched])
            ends.append(places[matched] + length)
            ids.append(found[matched])
            if length + 1 == self._trie.depth:
                break
            inside = places + length + 1 < pieces.size
            if not inside.all():
                places, nodes = places[inside], nodes[inside]
            nodes = self._trie.step(nodes, pieces.letters[places + length + 1])
        alone = np.ones(pieces.size, bool)
        alone[starts[0]] = False
        unknown = np.flatnonzero(alone)
        start = np.concatenate([*starts, unknown])
        end = np.concatenate([*ends, unknown])
        which = np.concatenate([*ids, np.full(len(unknown), self._unknown, np.int32)])
        scores = self._scores[which]
        scores[len(scores) - len(unknown) :] = self._unknown_score
        offset = pieces.offsets[start]
        order = np.argsort(offset, kind="stable")
        steps = np.cumsum(np.bincount(offset)).tolist()
        return start[order], end[order], which[order], scores[order], steps

    def _backwards(
        self, pieces: _Pieces, back: Ints, token: npt.NDArray[np.int32]
    ) -> tuple[Ints, npt.NDArray[np.int32]]:
        is_end = np.zeros(pieces.size, bool)
        begin = pieces.starts
        place = np.append(begin[1:], pieces.size)[: len(begin)] - 1
        while place.size:
            is_end[place] = True
            before = back[place]
            more = before > begin
            place, begin = before[more] - 1, begin[more]
        ends = np.flatnonzero(is_end)
        ids = token[ends]
        unknown = ids == self._unknown
        if unknown.any():
            # Neighbours that no piece holds are one token.
            joined = unknown & np.roll(unknown, 1) & (back[ends] > pieces.starts_of(ends))
            ends, ids = ends[~joined], ids[~joined]
        return ends, ids


class _Pieces:
    """Words cut at punctuation, each part with the mark before it, in one array of letters.

    Attributes:
        size: how many letters there are.
        letters: what they are.
        word: the word each belongs to.
        starts: where each part begins.
        offsets: how far each letter is from there.
    """

    def __init__(self, codes: npt.NDArray[np.int32], word: Ints, mark: int) -> None:
        punctuation = (codes & 1).astype(bool)
        begins = punctuation.copy()
        begins[1:] |= punctuation[:-1] | (word[1:] != word[:-1])
        begins[:1] = True
        places = np.arange(len(codes)) + np.cumsum(begins)
        self.size = len(codes) + int(begins.sum())
        self.letters = np.full(self.size, mark, np.int64)
        self.letters[places] = codes >> 1
        self.starts = places[begins] - 1
        self.word = np.empty(self.size, np.int64)
        self.word[places] = word
        self.word[self.starts] = word[begins]
        lengths = np.diff(np.append(self.starts, self.size))
        # Below 256, as `LONGEST` is: numpy sorts bytes by counting.
        offsets = np.arange(self.size) - np.repeat(self.starts, lengths)
        self.offsets = offsets.astype(np.uint8)

    def starts_of(self, places: Ints) -> Ints:
        """Where the parts begin that hold these places."""
        begin: Ints = places - self.offsets[places]
        return begin


def _inert(character: str) -> bool:
    """True if normalisation never joins or reorders a character with its neighbours."""
    return (
        unicodedata.combining(character) == 0
        and unicodedata.category(character) not in ("Cn", "Cs")
        and ord(character) not in _joining()
    )


@cache
def _joining() -> frozenset[int]:
    """Characters that some composition has behind its first."""
    found = {*range(0x1160, 0x1200), *range(0xD7B0, 0xD800)}  # vowels and finals of Hangul
    for point in range(0x20000):  # no pairs above: those planes decompose to single characters
        parts = unicodedata.decomposition(chr(point)).split()
        if parts and not parts[0].startswith("<"):
            found.update(int(part, 16) for part in parts[1:])
    return frozenset(found)
