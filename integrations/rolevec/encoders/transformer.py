"""What the backends for transformer folders share: set-up, steps behind pooling, pickling."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from rolevec.encoders.folder import ModelFolder
from rolevec.encoders.tokens import TokenEncoder
from rolevec.truncation import TruncationPolicy


class TransformerEncoder(TokenEncoder):
    """A model folder that has been read; a backend opens its weights.

    Args:
        found: the folder.
        dimensions: deliver this many leading coordinates, re-normalised.
        truncation: policy for over-long texts.
        options: the backend's other arguments, with which a pickled encoder is built again.
    """

    def __init__(
        self,
        found: ModelFolder,
        *,
        dimensions: int | None,
        truncation: TruncationPolicy,
        options: Mapping[str, Any],
    ) -> None:
        super().__init__(
            found.card,
            found.tokenizer(),
            revision=found.revision,
            prompts=found.prompts,
            dimensions=dimensions,
            truncation=truncation,
        )
        self._steps = found.steps
        self._pad_id = found.pad_id
        self._folder = found.path
        # With the revision at hand, nobody hashes the weights a second time.
        self._options = {
            **options,
            "dimensions": dimensions,
            "truncation": truncation,
            "revision": found.revision,
        }

    def _apply_steps(self, vectors: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        for step in self._steps:
            vectors = step(vectors)
        return vectors

    @classmethod
    def _restore(cls, folder: str, options: dict[str, Any]) -> Self:
        return cls(folder, **options)  # type: ignore[arg-type]

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self)._restore, (str(self._folder), self._options)
