"""LangChain: embeddings, a vector store and a reranker."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from rolevec.errors import MissingExtra

if TYPE_CHECKING:
    from rolevec.langchain.embeddings import RolevecEmbeddings
    from rolevec.langchain.reranker import RolevecReranker
    from rolevec.langchain.vectorstore import RolevecVectorStore

__all__ = ["RolevecEmbeddings", "RolevecReranker", "RolevecVectorStore"]

_HOME = {
    "RolevecEmbeddings": "rolevec.langchain.embeddings",
    "RolevecReranker": "rolevec.langchain.reranker",
    "RolevecVectorStore": "rolevec.langchain.vectorstore",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    if find_spec("langchain_core") is None:
        raise MissingExtra("langchain-core", "langchain")
    value = getattr(import_module(_HOME[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
