"""The rows that are learned, with the memory of their optimiser."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch.linalg import vector_norm

from rolevec.encoders.rows import Floats
from rolevec.training.batches import Bags
from rolevec.training.stems import Families
from rolevec.training.store import Ints
from rolevec.training.sums import row_slopes, weighted_sums

_BLOCK = 1 << 14


class LearnedRows:
    """Rows that are moved by row-wise Adagrad.

    One running sum of squared gradients a row, so a rare one still moves far when it is met, and a
    frequent one settles.

    Args:
        start: rows to begin with; shape (n, dim).
        name: of their arrays in a checkpoint, before "rows" and "squares".
    """

    def __init__(self, start: torch.Tensor, name: str = "") -> None:
        self.values, self._name = start, name
        self._squares = torch.zeros(len(start))

    def move(self, touched: torch.Tensor, slopes: torch.Tensor, step: float, factor: float) -> None:
        """Move some rows against their gradients, whose tensor is used up.

        Args:
            touched: numbers of the rows, each once; shape (n,).
            slopes: their gradients; shape (n, dim).
            step: step length.
            factor: by which both the squared gradients and the steps are longer than they look.
        """
        moved = vector_norm(slopes, dim=1).square_().mul_(factor / slopes.shape[1])
        squares = self._squares[touched].add_(moved)
        self._squares[touched] = squares
        steps = step * factor / (squares.sqrt_() + 1e-12)
        self.values.index_add_(0, touched, slopes.mul_(-steps[:, None]))

    def state(self) -> dict[str, Floats]:
        """Arrays from which `restore` goes on."""
        return {
            f"{self._name}rows": self.values.numpy(),
            f"{self._name}squares": self._squares.numpy(),
        }

    def restore(self, arrays: Mapping[str, Floats]) -> None:
        """Take up what `state` gave."""
        self.values = torch.from_numpy(arrays[f"{self._name}rows"])
        self._squares = torch.from_numpy(arrays[f"{self._name}squares"])


class TableRows:
    """The rows of a table: each is one of its own, and one of each family that its token is in.

    Words of one stem come in many forms, most of them seldom: what one form learns, the others then
    know (as through the n-grams of fastText: Bojanowski et al., TACL 2017). A model that is in use
    has the sums, so this costs it nothing.

    Args:
        start: rows of the tokens to begin with; shape (vocab, dim). Those of families begin at 0.
        families: of the tokens; None for none.
    """

    def __init__(self, start: torch.Tensor, families: Families | None = None) -> None:
        self._own, self._families = LearnedRows(start), families
        self._parts = [self._own]
        if families is not None:
            shared = torch.zeros(families.count, start.shape[1])
            self._shared = LearnedRows(shared, "shared_")
            self._parts.append(self._shared)

    def gathered(self, tokens: Ints) -> torch.Tensor:
        """Rows of some tokens; shape (tokens, dim)."""
        rows = self._own.values[torch.from_numpy(tokens)]
        if self._families is not None:
            rows += weighted_sums(self._shared.values, self._families.bags(tokens))
        return rows

    def whole(self) -> Floats:
        """Rows of all tokens; shape (vocab, dim)."""
        if self._families is None:
            return np.asarray(self._own.values.numpy())
        rows = np.empty(self._own.values.shape, np.float32)
        for start in range(0, len(rows), _BLOCK):
            some = np.arange(start, min(start + _BLOCK, len(rows)))
            rows[some] = self.gathered(some).numpy()
        return rows

    def move(
        self, tokens: Ints, bag: Bags, gradient: torch.Tensor, step: float, factor: float
    ) -> None:
        """Move what `gathered` gave for some tokens.

        Args:
            tokens: each once; shape (n,).
            bag: what was added up; its ids are places in ``tokens``, all of which are there.
            gradient: of each sum; shape (texts, dim).
            step: step length.
            factor: see `LearnedRows.move`.
        """
        numbers, families = torch.from_numpy(tokens), self._families
        kept = torch.empty(len(tokens) if families is not None else 0, gradient.shape[1])
        for places, slopes in row_slopes(bag, gradient):
            if families is not None:
                kept[places] = slopes
            self._own.move(numbers[places], slopes, step, factor)
        if families is not None:
            for shared, slopes in row_slopes(families.bags(tokens), kept):
                self._shared.move(shared, slopes, step, factor)

    def state(self) -> dict[str, Floats]:
        """Arrays from which `restore` goes on."""
        return {name: array for part in self._parts for name, array in part.state().items()}

    def restore(self, arrays: Mapping[str, Floats]) -> None:
        """Take up what `state` gave."""
        for part in self._parts:
            part.restore(arrays)
