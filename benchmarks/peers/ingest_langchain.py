"""langchain-qdrant's `add_texts` on Qdrant's local mode, sentence-transformers as the encoder."""

import tempfile
from pathlib import Path

from harness import serve
from ingest_texts import read
from langchain_core.embeddings import Embeddings
from langchain_qdrant import QdrantVectorStore
from qdrant_client import QdrantClient, models
from sentence_transformers import SentenceTransformer

state = {}


class _Embeddings(Embeddings):
    """As langchain-huggingface calls sentence-transformers."""

    def __init__(self, model, batch_size):
        self._model = SentenceTransformer(model, device="cpu")
        self._batch_size = batch_size

    def embed_documents(self, texts):
        return self._model.encode(texts, batch_size=self._batch_size).tolist()

    def embed_query(self, text):
        return self.embed_documents([text])[0]


def load(model, documents, place, batch_size, encode_batch):
    state["rows"] = read(Path(documents))
    state["embeddings"] = _Embeddings(model, encode_batch)
    state["place"], state["batch_size"] = place, batch_size
    state["embeddings"].embed_query("warm up")


def ingest():
    rows = state["rows"]
    with tempfile.TemporaryDirectory() as folder:
        in_memory = state["place"] == ":memory:"
        client = QdrantClient(":memory:") if in_memory else QdrantClient(path=folder)
        size = models.VectorParams(size=384, distance=models.Distance.COSINE)
        client.create_collection("texts", vectors_config=size)
        store = QdrantVectorStore(client, "texts", embedding=state["embeddings"])
        store.add_texts(
            [r["text"] for r in rows],
            [{"lang": r["lang"]} for r in rows],
            [int(r["id"]) for r in rows],
            batch_size=state["batch_size"],
        )
        assert client.count("texts").count == len(rows)
        client.close()


serve(load=load, ingest=ingest)
