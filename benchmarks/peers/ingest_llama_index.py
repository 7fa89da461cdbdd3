"""LlamaIndex's `IngestionPipeline` and Qdrant store in local mode, sentence-transformers inside."""

import tempfile
import uuid
from pathlib import Path

from harness import serve
from ingest_texts import read
from llama_index.core.embeddings import BaseEmbedding
from llama_index.core.ingestion import IngestionPipeline
from llama_index.core.schema import TextNode
from llama_index.vector_stores.qdrant import QdrantVectorStore
from pydantic import PrivateAttr
from qdrant_client import QdrantClient
from sentence_transformers import SentenceTransformer

state = {}


class _Embedding(BaseEmbedding):
    """As llama-index-embeddings-huggingface calls sentence-transformers."""

    _model: SentenceTransformer = PrivateAttr()

    def __init__(self, model, batch_size):
        super().__init__(embed_batch_size=batch_size)
        self._model = SentenceTransformer(model, device="cpu")

    def _get_text_embeddings(self, texts):
        return self._model.encode(texts, batch_size=len(texts)).tolist()

    def _get_text_embedding(self, text):
        return self._get_text_embeddings([text])[0]

    def _get_query_embedding(self, query):
        return self._get_text_embedding(query)

    async def _aget_query_embedding(self, query):
        return self._get_query_embedding(query)


def load(model, documents, place, batch_size, encode_batch):
    state["rows"] = read(Path(documents))
    state["embedding"] = _Embedding(model, encode_batch)
    state["place"], state["batch_size"] = place, batch_size
    state["embedding"].get_text_embedding("warm up")


def ingest():
    rows = state["rows"]
    with tempfile.TemporaryDirectory() as folder:
        in_memory = state["place"] == ":memory:"
        client = QdrantClient(":memory:") if in_memory else QdrantClient(path=folder)
        store = QdrantVectorStore("texts", client=client, batch_size=state["batch_size"])
        pipeline = IngestionPipeline(
            transformations=[state["embedding"]], vector_store=store, disable_cache=True
        )
        pipeline.run(
            nodes=[
                TextNode(
                    id_=str(uuid.UUID(int=int(r["id"]))),
                    text=r["text"],
                    metadata={"lang": r["lang"]},
                )
                for r in rows
            ]
        )
        assert client.count("texts").count == len(rows)
        client.close()


serve(load=load, ingest=ingest)
