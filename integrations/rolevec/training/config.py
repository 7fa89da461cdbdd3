"""What a training run is made from; a recipe file holds everything but the folders."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Literal, get_args

from rolevec.encoders.coded import COARSE
from rolevec.encoders.overlap import ridge_of
from rolevec.encoders.sounds import SoundSettings
from rolevec.training.data import Kind
from rolevec.training.recipe import Recipe

# Kinds of batches that are made from the rows of another kind.
MADE_FROM: Mapping[str, Kind] = {"passage": "parallel", "cloze": "retrieval"}


@dataclass(frozen=True, slots=True)
class TrainConfig(Recipe):
    """Settings of one static model.

    Attributes:
        data: folder with ``parallel*``, ``pivot*``, ``lexicon*``, ``retrieval*`` and
            ``paraphrase*`` tables (.tsv or .jsonl, plain or .gz or .xz, or .parquet), see
            `read_pairs`.
        output: folder for tokenizer.json, model.safetensors and config.json.
        cache: folder for the tokenised pairs; None keeps them in memory only.
        name: name of the model.
        licence: licence of the model, as written into its config.json.
        dim: dimension of the vectors.
        bits: of a weight in the exported table: 8, 4 with an even dimension, or 2 with one that 4
            divides.
        refined: how many of the most frequent tokens get twice the bits, where ``bits`` is 2.
        coarse: how many of the least frequent get half of them, where ``bits`` is 2 and 8 divides
            the dimension.
        vocab: entries of the tokenizer, added tokens included.
        whole_words: share of them that are whole words; see `train_tokenizer`.
        max_tokens: longest input the model announces.
        tokenizer_lines: number of lines from which the vocabulary is learned.
        tokenizer_temperature: as ``temperature``, for those lines.
        word_lines: number of lines in which whole words are counted.
        word_temperature: as ``temperature``, for those lines.
        steps: optimiser steps.
        batch: pairs in one step.
        learning_rate: highest step length; it falls linearly to zero after the warm-up.
        warmup: share of the steps in which the step length rises.
        weight_decay: each step shrinks all rows by its length times this (decoupled weight decay:
            Loshchilov, Hutter, ICLR 2019).
        tf_power: a token met n times in a text counts n to this power; see `damp`.
        ridge: with it tokens count less for what others of their text say too, see
            `rolevec.encoders.overlap`; None for plain means.
        stems: so many first letters of a word, each once; words that have them in common share a
            row while they are learned, see `Families`. () for none.
        query_map: learn a matrix that moves queries towards the documents they ask for.
        query_map_rate: step length of that matrix.
        sounds: how much the sound of words counts, and the dimensions for it, which stand behind
            ``dim``; None for none. See `Sounds`; training itself does without them.
        dictionary: most entries of a dictionary of words that the vocabulary cuts up, made when all
            is learned from the lexicon tables, and from what words of the parallel tables stand
            beside; 0 for none. See `rolevec.encoders.dictionary` and `word_pairs`.
        similarity_scale: factor on the cosine before the softmax.
        temperature: exponent on the number of rows of a language; 1 is by size, 0 is equal shares.
        matryoshka: smaller dimensions trained along.
        matryoshka_weight: weight of each smaller dimension's loss; the full one has 1.
        matryoshka_batch: how many pairs of a batch train the smaller dimensions.
        teacher: encoder whose neighbourhoods and vectors are taken over, as `load_encoder` takes
            it; empty for none.
        teacher_options: further options of `load_encoder` for it, such as its precision.
        teacher_language: the teacher reads texts in this language, on either side of a pair.
        teacher_texts: how many of them it reads at most.
        teacher_batch: how many pairs of a batch it teaches at most.
        teacher_scale: factor on the teacher's cosine before the softmax.
        neighbour_weight: weight of being near what the teacher says is near.
        target_weight: weight of reaching the teacher's vector through a linear map.
        mix: share of the steps for each kind of pair ("passage" is made from parallel rows,
            "cloze" from the passages of retrieval rows).
        lexicon_until: share of the run after which word pairs are no longer used.
        source_weights: prefix of a source-id -> how much its rows count; the longest prefix wins.
        exclude_sources: prefixes of source-ids that are left out.
        held_out: one row in this many is kept from training as a development split; 0 keeps none.
        max_rows: upper bound on rows of each kind, for small trials; 0 is no bound.
        checkpoint_steps: a usable model is written each time so many steps have passed.
        seed: seed of every random choice.
    """

    kind: ClassVar[str] = "static"
    tables: ClassVar[Mapping[str, type[Any]]] = {"sounds": SoundSettings}

    data: Path
    output: Path
    cache: Path | None = None
    name: str = "static"
    licence: str = ""
    dim: int = 256
    bits: Literal[2, 4, 8] = 8
    refined: int = 0
    coarse: int = 0
    vocab: int = 110_000
    whole_words: float = 0.5
    max_tokens: int = 512
    tokenizer_lines: int = 1_000_000
    tokenizer_temperature: float = 0.6
    word_lines: int = 1_000_000
    word_temperature: float = 0.6
    steps: int = 4000
    batch: int = 4096
    learning_rate: float = 0.02
    warmup: float = 0.02
    weight_decay: float = 0.0
    tf_power: float = 1.0
    ridge: float | None = None
    stems: tuple[int, ...] = ()
    query_map: bool = False
    query_map_rate: float = 1e-3
    sounds: SoundSettings | None = None
    dictionary: int = 0
    similarity_scale: float = 20.0
    temperature: float = 0.6
    matryoshka: tuple[int, ...] = ()
    matryoshka_weight: float = 0.2
    matryoshka_batch: int = 1024
    teacher: str = ""
    teacher_options: Mapping[str, Any] = field(default_factory=dict)
    teacher_language: str = "eng"
    teacher_texts: int = 500_000
    teacher_batch: int = 1024
    teacher_scale: float = 16.0
    neighbour_weight: float = 1.5
    target_weight: float = 3.0
    mix: Mapping[str, float] = field(default_factory=lambda: {"parallel": 1.0})
    lexicon_until: float = 0.4
    source_weights: Mapping[str, float] = field(default_factory=dict)
    exclude_sources: tuple[str, ...] = ()
    held_out: int = 0
    max_rows: int = 0
    checkpoint_steps: int = 500
    seed: int = 0

    def __post_init__(self) -> None:
        unknown = set(self.mix) - set(get_args(Kind)) - MADE_FROM.keys()
        if unknown:
            raise ValueError(f"unknown kinds of pairs in mix: {', '.join(sorted(unknown))}")
        if not any(share > 0 for share in self.mix.values()):
            raise ValueError("mix gives no kind of pair a share")
        if self.batch < 2 or self.steps < 1:
            raise ValueError("batch must be at least 2 and steps at least 1")
        if self.weight_decay < 0 or self.learning_rate * self.weight_decay >= 1:
            raise ValueError(
                f"weight_decay={self.weight_decay} with learning_rate={self.learning_rate}: their"
                " product, by which a step shrinks the rows, must lie in [0, 1)"
            )
        self._check_precision()
        if self.ridge is not None:
            ridge_of(self.ridge)
        if any(length < 1 for length in self.stems) or len({*self.stems}) < len(self.stems):
            raise ValueError(f"stems={self.stems}: numbers of letters, at least 1, each once")
        if any(not 0 < d < self.dim for d in self.matryoshka):
            raise ValueError(f"matryoshka dimensions must lie between 0 and {self.dim}")

    def _check_precision(self) -> None:
        if self.bits not in (2, 4, 8) or self.dim * self.bits % 8:
            raise ValueError(
                f"bits={self.bits} with dim={self.dim}: 8, 4 with an even dimension, or 2 with one"
                " that 4 divides"
            )
        if self.dictionary < 0:
            raise ValueError(f"dictionary={self.dictionary} is no number of entries")
        for name in ("refined", "coarse"):
            number = getattr(self, name)
            if number < 0 or (number and self.bits != 2):
                raise ValueError(
                    f"{name}={number} with bits={self.bits}: at least 0, more with bits=2 alone"
                )
        if self.coarse and self.dim % COARSE:
            raise ValueError(f"coarse={self.coarse} with dim={self.dim}, which 8 does not divide")
        if self.refined + self.coarse > self.vocab:
            raise ValueError(
                f"refined={self.refined} and coarse={self.coarse} of {self.vocab} tokens"
            )
