"""A dictionary beside a table: rare words are read as the token of what they mean."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, pairwise
from typing import Any, TypeAlias
from zlib import crc32

import numpy as np
import numpy.typing as npt
from tokenizers import Tokenizer

from rolevec.encoders.terms import Ints, slices

Ids: TypeAlias = npt.NDArray[np.integer[Any]]

WORD_MARK = "▁"
# Letters of a word, at least: shorter ones begin too many others. Where words stand apart, so many
# letters of an ending may be missing from the dictionary.
SHORTEST, ENDING = 4, 5
# Where they do not, letters of a word, at least, and pieces that it is cut into, at most.
_SHORTEST_UNSPACED, _WIDEST = 2, 5
# First and last code points of scripts without spaces: Thai and Lao, Tibetan, Burmese, Khmer,
# radicals to Katakana, ideographs.
_UNSPACED = (
    (0x0E00, 0x0EFF), (0x0F00, 0x0FFF), (0x1000, 0x109F), (0x1780, 0x17FF),
    (0x2E80, 0x30FF), (0x3400, 0x9FFF), (0xF900, 0xFAFF), (0x20000, 0x3FFFF),
)  # fmt: skip
# Words kept with what was found for them: about 20 MB.
_KEPT = 1 << 17


@dataclass(frozen=True, slots=True, eq=False)
class Entries:
    """What words mean.

    Attributes:
        keys: of each word, see `key_of`, ascending; shape (n,).
        tokens: that says the same; shape (n,).
    """

    keys: npt.NDArray[np.uint32]
    tokens: Ints

    def __len__(self) -> int:
        return len(self.keys)


def key_of(letters: str) -> int:
    """What stands for a word: a checksum of 32 bits.

    Of a million entries one in about 4,000 words that are none hits one by chance.

    Args:
        letters: after the tokenizer's normalisation, without a word mark.
    """
    return crc32(letters.encode())


def is_unspaced(letters: str) -> bool:
    """True if a word is of a script that leaves no space between words."""
    point = ord(letters[0])
    return any(first <= point <= last for first, last in _UNSPACED)


def shortest(letters: str) -> int:
    """Letters that a word of this script must have to be looked up."""
    return _SHORTEST_UNSPACED if is_unspaced(letters) else SHORTEST


class Dictionary:
    """Puts the token of what they mean in the place of words that a vocabulary cuts up.

    A word that few texts teach has no token of its own, and its pieces ("θε", "ρμο", "δυ", "ναμι",
    "κης") mean nothing. What a dictionary knows of it is worth more: the token of "thermodynamic".
    A word is looked up whole, then without its last letters, one after the other, so that one entry
    serves all forms. Where words are not set apart, neighbouring pieces are looked up together.

    Args:
        tokenizer: of the model, whose pieces begin with a mark where words do.
        entries: of the dictionary.
    """

    def __init__(self, tokenizer: Tokenizer, entries: Entries) -> None:
        self._entries = entries
        vocab = tokenizer.get_vocab_size()
        self._pieces = [tokenizer.id_to_token(i) or "" for i in range(vocab)]
        self._first = np.array([piece.startswith(WORD_MARK) for piece in self._pieces])
        # They are no part of any word.
        self._first[[*tokenizer.get_added_tokens_decoder()]] = True
        self._known: dict[bytes, tuple[int, ...] | None] = {}

    def read(self, ids: Ids, lengths: Ints) -> tuple[Ids, Ints]:
        """Texts with meanings in the place of words.

        Args:
            ids: known tokens of the texts, one text's after the other's; shape (n,).
            lengths: how many each text has; shape (texts,).

        Returns:
            ids and lengths, as given.
        """
        edges = self._edges(ids, lengths)
        sizes = np.diff(edges)
        cut = np.flatnonzero(sizes > 1)
        packed = np.ascontiguousarray(ids, "<i4").tobytes()
        bounds = zip((edges[cut] * 4).tolist(), (edges[cut + 1] * 4).tolist(), strict=True)
        meanings = [self._meaning(packed[start:end]) for start, end in bounds]
        found = [meaning for meaning in meanings if meaning is not None]
        if not found:
            return ids, lengths
        words = cut[[meaning is not None for meaning in meanings]]
        starts = edges[:-1].copy()
        sizes[words] = [len(meaning) for meaning in found]
        starts[words] = len(ids) + np.cumsum(sizes[words]) - sizes[words]
        both = np.concatenate([ids, np.fromiter(chain.from_iterable(found), ids.dtype)])
        owners = np.searchsorted(np.cumsum(lengths), edges[:-1], side="right")
        counts = np.bincount(owners, sizes, len(lengths)).astype(np.int64)
        return slices(both, starts, sizes), counts

    def found(self, ids: Sequence[int]) -> Iterator[tuple[int, int, int]]:
        """From where to where the words of one text are that have a meaning, and its token."""
        tokens = np.array(ids, np.int64)
        edges = self._edges(tokens, np.array([len(tokens)])).tolist()
        for start, end in pairwise(edges):
            for first, last, token in self._spans(ids[start:end]):
                yield start + first, start + last, token

    def _edges(self, ids: Ids, lengths: Ints) -> Ints:
        """Where words begin, and the end."""
        first = self._first[ids]
        first[(np.cumsum(lengths) - lengths)[lengths > 0]] = True
        return np.append(np.flatnonzero(first), len(ids))

    def _meaning(self, packed: bytes) -> tuple[int, ...] | None:
        """All tokens of a word that means something else than its pieces, or None."""
        try:
            return self._known[packed]
        except KeyError:
            pass
        ids = np.frombuffer(packed, "<i4").tolist()
        spans = [*self._spans(ids)]
        tokens: list[int] = []
        place = 0
        for start, end, token in spans:
            tokens += [*ids[place:start], token]
            place = end
        if len(self._known) >= _KEPT:
            # Frequent words are back after a few texts.
            self._known.clear()
        found = (*tokens, *ids[place:]) if spans else None
        self._known[packed] = found
        return found

    def _spans(self, ids: Sequence[int]) -> Iterator[tuple[int, int, int]]:
        """As `found`, of the tokens of one word, or of a run of a script without spaces."""
        pieces = [self._pieces[i].replace(WORD_MARK, "") for i in ids]
        letters = "".join(pieces)
        if len(ids) < 2 or not letters or not letters[0].isalpha():
            return
        if not is_unspaced(letters):
            ends = range(len(letters), max(SHORTEST, len(letters) - ENDING) - 1, -1)
            token = self._token([letters[:end] for end in ends])
            if token is not None:
                yield 0, len(ids), token
            return
        place = 0
        while place < len(ids) - 1:
            ends = range(min(place + _WIDEST, len(ids)), place + 1, -1)
            for end in ends:
                word = "".join(pieces[place:end])
                token = self._token([word]) if len(word) >= _SHORTEST_UNSPACED else None
                if token is not None:
                    yield place, end, token
                    place = end
                    break
            else:
                place += 1

    def _token(self, words: Sequence[str]) -> int | None:
        """That of the first word which has an entry."""
        if not words or not len(self._entries):
            return None
        keys = np.array([key_of(word) for word in words], np.uint32)
        places = np.searchsorted(self._entries.keys, keys)
        hits = np.flatnonzero(np.take(self._entries.keys, places, mode="clip") == keys)
        return int(self._entries.tokens[places[hits[0]]]) if hits.size else None
