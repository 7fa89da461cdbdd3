"""Vectors of a stronger encoder for texts of one language, found again by the text's key."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from rolevec.encoders.loading import load_encoder
from rolevec.encoders.progress import counter
from rolevec.roles import Role
from rolevec.training.data import Pair, text_key

# A teacher reads the beginning of a long text; its neighbours are settled by then.
_LONGEST = 600
_CHUNK = 4096
Float16 = npt.NDArray[np.float16]


@dataclass(frozen=True, slots=True)
class Teacher:
    """What a teacher says of some texts.

    Attributes:
        name: the teacher's name, for the record.
        keys: `text_key` of each text, ascending; shape (n,).
        vectors: float16 unit rows, shape (n, dim).
    """

    name: str
    keys: npt.NDArray[np.int64]
    vectors: Float16

    def find(
        self, keys: npt.NDArray[np.int64], most: int
    ) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.float32]]:
        """Positions of distinct known keys, at most ``most``, and their vectors."""
        _, first = np.unique(keys, return_index=True)
        first.sort()
        wanted = keys[first]
        places = np.minimum(np.searchsorted(self.keys, wanted), len(self.keys) - 1)
        known = np.flatnonzero(self.keys[places] == wanted)[:most]
        return first[known], self.vectors[places[known]].astype(np.float32)

    def save(self, path: Path) -> None:
        """Write one uncompressed .npz, whole or not at all."""
        part = path.with_suffix(".part.npz")
        np.savez(part, name=np.array(self.name), keys=self.keys, vectors=self.vectors)
        part.replace(path)

    @classmethod
    def load(cls, path: Path) -> Teacher:
        """Read what `save` wrote."""
        with np.load(path) as stored:
            return cls(str(stored["name"]), stored["keys"], stored["vectors"])


def ask_teacher(
    model: str,
    pairs: Iterable[Pair],
    language: str,
    most: int,
    seed: int,
    *,
    progress: bool,
    **options: Any,
) -> Teacher:
    """Encode a random choice of the distinct texts of one language.

    Args:
        model: whatever `load_encoder` takes.
        pairs: both sides are looked at.
        language: the teacher's; texts in others are left out.
        most: texts to encode at most.
        seed: of the choice.
        progress: show a bar on standard error.
        **options: of `load_encoder`, such as ``precision``.

    Raises:
        ValueError: there is no text in that language.
    """
    texts: dict[int, str] = {}
    for pair in pairs:
        for lang, text in ((pair.left_lang, pair.left), (pair.right_lang, pair.right)):
            if lang == language:
                texts.setdefault(text_key(text), text)
    if not texts:
        raise ValueError(f"no text in {language!r} for the teacher {model!r}")
    keys = np.sort(np.random.default_rng(seed).permutation(sorted(texts))[:most])
    encoder = load_encoder(model, truncation="end", **options)
    rows = np.empty((len(keys), encoder.dim), np.float16)
    with counter(len(keys), f"asking {encoder.name}", show=progress) as advance:
        for start in range(0, len(keys), _CHUNK):
            chunk = [texts[int(key)][:_LONGEST] for key in keys[start : start + _CHUNK]]
            rows[start : start + _CHUNK] = encoder.encode(chunk, Role.DOCUMENT)
            advance(len(chunk))
    return Teacher(encoder.name, keys, rows)
