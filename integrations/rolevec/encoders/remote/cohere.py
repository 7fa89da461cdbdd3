"""Cohere's dialect: `/v2/embed`, `/v1/tokenize`, `/v2/rerank`.

The role travels as ``input_type``. Over-long texts are cut by Cohere, which tells nobody: its
answers hold billed tokens of the whole request, so reports of truncation hold zeros. To be sure
that nothing is cut choose ``truncation="error"``.

Facts: Cohere's API reference (docs.cohere.com), and its Python SDK 7.3.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from rolevec.encoders.remote.budget import estimate_tokens
from rolevec.encoders.remote.connection import Connection, Provider
from rolevec.encoders.remote.dialect import BadReply, Dialect, Reply, Request, part
from rolevec.errors import UnsupportedByBackend
from rolevec.models.card import ModelCard
from rolevec.roles import Role
from rolevec.truncation import TruncationPolicy

COHERE = Provider(
    name="cohere",
    base_url="https://api.cohere.com",
    url_variables=("CO_API_URL",),
    key_variables=("CO_API_KEY", "COHERE_API_KEY"),
)

_MODELS = "https://docs.cohere.com/docs/cohere-embed"
_TRUNCATE = {"warn": "END", "end": "END", "start": "START", "error": "NONE"}
_MAX_TEXTS = 96


def _v3(name: str, dim: int, *, languages: tuple[str, ...]) -> ModelCard:
    return ModelCard(name=name, dim=dim, max_tokens=512, languages=languages, source=_MODELS)


CARDS: Mapping[str, ModelCard] = {
    card.name: card
    for card in (
        ModelCard(
            name="embed-v4.0",
            dim=1536,
            max_tokens=128_000,
            languages=("multilingual",),
            source=_MODELS,
            matryoshka_dims=(256, 512, 1024, 1536),
        ),
        _v3("embed-english-v3.0", 1024, languages=("en",)),
        _v3("embed-multilingual-v3.0", 1024, languages=("multilingual",)),
        _v3("embed-english-light-v3.0", 384, languages=("en",)),
        _v3("embed-multilingual-light-v3.0", 384, languages=("multilingual",)),
    )
}


@dataclass(frozen=True)
class CohereDialect(Dialect):
    """See `Dialect`.

    Attributes:
        truncation: becomes ``truncate``.
        output_dimension: None asks for the model's own.
    """

    provider: ClassVar[Provider] = COHERE

    model: str
    max_texts: int = _MAX_TEXTS
    max_request_tokens: int | None = None
    max_request_bytes: int | None = None
    truncation: TruncationPolicy = "warn"
    output_dimension: int | None = None

    def embed(self, texts: list[str], role: Role) -> Request:
        """See `Dialect.embed`."""
        body: dict[str, Any] = {
            "model": self.model,
            "texts": texts,
            "input_type": role.cohere,
            "embedding_types": ["float"],
            "truncate": _TRUNCATE.get(self.truncation, "NONE"),
        }
        if self.output_dimension is not None:
            body["output_dimension"] = self.output_dimension
        return Request("/v2/embed", body, estimate_tokens(texts))

    def vectors(self, reply: Reply) -> list[Any]:
        """See `Dialect.vectors`."""
        embeddings = part(reply.data, "embeddings", dict)
        found = embeddings.get("float", embeddings.get("base64"))
        if not isinstance(found, list):
            raise BadReply("JSON that has no 'embeddings' of the type float")
        return found

    def usage(self, reply: Reply) -> tuple[int | None, Mapping[str, float]]:
        """See `Dialect.usage`."""
        return read_usage(reply)

    def applied(self, role: Role) -> str:
        """See `Dialect.applied`."""
        return f"input_type={role.cohere}"

    def check_truncation(self, policy: TruncationPolicy) -> None:
        """See `Dialect.check_truncation`."""
        if policy not in _TRUNCATE:
            raise UnsupportedByBackend(
                f"truncation={policy!r}: Cohere does not tell where the tokens of a text stand;"
                f" use one of {', '.join(_TRUNCATE)}"
            )

    def tokenize(self, texts: list[str], role: Role, *, bare: bool = False) -> list[Request]:
        """See `Dialect.tokenize`; one request a text."""
        return [Request("/v1/tokenize", {"text": text, "model": self.model}) for text in texts]

    def token_counts(self, reply: Reply) -> list[int]:
        """See `Dialect.token_counts`."""
        return [len(part(reply.data, "tokens", list))]


def read_usage(reply: Reply) -> tuple[int | None, Mapping[str, float]]:
    """Input tokens as billed, and all billed units."""
    meta = reply.data.get("meta") if isinstance(reply.data, dict) else None
    units = meta.get("billed_units") if isinstance(meta, dict) else None
    billed = {
        name: float(amount)
        for name, amount in (units if isinstance(units, dict) else {}).items()
        if isinstance(amount, (int, float))
    }
    tokens = billed.get("input_tokens")
    return (None if tokens is None else int(tokens)), billed


def without_version(connection: Connection) -> Connection:
    """The same connection without "/v1" or "/v2", which belong to the routes."""
    url = connection.base_url
    for ending in ("/v1", "/v2"):
        url = url.removesuffix(ending)
    return connection.moved(url)
