"""Payload indexes: which paths are indexed, in every engine alike."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast, get_args

from rolevec.qdrant.backends.protocol import IndexType
from rolevec.qdrant.payloads import METADATA, RESERVED

# LlamaIndex deletes by it.
_ALWAYS: dict[str, IndexType] = {"doc_id": "keyword"}


def check_fields(fields: Mapping[str, str] | None) -> dict[str, str]:
    """Metadata fields to index, with the type of each.

    Raises:
        ValueError: an unknown type, with the choices.
    """
    for name, kind in (fields or {}).items():
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
        paths[f"{METADATA}.{name}"] = cast("IndexType", kind)
        if name.partition(".")[0] not in RESERVED:
            paths[name] = cast("IndexType", kind)
    return paths
