"""A trie in flat arrays: one step down it for many places of a text at once."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
Nodes = npt.NDArray[np.int32]

_MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)  # 2^64 over the golden ratio: spreads keys evenly
_FREE = -1


def codepoints(text: str) -> npt.NDArray[np.uint32]:
    """The code points of a text; shape (len(text),)."""
    return np.frombuffer(text.encode("utf-32-le"), "<u4")


class Trie:
    """The prefixes of a list of words; a node is a number, 0 is none.

    An edge is looked up in an open hash table by node and letter, both of which its key holds
    whole, so that what is found is right, not only likely.

    Args:
        words: not empty ones; of equal words the last counts.

    Attributes:
        depth: length of the longest word.
        letters: number of letters, that of characters in no word (0) included.
        word: by node, the word that ends there, or -1.
        first: by letter, the node that words beginning with it share.
    """

    def __init__(self, words: Sequence[str]) -> None:
        lengths = np.fromiter(map(len, words), np.int64, len(words))
        characters, letters = np.unique(codepoints("".join(words)), return_inverse=True)
        self._letters = {int(point): i for i, point in enumerate(characters, 1)}
        self.letters = len(characters) + 1
        self.depth = int(lengths.max())
        starts = np.cumsum(lengths) - lengths
        ends = np.zeros(len(words), np.int64)
        active = np.arange(len(words))
        levels: list[Ints] = []
        count = 1
        for level in range(self.depth):
            active = active[lengths[active] > level]
            keys = ends[active] * self.letters + letters[starts[active] + level] + 1
            edges, places = np.unique(keys, return_inverse=True)
            ends[active] = count + places
            levels.append(edges)
            count += len(edges)
        self.word = np.full(count, -1, np.int32)
        self.word[ends] = np.arange(len(words))
        self.first = np.zeros(self.letters, np.int32)
        self.first[levels[0]] = np.arange(1, len(levels[0]) + 1)
        self._fill(np.concatenate(levels))

    def letter(self, point: int) -> int:
        """The letter of a code point; 0 if no word holds it."""
        return self._letters.get(point, 0)

    def step(self, nodes: Nodes, letters: Ints) -> Nodes:
        """The nodes below these by these letters; 0 where there is none."""
        keys = nodes.astype(np.int64) * self.letters + letters
        slots = self._slots(keys)
        found = self._keys[slots]
        hit = found == keys
        below: Nodes = self._nodes[slots]
        below[~hit] = 0
        todo = np.flatnonzero(~hit & (found != _FREE))
        while todo.size:
            slots[todo] = (slots[todo] + 1) & self._mask
            found = self._keys[slots[todo]]
            hit = found == keys[todo]
            below[todo[hit]] = self._nodes[slots[todo[hit]]]
            todo = todo[~hit & (found != _FREE)]
        return below

    def _fill(self, keys: Ints) -> None:
        self._bits = (len(keys) * 5 // 2).bit_length()
        self._mask = (1 << self._bits) - 1
        self._keys = np.full(1 << self._bits, _FREE, np.int64)
        self._nodes = np.zeros(1 << self._bits, np.int32)
        slots = self._slots(keys)
        todo = np.arange(len(keys))
        while todo.size:
            free = todo[self._keys[slots[todo]] == _FREE]
            # Of those that want a slot one gets it; the others go on.
            self._keys[slots[free]] = keys[free]
            placed = self._keys[slots[todo]] == keys[todo]
            self._nodes[slots[todo[placed]]] = todo[placed] + 1
            todo = todo[~placed]
            slots[todo] = (slots[todo] + 1) & self._mask

    def _slots(self, keys: Ints) -> Ints:
        mixed = keys.view(np.uint64) * _MULTIPLIER
        return (mixed >> np.uint64(64 - self._bits)).view(np.int64)
