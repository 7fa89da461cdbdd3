"""rolevec in LlamaIndex: embedding, vector store and reranker."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from rolevec.errors import MissingExtra

if TYPE_CHECKING:
    from rolevec.llama_index.embedding import RolevecEmbedding
    from rolevec.llama_index.reranker import RolevecRerank
    from rolevec.llama_index.vector_store import RolevecVectorStore

__all__ = ["RolevecEmbedding", "RolevecRerank", "RolevecVectorStore"]

_HOME = {
    "RolevecEmbedding": "rolevec.llama_index.embedding",
    "RolevecRerank": "rolevec.llama_index.reranker",
    "RolevecVectorStore": "rolevec.llama_index.vector_store",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    # The name llama_index alone may be any of its many packages.
    if find_spec("llama_index") is None or find_spec("llama_index.core") is None:
        raise MissingExtra("llama-index-core", "llama-index")
    value = getattr(import_module(_HOME[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
