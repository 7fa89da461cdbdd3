"""Cutting over-long texts on our side, by the tokens that the endpoint tells."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

import numpy as np
import numpy.typing as npt

from rolevec.encoders.remote.dialect import Token
from rolevec.truncation import TruncationPolicy, windows


@dataclass(frozen=True, slots=True)
class Pieces:
    """What is sent for some texts, and how its vectors are put together.

    Attributes:
        texts: pieces, those of one text behind each other.
        weights: tokens of each piece; only their proportion within a text counts.
        per_text: number of pieces of each text.
        dropped: tokens of each text that are in no piece.
    """

    texts: list[str]
    weights: list[int]
    per_text: list[int]
    dropped: list[int]

    @classmethod
    def whole(cls, texts: Sequence[str]) -> Pieces:
        """Every text in one piece."""
        return cls(list(texts), [1] * len(texts), [1] * len(texts), [0] * len(texts))

    @property
    def starts(self) -> list[int]:
        """Position of each text's first piece."""
        return [0, *accumulate(self.per_text)][:-1]

    def finished(self, start: int, end: int) -> int:
        """Texts whose first piece is among the pieces [start, end)."""
        return sum(start <= first < end for first in self.starts)

    def join(
        self, rows: npt.NDArray[np.float32], done: npt.NDArray[np.bool_]
    ) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.bool_]]:
        """From unit rows of pieces (p, dim) to rows of texts (n, dim): length-weighted means.

        Args:
            rows: anything where ``done`` is False.
            done: (p,) pieces that have their row.

        Returns:
            the means, and (n,) the texts of which all pieces are done.
        """
        if len(self.texts) == len(self.per_text):
            return rows, done
        weights = np.asarray(self.weights, dtype=np.float32)[:, None]
        means = np.add.reduceat(np.where(done[:, None], rows, 0) * weights, self.starts, axis=0)
        return means.astype(np.float32), np.logical_and.reduceat(done, self.starts)


def cut(text: str, tokens: Sequence[Token], room: int, policy: TruncationPolicy) -> Pieces:
    """The pieces of one text of which ``room`` tokens can be sent at a time."""
    raw = text.encode()
    cuts = windows(len(tokens), room, policy)
    # A token may end inside a character; the rest of that is dropped with it.
    texts = [
        raw[tokens[left].start : tokens[right - 1].stop].decode(errors="ignore")
        for left, right in cuts
    ]
    weights = [right - left for left, right in cuts]
    kept = [(t, w) for t, w in zip(texts, weights, strict=True) if t and not t.isspace()]
    if not kept:
        kept = [(text, len(tokens))]
    return Pieces(
        [t for t, _ in kept], [w for _, w in kept], [len(kept)], [len(tokens) - sum(weights)]
    )


def together(parts: Sequence[Pieces]) -> Pieces:
    """The pieces of several texts behind each other."""
    return Pieces(
        [text for part in parts for text in part.texts],
        [weight for part in parts for weight in part.weights],
        [count for part in parts for count in part.per_text],
        [count for part in parts for count in part.dropped],
    )
