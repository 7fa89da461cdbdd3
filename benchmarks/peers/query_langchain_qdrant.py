"""langchain-qdrant on Qdrant's local mode, with the same vectors and the same encoder."""

import json
import tempfile
import time
from pathlib import Path

import numpy as np
from harness import serve
from langchain_qdrant import QdrantVectorStore
from qdrant_client import QdrantClient, models

from rolevec import load_encoder
from rolevec.langchain import RolevecEmbeddings

state = {}


def load(documents, vectors, queries, k):
    state["queries"] = json.loads(Path(queries).read_text(encoding="utf-8"))
    texts, rows = json.loads(Path(documents).read_text(encoding="utf-8")), np.load(vectors)
    state["folder"] = tempfile.TemporaryDirectory()
    client = QdrantClient(path=state["folder"].name)
    size = models.VectorParams(size=rows.shape[1], distance=models.Distance.COSINE)
    client.create_collection("bench", vectors_config=size)
    client.upload_collection(
        "bench",
        vectors=rows,
        payload=[{"page_content": text, "metadata": {}} for text in texts],
        ids=range(len(texts)),
    )
    embeddings = RolevecEmbeddings.from_encoder(load_encoder("light"))
    store = QdrantVectorStore(client, "bench", embedding=embeddings)
    state["retriever"] = store.as_retriever(search_kwargs={"k": k})


def ask():
    times = []
    for query in state["queries"]:
        begin = time.perf_counter()
        state["retriever"].invoke(query)
        times.append(1000 * (time.perf_counter() - begin))
    return times


def found():
    return [[d.page_content for d in state["retriever"].invoke(q)] for q in state["queries"]]


serve(load=load, ask=ask, found=found)
