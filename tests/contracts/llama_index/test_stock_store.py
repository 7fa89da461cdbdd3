"""LlamaIndex's own Qdrant store with our embedding, and on a collection that we wrote."""

import pytest
from llama_index.core import StorageContext, VectorStoreIndex
from llama_index.core.schema import NodeRelationship, RelatedNodeInfo, TextNode
from llama_index.core.vector_stores.types import (
    MetadataFilter,
    MetadataFilters,
    VectorStoreQuery,
)
from llama_index.vector_stores.qdrant import QdrantVectorStore
from qdrant_client import QdrantClient

from rolevec.errors import CollectionMismatch
from rolevec.llama_index import RolevecEmbedding, RolevecVectorStore
from rolevec.testing import FakeEncoder

IDS = ["6f1c1b2e-9c9b-4f0e-8f57-0d8a3f6d8a11", "6f1c1b2e-9c9b-4f0e-8f57-0d8a3f6d8a12"]


@pytest.fixture
def client():
    client = QdrantClient(":memory:")
    yield client
    client.close()


@pytest.fixture
def embedding():
    return RolevecEmbedding.from_encoder(FakeEncoder())


@pytest.fixture
def nodes(embedding):
    source = {NodeRelationship.SOURCE: RelatedNodeInfo(node_id="d1")}
    texts = ["red apples are sweet", "blaue Autos sind schnell"]
    return embedding(
        [
            TextNode(id_=i, text=t, metadata={"n": n, "nested": {"x": [n]}}, relationships=source)
            for n, (i, t) in enumerate(zip(IDS, texts, strict=True))
        ]
    )


def stock(client):
    return QdrantVectorStore("docs", client=client)


def ask(store, embedding, **options):
    vector = embedding.get_query_embedding("sweet apples")
    return store.query(VectorStoreQuery(query_embedding=vector, similarity_top_k=2, **options))


def test_it_works_with_our_embedding(client, embedding, nodes):
    context = StorageContext.from_defaults(vector_store=stock(client))
    index = VectorStoreIndex(nodes, storage_context=context, embed_model=embedding)
    (found,) = index.as_retriever(similarity_top_k=1).retrieve("sweet apples")
    assert found.get_content() == "red apples are sweet"


def test_it_reads_what_we_wrote(client, embedding, nodes):
    ours = RolevecVectorStore("docs", store=client, embed_model=embedding)
    ours.add(nodes)
    mine, theirs = ask(ours, embedding), ask(stock(client), embedding)
    assert theirs.nodes == mine.nodes
    assert theirs.ids == mine.ids
    assert theirs.similarities == pytest.approx(mine.similarities)
    one = MetadataFilters(filters=[MetadataFilter(key="n", value=1)])
    assert ask(stock(client), embedding, filters=one).ids == [IDS[1]]
    stock(client).delete("d1")
    assert ours.get_nodes() == []


def test_we_read_what_it_wrote(client, embedding, nodes):
    stock(client).add(nodes)
    with pytest.raises(CollectionMismatch, match="adopt=True"):
        RolevecVectorStore("docs", store=client, embed_model=embedding)
    ours = RolevecVectorStore("docs", store=client, embed_model=embedding, adopt=True)
    assert ask(ours, embedding).nodes == [n.model_copy(update={"embedding": None}) for n in nodes]
    one = MetadataFilters(filters=[MetadataFilter(key="n", value=1)])
    assert ask(ours, embedding, filters=one).ids == [IDS[1]]
