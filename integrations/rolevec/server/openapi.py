"""The OpenAPI document: every address with its body, its answers and its errors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import rolevec
from rolevec.server.schemas import SCHEMAS, ref

Json = dict[str, Any]

# Errors that every route with a body may give: its own words for a bad request come first.
_COMMON = ("401", "413", "429", "500", "503", "504")
_MEANING = {
    "400": "The request says what nobody can do.",
    "401": "No valid key.",
    "404": "No such model or address.",
    "413": "The body is too large.",
    "422": "The request says what nobody can do.",
    "429": "The queue is full, or the key's rate is spent; see Retry-After.",
    "500": "A fault in the server.",
    "503": "The server is shutting down, or a model behind it failed.",
    "504": "The answer was not ready before the deadline.",
}
_ABOUT = (
    "Cohere's, OpenAI's and TEI's interfaces over models on one machine. Where two of them share an"
    " address the shape of the body decides: /embed and /v1/embed are TEI's if the body has inputs"
    " and no texts, /rerank and /v1/rerank if it has texts and no documents, else Cohere's."
    " /v1/v1/... and /v1/v2/... answer as /v1/... and /v2/..., because Cohere's clients put the"
    " version behind any address they are given."
)


def document(models: Sequence[str], *, keys: bool) -> Json:
    """The document.

    Args:
        models: names that requests may give; none if any will do.
        keys: whether requests need an API key.
    """
    name: Json = {"type": "string", "enum": list(models)} if models else {"type": "string"}
    found: Json = {
        "openapi": "3.1.0",
        "info": {"title": "rolevec", "version": rolevec.__version__, "description": _ABOUT},
        "paths": {**_cohere(), **_openai(), **_tei(), **_both(), **_service()},
        "components": {
            "schemas": {**SCHEMAS, "ModelName": name},
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer"}},
        },
    }
    if keys:
        found["security"] = [{"key": []}]
    return found


def _cohere() -> Json:
    def post(title: str, body: str, answer: str) -> Json:
        return _post(title, ref(body), ref(answer), ("400", "404"), ("CohereError",))

    return {
        "/v2/embed": post("Vectors, as Cohere v2", "CohereEmbedV2", "CohereEmbedding"),
        "/v2/rerank": post("Rerank, as Cohere v2", "CohereRerankV2", "CohereRanking"),
        "/v1/tokenize": post("Token ids of a text", "CohereTokenize", "CohereTokens"),
        "/v1/detokenize": post("The text of token ids", "CohereDetokenize", "CohereText"),
        "/v1/check-api-key": {
            "post": {
                "summary": "Whether a key is valid",
                "security": [{}, {"key": []}],
                "responses": _responses(ref("CohereKey"), ("400",), ("CohereError",)),
            }
        },
    }


def _openai() -> Json:
    post = _post(
        "Vectors, as OpenAI",
        ref("OpenAIRequest"),
        ref("OpenAIEmbeddings"),
        ("400", "404"),
        ("OpenAIError",),
    )
    return {"/v1/embeddings": post, "/embeddings": post}


def _tei() -> Json:
    def post(title: str, body: Json, answer: Json) -> Json:
        return _post(title, body, answer, ("400", "422"), ("TeiError",))

    return {
        "/similarity": post("Cosines of a sentence and others", ref("TeiSimilarity"), _NUMBERS),
        "/tokenize": post("Tokens with their places", ref("TeiTokenize"), ref("TeiTokens")),
        "/decode": post("Texts of token ids", ref("TeiDecode"), _STRINGS),
        "/info": {"get": _get("The first model, and limits", ref("TeiInfo"), ("401", "429"))},
    }


def _both() -> Json:
    """Addresses of two dialects."""
    refused = ("400", "404", "422")
    shapes = ("CohereError", "TeiError")
    embed = _post(
        "Vectors, as Cohere v1 or TEI",
        _either("CohereEmbedV1", "TeiEmbed"),
        _either("CohereEmbedding", "TeiVectors"),
        refused,
        shapes,
    )
    rerank = _post(
        "Rerank, as Cohere v1 or TEI",
        _either("CohereRerankV1", "TeiRerank"),
        _either("CohereRanking", "TeiRanking"),
        refused,
        shapes,
    )
    root = _post(
        "Vectors or cosines, as TEI",
        _either("TeiEmbed", "TeiSimilarity"),
        {"anyOf": [ref("TeiVectors"), _NUMBERS]},
        ("400", "422"),
        ("TeiError",),
    )
    page = {"responses": {"200": _text("text/html", "The page.")}, "security": [{}]}
    return {
        "/v1/embed": embed,
        "/embed": embed,
        "/v1/rerank": rerank,
        "/rerank": rerank,
        "/": {"get": {"summary": "A page to try it", **page}, **root},
        "/v1/models": {
            "get": {
                **_get("All models, as Cohere and OpenAI", ref("Models"), ("400", "401", "429")),
                "parameters": [
                    _parameter("endpoint", "query", {"type": "string"}),
                    _parameter("page_size", "query", _PAGE),
                    _parameter(
                        "page_token", "query", {"type": "string", "pattern": "^[0-9]{1,9}$"}
                    ),
                ],
            }
        },
        "/v1/models/{model}": {
            "get": {
                **_get("One model", ref("Model"), ("401", "404", "429")),
                "parameters": [_parameter("model", "path", ref("ModelName"))],
            }
        },
        "/v1/tokenizers/{model}/tokenizer.json": {
            "get": {
                **_get("A model's tokenizer", {"type": "object"}, ("404",)),
                "security": [{}],
                "parameters": [_parameter("model", "path", ref("ModelName"))],
            }
        },
    }


def _service() -> Json:
    status = ref("Status")
    return {
        "/health": {"get": {**_get("Whether it lives", status, ()), "security": [{}]}},
        "/ping": {"get": {**_get("Whether it lives", status, ()), "security": [{}]}},
        "/ready": {"get": {**_get("Whether to ask it", status, ("503",)), "security": [{}]}},
        "/metrics": {
            "get": {
                "summary": "Metrics of Prometheus",
                "responses": {
                    "200": _text("text/plain", "The metrics."),
                    **_errors(("401", "429"), ("SharedError",)),
                },
            }
        },
        "/openapi.json": {
            "get": {**_get("This document", {"type": "object"}, ()), "security": [{}]}
        },
    }


_NUMBERS: Json = {"type": "array", "items": {"type": "number"}}
_STRINGS: Json = {"type": "array", "items": {"type": "string"}}
_PAGE: Json = {"type": "integer", "minimum": 0, "maximum": 999_999_999}


def _post(
    title: str, body: Json, answer: Json, refused: Sequence[str], shapes: Sequence[str]
) -> Json:
    return {
        "post": {
            "summary": title,
            "requestBody": {"required": True, "content": {"application/json": {"schema": body}}},
            "responses": _responses(answer, (*refused, *_COMMON), shapes),
        }
    }


def _get(title: str, answer: Json, refused: Sequence[str]) -> Json:
    # TEI's information and models are refused in two shapes.
    shapes = ("SharedError", "TeiError")
    return {"summary": title, "responses": _responses(answer, refused, shapes)}


def _responses(answer: Json, refused: Sequence[str], shapes: Sequence[str]) -> Json:
    content = {"application/json": {"schema": answer}}
    return {"200": {"description": "The answer.", "content": content}, **_errors(refused, shapes)}


def _errors(refused: Sequence[str], shapes: Sequence[str]) -> Json:
    content = {"application/json": {"schema": _either(*shapes)}}
    return {
        status: {"description": _MEANING[status], "content": content} for status in sorted(refused)
    }


def _either(*names: str) -> Json:
    return ref(names[0]) if len(names) == 1 else {"anyOf": [ref(name) for name in names]}


def _text(kind: str, about: str) -> Json:
    return {"description": about, "content": {kind: {"schema": {"type": "string"}}}}


def _parameter(name: str, place: str, schema: Mapping[str, Any]) -> Json:
    return {"name": name, "in": place, "required": place == "path", "schema": schema}
