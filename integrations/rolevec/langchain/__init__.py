"""LangChain: embeddings, a vector store and a reranker."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rolevec.door import front_door

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
_NEEDS = {"langchain_core": ("langchain-core", "langchain")}

__getattr__, __dir__ = front_door(__name__, _HOME, _NEEDS)
