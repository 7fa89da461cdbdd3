"""Settings of a run that tunes a static model on one's own pairs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

from rolevec.training.recipe import Recipe


@dataclass(frozen=True, slots=True)
class TuneConfig(Recipe):
    """Settings of one tuned static model.

    Attributes:
        data: a file of pairs, or a folder of them (.jsonl or .tsv, plain or .gz or .xz, or
            .parquet); each row has "query", "positive" and, where they were mined, "negatives".
        output: folder for the model, which loads as ``static:FOLDER``.
        cache: folder for checkpoints; without one a killed run starts again.
        model: the static model that is tuned: "light", or a folder.
        name: of the tuned model; empty is the old one's with "-tuned".
        epochs: how often every pair is seen at most.
        patience: epochs without a gain on the held-out queries after which it stops.
        batch: pairs in one step; each is told apart from the documents of all others.
        mini_batch: queries whose similarities are in memory at a time; a large ``batch`` costs
            time, not memory (GradCache: Gao et al., 2021).
        negatives: mined negatives of a query in a step; those of the next epoch are the next ones.
        hardest: of a batch's other documents, so many of the nearest to a query count; 0 is all.
        learning_rate: length of a row's first step, a coordinate; later ones are shorter.
        anchor: share of the way back to the old table that a moved row goes in each step.
        similarity_scale: factor on the cosine before the softmax.
        matryoshka: smaller dimensions trained along.
        matryoshka_weight: weight of each smaller dimension's loss; the full one has 1.
        blends: shares of the way from the old table to the new one that are tried in the end.
        held_out: one query in this many is kept from training, to stop by and to report on.
        max_tokens: of a text, in training only.
        bits: of a weight in the tuned table. Small moves are lost in 4.
        seed: seed of every random choice.
    """

    kind: ClassVar[str] = "tune"

    data: Path
    output: Path
    cache: Path | None = None
    model: str = "light"
    name: str = ""
    epochs: int = 20
    patience: int = 4
    batch: int = 128
    mini_batch: int = 1024
    negatives: int = 4
    hardest: int = 0
    learning_rate: float = 0.003
    anchor: float = 0.0
    similarity_scale: float = 20.0
    matryoshka: tuple[int, ...] = ()
    matryoshka_weight: float = 0.2
    blends: tuple[float, ...] = (0.25, 0.5, 0.75, 1.0)
    held_out: int = 8
    max_tokens: int = 512
    bits: Literal[8, 16] = 8
    seed: int = 0

    def __post_init__(self) -> None:
        if self.batch < 2 or min(self.epochs, self.patience, self.mini_batch, self.max_tokens) < 1:
            raise ValueError(
                "batch must be at least 2; epochs, patience, mini_batch and max_tokens at least 1"
            )
        if min(self.negatives, self.hardest) < 0 or self.learning_rate <= 0:
            raise ValueError("negatives and hardest must be at least 0, learning_rate above 0")
        if self.held_out < 2:
            raise ValueError(f"held_out={self.held_out}; at least 2: what is kept tells the end")
        if not 0 <= self.anchor < 1 or not all(0 < blend <= 1 for blend in self.blends):
            raise ValueError("anchor must lie in [0, 1), every blend in (0, 1]")
        if self.bits not in (8, 16) or not self.blends:
            raise ValueError("bits must be 8 or 16, and blends name at least one share")
