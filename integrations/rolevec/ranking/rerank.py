"""Reranking: a short list, scored pair by pair."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol, runtime_checkable

from rolevec.documents import Hit
from rolevec.encoders.protocol import Encoder


@runtime_checkable
class PairScorer(Protocol):
    """Scores how well texts answer a query; a cross-encoder does."""

    def score(self, query: str, texts: Sequence[str]) -> Sequence[float]:
        """One score a text, higher is better."""


def rerank(
    query: str,
    documents: Sequence[str] | Sequence[Hit],
    scorer: Encoder | PairScorer,
    *,
    k: int | None = None,
) -> list[Hit]:
    """Order documents by how well they answer a query.

    Args:
        query: what was asked.
        documents: texts (their position becomes the id), or hits of a search.
        scorer: an encoder, whose score is the cosine of the query and the document, each under its
            role; or a pair scorer.
        k: most hits to return; None returns all.

    Returns:
        Best first, with the new scores; equal scores keep the order given.

    Raises:
        ValueError: ``k`` is below 1, or the scorer gave another number of scores.
    """
    if k is not None and k < 1:
        raise ValueError(f"k={k}; it must be at least 1, or None for all")
    hits = [
        document if isinstance(document, Hit) else Hit(str(position), 0.0, str(document))
        for position, document in enumerate(documents)
    ]
    if not hits:
        return []
    scores = _scores(query, [hit.text for hit in hits], scorer)
    if len(scores) != len(hits):
        raise ValueError(f"the scorer gave {len(scores)} scores for {len(hits)} texts")
    scored = [replace(hit, score=score) for hit, score in zip(hits, scores, strict=True)]
    return sorted(scored, key=lambda hit: -hit.score)[:k]


def _scores(query: str, texts: list[str], scorer: Encoder | PairScorer) -> list[float]:
    if isinstance(scorer, PairScorer):
        return [float(score) for score in scorer.score(query, texts)]
    vectors = scorer.encode_documents(texts)
    scores: list[float] = (vectors @ scorer.encode_queries([query])[0]).tolist()
    return scores
