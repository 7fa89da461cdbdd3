"""The dialect of Hugging Face Text Embeddings Inference: `/info`, `/embed`, `/tokenize`, `/rerank`.

A role is told by ``prompt_name`` if `/info` lists a prompt of that name (TEI itself, up to 1.9,
lists none), else by our own prompt text, of the model's card or ``prompts=``. Over-long texts are
cut on our side by the tokens of `/tokenize`: every policy works, prompts are kept whole and reports
are exact, as with a model on this machine.

Facts: TEI's router (github.com/huggingface/text-embeddings-inference): router/src/http/server.rs,
core/src/tokenization.rs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from rolevec.encoders.remote.budget import estimate_tokens
from rolevec.encoders.remote.connection import Provider
from rolevec.encoders.remote.dialect import BadReply, Dialect, Reply, Request, Token, part
from rolevec.errors import ModelNotAvailable
from rolevec.models.card import Pooling
from rolevec.roles import Role
from rolevec.truncation import TruncationPolicy

TEI = Provider(name="tei", base_url=None, url_variables=(), key_variables=("TEI_API_KEY",))

# TEI's own limit on a body is 2 MB unless --payload-limit raises it; JSON adds to the text.
_MAX_REQUEST_BYTES = 1_000_000
_POOLING: Mapping[str, Pooling] = {"mean": "mean", "cls": "cls", "last_token": "lasttoken"}


@dataclass(frozen=True, slots=True)
class Info:
    """What `/info` says.

    Attributes:
        model: the model's name.
        revision: its commit, or "".
        kind: "embedding", "reranker" or "classifier".
        pooling: in our words; None if not said.
        max_tokens: longest input.
        max_texts: most texts in one request.
        prompts: names of prompts, each with its text, or None where only the name is told.
    """

    model: str
    revision: str
    kind: str
    pooling: Pooling | None
    max_tokens: int
    max_texts: int
    prompts: Mapping[str, str | None]


INFO = Request("/info")


def read_info(reply: Reply) -> Info:
    """Read an answer to `INFO`.

    Raises:
        BadReply: it is not TEI's.
    """
    data = reply.data
    model_type = data.get("model_type") if isinstance(data, dict) else None
    # Older releases write {"embedding": {…}}, some others the bare word.
    kinds = model_type if isinstance(model_type, dict) else {str(model_type or "embedding"): {}}
    kind = next(iter(kinds), "embedding").lower()
    detail = kinds.get(kind)
    prompts = data.get("prompts") if isinstance(data, dict) else None
    if isinstance(prompts, list):
        prompts = dict.fromkeys(map(str, prompts))
    return Info(
        model=part(data, "model_id", str),
        revision=data.get("model_sha") or "",
        kind=kind,
        pooling=_POOLING.get(detail.get("pooling", "")) if isinstance(detail, dict) else None,
        max_tokens=part(data, "max_input_length", int),
        max_texts=part(data, "max_client_batch_size", int),
        prompts=prompts if isinstance(prompts, dict) else {},
    )


def prompt_names(info: Info) -> dict[Role, str]:
    """The server's prompt for each role it has one for."""
    names: dict[Role, str] = {}
    for name in info.prompts:
        try:
            role = Role.parse(name)
        except ValueError:
            continue  # a prompt of another task
        if role not in names or name == role.value:
            names[role] = name
    return names


@dataclass(frozen=True)
class TeiDialect(Dialect):
    """See `Dialect`.

    Attributes:
        names: prompt names by role, for roles whose prompt the server adds.
        like_documents: roles that nobody has a prompt for; they take the documents', as in
            `rolevec.prompts.Prompts`.
        prompts: the texts of these, as far as the server tells.
    """

    provider: ClassVar[Provider] = TEI
    tells_tokens: ClassVar[bool] = True

    model: str
    max_texts: int = 32
    max_request_tokens: int | None = None
    max_request_bytes: int | None = _MAX_REQUEST_BYTES
    names: Mapping[Role, str] = field(default_factory=dict)
    like_documents: frozenset[Role] = frozenset()
    prompts: Mapping[str, str | None] = field(default_factory=dict)

    def embed(self, texts: list[str], role: Role) -> Request:
        """See `Dialect.embed`.

        Texts come cut; ``truncate`` is for the token more that a piece may have by itself.
        """
        body = {"inputs": texts, "truncate": True, "normalize": True, **self._prompt(role)}
        return Request("/embed", body, estimate_tokens(texts))

    def vectors(self, reply: Reply) -> list[Any]:
        """See `Dialect.vectors`."""
        if not isinstance(reply.data, list):
            raise BadReply("JSON that is no list of vectors")
        return reply.data

    def usage(self, reply: Reply) -> tuple[int | None, Mapping[str, float]]:
        """See `Dialect.usage`."""
        return read_usage(reply)

    def applied(self, role: Role) -> str:
        """The server's prompt as if we had put it: it makes the same vectors."""
        name = self.names.get(role)
        return "" if name is None else self.prompts.get(name) or f"prompt_name={name}"

    def check_truncation(self, policy: TruncationPolicy) -> None:
        """See `Dialect.check_truncation`: all there are."""

    def tokenize(self, texts: list[str], role: Role, *, bare: bool = False) -> list[Request]:
        """See `Dialect.tokenize`."""
        prompt = {} if bare else self._prompt(role)
        return [
            Request(
                "/tokenize",
                {"inputs": texts[start : start + self.max_texts], "add_special_tokens": not bare}
                | prompt,
            )
            for start in range(0, len(texts), self.max_texts)
        ]

    def token_counts(self, reply: Reply) -> list[int]:
        """See `Dialect.token_counts`."""
        return [len(tokens) for tokens in self._token_lists(reply)]

    def tokens(self, reply: Reply) -> list[list[Token]]:
        """See `Dialect.tokens`."""
        try:
            return [
                [Token(int(t["start"]), int(t["stop"])) for t in tokens if not t.get("special")]
                for tokens in self._token_lists(reply)
            ]
        except (KeyError, TypeError, ValueError, AttributeError):
            raise BadReply("tokens without their 'start' and 'stop'") from None

    def _token_lists(self, reply: Reply) -> list[list[Any]]:
        if not isinstance(reply.data, list) or not all(isinstance(t, list) for t in reply.data):
            raise BadReply("JSON that is no list of lists of tokens")
        return reply.data

    def _prompt(self, role: Role) -> dict[str, str]:
        name = self.names.get(Role.DOCUMENT if role in self.like_documents else role)
        return {} if name is None else {"prompt_name": name}


def read_usage(reply: Reply) -> tuple[int | None, Mapping[str, float]]:
    """Tokens as the header says; nothing is billed."""
    tokens = reply.headers.get("x-compute-tokens", "")
    return (int(tokens) if tokens.isdecimal() else None), {}


def check_no_default_prompt(tokens: list[list[Token]], probe: str) -> None:
    """Refuse a server that puts a prompt of its own before every text.

    Args:
        tokens: those of the probe, asked for without a prompt.
        probe: a short text.

    Raises:
        ModelNotAvailable: the tokens reach beyond the probe.
    """
    if any(token.stop > len(probe.encode()) for some in tokens for token in some):
        raise ModelNotAvailable(
            "this TEI server puts a prompt of its own before every text, queries and documents"
            " alike; start it without --default-prompt and --default-prompt-name"
        )
