"""What a configuration file says, as frozen values; a key of a provider is never among them."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Literal, get_args
from urllib.parse import urlsplit

from rolevec.errors import RolevecError
from rolevec.qdrant.identity import Quantization
from rolevec.ranking.lexical import Bm25
from rolevec.truncation import TruncationPolicy

RerankerKind = Literal["encoder", "cross-encoder"]

_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


@dataclass(frozen=True, slots=True)
class EncoderSettings:
    """One encoder; the settings are those of `load_encoder`, and None leaves them to it.

    Attributes:
        model: whatever `load_encoder` takes; "./…" and "../…" are relative to the file.
        api_key_env: environment variable that holds the provider's key; None leaves it to the
            provider's own, such as ``COHERE_API_KEY``.
    """

    model: str = "light"
    dimensions: int | None = None
    truncation: TruncationPolicy = "warn"
    prompts: Mapping[str, str] | None = None
    device: str = "auto"
    cache: bool | str | None = None
    revision: str | None = None
    pooling: str | None = None
    max_tokens: int | None = None
    file: str | None = None
    threads: int | None = None
    precision: str | None = None
    trust_remote_code: bool | None = None
    base_url: str | None = None
    timeout: float | None = None
    max_retries: int | None = None
    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None
    api_key_env: str | None = None

    def __post_init__(self) -> None:
        if not self.model:
            raise ValueError("model is empty")
        _one_of("truncation", self.truncation, get_args(TruncationPolicy))
        _check_variable(self.api_key_env)
        _check_url("base_url", self.base_url)

    def options(self) -> dict[str, Any]:
        """What was set, as keywords of `load_encoder` and of the frameworks' embeddings.

        Raises:
            RolevecError: the variable that ``api_key_env`` names is not set.
        """
        left_out = ("model", "api_key_env")
        return _set(self, *left_out) | _key(self.api_key_env, "[encoder]")


@dataclass(frozen=True, slots=True)
class CollectionSettings:
    """One collection; the settings are those of `Collection.open`.

    Attributes:
        name: its name in the store.
        store: a folder, relative to the file; ":memory:"; or a server's URL.
        quantization: None, "int8", "turbo4" or "binary".
        dimensions: leading coordinates that the collection keeps.
        indexed_fields: metadata field -> its type.
        hybrid: keep keywords besides the vectors.
        language: of all texts, for a hybrid collection that goes by stems of words; see `Bm25`.
        api_key_env: environment variable that holds the server's key; None is ``QDRANT_API_KEY``.
    """

    name: str = "documents"
    store: str = "./rolevec-data"
    quantization: Quantization | None = None
    dimensions: int | None = None
    indexed_fields: Mapping[str, str] = field(default_factory=dict)
    hybrid: bool = False
    language: str | None = None
    api_key_env: str | None = None

    def __post_init__(self) -> None:
        if self.quantization is not None:
            _one_of("quantization", self.quantization, get_args(Quantization))
        if self.language is not None and not self.hybrid:
            raise ValueError("language is about keywords; it takes hybrid = true")
        _check_variable(self.api_key_env)
        _check_url("store", self.store)

    def options(self) -> dict[str, Any]:
        """What was set, as keywords of `Collection.open` and of the frameworks' stores.

        Raises:
            RolevecError: the variable that ``api_key_env`` names is not set.
        """
        options = _set(self, "name", "api_key_env", "language")
        if self.language is not None:
            options["hybrid"] = Bm25(self.language)
        return options | _key(self.api_key_env, "[collection]")


@dataclass(frozen=True, slots=True)
class RerankerSettings:
    """What orders hits again.

    Attributes:
        model: whatever `load_encoder` takes, or `load_scorer` for a cross-encoder; empty is the
            encoder of the file.
        kind: "encoder" scores by cosine, "cross-encoder" reads query and text together.
        top_n: hits that are kept; 0 keeps all.
        options: more of what `load_encoder` or `load_scorer` takes.
        api_key_env: environment variable that holds the provider's key.
    """

    model: str = ""
    kind: RerankerKind = "encoder"
    top_n: int = 3
    options: Mapping[str, Any] = field(default_factory=dict)
    api_key_env: str | None = None

    def __post_init__(self) -> None:
        _one_of("kind", self.kind, get_args(RerankerKind))
        if self.kind == "cross-encoder" and not self.model:
            raise ValueError("a cross-encoder needs a model, such as tei:http://127.0.0.1:8081")
        if self.top_n < 0:
            raise ValueError(f"top_n={self.top_n}; it cannot be negative")
        _check_variable(self.api_key_env)

    def loading(self) -> dict[str, Any]:
        """Keywords of `load_encoder` or `load_scorer`.

        Raises:
            RolevecError: the variable that ``api_key_env`` names is not set.
        """
        return dict(self.options) | _key(self.api_key_env, "[reranker]")


def plain(settings: Any) -> dict[str, Any]:
    """Settings that differ from their defaults or have none, in the types of a file."""
    default = type(settings)()
    values = {f.name: getattr(settings, f.name) for f in fields(settings)}
    return {
        name: dict(value) if isinstance(value, Mapping) else value
        for name, value in values.items()
        if value != getattr(default, name)
    }


def _set(settings: Any, *left_out: str) -> dict[str, Any]:
    values = {f.name: getattr(settings, f.name) for f in fields(settings)}
    return {k: v for k, v in values.items() if v is not None and k not in left_out}


def _key(variable: str | None, place: str) -> dict[str, str]:
    if variable is None:
        return {}
    value = os.environ.get(variable)
    if not value:
        raise RolevecError(
            f"{place} takes its key from the environment variable {variable}, which is not set"
        )
    return {"api_key": value}


def _one_of(name: str, value: Any, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise ValueError(f"{name} = {value!r} is not one of {', '.join(choices)}")


def _check_variable(name: str | None) -> None:
    # What stands there may be the key itself, so it is not shown.
    if name is not None and not _VARIABLE.fullmatch(name):
        raise ValueError(
            "api_key_env is the name of an environment variable, such as COHERE_API_KEY; what"
            " stands there is no name"
        )


def _check_url(name: str, url: str | None) -> None:
    if url is not None and url.startswith(("http://", "https://")) and urlsplit(url).password:
        raise ValueError(
            f"{name} holds a password, which does not belong into a file; name a variable:"
            " api_key_env"
        )
