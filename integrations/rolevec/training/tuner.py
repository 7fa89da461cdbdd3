"""A table that is moved, a little, by what a batch of pairs says."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import torch
from torch.nn.functional import cross_entropy

from rolevec.training.batches import Bags
from rolevec.training.sums import pooled, row_slopes
from rolevec.training.tune_config import TuneConfig
from rolevec.training.unit import unit

# Softmax weight of a cell that must not count; not infinity, which times zero is NaN.
_NEVER = -1e4


class Tuner:
    """The old rows, how far each has moved, and the optimiser's memory of them.

    Row-wise Adagrad, as in `LearnedRows`: the first step of a row has the same length whatever
    its gradient, later ones are shorter.

    Args:
        config: settings of the run.
        rows: of the old table; float32, shape (vocab, dim).
        query_map: matrix of the old model that moves queries; shape (dim, dim), or None.
        ridge: of the old model, see `TrainConfig`.
    """

    def __init__(
        self,
        config: TuneConfig,
        rows: npt.NDArray[np.float32],
        query_map: npt.NDArray[np.float32] | None,
        ridge: float | None = None,
    ) -> None:
        self._config, self._ridge = config, ridge
        self._old = torch.from_numpy(rows)
        self.moves = torch.zeros_like(self._old)
        self._squares = torch.zeros(len(rows))
        self._map = None if query_map is None else torch.from_numpy(query_map)
        self._dims = (rows.shape[1], *config.matryoshka)

    def rows(self, blend: float = 1.0) -> torch.Tensor:
        """The table, this share of the way from the old one to the new one."""
        return self._old + self.moves * blend

    def vectors(self, bag: Bags, *, queries: bool, blend: float = 1.0) -> torch.Tensor:
        """Unit vectors of texts; shape (texts, dim)."""
        sums, _ = pooled(self.rows(blend), bag, self._ridge)
        return self._mapped(sums, queries=queries)

    def _mapped(self, sums: torch.Tensor, *, queries: bool) -> torch.Tensor:
        units = unit(sums)
        if not queries or self._map is None:
            return units
        return unit(units + units @ self._map)

    def learn(
        self, queries: Bags, documents: Bags, own: torch.Tensor, masked: torch.Tensor
    ) -> float:
        """One step.

        The loss is taken from ready vectors, block by block, and its gradient carried to them
        (GradCache), through the mean and to the rows: no text is held more than once.

        Args:
            queries: n of them.
            documents: m of them, none twice.
            own: which document answers each query; shape (n,).
            masked: True where another document answers too; shape (n, m).

        Returns:
            The loss.
        """
        rows = self.rows()
        sides = [pooled(rows, bag, self._ridge) for bag in (queries, documents)]
        sums = [made.requires_grad_(True) for made, _ in sides]
        vectors = [
            self._mapped(s, queries=asks) for s, asks in zip(sums, (True, False), strict=True)
        ]
        ready = [v.detach().requires_grad_(True) for v in vectors]
        loss = 0.0
        for start in range(0, len(own), self._config.mini_batch):
            part = slice(start, start + self._config.mini_batch)
            some = self._loss(ready[0][part], ready[1], own[part], masked[part]) / len(own)
            some.backward()  # type: ignore[no-untyped-call]
            loss += float(some.detach())
        torch.autograd.backward(vectors, [r.grad for r in ready])
        self._update([(bag, made.grad) for made, bag in sides])
        return loss

    def _loss(
        self, left: torch.Tensor, right: torch.Tensor, own: torch.Tensor, masked: torch.Tensor
    ) -> torch.Tensor:
        """Summed over the queries: InfoNCE at the full dimension and the smaller ones."""
        total = torch.zeros(())
        for dim in self._dims:
            weight = 1.0 if dim == self._dims[0] else self._config.matryoshka_weight
            scores = unit(left[:, :dim]) @ unit(right[:, :dim]).T
            scores = (scores * self._config.similarity_scale).masked_fill(masked, _NEVER)
            scores = self._nearest(scores, own)
            total = total + weight * cross_entropy(scores, own, reduction="sum")
        return total

    def _nearest(self, scores: torch.Tensor, own: torch.Tensor) -> torch.Tensor:
        """Only the answer and the documents nearest to the query count, if so many are wanted."""
        most = self._config.hardest
        if not 0 < most < scores.shape[1] - 1:
            return scores
        with torch.no_grad():
            others = scores.scatter(1, own[:, None], _NEVER)
            far = torch.ones_like(others, dtype=torch.bool)
            far.scatter_(1, others.topk(most, dim=1).indices, value=False)
            far.scatter_(1, own[:, None], value=False)
        return scores.masked_fill(far, _NEVER)

    def _update(self, sides: list[tuple[Bags, torch.Tensor | None]]) -> None:
        slopes = torch.zeros_like(self.moves)
        for bag, gradient in sides:
            assert gradient is not None
            for touched, part in row_slopes(bag, gradient):
                slopes.index_add_(0, touched, part)
        moved = slopes.square().mean(dim=1)
        self._squares += moved
        at = torch.nonzero(moved)[:, 0]
        steps = self._config.learning_rate / (self._squares[at].sqrt() + 1e-12)
        self.moves.mul_(1 - self._config.anchor)
        self.moves.index_add_(0, at, slopes[at] * -steps[:, None])

    def state(self) -> dict[str, npt.NDArray[np.float32]]:
        """Arrays from which `restore` goes on."""
        return {"moves": self.moves.numpy().copy(), "squares": self._squares.numpy().copy()}

    def restore(self, arrays: Mapping[str, npt.NDArray[np.float32]]) -> None:
        """Take up what `state` gave."""
        self.moves = torch.from_numpy(np.array(arrays["moves"]))
        self._squares = torch.from_numpy(np.array(arrays["squares"]))
