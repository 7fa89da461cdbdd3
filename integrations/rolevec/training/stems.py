"""Rows that words which begin alike share while a table is learned."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from rolevec.encoders.lattice import WORD_MARK
from rolevec.encoders.terms import slices
from rolevec.training.batches import Bags, offsets_of
from rolevec.training.store import Ints

# Letters of a piece that belongs to any, at least.
_FEWEST = 2


@dataclass(frozen=True, slots=True, eq=False)
class Families:
    """Which words begin with the same letters, in whatever language.

    A piece that stands at the start of a word and the same one behind it are of one family too.

    Attributes:
        numbers: families of all tokens, one token's after the other's; shape (n,).
        offsets: where those of each token start, and the end; shape (vocab + 1,).
        count: of the families.
    """

    numbers: Ints
    offsets: Ints
    count: int

    @classmethod
    def of(cls, pieces: Sequence[str], lengths: Sequence[int]) -> Families:
        """Families of a vocabulary.

        Args:
            pieces: the tokens by number.
            lengths: so many first letters make a family, of two pieces or more.
        """
        starts = [_starts(piece, lengths) for piece in pieces]
        sizes = Counter(start for some in starts for start in some)
        shared = [start for start, size in sizes.items() if size > 1]
        known = {start: number for number, start in enumerate(shared)}
        found = [[known[start] for start in some if start in known] for some in starts]
        numbers = np.array([number for some in found for number in some], np.int64)
        offsets = np.cumsum([0, *map(len, found)], dtype=np.int64)
        return cls(numbers, offsets, len(shared))

    def bags(self, tokens: Ints) -> Bags:
        """Families of each of some tokens, which may have none."""
        starts = self.offsets[tokens]
        sizes = self.offsets[tokens + 1] - starts
        numbers = slices(self.numbers, starts, sizes)
        return Bags(
            numbers, offsets_of(sizes), np.ones(len(numbers), np.float32), np.zeros(0, np.int64)
        )


def _starts(piece: str, lengths: Sequence[int]) -> list[str]:
    """What a piece has in common with others: its first letters, and all of them."""
    letters = piece.removeprefix(WORD_MARK)
    if len(letters) < _FEWEST or not letters[0].isalpha():
        return []
    return [*(letters[:length] for length in lengths if length < len(letters)), letters]
