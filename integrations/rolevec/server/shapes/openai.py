"""OpenAI's `/v1/embeddings` (platform.openai.com/docs/api-reference/embeddings).

It has no roles: a text is taken as it is, without a prompt, unless the request says ``input_type``
or ``prompt_name`` besides.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from rolevec.errors import shown
from rolevec.roles import Role
from rolevec.server import listing
from rolevec.server.failures import Kind, Refused, invalid, malformed
from rolevec.server.reading import Body, choice, count, role, string, text, texts
from rolevec.server.settings import Limits
from rolevec.server.shapes.cohere import base64_rows
from rolevec.vectors import Matrix

FORMATS = ("float", "base64")


@dataclass(frozen=True, slots=True)
class Embeddings:
    """What a request asks.

    Attributes:
        inputs: texts, or lists of token ids.
        role: None if not said.
    """

    model: str | None
    inputs: list[str] | list[list[Any]]
    role: Role | None
    base64: bool
    dimensions: int | None


def read_embeddings(body: Body, limits: Limits) -> Embeddings:
    """Read and check a request.

    Raises:
        Refused: says what is wrong with it.
    """
    inputs = read_inputs(body.get("input"), "input", limits)
    if len(inputs) > limits.openai_texts:
        raise invalid(
            f"input holds {len(inputs)} texts; this server takes {limits.openai_texts}", "input"
        )
    return Embeddings(
        string(body, "model"),
        inputs,
        role(body, "input_type", "prompt_name"),
        choice(body, "encoding_format", FORMATS) == "base64",
        count(body, "dimensions"),
    )


def read_inputs(given: object, name: str, limits: Limits) -> list[str] | list[list[Any]]:
    """Texts or lists of token ids, from a string, a list of ids, or a list of either."""
    most = limits.text_characters
    if isinstance(given, str):
        return [text(given, name, most)]
    if not isinstance(given, list):
        raise malformed(f"{name} must be a string or a list, not {shown(given)}", name)
    if not given:
        raise Refused(Kind.EMPTY, f"{name} is empty", param=name)
    if isinstance(given[0], str):
        return texts(given, name, most)
    batch = given if isinstance(given[0], list) else [given]
    for place, ids in enumerate(batch):
        where = f"{name}[{place}]"
        if not isinstance(ids, list):
            raise malformed(f"{where} must be a list of integers, not {shown(ids)}", name)
        if not ids:
            raise Refused(Kind.EMPTY, f"{where} holds no token", param=name)
        if len(ids) > most:
            raise Refused(
                Kind.TOO_LONG,
                f"{where} is too long: {len(ids)} tokens, this server takes {most}",
                param=name,
            )
    return batch


async def embeddings_answer(
    ask: Embeddings, model: str, vectors: Matrix, tokens: int
) -> dict[str, Any]:
    """The answer's JSON; ``vectors`` of shape (n, dim), unit rows."""

    def items(start: int, end: int) -> list[dict[str, Any]]:
        part = vectors[start:end]
        rows = base64_rows(part) if ask.base64 else part
        return [
            {"object": "embedding", "index": index, "embedding": row}
            for index, row in enumerate(rows, start)
        ]

    return {
        "object": "list",
        "data": await listing.items(len(vectors), vectors.shape[1], items),
        "model": model,
        "usage": {"prompt_tokens": tokens, "total_tokens": tokens},
    }
