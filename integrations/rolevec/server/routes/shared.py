"""Addresses that two dialects have, told apart by the shape of the request.

`/embed` and `/v1/embed` are TEI's if the body has ``inputs`` and no ``texts``, else Cohere's;
`/rerank` and `/v1/rerank` are TEI's if it has ``texts`` and no ``documents``, else Cohere's. A body
that cannot be read is refused in TEI's shape without "/v1", in Cohere's with it. `/v1/models`
answers with Cohere's and OpenAI's fields at once; neither's clients mind the other's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import quote

from rolevec.server.engine import Model, Reranker
from rolevec.server.failures import invalid
from rolevec.server.http import Answer, Request, json_answer
from rolevec.server.routes import cohere, tei
from rolevec.server.routing import Route, Server, Table
from rolevec.server.shapes import errors

MODELS = "/v1/models/"
TOKENIZERS = "/v1/tokenizers/"


def embed_of(body: Mapping[str, Any]) -> Route:
    """The dialect of an embed request."""
    return tei.EMBED if "inputs" in body and "texts" not in body else cohere.EMBED_V1


def rerank_of(body: Mapping[str, Any]) -> Route:
    """The dialect of a rerank request."""
    return tei.RERANK if "texts" in body and "documents" not in body else cohere.RERANK_V1


async def models(server: Server, request: Request, body: dict[str, Any]) -> Answer:
    """All names of all models."""
    query = request.query
    endpoint = query.get("endpoint")
    entries = [
        entry
        for entry in _entries(server, request).values()
        if endpoint is None or endpoint in entry["endpoints"]
    ]
    size, start = _number(query, "page_size", len(entries)), _number(query, "page_token", 0)
    page = entries[start : start + size]
    more = str(start + size) if start + size < len(entries) else None
    # OpenAI's list has no pages.
    return json_answer({"object": "list", "data": entries, "models": page, "next_page_token": more})


async def model(server: Server, request: Request, body: dict[str, Any]) -> Answer:
    """One model."""
    name = request.path.removeprefix(MODELS)
    found = _entries(server, request).get(name.lower())
    if found is None:
        found = _entry(server, request, server.engine.model(name), name)
    return json_answer(found)


async def tokenizer(server: Server, request: Request, body: dict[str, Any]) -> Answer:
    """A model's tokenizer.json; ``tokenizer_url`` of a model is here."""
    name = request.path.removeprefix(TOKENIZERS).removesuffix("/tokenizer.json")
    return Answer(await server.engine.model(name).tokenizer_json())


def _entries(server: Server, request: Request) -> dict[str, dict[str, Any]]:
    engine = server.engine
    return {
        name.lower(): _entry(server, request, known, name)
        for known in engine.all
        for name in (known.name, *known.aliases)
    }


def _entry(server: Server, request: Request, known: Model | Reranker, name: str) -> dict[str, Any]:
    common = {
        "id": name,
        "object": "model",
        "created": 0,
        "owned_by": "rolevec",
        "name": name,
        "is_deprecated": False,
        "finetuned": False,
        "default_endpoints": [],
        "features": [],
    }
    if isinstance(known, Reranker):
        return common | {"endpoints": ["rerank"], "context_length": 0, "tokenizer_url": None}
    endpoints = ["embed"] if server.engine.rerankers else ["embed", "rerank"]
    return common | {
        "endpoints": endpoints,
        "context_length": known.encoder.max_tokens or 0,
        "tokenizer_url": f"{_base_url(server, request)}{TOKENIZERS}{quote(name)}/tokenizer.json",
    }


def _base_url(server: Server, request: Request) -> str:
    """How the client reaches this server."""
    given = server.settings.public_url
    if given:
        return given.rstrip("/")
    scope = request.scope
    host = request.header(b"host") or f"{server.settings.host}:{server.settings.port}"
    return f"{scope.get('scheme', 'http')}://{host}{scope.get('root_path', '')}"


def _number(query: Mapping[str, str], name: str, default: int) -> int:
    given = query.get(name)
    if given is None:
        return default
    if not given.isdecimal() or len(given) > 9:
        raise invalid(f"{name} must be a number", name)
    return int(given)


_MODEL = Route("/v1/models/*", model, errors.shared)

TABLE: Table = {
    "/embed": {"POST": replace(tei.EMBED, choose=embed_of)},
    "/v1/embed": {"POST": replace(cohere.EMBED_V1, choose=embed_of)},
    "/rerank": {"POST": replace(tei.RERANK, choose=rerank_of)},
    "/v1/rerank": {"POST": replace(cohere.RERANK_V1, choose=rerank_of)},
    "/v1/models": {"GET": Route("/v1/models", models, errors.shared)},
    "/v1/models/*": {"GET": _MODEL},
    # Cohere's SDK fetches it without the key; a tokenizer is no secret.
    "/v1/tokenizers/*": {"GET": Route("/v1/tokenizers/*", tokenizer, errors.shared, open=True)},
}
