"""VectorStoreIndex and a query engine over our store."""

import pytest
from llama_index.core import Document, StorageContext, VectorStoreIndex
from llama_index.core.llms import MockLLM
from llama_index.core.vector_stores import MetadataFilter, MetadataFilters
from qdrant_client import QdrantClient

from rolevec.llama_index import RolevecEmbedding, RolevecRerank, RolevecVectorStore
from rolevec.testing import FakeEncoder

DOCUMENTS = [
    Document(id_="d1", text="red apples are sweet", metadata={"lang": "en"}),
    Document(id_="d2", text="rote Äpfel sind süß", metadata={"lang": "de"}),
    Document(id_="d3", text="blue cars are fast", metadata={"lang": "en"}),
]


@pytest.fixture
def embedding():
    return RolevecEmbedding.from_encoder(FakeEncoder())


@pytest.fixture(params=["edge", "memory"])
def store(request, tmp_path, embedding):
    place = tmp_path / "store" if request.param == "edge" else QdrantClient(":memory:")
    store = RolevecVectorStore("docs", store=place, embed_model=embedding)
    yield store
    store.close()


@pytest.fixture
def index(store, embedding):
    context = StorageContext.from_defaults(vector_store=store)
    return VectorStoreIndex.from_documents(
        DOCUMENTS, storage_context=context, embed_model=embedding
    )


def texts(found):
    return [node.get_content() for node in found]


def test_retrieving(index):
    found = index.as_retriever(similarity_top_k=2).retrieve("sweet apples")
    assert texts(found)[0] == "red apples are sweet"
    assert found[0].node.source_node.node_id == "d1"
    assert found[0].score > found[1].score
    german = MetadataFilters(filters=[MetadataFilter(key="lang", value="de")])
    found = index.as_retriever(filters=german).retrieve("sweet apples")
    assert texts(found) == ["rote Äpfel sind süß"]


async def test_retrieving_asynchronously(index):
    found = await index.as_retriever(similarity_top_k=1).aretrieve("fast cars")
    assert texts(found) == ["blue cars are fast"]


def test_mmr_through_the_retriever(index):
    def ask(threshold):
        options = {"mmr_threshold": threshold}
        retriever = index.as_retriever(
            vector_store_query_mode="mmr", similarity_top_k=3, vector_store_kwargs=options
        )
        return texts(retriever.retrieve("sweet apples"))

    plain = texts(index.as_retriever(similarity_top_k=3).retrieve("sweet apples"))
    assert ask(1.0) == plain
    assert sorted(ask(0.0)) == sorted(plain)


def test_inserting_updating_and_deleting(index, store):
    index.insert(Document(id_="d4", text="cold rain falls"))
    assert texts(index.as_retriever(similarity_top_k=1).retrieve("rain")) == ["cold rain falls"]
    index.update_ref_doc(Document(id_="d4", text="warm rain falls"))
    assert texts(index.as_retriever(similarity_top_k=1).retrieve("rain")) == ["warm rain falls"]
    index.delete_ref_doc("d4")
    assert len(store.get_nodes()) == 3


def test_an_index_over_an_existing_collection(index, store, embedding):
    again = VectorStoreIndex.from_vector_store(store, embed_model=embedding)
    found = again.as_retriever(similarity_top_k=1).retrieve("fast cars")
    assert texts(found) == ["blue cars are fast"]


def test_a_query_engine_with_reranking(index):
    engine = index.as_query_engine(
        llm=MockLLM(),
        similarity_top_k=3,
        node_postprocessors=[RolevecRerank.from_scorer(FakeEncoder(), top_n=1)],
    )
    answer = engine.query("sweet apples")
    assert texts(answer.source_nodes) == ["red apples are sweet"]
    assert "red apples are sweet" in str(answer)
