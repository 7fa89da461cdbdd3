"""Reranking: a short list, scored text by text against the query."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from itertools import accumulate
from typing import Protocol, TypeAlias, runtime_checkable

import numpy as np
import numpy.typing as npt

from rolevec.documents import Hit
from rolevec.encoders.protocol import Encoder
from rolevec.vectors import Matrix


@runtime_checkable
class PairScorer(Protocol):
    """Scores how well texts answer a query; a cross-encoder does."""

    def score(self, query: str, texts: Sequence[str]) -> Sequence[float]:
        """One score a text, higher is better; those of `load_scorer` lie between 0 and 1."""


@runtime_checkable
class ManyScorer(PairScorer, Protocol):
    """A scorer that does better with many queries at once."""

    def score_many(
        self, queries: Sequence[str], texts: Sequence[Sequence[str]]
    ) -> Sequence[Sequence[float]]:
        """Scores of each query's texts."""


@runtime_checkable
class AsyncScorer(PairScorer, Protocol):
    """A scorer with a call that waits instead of computing."""

    async def ascore(self, query: str, texts: Sequence[str]) -> Sequence[float]:
        """As ``score``."""


Documents: TypeAlias = Sequence[str] | Sequence[Hit]


def rerank(
    query: str, documents: Documents, scorer: Encoder | PairScorer, *, k: int | None = None
) -> list[Hit]:
    """Order documents by how well they answer a query.

    Args:
        query: what was asked.
        documents: texts (their position becomes the id), or hits of a search.
        scorer: an encoder, whose score is (1 + cosine) / 2 of the query and the document, each
            under its role; or what `load_scorer` gives: a cross-encoder, whose score is the
            logistic function of its output, late interaction, or a remote reranker. All of them
            give 0 to 1. The scores of any other `PairScorer` are taken as they are.
        k: most hits to return; None returns all.

    Returns:
        Best first, with the new scores; equal scores keep the order given. Scores order the
        documents of one query under one scorer: they are no probabilities, and those of two
        scorers do not compare.

    Raises:
        ValueError: ``k`` is below 1, or the scorer gave another number of scores.
        InvalidText: the query or a document is blank.
    """
    return rerank_many([query], [documents], scorer, k=k)[0]


def rerank_many(
    queries: Sequence[str],
    documents: Sequence[Documents],
    scorer: Encoder | PairScorer,
    *,
    k: int | None = None,
) -> list[list[Hit]]:
    """`rerank` for many queries; an encoder reads a document that several have in common once.

    Args:
        queries: n of them.
        documents: of each query, n lists.
        scorer, k: as for `rerank`.

    Raises:
        ValueError: as `rerank`, or there are not as many lists as queries.
    """
    lists = _lists(queries, documents, k)
    asked = [(q, _texts(hits)) for q, hits in zip(queries, lists, strict=True) if hits]
    if not asked:
        scores: Sequence[Sequence[float]] = []
    elif isinstance(scorer, ManyScorer):
        scores = scorer.score_many([query for query, _ in asked], [texts for _, texts in asked])
    elif isinstance(scorer, PairScorer):
        scores = [scorer.score(query, texts) for query, texts in asked]
    else:
        distinct = _distinct(asked)
        vectors = scorer.encode_documents(list(distinct))
        scores = _cosines(asked, distinct, scorer.encode_queries([q for q, _ in asked]), vectors)
    return _ranked(lists, scores, k)


async def arerank(
    query: str, documents: Documents, scorer: Encoder | PairScorer, *, k: int | None = None
) -> list[Hit]:
    """`rerank` without blocking the event loop."""
    return (await arerank_many([query], [documents], scorer, k=k))[0]


async def arerank_many(
    queries: Sequence[str],
    documents: Sequence[Documents],
    scorer: Encoder | PairScorer,
    *,
    k: int | None = None,
) -> list[list[Hit]]:
    """`rerank_many` without blocking the event loop; remote scorers are asked side by side."""
    lists = _lists(queries, documents, k)
    if isinstance(scorer, AsyncScorer):
        asked = [(q, _texts(hits)) for q, hits in zip(queries, lists, strict=True) if hits]
        scores = await asyncio.gather(*(scorer.ascore(query, texts) for query, texts in asked))
        return _ranked(lists, scores, k)
    return await asyncio.to_thread(rerank_many, queries, lists, scorer, k=k)


def calibrated(cosines: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """(1 + cosine) / 2: 0 for opposite vectors, 0.5 for unrelated ones, 1 for the same.

    Rounding may put a cosine a little beyond 1; the score is not.
    """
    return np.clip((1 + np.asarray(cosines, dtype=np.float64)) / 2, 0, 1)


def _lists(
    queries: Sequence[str], documents: Sequence[Documents], k: int | None
) -> list[list[Hit]]:
    if k is not None and k < 1:
        raise ValueError(f"k={k}; it must be at least 1, or None for all")
    if len(queries) != len(documents):
        raise ValueError(f"{len(queries)} queries with {len(documents)} lists of documents")
    return [
        [
            document if isinstance(document, Hit) else Hit(str(position), 0.0, str(document))
            for position, document in enumerate(some)
        ]
        for some in documents
    ]


def _texts(hits: Sequence[Hit]) -> list[str]:
    return [hit.text for hit in hits]


def _distinct(asked: Sequence[tuple[str, list[str]]]) -> dict[str, int]:
    """Each text and its place among the different ones."""
    texts = dict.fromkeys(text for _, some in asked for text in some)
    return {text: place for place, text in enumerate(texts)}


def _cosines(
    asked: Sequence[tuple[str, list[str]]],
    distinct: dict[str, int],
    queries: Matrix,
    vectors: Matrix,
) -> list[list[float]]:
    found: list[list[float]] = []
    for query, (_, texts) in zip(queries, asked, strict=True):
        found.append(calibrated(vectors[[distinct[text] for text in texts]] @ query).tolist())
    return found


def _ranked(
    lists: list[list[Hit]], scores: Sequence[Sequence[float]], k: int | None
) -> list[list[Hit]]:
    """Every list in the order of its scores, of which empty lists have none."""
    given = accumulate(bool(hits) for hits in lists)
    return [
        _best(hits, scores[place - 1], k) if hits else []
        for hits, place in zip(lists, given, strict=True)
    ]


def _best(hits: Sequence[Hit], scores: Sequence[float], k: int | None) -> list[Hit]:
    if len(scores) != len(hits):
        raise ValueError(f"the scorer gave {len(scores)} scores for {len(hits)} texts")
    scored = [replace(hit, score=float(score)) for hit, score in zip(hits, scores, strict=True)]
    return sorted(scored, key=lambda hit: -hit.score)[:k]
