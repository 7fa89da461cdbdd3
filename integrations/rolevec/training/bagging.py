"""Texts as the static encoder sees them, for a table that is moved."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from tokenizers import Tokenizer

from rolevec.encoders.dictionary import Dictionary
from rolevec.encoders.rows import Ids
from rolevec.encoders.terms import damp, slices
from rolevec.training.batches import Bags, offsets_of

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class BaggedTexts:
    """Tokens of texts behind the token of their role, each once and with what it counts.

    Attributes:
        ids: of all texts, one behind the other; shape (n,).
        offsets: where each text starts in ``ids``; shape (texts + 1,).
        weights: what each id counts; shape (n,).
        role: the first token of the role's prompt.
    """

    ids: Ints
    offsets: Ints
    weights: npt.NDArray[np.float32]
    role: int

    @classmethod
    def of(
        cls,
        texts: Sequence[str],
        tokenizer: Tokenizer,
        prompt: str,
        config: Mapping[str, Any],
        max_tokens: int,
        dictionary: Dictionary | None = None,
    ) -> BaggedTexts:
        """Tokenise as `StaticEncoder` does; ``config`` is the model's config.json."""
        unknown = config.get("unk_id")
        start = tokenizer.encode(prompt, add_special_tokens=False).ids
        encodings = tokenizer.encode_batch_fast(list(texts), add_special_tokens=False)
        rows = [[i for i in start + e.ids[:max_tokens] if i != unknown] for e in encodings]
        lengths = np.fromiter(map(len, rows), np.int64, len(rows))
        flat: Ids = np.fromiter((i for row in rows for i in row), np.int64, int(lengths.sum()))
        if dictionary is not None:
            flat, lengths = dictionary.read(flat, lengths)
        ids, lengths, weights = damp(flat, lengths, float(config.get("tf_power", 1)))
        return cls(ids, offsets_of(lengths), weights, start[0] if start else -1)

    def renumbered(self, used: Ints) -> BaggedTexts:
        """The same with each id replaced by its place in ``used``, which is ascending."""
        places = np.searchsorted(used, self.ids)
        return BaggedTexts(places, self.offsets, self.weights, self.role)

    def pick(self, texts: Ints) -> Bags:
        """Some of the texts."""
        starts = self.offsets[texts]
        lengths = self.offsets[texts + 1] - starts
        return Bags(
            slices(self.ids, starts, lengths),
            offsets_of(lengths),
            slices(self.weights, starts, lengths),
            np.full(len(texts), self.role),
        )
