"""What a teacher adds to the loss of a batch."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import torch

from rolevec.training.config import TrainConfig
from rolevec.training.learned import LearnedMatrix
from rolevec.training.losses import neighbourhoods
from rolevec.training.teacher import Teacher
from rolevec.training.unit import unit

_FEWEST = 64
_HEAD_RATE = 2e-3


class Teaching:
    """Two things are taken over from the teacher: who is near whom, and where a text lies.

    The second goes through a linear map from our dimensions to the teacher's, learned along and
    thrown away at the end. A translation has the teacher's vector of its English side as target
    (Reimers, Gurevych, EMNLP 2020).

    Args:
        teacher: vectors of texts on the right side of pairs.
        config: weights and sizes.
    """

    def __init__(self, teacher: Teacher, config: TrainConfig) -> None:
        self._teacher = teacher
        self._config = config
        generator = torch.Generator().manual_seed(config.seed)
        shape = (config.dim, teacher.vectors.shape[1])
        start = torch.randn(shape, generator=generator) * config.dim**-0.5
        self._head = LearnedMatrix("head", start, _HEAD_RATE)
        # A teacher's vectors share a direction that tells nothing of the text.
        some = teacher.vectors[:: max(1, len(teacher.vectors) // 10_000)]
        self._common = torch.from_numpy(some.astype(np.float32).mean(axis=0))

    def loss(
        self, left: torch.Tensor, right: torch.Tensor, right_keys: npt.NDArray[np.int64]
    ) -> torch.Tensor | None:
        """Of n pairs (n, dim), those whose right side the teacher knows; None if it is too few."""
        found, vectors = self._teacher.find(right_keys, self._config.teacher_batch)
        if len(found) < _FEWEST:
            return None
        places, seen = torch.from_numpy(found), torch.from_numpy(vectors)
        # Plain indexing has a gradient that is many times slower on a CPU.
        left, right = left.index_select(0, places), right.index_select(0, places)
        loss = self._config.neighbour_weight * neighbourhoods(
            left, right, unit(seen), self._config.similarity_scale, self._config.teacher_scale
        )
        target = unit(seen - self._common)
        for side in (left, right):
            reached = unit(self._head.times(unit(side)))
            missed = 1 - (reached * target).sum(dim=1).mean()
            loss = loss + self._config.target_weight * missed
        return loss

    def step(self) -> None:
        """Learn from the gradient of the last loss."""
        self._head.step()

    def state(self) -> dict[str, npt.NDArray[np.float32]]:
        """Arrays from which `restore` goes on."""
        return self._head.state()

    def restore(self, arrays: Mapping[str, npt.NDArray[np.float32]]) -> None:
        """Take up what `state` gave."""
        self._head.restore(arrays)
