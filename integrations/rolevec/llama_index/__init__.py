"""rolevec in LlamaIndex: embedding, vector store and reranker."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rolevec.door import front_door

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
_NEEDS = dict.fromkeys(
    # The name llama_index alone may be any of its many packages.
    ("llama_index", "llama_index.core"),
    ("llama-index-core", "llama-index"),
)

__getattr__, __dir__ = front_door(__name__, _HOME, _NEEDS)
