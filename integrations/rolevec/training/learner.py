"""The table that is learned: means of rows, the loss of a batch, sparse updates, checkpoints."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from safetensors.numpy import load_file, save_file
from torch.linalg import vector_norm
from torch.nn.functional import embedding_bag

from rolevec.training.batches import Bags, Batch
from rolevec.training.config import TrainConfig
from rolevec.training.learned import LearnedMatrix
from rolevec.training.losses import Slopes
from rolevec.training.negatives import false_negatives
from rolevec.training.teaching import Teaching
from rolevec.training.unit import Units

# Steps over which a loss is averaged.
WINDOW = 100
# Rows that are moved at once.
_ROWS = 256
_CHECKPOINT, _STATE = "checkpoint.safetensors", "checkpoint.json"


class TableLearner:
    """The rows being learned, and the optimiser's memory of them.

    Row-wise Adagrad: one running sum of squared gradients a row, so a rare token still moves far
    when it is met, and a frequent one settles. Rows start short where a token is frequent, as in
    smooth inverse frequency weighting (Arora, Liang, Ma, ICLR 2017), because the mean is taken
    over rows as they are.

    Args:
        config: settings of the run.
        frequencies: share of each token in the corpus; shape (vocab,).
        query: token of the query role.
        teaching: the teacher's part of the loss, if there is one.
    """

    def __init__(
        self,
        config: TrainConfig,
        frequencies: npt.NDArray[np.float64],
        query: int,
        teaching: Teaching | None = None,
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
        self.rows = torch.randn(shape, generator=generator) * config.dim**-0.5 * weights[:, None]
        self._squares = torch.zeros(len(frequencies))

    def learn(self, batch: Batch) -> None:
        """One step."""
        both = _joined(batch.left, batch.right)
        vectors = _Vectors(weighted_sums(self.rows, both), self._asking(both), self.query_map)
        sides = Slopes(*vectors.rows.tensor_split(2))
        loss = self._loss(sides, batch)
        self._update(both, vectors.back(sides.both))
        if self.query_map:
            self.query_map.step(self._decay())
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
        few = min(config.matryoshka_batch, len(sides.left))
        masked = false_negatives(batch.left_keys[:few], batch.right_keys[:few])
        for dim in config.matryoshka:
            loss += sides.nested(
                dim, few, config.similarity_scale, masked, config.matryoshka_weight
            )
        return loss

    def _asking(self, bag: Bags) -> torch.Tensor:
        """Numbers of the queries."""
        return torch.from_numpy(np.flatnonzero(bag.roles == self._query))

    def vectors(self, bag: Bags) -> torch.Tensor:
        """Unit vectors of texts; shape (texts, dim)."""
        sums = weighted_sums(self.rows, bag)
        return _Vectors(sums, self._asking(bag), self.query_map).rows

    def _update(self, bag: Bags, gradient: torch.Tensor) -> None:
        step = self._config.learning_rate * self._decay()
        for touched, slopes in row_slopes(bag, gradient):
            moved = vector_norm(slopes, dim=1).square_().div_(slopes.shape[1])
            squares = self._squares[touched].add_(moved)
            self._squares[touched] = squares
            steps = step / (squares.sqrt_() + 1e-12)
            self.rows.index_add_(0, touched, slopes.mul_(-steps[:, None]))

    def _decay(self) -> float:
        """Share of the highest step length that this step takes."""
        config = self._config
        warm = max(1.0, config.warmup * config.steps)
        left = max(0.0, (config.steps - self.step) / max(1.0, config.steps - warm))
        return min(1.0, (self.step + 1) / warm, left)

    def _parts(self) -> list[Teaching | LearnedMatrix]:
        return [part for part in (self._teaching, self.query_map) if part is not None]

    def save(self) -> None:
        """Write a checkpoint, whole or not at all."""
        if self._config.cache is None:
            return
        path = self._config.cache / _CHECKPOINT
        unfinished = path.with_suffix(".part")
        arrays = {"rows": self.rows.numpy(), "squares": self._squares.numpy()}
        for part in self._parts():
            arrays |= part.state()
        save_file(arrays, unfinished)
        unfinished.replace(path)
        state = {"settings": _settings(self._config), "step": self.step, "losses": self.losses}
        state["seconds"] = self.seconds
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
        self.rows, self._squares = map(torch.from_numpy, (arrays["rows"], arrays["squares"]))
        for part in self._parts():
            part.restore(arrays)
        self.step, self.losses = state["step"], state["losses"]
        self._before = state["seconds"]


class _Vectors:
    """Unit vectors of sums of rows, of which queries have gone through their matrix.

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


def _joined(left: Bags, right: Bags) -> Bags:
    return Bags(
        np.concatenate([left.ids, right.ids]),
        np.concatenate([left.offsets, right.offsets[1:] + left.offsets[-1]]),
        np.concatenate([left.weights, right.weights]),
        np.concatenate([left.roles, right.roles]),
    )


def _settings(config: TrainConfig) -> dict[str, Any]:
    return json.loads(json.dumps(config.to_dict()))  # type: ignore[no-any-return]
