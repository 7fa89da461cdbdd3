"""Cohere's embed and rerank: v1 and v2 (docs.cohere.com/reference/embed, /rerank)."""

from __future__ import annotations

import base64
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from rolevec.errors import shown
from rolevec.roles import Role
from rolevec.server import listing
from rolevec.server.engine import Scores, Truncation
from rolevec.server.failures import Kind, Refused, invalid, malformed
from rolevec.server.reading import Body, choice, count, flag, string, text, texts
from rolevec.server.settings import Limits
from rolevec.vectors import Matrix, pack

Version = Literal["1", "2"]

TYPES = ("float", "int8", "uint8", "binary", "ubinary", "base64")
INPUT_TYPES = ("search_document", "search_query", "classification", "clustering", "image")
TRUNCATE: Mapping[str, Truncation] = {"NONE": "error", "START": "start", "END": "end"}
# Cohere's models of the second generation have no roles, and clients that know them send none.
_WITHOUT_ROLES = "-v2.0"
# What a request may say and has no effect here; the answer says so.
_NO_EFFECT = ("max_tokens_per_doc", "max_chunks_per_doc", "relevant_spans")
_DOCUMENTS_PER_UNIT = 100


@dataclass(frozen=True, slots=True)
class Embed:
    """What an embed request asks.

    Attributes:
        role: None for no prompt.
        types: of the vectors; None for the bare list of floats of v1.
        max_tokens: of a text; None for the model's.
    """

    model: str | None
    texts: list[str]
    role: Role | None
    truncation: Truncation
    types: tuple[str, ...] | None
    dimensions: int | None
    max_tokens: int | None


@dataclass(frozen=True, slots=True)
class Rerank:
    """What a rerank request asks."""

    model: str | None
    query: str
    documents: list[str]
    top_n: int | None
    return_documents: bool
    warnings: tuple[str, ...]


def read_embed(body: Body, version: Version, limits: Limits) -> Embed:
    """Read and check a request.

    Raises:
        Refused: says what is wrong with it.
    """
    model = _model(body, version)
    input_type = choice(body, "input_type", INPUT_TYPES)
    if body.get("images") or input_type == "image":
        raise _no_images("images")
    if input_type is None and not (model or "").lower().endswith(_WITHOUT_ROLES):
        raise invalid(f"input_type is required: one of {', '.join(INPUT_TYPES[:-1])}", "input_type")
    found = _texts(body, version, limits)
    if not found:
        raise Refused(Kind.EMPTY, "at least one text is needed", param="texts")
    if len(found) > limits.cohere_texts:
        raise invalid(
            f"total number of texts must be at most {limits.cohere_texts} - received {len(found)}",
            "texts",
        )
    return Embed(
        model,
        found,
        None if input_type is None else Role.parse(input_type),
        TRUNCATE[choice(body, "truncate", tuple(TRUNCATE)) or "END"],
        _types(body, version),
        count(body, "output_dimension"),
        count(body, "max_tokens"),
    )


def _model(body: Body, version: Version) -> str | None:
    """The model's name, which version 2 asks for."""
    model = string(body, "model")
    if version == "2" and model is None:
        raise invalid("model is required", "model")
    return model


def _texts(body: Body, version: Version, limits: Limits) -> list[str]:
    given, inputs = body.get("texts"), body.get("inputs") if version == "2" else None
    if given is not None and inputs is not None:
        raise invalid("give either texts or inputs", "inputs")
    if inputs is None:
        return texts([] if given is None else given, "texts", limits.text_characters)
    if not isinstance(inputs, list):
        raise malformed(f"inputs must be a list, not {shown(inputs)}", "inputs")
    return [_content(item, f"inputs[{i}]", limits) for i, item in enumerate(inputs)]


def _content(item: object, name: str, limits: Limits) -> str:
    """The text of an input, its parts in lines."""
    parts = item.get("content") if isinstance(item, dict) else None
    if not isinstance(parts, list):
        raise malformed(f'{name} must be an object like {{"content": [...]}}', name)
    lines = []
    for place, part in enumerate(parts):
        where = f"{name}.content[{place}]"
        kind = part.get("type") if isinstance(part, dict) else None
        if kind == "image_url":
            raise _no_images(where)
        if kind != "text":
            raise malformed(f"{where} must be of the type text, not {shown(kind)}", where)
        lines.append(text(part.get("text"), f"{where}.text", limits.text_characters))
    return text("\n".join(lines), name, limits.text_characters)


def _no_images(param: str) -> Refused:
    return invalid("images are not supported: the models of this server read text only", param)


def _types(body: Body, version: Version) -> tuple[str, ...] | None:
    given = body.get("embedding_types")
    if given is None:
        return ("float",) if version == "2" else None
    if not isinstance(given, list) or not given:
        raise malformed(
            f"embedding_types must be a list with one of {', '.join(TYPES)}", "embedding_types"
        )
    for kind in given:
        if kind not in TYPES:
            raise invalid(
                f"embedding_types: {shown(kind)} is none of {', '.join(TYPES)}", "embedding_types"
            )
    return tuple(dict.fromkeys(given))


