"""TEI: `/embed /rerank /similarity /tokenize /decode /info`, of the first model."""

from __future__ import annotations

import asyncio
from typing import Any

from rolevec.server import listing, reading, token_ids
from rolevec.server.failures import malformed
from rolevec.server.http import Answer, Request, json_answer
from rolevec.server.routing import Route, Server, Table
from rolevec.server.shapes import errors
from rolevec.server.shapes import tei as shapes
from rolevec.server.truncated import headers
from rolevec.vectors import cut_dimensions


async def embed(server: Server, request: Request, body: dict[str, Any]) -> Answer:
    """Vectors of texts, or of the model's token ids."""
    limits = server.settings.limits
    model = server.engine.model(None)
    options = shapes.read_options(body)
    inputs = shapes.read_texts(body, limits)
    texts = token_ids.own_texts(model, inputs, "inputs", limits.text_characters)
    request.notes.update(model=model.name, role=options.role or "none", texts=len(texts))
    counted = await model.embed(request, texts, options.role, options.truncation)
    vectors = cut_dimensions(counted.vectors, options.dimensions)
    extra = {
        "x-compute-characters": str(sum(map(len, texts))),
        "x-compute-tokens": str(sum(counted.tokens)),
    }
    return json_answer(await listing.rows(vectors), headers={**extra, **headers(counted)})


async def similarity(server: Server, request: Request, body: dict[str, Any]) -> Answer:
    """Cosines of one sentence and others."""
    model = server.engine.model(None)
    texts = shapes.read_similarity(body, server.settings.limits)
    parameters = body.get("parameters") or {}
    if not isinstance(parameters, dict):
        raise malformed("parameters must be an object", "parameters")
    options = shapes.read_options(parameters)
    request.notes.update(model=model.name, role=options.role or "none", texts=len(texts))
    counted = await model.embed(request, texts, options.role, options.truncation)
    source, *_ = vectors = counted.vectors
    return json_answer((vectors[1:] @ source).tolist(), headers=headers(counted))


async def rerank(server: Server, request: Request, body: dict[str, Any]) -> Answer:
    """Texts by how well they answer a query."""
    ask = shapes.read_rerank(body, server.settings.limits)
    request.notes.update(texts=len(ask.texts) + 1)
    scores = await server.engine.rerank(request, None, ask.query, ask.texts)
    kind = "cosine" if scores.cosine else "cross-encoder"
    return json_answer(shapes.rerank_answer(ask, scores), headers={"x-score": kind})


async def tokenize(server: Server, request: Request, body: dict[str, Any]) -> Answer:
    """Tokens of texts, with their places."""
    model = server.engine.model(None)
    special = reading.flag(body, "add_special_tokens") is not False
    role = reading.role(body, "prompt_name")
    limits = server.settings.limits
    inputs = shapes.read_texts(body, limits)
    texts = token_ids.own_texts(model, inputs, "inputs", limits.text_characters)
    encoder = model.encoder

    def tokens() -> list[Any]:
        prompted = texts if role is None else encoder.prompts.apply(texts, role)
        encodings = encoder.tokens_of(texts, role, special=special)
        return [shapes.tokens_answer(*pair) for pair in zip(prompted, encodings, strict=True)]

    return json_answer(await asyncio.to_thread(tokens))


async def decode(server: Server, request: Request, body: dict[str, Any]) -> Answer:
    """Texts of token ids."""
    model = server.engine.model(None)
    ids = body.get("ids")
    if not isinstance(ids, list):
        raise malformed("ids must be a list of integers, or of such lists", "ids")
    batch = ids if ids and isinstance(ids[0], list) else [ids]
    if not all(isinstance(some, list) for some in batch):
        raise malformed("ids must be a list of integers, or of such lists", "ids")
    texts = [token_ids.decode(model, some, f"ids[{place}]") for place, some in enumerate(batch)]
    return json_answer(texts)


async def info(server: Server, request: Request, body: dict[str, Any]) -> Answer:
    """Facts about the model, and limits."""
    return json_answer(shapes.info(server.engine.model(None), server.settings.limits))


async def root(server: Server, request: Request, body: dict[str, Any]) -> Answer:
    """`/embed` or `/similarity`, for clients that know the address of the server only."""
    inputs = body.get("inputs")
    similar = isinstance(inputs, dict) and "source_sentence" in inputs
    return await (similarity if similar else embed)(server, request, body)


EMBED = Route("/embed", embed, errors.tei)
RERANK = Route("/rerank", rerank, errors.tei)

TABLE: Table = {
    "/": {"POST": Route("/", root, errors.tei)},
    "/similarity": {"POST": Route("/similarity", similarity, errors.tei)},
    "/tokenize": {"POST": Route("/tokenize", tokenize, errors.tei)},
    "/decode": {"POST": Route("/decode", decode, errors.tei)},
    "/info": {"GET": Route("/info", info, errors.tei)},
}
