"""OpenAI: `/v1/embeddings`."""

from __future__ import annotations

from typing import Any

from rolevec.server import token_ids
from rolevec.server.http import Answer, Request, json_answer
from rolevec.server.routing import Route, Server, Table
from rolevec.server.shapes import errors
from rolevec.server.shapes import openai as shapes
from rolevec.server.truncated import headers
from rolevec.vectors import cut_dimensions


async def embeddings(server: Server, request: Request, body: dict[str, Any]) -> Answer:
    """Vectors of texts, or of token ids."""
    settings = server.settings
    ask = shapes.read_embeddings(body, settings.limits)
    model = server.engine.model(ask.model)
    most = settings.limits.text_characters
    texts = await token_ids.openai_texts(settings.token_ids, model, ask.inputs, most)
    request.notes.update(model=model.name, role=ask.role or "none", texts=len(texts))
    counted = await model.embed(request, texts, ask.role, settings.openai_truncation)
    vectors = cut_dimensions(counted.vectors, ask.dimensions)
    answer = await shapes.embeddings_answer(ask, model.name, vectors, sum(counted.tokens))
    return json_answer(answer, headers=headers(counted))


_EMBEDDINGS = Route("/v1/embeddings", embeddings, errors.openai)

TABLE: Table = {"/v1/embeddings": {"POST": _EMBEDDINGS}, "/embeddings": {"POST": _EMBEDDINGS}}
