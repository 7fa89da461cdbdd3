"""Qdrant collections that know their encoder."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rolevec.qdrant.adding import AddReport
    from rolevec.qdrant.collection import Collection
    from rolevec.qdrant.stores import list_collections

__all__ = ["AddReport", "Collection", "list_collections"]

_HOME = {
    "AddReport": "rolevec.qdrant.adding",
    "Collection": "rolevec.qdrant.collection",
    "list_collections": "rolevec.qdrant.stores",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
