"""BM25 as sparse vectors: what a document and a query are to an engine that knows the IDF."""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import Any, NamedTuple

from rolevec.ranking.terms import terms

# Changes whenever equal texts may give other terms; stored vectors are then of no use.
_VERSION = 1
_TERMS_KEPT = 1 << 18


class Sparse(NamedTuple):
    """A sparse vector.

    Attributes:
        indices: ascending, of 32 bits.
        values: one an index.
    """

    indices: list[int]
    values: list[float]


@dataclass(frozen=True, slots=True)
class Bm25:
    """Keyword search by BM25 (Robertson and Zaragoza, "The Probabilistic Relevance Framework").

    The score of a document is the dot product of the two vectors below, where the engine has
    multiplied each term of the query by its inverse document frequency,
    ln(1 + (N - n + 0.5) / (n + 0.5)) of N documents, n of them with the term.

    Attributes:
        language: of all texts, as Snowball calls it ("german"); None for any language and any
            mixture, "none" for words as they are written. See `rolevec.ranking.terms.terms`.
        k1: how slowly more occurrences of a term stop counting.
        b: how much a document's length counts against it, 0 to 1.
        average_length: terms in an average document. It is fixed, since documents come one by
            one; within a factor of two it hardly matters.

    Raises:
        ValueError: a number out of range, or no such language.
        MissingExtra: a language is named, and snowballstemmer is not installed.
    """

    language: str | None = None
    k1: float = 1.2
    b: float = 0.75
    average_length: float = 200.0

    def __post_init__(self) -> None:
        numbers = (self.k1, self.b, self.average_length)
        if not all(isinstance(n, int | float) and math.isfinite(n) for n in numbers):
            raise ValueError(f"k1, b and average_length are finite numbers, not {numbers}")
        if self.k1 < 0 or not 0 <= self.b <= 1 or self.average_length <= 0:
            raise ValueError(
                f"k1={self.k1}, b={self.b}, average_length={self.average_length}: k1 is not"
                " negative, b between 0 and 1, average_length positive"
            )
        terms("", self.language)

    def document(self, text: str) -> Sparse:
        """A document's vector: the saturated frequency of each term."""
        found = terms(text, self.language)
        norm = self.k1 * (1 - self.b + self.b * len(found) / self.average_length)
        return _sparse({t: n * (self.k1 + 1) / (n + norm) for t, n in Counter(found).items()})

    def query(self, text: str) -> Sparse:
        """A query's vector: 1 for each term, however often it is there."""
        return _sparse(dict.fromkeys(terms(text, self.language), 1.0))

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types."""
        return {"version": _VERSION, **asdict(self)}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Bm25:
        """Read what `to_dict` wrote.

        Raises:
            ValueError: written by a version that made other terms.
        """
        settings = dict(data)
        version = settings.pop("version", None)
        if version != _VERSION:
            raise ValueError(
                f"the sparse vectors were made by version {version!r} of the terms, this is version"
                f" {_VERSION}; index the documents again into a new collection"
            )
        return cls(**settings)


def _sparse(weights: Mapping[str, float]) -> Sparse:
    """Terms under their numbers; two that share a number, one in millions, share its weight."""
    values: dict[int, float] = {}
    for term, weight in weights.items():
        number = _number(term)
        values[number] = values.get(number, 0.0) + weight
    indices = sorted(values)
    return Sparse(indices, [values[i] for i in indices])


@lru_cache(_TERMS_KEPT)
def _number(term: str) -> int:
    """32 bits of a term, the same on every machine and for ever."""
    digest = hashlib.blake2b(term.encode("utf-8", "surrogatepass"), digest_size=4).digest()
    return int.from_bytes(digest, "little")
