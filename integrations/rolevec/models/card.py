"""ModelCard: the facts of one model that rolevec relies on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Pooling = Literal["mean", "cls", "lasttoken"]


@dataclass(frozen=True, slots=True)
class ModelCard:
    """Facts taken from a model's own documentation.

    Attributes:
        name: "org/name" on the Hugging Face hub, or our own name.
        dim: dimension of its vectors.
        max_tokens: longest input in tokens, special tokens and prompt included; None if unlimited.
        prompts: role name -> template, as the model's documentation gives them; empty for a
            model that was trained without prompts.
        pooling: how token vectors become one; None where unknown.
        revision: pinned commit of the weights; None where it could not be verified.
        languages: ISO 639 codes, or ("multilingual",) where the documentation gives a count only.
        license: SPDX identifier, or the documentation's own word for it.
        source: where these facts stand.
        aliases: other names under which `load_encoder` finds it.
        matryoshka_dims: dimensions it was trained to be cut to.
        notes: anything a user should know, one sentence.
        date: day on which the scores were measured, year first; "" where none were.
        checksum: sha256 of the weights as 64 hex digits, or "".
        limits: what it is not good at, a sentence each.
        scores: language -> measure -> value between 0 and 1, measured by this project.
        training_pairs: language -> pairs it was trained on, where that is known.
        training_sources: source of training text -> its licence.
        unverified: names of fields that could not be checked against the source.
    """

    name: str
    dim: int
    max_tokens: int | None
    prompts: Mapping[str, str] = field(default_factory=dict)
    pooling: Pooling | None = None
    revision: str | None = None
    languages: tuple[str, ...] = ()
    license: str = ""
    source: str = ""
    aliases: tuple[str, ...] = ()
    matryoshka_dims: tuple[int, ...] = ()
    notes: str = ""
    date: str = ""
    checksum: str = ""
    limits: tuple[str, ...] = ()
    scores: Mapping[str, Mapping[str, float]] = field(default_factory=dict, repr=False)
    training_pairs: Mapping[str, int] = field(default_factory=dict, repr=False)
    training_sources: Mapping[str, str] = field(default_factory=dict, repr=False)
    unverified: tuple[str, ...] = ()
