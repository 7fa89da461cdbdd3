"""What goes into a collection and what comes out of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

JSON: TypeAlias = bool | int | float | str | list["JSON"] | dict[str, "JSON"] | None
"""What metadata hold: whatever JSON can say."""


@dataclass(frozen=True, slots=True)
class Document:
    """A text with an id and metadata.

    Attributes:
        text: what is encoded; must not be blank.
        id: any string; digits (unsigned 64-bit) and UUIDs are stored as they are, any other string
            is mapped by UUIDv5 and given back unchanged. None derives one from text and metadata.
        metadata: JSON values under string keys.
    """

    text: str
    id: str | None = None
    metadata: Mapping[str, JSON] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Hit:
    """A document found.

    Attributes:
        id: as it was given, or as it was derived.
        score: cosine in [-1, 1] for a search; for a reranking, as the scorer says.
        text: the document's text.
        metadata: as it was given.
    """

    id: str
    score: float
    text: str
    metadata: Mapping[str, JSON] = field(default_factory=dict)
