"""The table that is learned: means of rows, the loss of a batch, sparse updates, checkpoints."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from safetensors.numpy import load_file, save_file

from rolevec.training.batches import Bags, Batch
from rolevec.training.config import TrainConfig
from rolevec.training.learned import LearnedMatrix
from rolevec.training.losses import Slopes
from rolevec.training.negatives import false_negatives
from rolevec.training.rows import TableRows
from rolevec.training.stems import Families
from rolevec.training.store import Ints
from rolevec.training.sums import Vectors, pooled
from rolevec.training.teaching import Teaching

# Steps over which a loss is averaged.
WINDOW = 100
_CHECKPOINT, _STATE = "checkpoint.safetensors", "checkpoint.json"


class TableLearner:
    """The rows being learned, and the optimiser's memory of them.

    Rows start short where a token is frequent, as in smooth inverse frequency weighting (Arora,
    Liang, Ma, ICLR 2017), because the mean is taken over rows as they are.

    Weight decay shrinks all rows alike, and no unit vector shows a factor that they share. So it is
    kept apart, and costs nothing; what it does is to make later steps longer beside earlier ones.

    Args:
        config: settings of the run.
        frequencies: share of each token in the corpus; shape (vocab,).
        query: token of the query role.
        teaching: the teacher's part of the loss, if there is one.
        families: of the tokens, if some share rows.
    """

    def __init__(
        self,
        config: TrainConfig,
        frequencies: npt.NDArray[np.float64],
        query: int,
        teaching: Teaching | None = None,
        families: Families | None = None,
    ) -> None:
        self._config = config
        self._query = query
        self._teaching = teaching
        self.query_map: LearnedMatrix | None = None
        if config.query_map:
            start = torch.zeros(config.dim, config.dim)
            self.query_map = LearnedMatrix("query_map", start, config.query_map_rate)
        self.step = 0
        self.losses: list[float] = []
        self._window: list[float] = []
        self._pairs, self._start, self._before = 0, time.monotonic(), 0.0
        generator = torch.Generator().manual_seed(config.seed)
        shape = (len(frequencies), config.dim)
        weights = torch.from_numpy(1e-3 / (1e-3 + frequencies)).float()
        rows = torch.randn(shape, generator=generator) * config.dim**-0.5 * weights[:, None]
        self.rows = TableRows(rows, families)
        # What the decay has left of the rows: they are ``rows * shrunk``.
        self._shrunk = 1.0

    def learn(self, batch: Batch) -> None:
        """One step."""
        both = _joined(batch.left, batch.right)
        tokens, sums, both = self._pooled(both)
        vectors = Vectors(sums, self._asking(both), self.query_map)
        sides = Slopes(*vectors.rows.tensor_split(2))
        loss = self._loss(sides, batch)
        self._move(tokens, both, vectors.back(sides.both))
        if self.query_map:
            self.query_map.step(self._step_share())
        if self._teaching:
            self._teaching.step()
        self._note(loss, len(batch.left_keys))

    def _note(self, loss: float, pairs: int) -> None:
        self.step += 1
        self._window.append(loss)
        self._pairs += pairs
        if self.step % WINDOW == 0 or self.step == self._config.steps:
            self.losses.append(float(np.mean(self._window)))
            self._window.clear()

    @property
    def seconds(self) -> float:
        """Spent on this table, over all runs that went on with it."""
        return self._before + time.monotonic() - self._start

    def describe(self) -> str:
        """Loss and speed of late, for a progress bar."""
        if not self.losses and not self._window:
            return ""
        rate = self._pairs / (time.monotonic() - self._start)
        loss = np.mean(self._window) if self._window else self.losses[-1]
        return f"loss {loss:.3f}, {rate:,.0f} pairs/s"

    def _loss(self, sides: Slopes, batch: Batch) -> float:
        config = self._config
        masked = false_negatives(batch.left_keys, batch.right_keys)
        loss = sides.info_nce(config.similarity_scale, masked)
        if self._teaching:
            loss += self._teaching.loss(sides, batch.right_keys)
        return loss + self._nested_loss(sides, batch) if config.matryoshka else loss

    def _nested_loss(self, sides: Slopes, batch: Batch) -> float:
        """Of the smaller dimensions, over the first pairs of the batch."""
        config, few = self._config, min(self._config.matryoshka_batch, len(sides.left))
        masked = false_negatives(batch.left_keys[:few], batch.right_keys[:few])
        return sum(
            sides.nested(dim, few, config.similarity_scale, masked, config.matryoshka_weight)
            for dim in config.matryoshka
        )

    def _asking(self, bag: Bags) -> torch.Tensor:
        """Numbers of the queries."""
        return torch.from_numpy(np.flatnonzero(bag.roles == self._query))

    def vectors(self, bag: Bags) -> torch.Tensor:
        """Unit vectors of texts; shape (texts, dim)."""
        _, sums, _ = self._pooled(bag)
        return Vectors(sums, self._asking(bag), self.query_map).rows

    def _move(self, tokens: Ints, bag: Bags, gradient: torch.Tensor) -> None:
        step = self._config.learning_rate * self._step_share()
        # Once for the gradient, which is longer where rows are shorter, and once for the rows.
        self.rows.move(tokens, bag, gradient, step, self._shrunk**-2)
        self._shrunk *= 1 - step * self._config.weight_decay

    def _pooled(self, bag: Bags) -> tuple[Ints, torch.Tensor, Bags]:
        """Tokens that are met, sums of the bags, and the bags of their places, see `pooled`."""
        tokens, places = np.unique(bag.ids, return_inverse=True)
        met = replace(bag, ids=places)
        return tokens, *pooled(self.rows.gathered(tokens), met, self._config.ridge)

    def _step_share(self) -> float:
        """Share of the highest step length that this step takes."""
        config = self._config
        warm = max(1.0, config.warmup * config.steps)
        left = max(0.0, (config.steps - self.step) / max(1.0, config.steps - warm))
        return min(1.0, (self.step + 1) / warm, left)

    def _parts(self) -> list[TableRows | Teaching | LearnedMatrix]:
        parts = (self.rows, self._teaching, self.query_map)
        return [part for part in parts if part is not None]

    def save(self) -> None:
        """Write a checkpoint, whole or not at all."""
        if self._config.cache is None:
            return
        path = self._config.cache / _CHECKPOINT
        unfinished = path.with_suffix(".part")
        arrays = {name: array for part in self._parts() for name, array in part.state().items()}
        save_file(arrays, unfinished)
        unfinished.replace(path)
        state = {"settings": _settings(self._config), "step": self.step, "losses": self.losses}
        state |= {"seconds": self.seconds, "shrunk": self._shrunk}
        unfinished = path.with_name(_STATE + ".part")
        unfinished.write_text(json.dumps(state), encoding="utf-8")
        unfinished.replace(path.with_name(_STATE))

    def resume(self) -> None:
        """Take up the checkpoint if there is one of this very run."""
        if self._config.cache is None or not (self._config.cache / _STATE).exists():
            return
        state = json.loads((self._config.cache / _STATE).read_text(encoding="utf-8"))
        if state["settings"] != _settings(self._config):
            return
        arrays = load_file(self._config.cache / _CHECKPOINT)
        for part in self._parts():
            part.restore(arrays)
        self.step, self.losses = state["step"], state["losses"]
        self._before, self._shrunk = state["seconds"], state["shrunk"]


def _joined(left: Bags, right: Bags) -> Bags:
    return Bags(
        np.concatenate([left.ids, right.ids]),
        np.concatenate([left.offsets, right.offsets[1:] + left.offsets[-1]]),
        np.concatenate([left.weights, right.weights]),
        np.concatenate([left.roles, right.roles]),
    )


def _settings(config: TrainConfig) -> dict[str, Any]:
    return json.loads(json.dumps(config.to_dict()))  # type: ignore[no-any-return]
