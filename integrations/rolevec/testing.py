"""A fake encoder for tests of code that uses rolevec: no model, yet not blind to mistakes."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from rolevec.encoders.base import BaseEncoder, check_texts
from rolevec.encoders.progress import Advance
from rolevec.models.card import ModelCard
from rolevec.prompts import Prompts
from rolevec.roles import Role
from rolevec.truncation import TruncationPolicy, windows

_NGRAM = 3
_TOUCHED = 8
# Shares of a vector: enough role and identity to tell vectors apart, too little to change ranks.
_ROLE_SHARE = 0.3
_IDENTITY_SHARE = 0.05


class FakeEncoder(BaseEncoder):
    """A deterministic encoder of hashed words and character trigrams.

    Texts that share words or spelling are near each other; vectors differ by text and by role, so
    that a test notices a mixed-up order or a forgotten role. Equal in every process and on every
    machine. A whitespace-separated word counts as one token.

    Args:
        dim: dimension of the vectors.
        name: the model's name, and thereby the fingerprint.
        prompts: None gives every role its own; an empty mapping makes a model without roles.
        dimensions: deliver this many leading coordinates, re-normalised.
        truncation: policy for texts longer than ``max_tokens``.
        max_tokens: most words, prompt included; None for no limit.
    """

    backend = "fake"

    def __init__(
        self,
        dim: int = 64,
        name: str = "fake",
        prompts: Mapping[str, str] | None = None,
        *,
        dimensions: int | None = None,
        truncation: TruncationPolicy = "warn",
        max_tokens: int | None = None,
    ) -> None:
        templates = {role.value: f"{role.value}: " for role in Role} if prompts is None else prompts
        super().__init__(
            ModelCard(name=name, dim=dim, max_tokens=max_tokens, prompts=templates, pooling="mean"),
            revision="fake-1",
            prompts=Prompts(templates),
            dimensions=dimensions,
            truncation=truncation,
        )

    def count_tokens(self, texts: Sequence[str], role: Role) -> list[int]:
        """Words of each text, the prompt's included."""
        prompted = self.prompts.apply(check_texts(texts), Role.parse(role))
        return [len(text.split()) for text in prompted]

    def _rows(
        self, texts: list[str], role: Role, batch_size: int | None, advance: Advance
    ) -> tuple[npt.NDArray[np.float32], list[int]]:
        prompt = self.prompts.parts(role)
        rows = np.empty((len(texts), self.card.dim), dtype=np.float32)
        dropped = []
        for row, text in enumerate(texts):
            pieces, lost = self._pieces(text, prompt)
            rows[row] = sum(len(p) * _vector(p, prompt, self.card.dim) for p in pieces)
            dropped.append(lost)
            advance(1)
        return rows, dropped

    def _pieces(self, text: str, prompt: tuple[str, str]) -> tuple[list[str], int]:
        """What the policy leaves of a text, and how many words that costs."""
        words = text.split()
        if self.max_tokens is None:
            return [" ".join(words)], 0
        room = max(1, self.max_tokens - sum(len(part.split()) for part in prompt))
        spans = windows(len(words), room, self.truncation)
        kept = sum(right - left for left, right in spans)
        return [" ".join(words[left:right]) for left, right in spans], len(words) - kept


def _vector(text: str, prompt: tuple[str, str], dim: int) -> npt.NDArray[np.float64]:
    vector = _unit(sum((_direction(f, dim) for f in _features(text)), np.zeros(dim)))
    vector = vector + _IDENTITY_SHARE * _unit(_direction(f"text {text}", dim))
    if any(prompt):
        vector = vector + _ROLE_SHARE * _unit(_direction(f"role {prompt}", dim))
    return _unit(vector)


def _features(text: str) -> Iterator[str]:
    folded = text.casefold()
    for word in folded.split():
        yield f"word {word.strip('.,;:!?')}"
    padded = f" {folded} "
    for start in range(len(padded) - _NGRAM + 1):
        yield f"gram {padded[start : start + _NGRAM]}"


@lru_cache(maxsize=1 << 16)
def _direction(feature: str, dim: int) -> npt.NDArray[np.float64]:
    """A few signed coordinates chosen by a hash; never all zero."""
    digest = hashlib.blake2b(feature.encode(), digest_size=4 * _TOUCHED).digest()
    direction = np.zeros(dim)
    for step, number in enumerate(np.frombuffer(digest, dtype="<u4").tolist()):
        # Weights differ, so that two hits on one coordinate cannot cancel out.
        direction[number % dim] += (1 + step / _TOUCHED**2) * (1 if number & 1 << 31 else -1)
    return direction


def _unit(vector: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    length = float(np.linalg.norm(vector))
    return vector / length if length else vector
