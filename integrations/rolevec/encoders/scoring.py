"""`load_scorer`: cross-encoders, which score a query and a text together."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
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

_HUB_NAME = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):(.+)", re.DOTALL)


def load_scorer(model: str | Path, **options: Any) -> Scorer:
    """Load a cross-encoder.

    Args:
        model: a folder or "org/name" on the Hugging Face hub, run here; "openvino:…", "onnx:…" and
            "torch:…" force that backend; "cohere:MODEL", such as "cohere:rerank-v3.5", or "tei:URL"
            of a server that has a reranker.
        **options: for models that run here ``device``, ``precision``, ``threads``, ``file``,
            ``max_tokens``, ``revision``, ``truncation`` ("warn", "end" or "error") and
            ``trust_remote_code``; for endpoints ``api_key``, ``base_url``, ``timeout``,
            ``max_retries`` and what else `load_encoder` takes for them.

    Raises:
        UnknownModel: nothing answers to that name.
        TypeError: an option that there is not.
        ModelNotAvailable: the endpoint has no reranker, or the model cannot be loaded.
        MissingExtra: the backend's package is not installed.
    """
    match = _SCHEME.fullmatch(str(model))
    if Path(model).is_dir() or _HUB_NAME.fullmatch(str(model)):
        return _local(None)(str(model), options)
    factory = _SCHEMES.get(match[1].lower()) if match else None
    if match is None or factory is None:
        raise UnknownModel(
            f"no scorer answers to {str(model)!r}; there are"
            f" {', '.join(f'{scheme}:' for scheme in sorted(_SCHEMES))}, folders and org/name"
        )
    return factory(match[2], options)


def _remote(scheme: str) -> ScorerFactory:
    def load(rest: str, options: Mapping[str, Any]) -> Scorer:
        # Only here: it imports the HTTP client.
        from rolevec.encoders.remote.scorers import load_remote_scorer

        return load_remote_scorer(scheme, rest, options)

    return load


def _local(backend: str | None) -> ScorerFactory:
    def load(rest: str, options: Mapping[str, Any]) -> Scorer:
        from rolevec.encoders.pairs import load_local_scorer

        return load_local_scorer(rest, options, backend=backend)

    return load


_SCHEMES: dict[str, ScorerFactory] = {
    "cohere": _remote("cohere"),
    "tei": _remote("tei"),
    "onnx": _local("onnx"),
    "openvino": _local("openvino"),
    "torch": _local("torch"),
}
