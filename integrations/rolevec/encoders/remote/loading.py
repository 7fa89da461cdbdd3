"""From "cohere:…", "openai:…" and "tei:…" to an encoder."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from rolevec.encoders.remote import cohere, openai, running, tei
from rolevec.encoders.remote.connection import Connection, Provider
from rolevec.encoders.remote.dialect import BadReply, Dialect, Reply, Request, read_vector
from rolevec.encoders.remote.encoder import RemoteEncoder
from rolevec.encoders.remote.transport import T, Transport
from rolevec.encoders.remote.usage import Tally
from rolevec.errors import ModelNotAvailable
from rolevec.models.card import ModelCard
from rolevec.models.families import require_prompts
from rolevec.models.registry import find_card
from rolevec.prompts import Prompts
from rolevec.roles import Role
from rolevec.truncation import TruncationPolicy
from rolevec.vectors import check_dimensions

CONNECTION_OPTIONS = frozenset(
    {
        *("api_key", "backoff", "base_url", "concurrency", "max_retries", "on_usage"),
        *("requests_per_minute", "timeout", "tokens_per_minute"),
    }
)
_PROBE = "ok"


@dataclass(frozen=True, slots=True)
class _Asked:
    """What the caller wants of the encoder, whoever answers."""

    prompts: Mapping[str, str] | None
    dimensions: int | None
    truncation: TruncationPolicy
    revision: str | None


def load_remote(
    scheme: str,
    rest: str,
    *,
    prompts: Mapping[str, str] | None = None,
    dimensions: int | None = None,
    truncation: TruncationPolicy = "warn",
    device: str = "auto",
    revision: str | None = None,
    **options: Any,
) -> RemoteEncoder:
    """Make an encoder of a remote model.

    The dimension is known without a request for models of Cohere and OpenAI, and for others that
    have a card; else one text is embedded to see it. TEI is asked for its `/info`.

    Args:
        scheme: "cohere", "openai" or "tei".
        rest: the model's name; for TEI the server's address.
        prompts: role -> template, put before the texts on our side; wins over the model's own.
        dimensions: deliver this many leading coordinates; asked of the endpoint where it can.
        truncation: policy.
        device: "auto", for the endpoint has its own.
        revision: what identifies the weights, where the endpoint does not tell.
        **options: see `Connection`; ``api_key`` and ``base_url`` may come from the environment.

    Raises:
        TypeError: an option that there is not.
        ValueError: an option's value makes no sense.
        RemoteError: the endpoint had to be asked and failed.
        MissingPrompts: the model needs prompts that nobody gave.
        UnsupportedByBackend: the provider has nothing for the truncation policy.
    """
    provider, build = _PROVIDERS[scheme]
    if device != "auto":
        raise ValueError(f"device={device!r}: a remote model runs where its endpoint is")
    if scheme == "tei":
        if options.get("base_url") is not None:
            raise TypeError("tei: takes the address behind the colon, and no base_url")
        options["base_url"] = rest
    transport = Transport(open_connection(provider, options))
    asked = _Asked(prompts, dimensions, truncation, revision)
    return build(rest, transport, asked)


def open_connection(provider: Provider, options: Mapping[str, Any]) -> Connection:
    """A connection of these options; one that there is not is refused, never ignored.

    Raises:
        TypeError: names it.
        ValueError, AuthenticationError: as `Connection.open`.
    """
    unknown = sorted(k for k, v in options.items() if k not in CONNECTION_OPTIONS and v)
    if unknown:
        raise TypeError(
            f"{provider.name}: has no option {', '.join(unknown)};"
            f" it has {', '.join(sorted(CONNECTION_OPTIONS))}"
        )
    given = {k: v for k, v in options.items() if k in CONNECTION_OPTIONS}
    connection = Connection.open(provider, **given)
    return cohere.without_version(connection) if provider is cohere.COHERE else connection


def _build_cohere(model: str, transport: Transport, asked: _Asked) -> RemoteEncoder:
    dialect = cohere.CohereDialect(model, truncation=asked.truncation)
    dialect.check_truncation(asked.truncation)
    card = cohere.CARDS.get(model)
    wanted = asked.dimensions
    if card is not None and wanted is not None and card.matryoshka_dims:
        # The least that the model offers and holds what is wanted; the rest is cut on our side.
        offered = min((d for d in card.matryoshka_dims if d >= wanted), default=card.dim)
        dialect = replace(dialect, output_dimension=offered)
        card = replace(card, dim=offered)
    card = card or _unknown_card(model, transport, dialect)
    return _encoder(dialect, transport, card, Prompts(asked.prompts), asked)


def _build_openai(model: str, transport: Transport, asked: _Asked) -> RemoteEncoder:
    form = "base64" if transport.connection.is_vendor else "float"
    dialect = openai.OpenAIDialect(model, encoding_format=form)
    dialect.check_truncation(asked.truncation)
    card = openai.CARDS.get(model) or _card(model)
    known = Prompts(card.prompts if card else None)
    require_prompts(model, known if asked.prompts is None else asked.prompts)
    if card is not None and asked.dimensions is not None and openai.takes_dimensions(model):
        check_dimensions(asked.dimensions, card.dim)
        dialect = replace(dialect, dimensions=asked.dimensions)
        card = replace(card, dim=asked.dimensions)
    card = card or _unknown_card(model, transport, dialect)
    return _encoder(dialect, transport, card, known.updated(asked.prompts), asked)


def _build_tei(url: str, transport: Transport, asked: _Asked) -> RemoteEncoder:
    info = _ask(transport, tei.INFO, tei.read_info)
    if info.kind != "embedding":
        raise ModelNotAvailable(
            f"{url} serves {info.model}, a {info.kind}, not an embedding model;"
            " a reranker is for load_scorer"
        )
    card = _card(info.model)
    known = Prompts(card.prompts if card else None)
    names = {
        role: name
        for role, name in tei.prompt_names(info).items()
        if role not in Prompts(asked.prompts)
    }
    if not names:
        require_prompts(info.model, known if asked.prompts is None else asked.prompts)
    # What the server adds is not added here.
    own = known.updated(dict.fromkeys((role.value for role in names), ""))
    dialect = tei.TeiDialect(
        info.model,
        max_texts=info.max_texts,
        names=names,
        like_documents=frozenset(Role) - names.keys() - own.updated(asked.prompts).keys(),
        prompts=info.prompts,
    )
    (bare,) = dialect.tokenize([_PROBE], Role.DOCUMENT, bare=True)
    tei.check_no_default_prompt(_ask(transport, bare, dialect.tokens), _PROBE)
    card = replace(
        card or _unknown_card(info.model, transport, dialect),
        max_tokens=info.max_tokens,
        pooling=info.pooling or (card.pooling if card else None),
    )
    known_revision = replace(asked, revision=asked.revision or info.revision or "tei")
    return _encoder(dialect, transport, card, own.updated(asked.prompts), known_revision)


_Build = Callable[[str, Transport, _Asked], RemoteEncoder]
_PROVIDERS: Mapping[str, tuple[Provider, _Build]] = {
    "cohere": (cohere.COHERE, _build_cohere),
    "openai": (openai.OPENAI, _build_openai),
    "tei": (tei.TEI, _build_tei),
}


def _encoder(
    dialect: Dialect, transport: Transport, card: ModelCard, prompts: Prompts, asked: _Asked
) -> RemoteEncoder:
    connection = transport.connection
    # A name means other weights at another host: the vendor's are not those of a look-alike.
    word = dialect.provider.name + ("" if connection.is_vendor else "-like")
    return RemoteEncoder(
        dialect,
        transport,
        card,
        revision=asked.revision or word,
        prompts=prompts,
        dimensions=asked.dimensions,
        truncation=asked.truncation,
    )


def _card(model: str) -> ModelCard | None:
    try:
        return find_card(model)
    except ModelNotAvailable:  # the bundled model, in an installation without it
        return None


def _unknown_card(model: str, transport: Transport, dialect: Dialect) -> ModelCard:
    """A card that holds what one answer shows."""

    def read(reply: Reply) -> int:
        vectors = dialect.vectors(reply)
        if len(vectors) != 1 or not len(read_vector(vectors[0])):
            raise BadReply("no vector for one text")
        return len(read_vector(vectors[0]))

    dim = _ask(transport, dialect.embed([_PROBE], Role.DOCUMENT), read)
    return ModelCard(name=model, dim=dim, max_tokens=None)


def _ask(transport: Transport, request: Request, read: Callable[[Reply], T]) -> T:
    return running.run(transport.ask(request, read, Tally()))
