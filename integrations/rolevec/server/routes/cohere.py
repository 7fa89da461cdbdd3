"""Cohere: `/v1` and `/v2` embed and rerank, `/v1` tokenize, detokenize and check-api-key."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any

from rolevec.server import reading, token_ids
from rolevec.server.failures import invalid, malformed
from rolevec.server.http import Answer, Request, json_answer
from rolevec.server.routing import Route, Server, Table
from rolevec.server.shapes import cohere as shapes
from rolevec.server.shapes import errors
from rolevec.server.shapes.cohere import Version
from rolevec.server.truncated import headers, warning
from rolevec.vectors import cut_dimensions

# Longer texts are tokenised in a thread.
_SHORT = 2000


async def embed(version: Version, server: Server, request: Request, body: dict[str, Any]) -> Answer:
    """Vectors of texts."""
    ask = shapes.read_embed(body, version, server.settings.limits)
    model = server.engine.model(ask.model)
    limit = model.encoder.max_tokens
    if ask.max_tokens is not None and (limit is None or ask.max_tokens < limit):
        raise invalid(f"max_tokens below the model's own ({limit}) is not supported", "max_tokens")
    request.notes.update(model=model.name, role=ask.role or "none", texts=len(ask.texts))
    counted = await model.embed(request, ask.texts, ask.role, ask.truncation)
    vectors = cut_dimensions(counted.vectors, ask.dimensions)
    answer = await shapes.embed_answer(
        ask, version, vectors, sum(counted.tokens), warning(model, counted)
    )
    return json_answer(answer, headers=headers(counted))


async def rerank(
    version: Version, server: Server, request: Request, body: dict[str, Any]
) -> Answer:
    """Documents by how well they answer a query."""
    ask = shapes.read_rerank(body, version, server.settings.limits)
    request.notes.update(texts=len(ask.documents) + 1)
    scores = await server.engine.rerank(request, ask.model, ask.query, ask.documents)
    return json_answer(shapes.rerank_answer(ask, version, scores))


async def tokenize(server: Server, request: Request, body: dict[str, Any]) -> Answer:
    """Token ids of a text, without prompt and special tokens."""
    model = server.engine.model(reading.string(body, "model"))
    text = reading.text(body.get("text"), "text", server.settings.limits.text_characters)
    tokens_of = partial(model.encoder.tokens_of, [text], None, special=False)
    (encoding,) = await asyncio.to_thread(tokens_of) if len(text) > _SHORT else tokens_of()
    return json_answer(
        {
            "tokens": encoding.ids,
            "token_strings": encoding.tokens,
            "meta": shapes.plain_meta(),
        }
    )


async def detokenize(server: Server, request: Request, body: dict[str, Any]) -> Answer:
    """The text of token ids."""
    model = server.engine.model(reading.string(body, "model"))
    ids = body.get("tokens")
    if not isinstance(ids, list):
        raise malformed("tokens must be a list of integers", "tokens")
    text = await asyncio.to_thread(token_ids.decode, model, ids, "tokens")
    return json_answer({"text": text, "meta": shapes.plain_meta()})


async def check_api_key(server: Server, request: Request, body: dict[str, Any]) -> Answer:
    """Whether a key is one of this server's; without keys every key is."""
    valid = not server.keys or server.keys.find(request.key) is not None
    return json_answer({"valid": valid, "organization_id": None, "owner_id": None})


EMBED_V1 = Route("/v1/embed", partial(embed, "1"), errors.cohere)
EMBED_V2 = Route("/v2/embed", partial(embed, "2"), errors.cohere)
RERANK_V1 = Route("/v1/rerank", partial(rerank, "1"), errors.cohere)
RERANK_V2 = Route("/v2/rerank", partial(rerank, "2"), errors.cohere)

TABLE: Table = {
    "/v2/embed": {"POST": EMBED_V2},
    "/v2/rerank": {"POST": RERANK_V2},
    "/v1/tokenize": {"POST": Route("/v1/tokenize", tokenize, errors.cohere)},
    "/v1/detokenize": {"POST": Route("/v1/detokenize", detokenize, errors.cohere)},
    "/v1/check-api-key": {
        "POST": Route("/v1/check-api-key", check_api_key, errors.cohere, open=True)
    },
}
