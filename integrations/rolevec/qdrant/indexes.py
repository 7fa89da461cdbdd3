"""Payload indexes: which paths are indexed, in every engine alike."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast, get_args

from rolevec.qdrant.backends.protocol import IndexType
from rolevec.qdrant.paths import parts_of, payload_path
from rolevec.qdrant.payloads import METADATA, RESERVED

# LlamaIndex deletes by it.
_ALWAYS: dict[str, IndexType] = {"doc_id": "keyword"}


def check_fields(fields: Mapping[str, str] | None) -> dict[str, str]:
    """Metadata fields to index, with the type of each.

    Raises:
        ValueError: an unknown type, with the choices, or what cannot name a field.
    """
    for name, kind in (fields or {}).items():
        payload_path(name)
        if kind not in get_args(IndexType):
            raise ValueError(
                f"indexed_fields: {name!r} has type {kind!r}; use {', '.join(get_args(IndexType))}"
            )
    return dict(fields or {})


def index_paths(fields: Mapping[str, str]) -> dict[str, IndexType]:
    """Payload paths to index: the nested copy for our filters and LangChain's, the flat one for
    LlamaIndex's."""
    paths = dict(_ALWAYS)
    for name, kind in fields.items():
        path = payload_path(name)
        paths[f"{METADATA}.{path}"] = cast("IndexType", kind)
        if parts_of(name)[0].key not in RESERVED:
            paths[path] = cast("IndexType", kind)
    return paths
