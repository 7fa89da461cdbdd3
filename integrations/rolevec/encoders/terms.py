"""Bags of tokens in flat arrays: their slices, and how much a repeated token counts."""

from __future__ import annotations

from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]

T = TypeVar("T", bound=np.generic)

# Bits of a key that hold the token; the bag's number is above them.
_TOKEN_BITS = 32


def slices(values: npt.NDArray[T], starts: Ints, lengths: Ints) -> npt.NDArray[T]:
    """Slices of an array, each by its start and length, one behind the other."""
    shifts = starts - (np.cumsum(lengths) - lengths)
    return values[np.repeat(shifts, lengths) + np.arange(int(lengths.sum()))]


def word_starts(begins: npt.NDArray[np.bool_], lengths: Ints) -> Ints:
    """Where words start: at pieces that begin one, and at the first piece of each text.

    Args:
        begins: of all texts' pieces, one text's after the other's; shape (n,). It is changed.
        lengths: pieces in each text; shape (texts,).
    """
    begins[(np.cumsum(lengths) - lengths)[lengths > 0]] = True
    return np.flatnonzero(begins)


def led(
    ids: npt.NDArray[np.integer[Any]], lengths: Ints, prompts: Ints
) -> tuple[npt.NDArray[np.integer[Any]], Ints]:
    """Bags with the tokens of a prompt before each.

    Args:
        ids: tokens of all bags, one bag after the other; shape (n,).
        lengths: tokens in each bag; shape (bags,).
        prompts: shape (tokens,), the same for all, or (bags, tokens).

    Returns:
        ids and lengths, as given.
    """
    width = prompts.shape[-1]
    sizes = lengths + width
    whole = np.empty(int(sizes.sum()), ids.dtype)
    places = (np.cumsum(sizes) - sizes)[:, None] + np.arange(width)
    body = np.ones(len(whole), bool)
    body[places] = False
    whole[body] = ids
    whole[places] = prompts
    return whole, sizes


def damp(
    ids: npt.NDArray[np.integer[Any]], lengths: Ints, power: float
) -> tuple[Ints, Ints, npt.NDArray[np.float32]]:
    """Each token of a bag once, a token met n times with the weight n**power.

    A word said ten times in a passage is not ten times what the passage is about: sublinear term
    frequency (Salton, Buckley, "Term-weighting approaches in automatic text retrieval", 1988).

    Args:
        ids: tokens of all bags, one bag after the other, none negative; shape (n,).
        lengths: tokens in each bag; shape (bags,).
        power: 0.5 is the square root; 1 counts a token as often as it stands there.

    Returns:
        ids ascending within each bag and lengths, as given but for the repetitions, and a float32
        weight for each id.
    """
    bag = np.repeat(np.arange(len(lengths), dtype=np.int64) << _TOKEN_BITS, lengths)
    keys = np.sort(bag | ids)
    first = np.flatnonzero(np.concatenate([[True], keys[1:] != keys[:-1]])[: len(keys)])
    times = np.diff(np.concatenate([first, [len(keys)]]))
    distinct = keys[first]
    sizes = np.bincount(distinct >> _TOKEN_BITS, minlength=len(lengths)).astype(np.int64)
    tokens = distinct & ((1 << _TOKEN_BITS) - 1)
    return tokens, sizes, np.power(times, power, dtype=np.float32)
