"""Sample queries, and how much two collections agree on them."""

from __future__ import annotations

import random
from collections.abc import Sequence

from rolevec.qdrant.opened import Opened

# Long enough to say what a document is about, in any script.
_CHARACTERS = 80
_SEED = 0


class Sample:
    """The beginnings of some texts of a stream, each text as likely as any other.

    Algorithm R: J. S. Vitter, "Random sampling with a reservoir", ACM TOMS 11 (1985), 37-57.

    Args:
        size: how many.
    """

    def __init__(self, size: int) -> None:
        self.texts: list[str] = []
        self._size, self._seen, self._random = size, 0, random.Random(_SEED)

    def see(self, text: str) -> None:
        """One more text of the stream."""
        self._seen += 1
        if len(self.texts) < self._size:
            self.texts.append(beginning(text))
        elif (place := self._random.randrange(self._seen)) < self._size:
            self.texts[place] = beginning(text)


def beginning(text: str) -> str:
    """The first words of a text, one at least."""
    line = " ".join(text.split())
    cut = line[:_CHARACTERS]
    # A language without spaces has no word to end at.
    return cut if len(line) <= _CHARACTERS or " " not in cut else cut[: cut.rindex(" ")]


def overlap(old: Opened, new: Opened, queries: Sequence[str], k: int) -> float | None:
    """The mean share of the k nearest that two collections have in common.

    Returns:
        0 to 1; None without queries, and where the old vectors were made elsewhere.
    """
    if not queries or not old.encoder.fingerprint.model:
        return None
    before = old.search(old.queries(queries), k, None)
    after = new.search(new.queries(queries), k, None)
    shares = [
        len({hit.id for hit in one} & {hit.id for hit in other}) / max(len(one), 1)
        for one, other in zip(before, after, strict=True)
    ]
    return sum(shares) / len(shares)
