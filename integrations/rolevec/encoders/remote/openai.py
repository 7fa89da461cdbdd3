"""OpenAI's dialect, `/v1/embeddings`, which many servers speak.

It has no roles: prompts are put before the texts on our side, those of the model's card, or
``prompts=``, which wins role by role (a server that adds them itself wants
``prompts={"query": "", "document": ""}``). It cuts nothing: a text that is too long is refused,
which is `InputTooLong` where the answer says so.

Facts: OpenAI's API reference (platform.openai.com/docs/api-reference/embeddings).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, NoReturn

from rolevec.encoders.remote.budget import estimate_tokens
from rolevec.encoders.remote.connection import Provider
from rolevec.encoders.remote.dialect import BadReply, Dialect, Reply, Request, part
from rolevec.errors import UnsupportedByBackend
from rolevec.models.card import ModelCard
from rolevec.roles import Role
from rolevec.truncation import TruncationPolicy

OPENAI = Provider(
    name="openai",
    base_url="https://api.openai.com/v1",
    url_variables=("OPENAI_BASE_URL",),
    key_variables=("OPENAI_API_KEY",),
)

_MODELS = "https://platform.openai.com/docs/guides/embeddings"
_MAX_TEXTS = 2048
# The limit is 300,000; ours are estimates.
_MAX_REQUEST_TOKENS = 200_000
_MAX_TOKENS = 8192

CARDS: Mapping[str, ModelCard] = {
    name: ModelCard(name=name, dim=dim, max_tokens=_MAX_TOKENS, source=_MODELS)
    for name, dim in (
        ("text-embedding-3-small", 1536),
        ("text-embedding-3-large", 3072),
        ("text-embedding-ada-002", 1536),
    )
}


def takes_dimensions(model: str) -> bool:
    """True for the models whose documentation promises ``dimensions``, to any number."""
    return model.startswith("text-embedding-3-")


@dataclass(frozen=True)
class OpenAIDialect(Dialect):
    """See `Dialect`.

    Attributes:
        encoding_format: "base64" or "float"; an answer in either is read.
        dimensions: None asks for the model's own.
    """

    provider: ClassVar[Provider] = OPENAI

    model: str
    max_texts: int = _MAX_TEXTS
    max_request_tokens: int | None = _MAX_REQUEST_TOKENS
    max_request_bytes: int | None = None
    encoding_format: str = "float"
    dimensions: int | None = None

    def embed(self, texts: list[str], role: Role) -> Request:
        """See `Dialect.embed`."""
        body: dict[str, Any] = {
            "model": self.model,
            "input": texts,
            "encoding_format": self.encoding_format,
        }
        if self.dimensions is not None:
            body["dimensions"] = self.dimensions
        return Request("/embeddings", body, estimate_tokens(texts))

    def vectors(self, reply: Reply) -> list[Any]:
        """See `Dialect.vectors`; sorted by ``index``, which servers need not keep in order."""
        items = part(reply.data, "data", list)
        by_index: dict[int, Any] = {}
        for place, item in enumerate(items):
            if not isinstance(item, dict) or "embedding" not in item:
                raise BadReply(f"JSON whose 'data' has no 'embedding' at {place}")
            by_index[item.get("index", place)] = item["embedding"]
        if sorted(by_index) != list(range(len(items))):
            raise BadReply(f"{len(items)} vectors whose indices are not 0 to {len(items) - 1}")
        return [by_index[place] for place in range(len(items))]

    def usage(self, reply: Reply) -> tuple[int | None, Mapping[str, float]]:
        """Tokens in all, and the fields of ``usage``."""
        usage = reply.data.get("usage") if isinstance(reply.data, dict) else None
        units = usage if isinstance(usage, dict) else {}
        billed = {k: float(v) for k, v in units.items() if isinstance(v, (int, float))}
        tokens = billed.get("total_tokens", billed.get("prompt_tokens"))
        return (None if tokens is None else int(tokens)), billed

    def check_truncation(self, policy: TruncationPolicy) -> None:
        """See `Dialect.check_truncation`; "warn" passes, as nothing is ever cut in silence."""
        if policy not in ("warn", "error"):
            raise UnsupportedByBackend(
                f"truncation={policy!r}: the OpenAI API cuts nothing and counts no tokens, it"
                ' refuses a text that is too long; use "error", or shorten the texts'
            )

    def tokenize(self, texts: list[str], role: Role, *, bare: bool = False) -> NoReturn:
        """Refused: there is no such route.

        Raises:
            UnsupportedByBackend: always.
        """
        raise UnsupportedByBackend(
            f"the OpenAI API counts no tokens, so those of {self.model} cannot be had"
        )
