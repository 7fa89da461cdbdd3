"""Settings of a transformer run; a recipe file holds everything but the folders."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, get_args

from rolevec.training.data import Kind
from rolevec.training.recipe import Recipe

# A table of mined negatives stands beside the tables of pairs.
HARD = "hard"


@dataclass(frozen=True, slots=True)
class Architecture:
    """A model built from nothing: ModernBERT, an encoder with rotary positions.

    Warner et al., "Smarter, better, faster, longer: a modern bidirectional encoder" (2024).

    Attributes:
        layers: how many.
        hidden: size of a token vector; the dimension of the model.
        heads: of attention; they divide ``hidden``.
        intermediate: size between the two halves of a feed-forward layer.
        global_every: every so many layers attention sees the whole text.
        window: tokens that attention sees in the other layers.
        vocab: entries of the tokenizer, special tokens included.
        tokenizer_lines: number of lines from which the vocabulary is learned.
    """

    layers: int = 6
    hidden: int = 384
    heads: int = 6
    intermediate: int = 1024
    global_every: int = 3
    window: int = 128
    vocab: int = 110_000
    tokenizer_lines: int = 1_000_000

    def __post_init__(self) -> None:
        if min(self.layers, self.hidden, self.heads, self.global_every) < 1:
            raise ValueError("layers, hidden, heads and global_every must be at least 1")
        # Rotary positions turn pairs of coordinates within a head.
        if self.hidden % self.heads or self.hidden // self.heads % 2:
            raise ValueError(
                f"hidden={self.hidden} over heads={self.heads} gives no even number of coordinates"
            )


@dataclass(frozen=True, slots=True)
class TransformerConfig(Recipe):
    """Settings of one transformer encoder.

    Attributes:
        data: folder with the tables of a static run, and ``hard*`` (of the same endings) as
            `write_hard_negatives` writes them.
        output: folder for the model, in the layout of sentence-transformers.
        cache: folder for checkpoints, and for the tokenizer of a new model; without one a killed
            run starts again.
        model: what is trained further: a folder, or "org/name" on the Hugging Face hub.
        architecture: what is built and trained from nothing, in place of ``model``.
        prompts: role -> prefix; wins over the model's own, role by role.
        pooling: of a folder that does not say: "mean", "cls" or "lasttoken".
        max_tokens: longest input, in training and after; 0 keeps the model's limit.
        kinds: tables that are used, of those that are there; "hard" are mined negatives.
        negatives: mined negatives of a query that are used in a step.
        temperature: exponent on the number of rows of a language, where ``max_rows`` makes a
            choice; 1 is by size, 0 is equal shares.
        max_rows: upper bound on the rows of each kind; 0 is no bound.
        source_weights: prefix of a source-id -> how much its rows count; the longest prefix wins.
        exclude_sources: prefixes of source-ids that are left out.
        epochs: how often every row is seen.
        steps: optimiser steps; 0 goes by ``epochs``.
        batch: pairs in one step; each is told apart from the right sides of all others.
        mini_batch: texts in memory at a time, which makes a large ``batch`` fit at the price of a
            second forward pass (GradCache: Gao et al., 2021); 0 takes the batch whole.
        learning_rate: highest step length; it falls linearly to zero after the warm-up.
        warmup: share of the steps in which the step length rises.
        similarity_scale: factor on the cosine before the softmax.
        matryoshka: smaller dimensions trained along.
        held_out: one row in this many is kept from training as a development split; 0 keeps none.
        onnx: write an ONNX graph too, which `load_encoder` takes before the weights.
        checkpoint_steps: a checkpoint is written each time so many steps have passed.
        seed: seed of every random choice.
    """

    kind: ClassVar[str] = "transformer"
    tables: ClassVar[Mapping[str, type[Any]]] = {"architecture": Architecture}

    data: Path
    output: Path
    cache: Path | None = None
    model: str = ""
    architecture: Architecture | None = None
    prompts: Mapping[str, str] = field(default_factory=dict)
    pooling: str = ""
    max_tokens: int = 0
    kinds: tuple[str, ...] = (HARD, "retrieval", "parallel", "pivot", "paraphrase")
    negatives: int = 4
    temperature: float = 0.6
    max_rows: int = 0
    source_weights: Mapping[str, float] = field(default_factory=dict)
    exclude_sources: tuple[str, ...] = ()
    epochs: float = 1.0
    steps: int = 0
    batch: int = 64
    mini_batch: int = 0
    learning_rate: float = 2e-5
    warmup: float = 0.1
    similarity_scale: float = 20.0
    matryoshka: tuple[int, ...] = ()
    held_out: int = 0
    onnx: bool = False
    checkpoint_steps: int = 500
    seed: int = 0

    def __post_init__(self) -> None:
        if bool(self.model) == (self.architecture is not None):
            raise ValueError("name a model to train further, or give an [architecture] to build")
        unknown = set(self.kinds) - set(get_args(Kind)) - {HARD}
        if unknown or not self.kinds:
            raise ValueError(
                f"unknown kinds of pairs: {', '.join(sorted(unknown)) or 'none given'}"
            )
        if self.batch < 2 or min(self.steps, self.mini_batch, self.max_tokens) < 0:
            raise ValueError(
                "batch must be at least 2; steps, mini_batch and max_tokens at least 0"
            )
        if self.negatives < 1 or self.checkpoint_steps < 1 or self.epochs <= 0:
            raise ValueError("negatives, checkpoint_steps and epochs must be above 0")
