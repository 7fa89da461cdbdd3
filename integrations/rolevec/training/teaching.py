"""What a teacher adds to the loss of a batch."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import torch
from torch.nn.functional import normalize

from rolevec.training.config import TrainConfig
from rolevec.training.losses import neighbourhoods
from rolevec.training.teacher import Teacher

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
        self._head = torch.randn(shape, generator=generator) * config.dim**-0.5
        self._head.requires_grad_(True)
        self._adam = torch.optim.Adam([self._head], lr=_HEAD_RATE)
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
            left, right, normalize(seen), self._config.similarity_scale, self._config.teacher_scale
        )
        target = normalize(seen - self._common)
        for side in (left, right):
            reached = normalize((normalize(side).bfloat16() @ self._head.bfloat16()).float())
            missed = 1 - (reached * target).sum(dim=1).mean()
            loss = loss + self._config.target_weight * missed
        return loss

    def step(self) -> None:
        """Learn from the gradient of the last loss."""
        self._adam.step()
        self._adam.zero_grad()

    def state(self) -> dict[str, npt.NDArray[np.float32]]:
        """Arrays from which `restore` goes on."""
        arrays = {"head": self._head.detach().numpy()}
        for name, value in self._adam.state.get(self._head, {}).items():
            arrays[f"head_{name}"] = torch.as_tensor(value).float().numpy()
        return arrays

    def restore(self, arrays: Mapping[str, npt.NDArray[np.float32]]) -> None:
        """Take up what `state` gave."""
        with torch.no_grad():
            self._head.copy_(torch.from_numpy(arrays["head"]))
        state = {
            name.removeprefix("head_"): torch.from_numpy(np.array(value))
            for name, value in arrays.items()
            if name.startswith("head_")
        }
        if state:
            self._adam.state[self._head] = state
