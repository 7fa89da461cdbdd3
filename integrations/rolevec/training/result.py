"""What a run gave."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class TrainResult:
    """What a run gave.

    Attributes:
        folder: the model.
        model: under which `load_encoder` finds it.
        losses: mean loss of one stretch of steps after another; of a hundred in a static run, of
            a twentieth of the run in a transformer run.
        development: share of held-out pairs whose right side is found among at most 2,000, in
            [0, 1]; None without held-out pairs.
    """

    folder: Path
    model: str
    losses: tuple[float, ...]
    development: float | None
