"""What a teacher adds to the loss of a batch."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import torch

from rolevec.training.config import TrainConfig
from rolevec.training.learned import LearnedMatrix
from rolevec.training.losses import Slopes
from rolevec.training.teacher import Teacher
from rolevec.training.unit import Units, unit

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

    def loss(self, sides: Slopes, right_keys: npt.NDArray[np.int64]) -> float:
        """Of those pairs whose right side the teacher knows; 0 if it is too few."""
        found, vectors = self._teacher.find(right_keys, self._config.teacher_batch)
        if len(found) < _FEWEST:
            return 0.0
        config, places, seen = self._config, torch.from_numpy(found), torch.from_numpy(vectors)
        part = sides.pick(places)
        loss = part.neighbourhoods(
            unit(seen), config.similarity_scale, config.teacher_scale, config.neighbour_weight
        )
        target = unit(seen - self._common)
        for rows, slopes in ((part.left, part.to_left), (part.right, part.to_right)):
            reached = Units.of(self._head.times(rows))
            missed = 1 - (reached.rows * target).sum(dim=1).mean()
            loss += config.target_weight * float(missed)
            slope = reached.back(target * (-config.target_weight / len(target)))
            slopes.add_(self._head.back(rows, slope))
        sides.put_back(places, part)
        return loss

    def step(self) -> None:
        """Learn from the last loss."""
        self._head.step()

    def state(self) -> dict[str, npt.NDArray[np.float32]]:
        """Arrays from which `restore` goes on."""
        return self._head.state()

    def restore(self, arrays: Mapping[str, npt.NDArray[np.float32]]) -> None:
        """Take up what `state` gave."""
        self._head.restore(arrays)
