"""`load_scorer`: what scores a query and a text together."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol, TypeAlias

from rolevec.encoders.folder import classifies
from rolevec.encoders.loading import load_encoder
from rolevec.encoders.protocol import Encoder
from rolevec.errors import ModelNotAvailable, UnknownModel


class Scorer(Protocol):
    """What `load_scorer` gives; fits wherever a `rolevec.ranking.rerank.PairScorer` is taken."""

    name: str

    def score(self, query: str, texts: Sequence[str]) -> Sequence[float]:
        """One score a text, from 0 to 1, higher is better."""

    def close(self) -> None:
        """Let the model go."""


ScorerFactory: TypeAlias = Callable[[str, Mapping[str, Any]], Scorer]

_HUB_NAME = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")
_RERANKER = re.compile(r"rerank|cross-?encoder", re.IGNORECASE)
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):(.+)", re.DOTALL)


def load_scorer(model: str | Path, **options: Any) -> Scorer:
    """Load a cross-encoder, or an encoder whose tokens are compared one by one.

    Args:
        model: a cross-encoder as a folder or "org/name" on the Hugging Face hub, run here;
            "openvino:…", "onnx:…" and "torch:…" force that backend; "cohere:MODEL", such as
            "cohere:rerank-v3.5", or "tei:URL" of a server that has a reranker; "late:MODEL", with
            anything that `load_encoder` runs on this machine, for late interaction over the
            vectors of its tokens (`rolevec.encoders.late.LateInteraction`).
        **options: for "late:MODEL" ``whole`` and those of `load_encoder`; for cross-encoders that
            run here ``device``, ``precision``, ``threads``, ``file``, ``max_tokens``, ``revision``,
            ``truncation`` ("warn", "end" or "error") and ``trust_remote_code``; for endpoints
            ``api_key``, ``base_url``, ``timeout``, ``max_retries`` and what else `load_encoder`
            takes for them.

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


def names_scorer(model: str | Path) -> bool:
    """Whether a name is one of a scorer, as far as name and folder tell; nothing is loaded.

    True for "late:…", "cohere:rerank-…", for a folder whose config.json says that the model
    classifies sequences, and for names on the hub that say "rerank" or "cross-encoder".
    """
    match = _SCHEME.fullmatch(str(model))
    scheme, rest = (match[1].lower(), match[2]) if match else ("", str(model))
    if Path(model).is_dir():
        scheme, rest = "", str(model)
    if scheme in ("late", "cohere"):
        return scheme == "late" or rest.startswith("rerank")
    if scheme not in ("", "onnx", "openvino", "torch"):
        return False
    if Path(rest).is_dir():
        return classifies(Path(rest))
    return bool(_HUB_NAME.fullmatch(rest) and _RERANKER.search(rest))


def load_ranker(model: str | Path, **options: Any) -> Encoder | Scorer:
    """Whatever can rerank under a name: a scorer where it names one, else an encoder.

    Args:
        model: as for `load_scorer` or `rolevec.load_encoder`; see `names_scorer`. The server behind
            "tei:URL" is asked which it is.
        **options: of the one that it is.

    Raises:
        UnknownModel, ModelNotAvailable, MissingExtra, TypeError: as these.
    """
    if names_scorer(model):
        return load_scorer(model, **options)
    if str(model).lower().startswith("tei:"):
        with suppress(ModelNotAvailable):
            return load_scorer(model, **options)
    return load_encoder(model, **options)


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


def _late(rest: str, options: Mapping[str, Any]) -> Scorer:
    from rolevec.encoders.late import load_late_scorer

    return load_late_scorer(rest, options)


_SCHEMES: dict[str, ScorerFactory] = {
    "late": _late,
    "cohere": _remote("cohere"),
    "tei": _remote("tei"),
    "onnx": _local("onnx"),
    "openvino": _local("openvino"),
    "torch": _local("torch"),
}
