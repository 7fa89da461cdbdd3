"""What the backends for transformer folders share: overlap, steps behind pooling, pickling."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from rolevec.encoders.batching import overlapped
from rolevec.encoders.folder import ModelFolder
from rolevec.encoders.pooling import Dense
from rolevec.encoders.progress import Advance
from rolevec.encoders.tokens import Ids, Plan, TokenEncoder, pool_windows
from rolevec.roles import Role
from rolevec.truncation import TruncationPolicy

# Tokens in one forward pass of a CPU: enough to keep it busy, few enough for its caches.
CPU_BATCH = 1 << 10
# Texts tokenised at a time, while the batches before them are computed.
_SLICE = 512
_PROBES = ("ok", "Die Bank am Fluss öffnet erst um neun Uhr.", "快速的棕色狐狸跳过懒狗")
_LONGEST_PROBE = 128

_Numbered = tuple[int, Ids]


class TransformerEncoder(TokenEncoder):
    """A model folder that has been read; a backend opens its weights.

    Texts are sorted by their characters and tokenised slice by slice, ahead of the batches that are
    being computed. Batches are filled by tokens, the longest first; what does not fill one waits
    for the next slice.

    Args:
        found: the folder.
        dimensions: deliver this many leading coordinates, re-normalised.
        truncation: policy for over-long texts.
        options: the backend's other arguments, with which a pickled encoder is built again.

    Attributes:
        precisions: that the backend can be asked for.
        parallel: batches under way at once; `_forward` is called from as many threads.
    """

    precisions: tuple[str, ...] = ()
    parallel: int = 1

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
            token_budget=CPU_BATCH,
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

    def _rows(
        self, texts: list[str], role: Role, batch_size: int | None, advance: Advance
    ) -> tuple[npt.NDArray[np.float32], list[int]]:
        order = sorted(range(len(texts)), key=lambda i: len(texts[i]), reverse=True)
        plan = Plan([], [], [], [])
        slices = (order[start : start + _SLICE] for start in range(0, len(order), _SLICE))
        ids = self._planned(([texts[i] for i in part] for part in slices), role, plan)
        left = len(texts)

        def count(pieces: int) -> None:
            nonlocal left
            done = min(pieces, left)  # the bar counts texts, which under "split" have windows
            left -= done
            advance(done)

        pieces = self._computed(ids, batch_size, count)
        if len(plan.ids) != len(texts):
            pieces = pool_windows(pieces, plan)
        rows = np.empty_like(pieces)
        rows[order] = pieces
        dropped = dict(zip(order, plan.dropped, strict=True))
        return rows, [dropped[i] for i in range(len(texts))]

    def _forward_all(self, ids: list[Ids]) -> npt.NDArray[np.float32]:
        return self._computed([ids], None, lambda _: None)

    def _planned(self, slices: Iterable[list[str]], role: Role, whole: Plan) -> Iterator[list[Ids]]:
        """Token ids slice by slice; each slice's plan is added to the whole one."""
        for plan in overlapped(lambda texts: self._plan(texts, role), slices, 1):
            whole.ids += plan.ids
            whole.weights += plan.weights
            whole.per_text += plan.per_text
            whole.dropped += plan.dropped
            yield plan.ids

    def _computed(
        self, slices: Iterable[list[Ids]], batch_size: int | None, advance: Advance
    ) -> npt.NDArray[np.float32]:
        """One vector for each list of ids, in their order, of any length."""

        def compute(batch: list[_Numbered]) -> tuple[list[int], npt.NDArray[np.float32]]:
            return [number for number, _ in batch], self._forward([ids for _, ids in batch])

        numbers: list[int] = []
        vectors: list[npt.NDArray[np.float32]] = []
        for some, rows in overlapped(compute, self._filled(slices, batch_size), self.parallel):
            numbers += some
            vectors.append(rows)
            advance(len(some))
        if not vectors:
            return np.empty((0, self.card.dim), dtype=np.float32)
        together = np.concatenate(vectors)
        ordered = np.empty_like(together)
        ordered[numbers] = together
        return ordered

    def _filled(
        self, slices: Iterable[list[Ids]], batch_size: int | None
    ) -> Iterator[list[_Numbered]]:
        """Numbered lists of ids in batches that are full, but for the last."""
        waiting: list[_Numbered] = []
        count = 0
        for ids in slices:
            waiting += enumerate(ids, count)
            count += len(ids)
            batches = self._batches([ids for _, ids in waiting], batch_size)
            for batch in batches[:-1]:
                yield [waiting[i] for i in batch]
            waiting = [waiting[i] for batch in batches[-1:] for i in batch]
        if waiting:
            yield waiting

    def _probes(self) -> list[list[Ids]]:
        """Batches to try a model on: a short text, a long one, and both with a third, padded."""
        limit = min(self.max_tokens or _LONGEST_PROBE, _LONGEST_PROBE)
        ids = [
            encoding.ids[:limit] for encoding in self._tokenize([*_PROBES, " ".join(_PROBES * 9)])
        ]
        return [ids[:1], ids[-1:], ids]

    def _apply_steps(self, vectors: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        for step in self._steps:
            vectors = step(vectors)
        return vectors

    def _dense(self, tokens: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Vectors of tokens (n, hidden) through the layers that pooled ones go through."""
        for step in self._steps:
            tokens = step(tokens) if isinstance(step, Dense) else tokens
        return tokens

    @classmethod
    def _restore(cls, folder: str, options: dict[str, Any]) -> Self:
        return cls(folder, **options)  # type: ignore[arg-type]

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self)._restore, (str(self._folder), self._options)
