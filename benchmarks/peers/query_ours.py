"""One query at a time through rolevec's three doors."""

import json
import shutil
import tempfile
import time
from pathlib import Path

from harness import serve

from rolevec import load_encoder
from rolevec.qdrant import Collection

state = {}


def load(store, queries, door, k):
    state["queries"], state["k"] = json.loads(Path(queries).read_text(encoding="utf-8")), k
    encoder = load_encoder("light")
    # An embedded store belongs to one process: each has a copy of its own.
    state["temporary"] = tempfile.TemporaryDirectory()
    state["folder"] = Path(state["temporary"].name) / "store"
    shutil.copytree(store, state["folder"])
    collection = Collection.open("bench", encoder, store=state["folder"])
    state["search"] = DOORS[door](collection, encoder)


def plain(collection, encoder):
    return lambda query: [hit.text for hit in collection.search(query, k=state["k"])]


def encoding(collection, encoder):
    return lambda query: encoder.encode_queries([query])


def vectors_only(collection, encoder):
    """The engine with a ready-made vector: what no adapter can go below."""
    rows = {query: encoder.encode_queries([query])[0] for query in state["queries"]}
    return lambda query: collection.search_by_vector(rows[query], k=state["k"])


def langchain(collection, encoder):
    from rolevec.langchain import RolevecEmbeddings, RolevecVectorStore

    collection.close()
    store = RolevecVectorStore(
        RolevecEmbeddings.from_encoder(encoder),
        collection_name="bench",
        store=state["folder"],
    )
    retriever = store.as_retriever(search_kwargs={"k": state["k"]})
    return lambda query: [found.page_content for found in retriever.invoke(query)]


def llama_index(collection, encoder):
    from llama_index.core import VectorStoreIndex

    from rolevec.llama_index import RolevecEmbedding, RolevecVectorStore

    collection.close()
    embedding = RolevecEmbedding.from_encoder(encoder)
    store = RolevecVectorStore("bench", store=state["folder"], embed_model=embedding)
    index = VectorStoreIndex.from_vector_store(store, embed_model=embedding)
    retriever = index.as_retriever(similarity_top_k=state["k"])
    return lambda query: [found.node.text for found in retriever.retrieve(query)]


def llama_index_round(collection, encoder):
    """The framework round the plain API: a ready vector, and a store with nodes ready-made."""
    from llama_index.core import VectorStoreIndex
    from llama_index.core.embeddings import MockEmbedding
    from llama_index.core.schema import TextNode
    from llama_index.core.vector_stores.types import BasePydanticVectorStore, VectorStoreQueryResult

    hits = collection.search(state["queries"][0], k=state["k"])
    nodes = [TextNode(id_=hit.id, text=hit.text) for hit in hits]
    ids, scores = [hit.id for hit in hits], [hit.score for hit in hits]

    class Ready(BasePydanticVectorStore):
        stores_text: bool = True

        @property
        def client(self):
            return None

        def add(self, nodes, **kwargs):
            raise NotImplementedError

        def delete(self, ref_doc_id, **kwargs):
            raise NotImplementedError

        def query(self, query, **kwargs):
            collection.search(query.query_str, k=state["k"])
            return VectorStoreQueryResult(nodes=nodes, similarities=scores, ids=ids)

    embedding = MockEmbedding(embed_dim=encoder.dim)
    index = VectorStoreIndex.from_vector_store(Ready(), embed_model=embedding)
    retriever = index.as_retriever(similarity_top_k=state["k"])
    return lambda query: [found.node.text for found in retriever.retrieve(query)]


DOORS = {
    "encode": encoding, "engine": vectors_only, "plain": plain,
    "langchain": langchain, "llama_index": llama_index, "llama_index_round": llama_index_round,
}  # fmt: skip


def ask():
    """Every query once, one after the other; the milliseconds of each."""
    times = []
    for query in state["queries"]:
        begin = time.perf_counter()
        state["search"](query)
        times.append(1000 * (time.perf_counter() - begin))
    return times


def found():
    return [state["search"](query) for query in state["queries"]]


serve(load=load, ask=ask, found=found)
