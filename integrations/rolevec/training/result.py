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
            a twentieth of the run in a transformer run, of an epoch in a tuning run.
        development: how well the held-out pairs are found, in [0, 1]; None without held-out pairs.
        before: the same of the model that the run started from; None where it started from nothing.
        metric: what ``development`` and ``before`` are: "accuracy@1", the share of held-out pairs
            whose right side is found first among at most 2,000, or "ndcg@10" of held-out queries
            among all documents of the pairs.
    """

    folder: Path
    model: str
    losses: tuple[float, ...]
    development: float | None
    before: float | None = None
    metric: str = "accuracy@1"