async def embed_answer(
    ask: Embed, version: Version, vectors: Matrix, tokens: int, warnings: Sequence[str]
) -> dict[str, Any]:
    """The answer's JSON.

    Args:
        ask: the request.
        version: of the interface.
        vectors: shape (n, dim), unit rows.
        tokens: that reached the model.
        warnings: for the person who reads them.
    """
    if ask.types is None:
        kind, embeddings = "embeddings_floats", await listing.rows(vectors)
    else:
        kind = "embeddings_by_type"
        embeddings = {name: await _of_type(vectors, name) for name in ask.types}
    return {
        "id": str(uuid.uuid4()),
        # v1's clients tell the two forms of an answer apart by this.
        "response_type": kind,
        "embeddings": embeddings,
        "texts": ask.texts,
        "meta": _meta(version, {"input_tokens": tokens}, warnings),
    }


async def _of_type(vectors: Matrix, name: str) -> Any:
    if name == "base64":
        return base64_rows(vectors)
    return await listing.rows(pack(vectors, name))  # type: ignore[arg-type]


def base64_rows(vectors: Matrix) -> list[str]:
    """Each row's float32 numbers, little-endian, in base64."""
    little = np.ascontiguousarray(vectors, dtype="<f4")
    return [base64.b64encode(row).decode("ascii") for row in little]


def read_rerank(body: Body, version: Version, limits: Limits) -> Rerank:
    """Read and check a request.

    Raises:
        Refused: says what is wrong with it.
    """
    model = _model(body, version)
    given = body.get("documents")
    if not isinstance(given, list):
        raise malformed(f"documents must be a list, not {shown(given)}", "documents")
    if not given:
        raise Refused(Kind.EMPTY, "at least one document is needed", param="documents")
    if len(given) > limits.documents:
        raise invalid(
            f"total number of documents must be at most {limits.documents} - received {len(given)}",
            "documents",
        )
    fields = _rank_fields(body)
    ignored = [name for name in _NO_EFFECT if body.get(name) is not None]
    return Rerank(
        model,
        text(body.get("query"), "query", limits.text_characters),
        [
            text(_document(document, fields, place), f"documents[{place}]", limits.text_characters)
            for place, document in enumerate(given)
        ],
        count(body, "top_n"),
        bool(flag(body, "return_documents")),
        tuple(f"{name} has no effect on this server" for name in ignored),
    )


def _rank_fields(body: Body) -> list[str]:
    fields = body.get("rank_fields")
    if fields is None:
        return ["text"]
    if not isinstance(fields, list) or not fields or not all(isinstance(f, str) for f in fields):
        raise malformed(
            f"rank_fields must be a list of strings, not {shown(fields)}", "rank_fields"
        )
    return fields


def _document(document: object, fields: list[str], place: int) -> object:
    if not isinstance(document, dict):
        return document
    found = {field: document[field] for field in fields if isinstance(document.get(field), str)}
    if not found:
        raise invalid(
            f"documents[{place}] has none of the fields {', '.join(fields)} (see rank_fields)",
            "documents",
        )
    if len(fields) == 1:
        return found[fields[0]]
    return "\n".join(f"{field}: {value}" for field, value in found.items())


def rerank_answer(ask: Rerank, version: Version, scores: Scores) -> dict[str, Any]:
    """The answer's JSON, best first; equal scores keep the order given."""
    order = sorted(range(len(scores.values)), key=lambda i: -scores.values[i])[: ask.top_n]
    results: list[dict[str, Any]] = [
        {"index": i, "relevance_score": scores.values[i]} for i in order
    ]
    if ask.return_documents:
        for result in results:
            result["document"] = {"text": ask.documents[result["index"]]}
    warnings = list(ask.warnings)
    if scores.cosine:
        warnings.append(
            "no cross-encoder is configured: relevance_score is (1 + cosine) / 2 of"
            f" {scores.model}'s vectors of query and document"
        )
    units = -(-len(ask.documents) // _DOCUMENTS_PER_UNIT)
    meta = _meta(version, {"search_units": units}, warnings)
    if scores.tokens:
        meta["tokens"] = {"input_tokens": scores.tokens}
    return {"id": str(uuid.uuid4()), "results": results, "meta": meta}


def _meta(version: Version, billed: dict[str, int], warnings: Sequence[str]) -> dict[str, Any]:
    meta: dict[str, Any] = {"api_version": {"version": version}, "billed_units": billed}
    if warnings:
        meta["warnings"] = list(warnings)
    return meta


def plain_meta() -> dict[str, Any]:
    """What answers of v1 carry that bill nothing."""
    return {"api_version": {"version": "1"}}
