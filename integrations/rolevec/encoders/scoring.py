"""`load_scorer`: cross-encoders, which score a query and a text together."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol, TypeAlias

from rolevec.errors import UnknownModel


class Scorer(Protocol):
    """What `load_scorer` gives; fits wherever a `rolevec.ranking.rerank.PairScorer` is taken."""

    name: str

    def score(self, query: str, texts: Sequence[str]) -> Sequence[float]:
        """One score a text, higher is better."""

    def close(self) -> None:
        """Let the model go."""


ScorerFactory: TypeAlias = Callable[[str, Mapping[str, Any]], Scorer]

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):(.+)", re.DOTALL)


def load_scorer(model: str, **options: Any) -> Scorer:
    """Load a cross-encoder.

    Args:
        model: "cohere:MODEL", such as "cohere:rerank-v3.5", or "tei:URL" of a server that has a
            reranker.
        **options: ``api_key``, ``base_url``, ``timeout``, ``max_retries`` and what else
            `load_encoder` takes for endpoints.

    Raises:
        UnknownModel: nothing answers to that name.
        TypeError: an option that there is not.
        ModelNotAvailable: the endpoint has no reranker.
    """
    match = _SCHEME.fullmatch(str(model))
    factory = _SCHEMES.get(match[1].lower()) if match else None
    if match is None or factory is None:
        raise UnknownModel(
            f"no scorer answers to {str(model)!r}; there are"
            f" {', '.join(f'{scheme}:' for scheme in sorted(_SCHEMES))}"
        )
    return factory(match[2], options)


def _remote(scheme: str) -> ScorerFactory:
    def load(rest: str, options: Mapping[str, Any]) -> Scorer:
        # Only here: it imports the HTTP client.
        from rolevec.encoders.remote.scorers import load_remote_scorer

        return load_remote_scorer(scheme, rest, options)

    return load


_SCHEMES: dict[str, ScorerFactory] = {"cohere": _remote("cohere"), "tei": _remote("tei")}
