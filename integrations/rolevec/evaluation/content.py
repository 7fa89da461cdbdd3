"""What a data set holds in one language, by task."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar


@dataclass(frozen=True, slots=True)
class Retrieval:
    """Passages, queries, and which passages answer which query.

    Attributes:
        documents: id -> text; a blank text can never be retrieved.
        queries: id -> text; a blank text retrieves nothing.
        qrels: query id -> document id -> relevance, 0 or more. Queries without an entry, and
            entries without a query, are left aside, as BEIR does.
        titles: id -> title, with which the document's text starts; to tell a document that is the
            query itself.
    """

    task: ClassVar[str] = "retrieval"
    documents: Mapping[str, str]
    queries: Mapping[str, str]
    qrels: Mapping[str, Mapping[str, int]]
    titles: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Bitext:
    """Translations, line by line: ``english[i]`` is that of ``other[i]``."""

    task: ClassVar[str] = "bitext"
    other: Sequence[str]
    english: Sequence[str]

    @property
    def texts(self) -> tuple[Sequence[str], ...]:
        """The columns that are encoded."""
        return self.other, self.english


@dataclass(frozen=True, slots=True)
class Triples:
    """Sentences, each with one that means the same and one that only looks like it."""

    task: ClassVar[str] = "triples"
    anchor: Sequence[str]
    paraphrase: Sequence[str]
    near_miss: Sequence[str]

    @property
    def texts(self) -> tuple[Sequence[str], ...]:
        """The columns that are encoded."""
        return self.anchor, self.paraphrase, self.near_miss


@dataclass(frozen=True, slots=True)
class Similarity:
    """Pairs of sentences with the likeness that people saw in them, on any scale."""

    task: ClassVar[str] = "similarity"
    text_a: Sequence[str]
    text_b: Sequence[str]
    score: Sequence[float]

    @property
    def texts(self) -> tuple[Sequence[str], ...]:
        """The columns that are encoded."""
        return self.text_a, self.text_b


def whole_rows(*columns: Sequence[str]) -> list[int]:
    """Positions at which no column is blank.

    Raises:
        ValueError: the columns differ in length.
    """
    rows = enumerate(zip(*columns, strict=True))
    return [i for i, row in rows if all(text and not text.isspace() for text in row)]
