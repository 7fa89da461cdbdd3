"""Payloads: the superset of keys that the stock LangChain and LlamaIndex stores both read."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

from rolevec.documents import JSON, Document
from rolevec.errors import InvalidDocument, shown
from rolevec.ranking.lexical import Bm25, Sparse

TEXT, METADATA, OWN = "page_content", "metadata", "_rolevec"
NODE, NODE_TYPE = "_node_content", "_node_type"
REFERENCES = ("document_id", "doc_id", "ref_doc_id")
RESERVED = frozenset({TEXT, METADATA, OWN, NODE, NODE_TYPE, *REFERENCES})

# Set where the metadata must be read from the node, whose JSON the engine does not parse.
_EXACT = "exact"
# What LlamaIndex writes where a node has no parent document.
_NO_PARENT = "None"
# JSON parsers stop at about 128 levels; a payload adds a few of its own.
DEEPEST = 64
# Of each key on the way to a bad value, this much is shown.
_KEY_SHOWN = 40


def payload_of(
    document: Document,
    identifier: str,
    *,
    dropped_tokens: int = 0,
    node: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """The payload of one document.

    Text and metadata stand where LangChain's store reads them; the metadata stands a second time
    at the top, where LlamaIndex's filters look, and everything a third time inside the JSON that
    LlamaIndex rebuilds nodes from. Keys that would clash at the top are kept in the nested copy.

    Args:
        document: its metadata is checked here.
        identifier: the id as the user knows it.
        dropped_tokens: tokens of the text that did not reach the model.
        node: ``_node_content``, ``_node_type`` and references of a LlamaIndex node; None makes
            those of a plain text node.

    Raises:
        InvalidDocument: the metadata cannot be stored and read back unchanged.
    """
    metadata = plain_metadata(document.metadata)
    own: dict[str, Any] = {"id": identifier}
    if not survives(metadata):
        own[_EXACT] = True
    if dropped_tokens:
        own["dropped_tokens"] = dropped_tokens
    flat = {key: value for key, value in metadata.items() if key not in RESERVED}
    node = node if node is not None else _plain_node(document.text, identifier, metadata)
    return {**flat, **node, TEXT: document.text, METADATA: metadata, OWN: own}


def _plain_node(text: str, identifier: str, metadata: dict[str, JSON]) -> dict[str, Any]:
    content: dict[str, Any] = {
        "id_": identifier,
        "embedding": None,
        "metadata": metadata,
        "excluded_embed_metadata_keys": [],
        "excluded_llm_metadata_keys": [],
        "relationships": {},
        "text": text,
        "class_name": "TextNode",
    }
    return {
        NODE: json.dumps(content, ensure_ascii=False),
        NODE_TYPE: "TextNode",
        **dict.fromkeys(REFERENCES, _NO_PARENT),
    }


def document_of(point: str | int, payload: Mapping[str, Any]) -> Document:
    """The document in a payload, whoever wrote it.

    Args:
        point: the engine's id, given back where no other is known.
        payload: ours, LangChain's (text and nested metadata), LlamaIndex's (a node as JSON), or
            any other with the text under "text" or "content".
    """
    own = payload.get(OWN)
    own = own if isinstance(own, Mapping) else {}
    identifier = str(own["id"]) if "id" in own else None
    if isinstance(payload.get(TEXT), str):
        metadata = payload.get(METADATA)
        if own.get(_EXACT) and isinstance(payload.get(NODE), str):
            metadata = json.loads(payload[NODE]).get("metadata")
        return Document(payload[TEXT], identifier or str(point), dict(metadata or {}))
    if isinstance(payload.get(NODE), str):
        node = json.loads(payload[NODE])
        text = node.get("text") or (node.get("text_resource") or {}).get("text") or ""
        return Document(text, str(node.get("id_") or point), node.get("metadata") or {})
    text = next((payload[k] for k in ("text", "content") if isinstance(payload.get(k), str)), "")
    rest = {k: v for k, v in payload.items() if k not in {"text", "content"}}
    return Document(text, str(point), rest)


def sparse_of(payload: Mapping[str, Any], bm25: Bm25) -> Sparse:
    """The sparse vector of the text in a payload, whoever wrote it."""
    text = payload.get(TEXT)
    return bm25.document(text if isinstance(text, str) else document_of("", payload).text)


def survives(value: JSON) -> bool:
    """False if a float among the values needs more digits than the engine's parser keeps.

    The engine reads decimal fractions by a fast method that is exact up to 15 digits and small
    exponents, and one in ten longer ones comes back with a different last bit (measured on
    Edge 0.9).
    """
    if isinstance(value, float):
        digits, _, exponent = repr(value).lstrip("-").partition("e")
        plain = digits.replace(".", "").strip("0")
        return len(plain) <= 15 and abs(int(exponent or 0)) <= 7
    if isinstance(value, list):
        return all(map(survives, value))
    return all(map(survives, value.values())) if isinstance(value, dict) else True


def plain_metadata(metadata: Mapping[str, Any]) -> dict[str, JSON]:
    """A copy in plain JSON types.

    Raises:
        InvalidDocument: names the path of the first value that JSON would not give back unchanged.
    """
    if not isinstance(metadata, Mapping):
        raise InvalidDocument(f"metadata is a {type(metadata).__name__}, not a mapping")
    plain = _plain(metadata, "metadata", 0)
    assert isinstance(plain, dict)
    return plain


def _plain(value: Any, path: str, depth: int) -> JSON:
    if depth > DEEPEST:
        raise InvalidDocument(f"{path[:60]}… is nested deeper than {DEEPEST} levels")
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return _utf8(value, path)
    if isinstance(value, int):
        if not -(1 << 63) <= value < 1 << 63:
            large = f"{path} = {shown(value)}"
            raise InvalidDocument(f"{large} does not fit 64 bits; store it as a string")
        return int(value)
    if isinstance(value, float):
        if not math.isfinite(value):
            raise InvalidDocument(f"{path} is {value}; JSON has no such number, use None")
        return float(value)
    if isinstance(value, list):
        return [_plain(item, f"{path}[{i}]", depth + 1) for i, item in enumerate(value)]
    if isinstance(value, Mapping):
        return {
            _key(key, path): _plain(v, f"{path}.{key[:_KEY_SHOWN]}", depth + 1)
            for key, v in value.items()
        }
    raise InvalidDocument(f"{path} is a {type(value).__name__}; {_advice(value)}")


def _key(key: Any, path: str) -> str:
    if not isinstance(key, str):
        raise InvalidDocument(f"{path} has the key {shown(key)}; keys must be strings")
    return _utf8(key, path)


def _utf8(text: str, path: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise InvalidDocument(f"{path} holds a lone surrogate, which UTF-8 cannot carry") from error
    # The content, also of a subclass: str() of an enumeration's member gives its name.
    return str.__str__(text)


def _advice(value: Any) -> str:
    if hasattr(value, "isoformat"):
        return "store it as value.isoformat()"
    if hasattr(value, "tolist"):
        return "store it as value.tolist()"
    if isinstance(value, (tuple, set, frozenset)):
        return "store it as a list"
    return "metadata holds JSON values only: strings, numbers, booleans, None, lists, mappings"
