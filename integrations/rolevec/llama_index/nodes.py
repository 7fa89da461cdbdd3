"""LlamaIndex nodes as documents with payload keys, and back."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from llama_index.core.bridge.pydantic import ValidationError
from llama_index.core.schema import BaseNode, MetadataMode, TextNode
from llama_index.core.vector_stores.utils import metadata_dict_to_node, node_to_metadata_dict

from rolevec.documents import Document
from rolevec.errors import InvalidDocument, shown
from rolevec.qdrant.adding import Node
from rolevec.qdrant.payloads import NODE, NODE_TYPE, REFERENCES, document_of

_TEXT = TextNode.class_name()
_KEYS = (NODE, NODE_TYPE, *REFERENCES)


def document_of_node(node: BaseNode) -> Document:
    """Text without metadata, id and metadata of a node."""
    return Document(node.get_content(MetadataMode.NONE), node.node_id, node.metadata)


def keys_of_node(node: BaseNode) -> Node:
    """What LlamaIndex's own Qdrant store writes to rebuild a node from.

    Raises:
        InvalidDocument: a field of the node, such as its relationships, that cannot be written.
    """
    try:
        written = node_to_metadata_dict(node)
        for key in _KEYS:
            written[key].encode()
    except (TypeError, ValueError, RecursionError) as error:
        name = shown(node.node_id)
        raise InvalidDocument(f"the node {name} cannot be written: {error}") from error
    return {key: written[key] for key in _KEYS}


def node_of_point(point: int | str, payload: Mapping[str, Any]) -> BaseNode:
    """The node in a payload; a plain text node where another program wrote it."""
    written = payload.get(NODE)
    if isinstance(written, str):
        if payload.get(NODE_TYPE) == _TEXT:
            # Half the time of LlamaIndex's way, which remains for what strict JSON does not allow.
            with suppress(ValidationError):
                return TextNode.model_validate_json(written)
        return metadata_dict_to_node(dict(payload))
    document = document_of(point, payload)
    return TextNode(id_=document.id, text=document.text, metadata=dict(document.metadata))
