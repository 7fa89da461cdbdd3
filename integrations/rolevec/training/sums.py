"""From rows to the vectors of bags, and from slopes along the vectors back to the rows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import torch
from torch.nn.functional import embedding_bag

from rolevec.encoders.rows import Floats
from rolevec.training.batches import Bags
from rolevec.training.learned import LearnedMatrix
from rolevec.training.store import Ints
from rolevec.training.unit import Units

# Rows whose slopes are added up at once, so that they stay in the cache.
_ROWS = 256


def weighted_sums(rows: torch.Tensor, bag: Bags) -> torch.Tensor:
    """Sums of rows by bag; shape (texts, dim)."""
    return embedding_bag(
        torch.from_numpy(bag.ids),
        rows,
        torch.from_numpy(bag.offsets),
        include_last_offset=True,
        mode="sum",
        per_sample_weights=torch.from_numpy(bag.weights),
    )


def pooled(rows: torch.Tensor, bag: Bags, ridge: float | None) -> tuple[torch.Tensor, Bags]:
    """Sums out of which is taken what rows of a bag share, as in `rolevec.encoders.overlap`.

    Args:
        rows: of all tokens; shape (vocab, dim).
        bag: what is added up.
        ridge: the larger, the nearer to plain sums; None for these.

    Returns:
        The sums, shape (texts, dim), and the bag with the weights of which they are plain sums.
        Slopes along these sums are taken to be those along plain ones, as if the weights were
        given.
    """
    sums = weighted_sums(rows, bag)
    if ridge is None:
        return sums, bag
    owner = np.repeat(np.arange(len(bag.offsets) - 1), np.diff(bag.offsets))
    overlap, lengths = _against(rows.numpy(), bag.ids, sums.numpy(), owner)
    np.divide(overlap, lengths, out=overlap, where=lengths > 0)
    overlap -= bag.weights * lengths
    shares = np.divide(overlap, lengths, out=np.zeros_like(overlap), where=lengths > 0)
    along = weighted_sums(rows, replace(bag, weights=shares))
    squares = np.bincount(owner, overlap.astype(np.float64) ** 2, len(sums))
    below = torch.linalg.vector_norm(along, dim=1).square().numpy() + ridge * squares
    steps = np.divide(squares, below, out=np.zeros_like(squares), where=below > 0)
    steps = steps.astype(np.float32)
    sums.addcmul_(along, torch.from_numpy(steps)[:, None], value=-1)
    return sums, replace(bag, weights=bag.weights - steps[owner] * shares)


def _against(rows: Floats, ids: Ints, sums: Floats, owner: Ints) -> tuple[Floats, Floats]:
    """Products of rows with the sums of their bags, and lengths of the rows."""
    products, squares = np.empty((2, len(ids)), np.float32)
    some, theirs = np.empty((2, _ROWS, rows.shape[1]), np.float32)
    for start in range(0, len(ids), _ROWS):
        part = slice(start, start + _ROWS)
        size = len(ids[part])
        # In numpy, since torch would start its threads for each of these small pieces.
        np.take(rows, ids[part], axis=0, out=some[:size], mode="clip")
        np.take(sums, owner[part], axis=0, out=theirs[:size], mode="clip")
        np.einsum("nd,nd->n", some[:size], theirs[:size], out=products[part])
        np.einsum("nd,nd->n", some[:size], some[:size], out=squares[part])
    return products, np.sqrt(squares)


def row_slopes(bag: Bags, gradient: torch.Tensor) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """From the gradient of sums to that of rows, a few rows at a time, which stay in the cache.

    Args:
        bag: what was added up.
        gradient: of each sum; shape (texts, dim).

    Yields:
        Rows that were met, ascending, shape (n,), and their gradients, shape (n, dim).
    """
    # The gradient of a row is the sum over its occurrences of the gradient of the bag it lies
    # in: again a sum over bags, of bag numbers sorted by token.
    lengths = np.diff(bag.offsets)
    owner = np.repeat(np.arange(len(lengths)), lengths)
    order = np.argsort(bag.ids, kind="stable")
    ranked, owner, weights = bag.ids[order], owner[order], bag.weights[order]
    first = np.concatenate([[True], ranked[1:] != ranked[:-1], [True]])
    bounds = np.flatnonzero(first[: len(ranked) + 1])
    for start in range(0, len(bounds) - 1, _ROWS):
        part = bounds[start : start + _ROWS + 1]
        inside = slice(part[0], part[-1])
        slopes = embedding_bag(
            torch.from_numpy(owner[inside]),
            gradient,
            torch.from_numpy(part - part[0]),
            include_last_offset=True,
            mode="sum",
            per_sample_weights=torch.from_numpy(weights[inside]),
        )
        yield torch.from_numpy(ranked[part[:-1]]), slopes


class Vectors:
    """Unit vectors of sums of rows, of which queries have gone through their matrix.

    Args:
        sums: shape (texts, dim).
        queries: numbers of the texts that are queries, ascending.
        query_map: their matrix, if there is one.

    Attributes:
        rows: shape (texts, dim).
    """

    def __init__(
        self, sums: torch.Tensor, queries: torch.Tensor, query_map: LearnedMatrix | None
    ) -> None:
        self._units, self._queries, self._map = Units.of(sums), queries, query_map
        self.rows = self._units.rows
        if query_map is not None:
            self._asked = self.rows[queries]
            self._moved = Units.of(self._asked + query_map.times(self._asked))
            self.rows.index_copy_(0, queries, self._moved.rows)

    def back(self, slopes: torch.Tensor) -> torch.Tensor:
        """From slopes along the vectors to those along the sums, in place; once, at the end."""
        if self._map is not None:
            self.rows.index_copy_(0, self._queries, self._asked)
            moved = self._moved.back(slopes[self._queries])
            slopes[self._queries] = moved + self._map.back(self._asked, moved)
        return self._units.back(slopes)
