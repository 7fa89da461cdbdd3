"""A dictionary beside a table: rare words are read as the token of what they mean."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, pairwise
from zlib import crc32

import numpy as np
import numpy.typing as npt
from tokenizers import Tokenizer

from rolevec.encoders.lattice import WORD_MARK
from rolevec.encoders.rows import Ids
from rolevec.encoders.terms import Ints, slices, word_starts
from rolevec.scripts import is_hangul, is_unspaced

# Letters of a word, at least: shorter ones begin too many others. Where words stand apart, so many
# letters of an ending may be missing from the dictionary.
SHORTEST, ENDING = 4, 5
# The same where a letter is a syllable or a word.
_SHORTEST_SYLLABLES = 2
# Where words do not stand apart, pieces that one is cut into, at most.
WIDEST = 5
# What Arabic and Hebrew write as one with the word behind it: "the", "and", "in", "for" and such.
# So many of them stand before a word, and so many letters of it are left, at least.
_PARTICLES = ("ال", *"وفبلك", *"ובכלמהש")
_MOST_PARTICLES, _SHORTEST_BARE = 3, 3
# Of a token's number.
_BYTES = 3
# Whether a word begins with a piece; 0 if not.
_BEGINS, _NOT_MET = 1, 2
# Words kept with what was found for them: about 20 MB.
_KEPT = 1 << 17


@dataclass(frozen=True, slots=True, eq=False)
class Entries:
    """What words mean, as a table's file has it: it may be mapped, and is not read as a whole.

    Attributes:
        keys: of each word, see `key_of`, ascending; shape (n,).
        tokens: that says the same, in three bytes, the lowest first; shape (n, 3).
    """

    keys: npt.NDArray[np.uint32]
    tokens: npt.NDArray[np.uint8]

    @classmethod
    def of(cls, tokens: Mapping[str, int]) -> Entries:
        """From words to entries; of two words with one key the first stays."""
        keys = np.array([key_of(word) for word in tokens], np.uint32)
        keys, first = np.unique(keys, return_index=True)
        numbers = np.array([*tokens.values()], "<u4")[first]
        return cls(keys, numbers.view(np.uint8).reshape(-1, 4)[:, :_BYTES].copy())

    def first(self, words: Sequence[str]) -> int | None:
        """The token of the first of some words that has an entry."""
        if not words or not len(self.keys):
            return None
        keys = np.array([key_of(word) for word in words], np.uint32)
        places = np.searchsorted(self.keys, keys)
        hits = np.flatnonzero(np.take(self.keys, places, mode="clip") == keys)
        if not hits.size:
            return None
        return int.from_bytes(self.tokens[places[hits[0]]].tobytes(), "little")


def key_of(letters: str) -> int:
    """What stands for a word: a checksum of 32 bits.

    Of a million entries one in about 4,000 lookups of what has none hits one by chance.

    Args:
        letters: after the tokenizer's normalisation, without a word mark.
    """
    return crc32(letters.encode())


def shortest(letters: str) -> int:
    """Letters that a word of this script must have to be looked up."""
    return _SHORTEST_SYLLABLES if is_unspaced(letters) or is_hangul(letters) else SHORTEST


def beginnings(letters: str) -> list[str]:
    """What a word is looked up by, one after the other: itself, and without its last letters."""
    least = max(shortest(letters), len(letters) - ENDING)
    return [letters[:end] for end in range(len(letters), least - 1, -1)]


def bare(letters: str) -> Iterator[str]:
    """A word without what is written as one with it, one particle less each time."""
    for _ in range(_MOST_PARTICLES):
        particle = next((some for some in _PARTICLES if letters.startswith(some)), None)
        if particle is None or len(letters) - len(particle) < _SHORTEST_BARE:
            return
        letters = letters.removeprefix(particle)
        yield letters


class Dictionary:
    """Puts the token of what they mean in the place of words that a vocabulary cuts up.

    A word that few texts teach has no token of its own, and its pieces ("θε", "ρμο", "δυ", "ναμι",
    "κης") mean nothing. What a dictionary knows of it is worth more: the token of "thermodynamic".
    A word is looked up whole, then without its last letters, one after the other, so that one entry
    serves all forms. Arabic and Hebrew words are looked up without the particles before them too,
    among the tokens as well. Where words are not set apart, neighbouring pieces are looked up
    together.

    Args:
        tokenizer: of the model, whose pieces begin with a mark where words do.
        entries: of the dictionary.
    """

    def __init__(self, tokenizer: Tokenizer, entries: Entries) -> None:
        self._entries = entries
        self._tokenizer = tokenizer
        self._begins = np.full(tokenizer.get_vocab_size(), _NOT_MET, np.uint8)
        # They are no part of any word.
        self._begins[[*tokenizer.get_added_tokens_decoder()]] = _BEGINS
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
        begins = self._begins[ids]
        if (begins == _NOT_MET).any():
            # Looked at when it is first met: a vocabulary would take as long as loading it.
            for token in np.unique(ids[begins == _NOT_MET]).tolist():
                self._begins[token] = self._piece(token).startswith(WORD_MARK)
            begins = self._begins[ids]
        return np.append(word_starts(begins == _BEGINS, lengths), len(ids))

    def _piece(self, token: int) -> str:
        return str(self._tokenizer.id_to_token(token))

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
        pieces = [self._piece(i).replace(WORD_MARK, "") for i in ids]
        letters = "".join(pieces)
        if len(ids) < 2 or not letters or not letters[0].isalpha():
            return
        if not is_unspaced(letters):
            token = self._of_word(letters)
            if token is not None:
                yield 0, len(ids), token
            return
        place = 0
        while place < len(ids) - 1:
            ends = range(min(place + WIDEST, len(ids)), place + 1, -1)
            for end in ends:
                word = "".join(pieces[place:end])
                token = self._entries.first([word]) if len(word) >= _SHORTEST_SYLLABLES else None
                if token is not None:
                    yield place, end, token
                    place = end
                    break
            else:
                place += 1

    def _of_word(self, letters: str) -> int | None:
        token = self._entries.first(beginnings(letters))
        for word in bare(letters) if token is None else ():
            known = self._tokenizer.token_to_id(WORD_MARK + word)
            token = self._entries.first(beginnings(word)) if known is None else int(known)
            if token is not None:
                break
        return token
