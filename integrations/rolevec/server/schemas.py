"""The JSON schemas that the OpenAPI document names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rolevec.server.shapes.cohere import INPUT_TYPES, TRUNCATE, TYPES
from rolevec.server.shapes.openai import FORMATS

Json = dict[str, Any]


def ref(name: str) -> Json:
    """A reference to one of `SCHEMAS`."""
    return {"$ref": f"#/components/schemas/{name}"}


def _object(required: str = "", /, **properties: Any) -> Json:
    """An object; names of ``required`` are separated by blanks."""
    schema: Json = {"type": "object", "properties": properties}
    return {**schema, "required": required.split()} if required else schema


def _list(items: Json, **more: Any) -> Json:
    return {"type": "array", "items": items, **more}


def _or_null(schema: Json) -> Json:
    return {"anyOf": [schema, {"type": "null"}]}


def _words(*words: str) -> Json:
    return {"type": "string", "enum": list(words)}


_STRING: Json = {"type": "string"}
_TEXT: Json = {"type": "string", "minLength": 1, "pattern": r"\S"}
_TEXTS = _list(_TEXT, minItems=1)
_NUMBER: Json = {"type": "number"}
_INTEGER: Json = {"type": "integer"}
_COUNT = _or_null({"type": "integer", "minimum": 1})
_ID: Json = {"type": "integer", "minimum": 0}
_BOOLEAN: Json = {"type": "boolean"}
_FLAG = _or_null(_BOOLEAN)
_ROLE = _or_null(_words("query", "document", "classification", "clustering"))
_META = _object("api_version", api_version=_object(version=_STRING), billed_units=_object())
_IDS = _list(_ID, minItems=1)

_MODEL = ref("ModelName")
_EMBED: Json = {
    "texts": _list(_TEXT, minItems=1, maxItems=96),
    "model": _MODEL,
    "input_type": _words(*INPUT_TYPES),
    "embedding_types": _or_null(_list(_words(*TYPES), minItems=1)),
    "truncate": _or_null(_words(*TRUNCATE)),
    "output_dimension": _COUNT,
}
_RERANK: Json = {
    "query": _TEXT,
    "model": _STRING,
    "top_n": _COUNT,
    "return_documents": _FLAG,
}
_TEI: Json = {
    "truncate": _FLAG,
    "truncation_direction": _or_null(_words("left", "right", "Left", "Right")),
    "prompt_name": _ROLE,
}
_TEI_INPUTS: Json = {
    "anyOf": [_TEXT, _TEXTS, _IDS, _list(_IDS, minItems=1)],
    "description": "Texts, or the model's own token ids.",
}
_CONTENT = _list(_object("type text", type=_words("text"), text=_TEXT), minItems=1)
_VECTORS = _list(_list(_NUMBER))

_REQUESTS: Json = {
    "CohereEmbedV1": _object("texts input_type", **_EMBED),
    "CohereEmbedV2": {
        **_object(
            "model input_type",
            **_EMBED,
            inputs=_list(_object("content", content=_CONTENT), minItems=1, maxItems=96),
        ),
        "oneOf": [{"required": ["texts"]}, {"required": ["inputs"]}],
    },
    "CohereRerankV1": _object(
        "query documents",
        **_RERANK,
        documents=_list({"anyOf": [_TEXT, _object("text", text=_TEXT)]}, minItems=1, maxItems=1000),
        rank_fields=_or_null(_list(_STRING, minItems=1)),
    ),
    "CohereRerankV2": _object(
        "model query documents", **_RERANK, documents=_list(_TEXT, minItems=1, maxItems=1000)
    ),
    "CohereTokenize": _object("text", text=_TEXT, model=_MODEL),
    "CohereDetokenize": _object("tokens", tokens=_IDS, model=_MODEL),
    "OpenAIRequest": _object(
        "input",
        input={
            "anyOf": [_TEXT, _list(_TEXT, minItems=1, maxItems=2048), _IDS, _list(_IDS, minItems=1)]
        },
        model=_MODEL,
        encoding_format=_or_null(_words(*FORMATS)),
        dimensions=_COUNT,
        user=_STRING,
        input_type=_or_null(_words(*INPUT_TYPES[:-1])),
    ),
    "TeiEmbed": _object("inputs", **_TEI, inputs=_TEI_INPUTS, dimensions=_COUNT,
                        normalize=_or_null({"const": True})),
    "TeiSimilarity": _object(
        "inputs",
        inputs=_object("source_sentence sentences", source_sentence=_TEXT, sentences=_TEXTS),
        parameters=_or_null(_object(**_TEI)),
    ),
    "TeiRerank": _object(
        "query texts", **_TEI, query=_TEXT, texts=_TEXTS, raw_scores=_FLAG, return_text=_FLAG
    ),
    "TeiTokenize": _object(
        "inputs", inputs=_TEI_INPUTS, add_special_tokens=_FLAG, prompt_name=_ROLE
    ),
    "TeiDecode": _object("ids", ids={"anyOf": [_IDS, _list(_IDS, minItems=1)]}),
}  # fmt: skip

_ANSWERS: Json = {
    "CohereEmbedding": _object(
        "id response_type embeddings texts meta",
        id=_STRING,
        response_type=_words("embeddings_floats", "embeddings_by_type"),
        embeddings={
            "anyOf": [
                _VECTORS,
                _object(
                    float=_VECTORS,
                    base64=_list(_STRING),
                    **{name: _list(_list(_INTEGER)) for name in TYPES[1:5]},
                ),
            ]
        },
        texts=_list(_STRING),
        meta=_META,
    ),
    "CohereRanking": _object(
        "id results meta",
        id=_STRING,
        results=_list(
            _object(
                "index relevance_score",
                index=_INTEGER,
                relevance_score=_NUMBER,
                document=_object("text", text=_STRING),
            )
        ),
        meta=_META,
    ),
    "CohereTokens": _object(
        "tokens token_strings", tokens=_list(_ID), token_strings=_list(_STRING), meta=_META
    ),
    "CohereText": _object("text", text=_STRING, meta=_META),
    "CohereKey": _object("valid", valid=_BOOLEAN),
    "OpenAIEmbeddings": _object(
        "object data model usage",
        object=_words("list"),
        data=_list(
            _object(
                "object index embedding",
                object=_words("embedding"),
                index=_INTEGER,
                embedding={"anyOf": [_list(_NUMBER), _STRING]},
            )
        ),
        model=_STRING,
        usage=_object("prompt_tokens total_tokens", prompt_tokens=_INTEGER, total_tokens=_INTEGER),
    ),
    "TeiVectors": _VECTORS,
    "TeiRanking": _list(_object("index score", index=_INTEGER, score=_NUMBER, text=_STRING)),
    "TeiTokens": _list(
        _list(
            _object(
                "id text special start stop",
                id=_INTEGER,
                text=_STRING,
                special=_BOOLEAN,
                start=_or_null(_INTEGER),
                stop=_or_null(_INTEGER),
            )
        )
    ),
    "TeiInfo": _object("model_id model_type max_input_length max_client_batch_size"),
    "Model": _object("id object name endpoints", id=_STRING, endpoints=_list(_STRING)),
    "Models": _object("object data models", data=_list(ref("Model")), models=_list(ref("Model"))),
    "Status": _object("status", status=_STRING),
}

_ERRORS: Json = {
    "CohereError": _object("message", message=_STRING),
    "OpenAIError": _object("error", error=_object("message type param code", message=_STRING)),
    "TeiError": _object("error error_type", error=_STRING, error_type=_STRING),
    "SharedError": _object("message error", message=_STRING, error=_object("message")),
}

SCHEMAS: Mapping[str, Json] = {**_REQUESTS, **_ANSWERS, **_ERRORS}
"""Name -> schema; ``ModelName``, which they refer to, is each server's own."""
