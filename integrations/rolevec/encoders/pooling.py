"""From token vectors to one vector per text, in numpy: padding, pooling, and what comes after."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias, assert_never

import numpy as np
import numpy.typing as npt

from rolevec.models.card import Pooling

Floats: TypeAlias = npt.NDArray[np.float32]
Activation = Literal["identity", "tanh", "relu"]


def pad(
    batch: Sequence[Sequence[int]], pad_id: int
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Token ids and attention mask, both (n, longest), padded on the right.

    The right side serves models that were trained with padding on the left too: a causal model does
    not look ahead, and with the mask at hand `pool` finds the last real token wherever it stands.
    """
    lengths = np.fromiter(map(len, batch), np.int64, len(batch))
    width = int(lengths.max())
    mask = (np.arange(width) < lengths[:, None]).astype(np.int64)
    ids = np.full((len(batch), width), pad_id, dtype=np.int64)
    ids[mask.astype(bool)] = np.fromiter(
        (i for row in batch for i in row), np.int64, int(lengths.sum())
    )
    return ids, mask


def pool(tokens: Floats, mask: npt.NDArray[np.int64], pooling: Pooling) -> Floats:
    """Pool token vectors (n, width, dim) of texts padded on the right into (n, dim)."""
    if pooling == "cls":
        return tokens[:, 0]
    lengths = mask.sum(axis=1)
    if pooling == "lasttoken":
        return np.asarray(tokens[np.arange(len(tokens)), lengths - 1])
    if pooling == "mean":
        if lengths.min() == tokens.shape[1]:
            return np.asarray(tokens.mean(axis=1, dtype=np.float32))
        weights = mask[:, None, :].astype(np.float32)
        return np.asarray((weights @ tokens)[:, 0] / lengths[:, None].astype(np.float32))
    assert_never(pooling)


@dataclass(frozen=True, slots=True)
class Dense:
    """A linear layer over pooled vectors: weight (out, in), bias (out,) or None."""

    weight: Floats
    bias: Floats | None
    activation: Activation

    def __call__(self, vectors: Floats) -> Floats:
        """Map (n, in) to (n, out)."""
        out = vectors @ self.weight.T
        if self.bias is not None:
            out = out + self.bias
        if self.activation == "tanh":
            out = np.tanh(out)
        elif self.activation == "relu":
            out = np.maximum(out, 0)
        return np.asarray(out, dtype=np.float32)


@dataclass(frozen=True, slots=True)
class Normalize:
    """Rows of length 1; a zero row becomes NaN, which is refused when the vectors are finished."""

    def __call__(self, vectors: Floats) -> Floats:
        """Keep the shape (n, dim)."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True))


Step: TypeAlias = Dense | Normalize
