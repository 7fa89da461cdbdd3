import datetime
from contextlib import closing
from typing import ClassVar

import pytest
from langchain_core.documents import Document
from langchain_core.embeddings import DeterministicFakeEmbedding
from langchain_core.indexing import InMemoryRecordManager, aindex, index
from langchain_qdrant import QdrantVectorStore
from qdrant_client import QdrantClient, models

from rolevec.errors import CollectionMismatch, InvalidDocument
from rolevec.langchain import RolevecEmbeddings, RolevecVectorStore
from rolevec.qdrant import Fusion
from rolevec.testing import FakeEncoder

DOCUMENTS = [
    Document("apples are red", id="apple", metadata={"kind": "fruit", "n": 1}),
    Document("pears are green", id="pear", metadata={"kind": "fruit", "n": 2}),
    Document("dogs are loud", id="dog", metadata={"kind": "animal", "n": 3}),
]


def fake(name="fake", dim=64):
    return RolevecEmbeddings.from_encoder(FakeEncoder(dim=dim, name=name))


@pytest.fixture(params=["edge", "memory"])
def where(request, tmp_path):
    client = None if request.param == "edge" else QdrantClient(":memory:")
    yield client or tmp_path
    if client:
        client.close()


def test_hybrid_search(where):
    with closing(
        RolevecVectorStore(fake(), collection_name="h", store=where, hybrid=True)
    ) as store:
        store.add_documents(DOCUMENTS)
        retriever = store.as_retriever(search_kwargs={"hybrid": True, "k": 1})
        assert [d.id for d in retriever.invoke("loud dogs")] == ["dog"]
        (best, score), *_ = store.similarity_search_with_score("green pears", hybrid=True)
        assert best.id == "pear"
        assert score == pytest.approx(2 / 61)
        words_only = {"hybrid": Fusion(dense=0), "filter": {"kind": "fruit"}}
        assert [d.id for d in store.similarity_search("red", **words_only)] == ["apple"]
        with pytest.raises(ValueError, match="words of the query"):
            store.similarity_search_by_vector([1.0] * 64, hybrid=True)
        with pytest.raises(ValueError, match="relevance scores"):
            store.similarity_search_with_relevance_scores("red", hybrid=True)


async def test_hybrid_search_without_blocking(where):
    with closing(
        RolevecVectorStore(fake(), collection_name="h", store=where, hybrid=True)
    ) as store:
        await store.aadd_documents(DOCUMENTS)
        found = await store.asimilarity_search_with_score("loud dogs", hybrid=True)
        assert found == store.similarity_search_with_score("loud dogs", hybrid=True)
        with pytest.raises(ValueError, match="relevance scores"):
            await store.asimilarity_search_with_relevance_scores("red", hybrid=True)


@pytest.fixture
def store(where):
    store = RolevecVectorStore(fake(), collection_name="c", store=where)
    store.add_documents(DOCUMENTS)
    yield store
    store.close()


def test_documents_come_back_as_they_were(store):
    assert store.similarity_search("apples are red", k=1) == DOCUMENTS[:1]
    assert store.get_by_ids(["dog", "none", "apple"]) == [DOCUMENTS[2], DOCUMENTS[0]]


def test_scores_and_filters(store):
    (best, score), *_ = store.similarity_search_with_score("dogs are loud")
    assert best == DOCUMENTS[2]
    assert 0.8 < score <= 1
    found = store.similarity_search("are", filter={"kind": "fruit", "n": {"gt": 1}})
    assert found == DOCUMENTS[1:2]
    field = models.FieldCondition(key="metadata.kind", match=models.MatchValue(value="animal"))
    assert store.similarity_search("are", filter=models.Filter(must=[field])) == DOCUMENTS[2:]
    relevant = store.similarity_search_with_relevance_scores("dogs are loud", k=3)
    assert all(0 <= score <= 1 for _, score in relevant)
    vector = store.embeddings.embed_query("dogs are loud")
    assert store.similarity_search_by_vector(vector, k=1) == DOCUMENTS[2:]
    with pytest.raises(TypeError, match="fliter"):
        store.similarity_search("x", fliter={})


def test_ids_are_filled_in_where_they_are_missing(store):
    ids = store.add_documents([Document("new one", id="a"), Document("new two")])
    assert ids[0] == "a"
    assert store.get_by_ids([ids[1]])[0].page_content == "new two"
    assert store.add_documents([Document("new two")]) == ids[1:]
    assert store.add_texts(["x", "y"], [{"n": 1}, {}], ids=["1", None])[0] == "1"
    assert store.collection.count() == 7
    with pytest.raises(ValueError, match="2 texts, but 1 ids"):
        store.add_texts(["x", "y"], ids=["1"])
    with pytest.raises(InvalidDocument, match=r"document 1.*isoformat"):
        store.add_texts(["a", "b"], [{}, {"at": datetime.date(2024, 1, 1)}])


def test_delete(store):
    assert store.delete(["apple", "none"]) is True
    assert store.delete(filter={"kind": "animal"}) is True
    assert [d.id for d in store.similarity_search("are")] == ["pear"]
    with pytest.raises(ValueError, match="what to delete"):
        store.delete()


def test_lambda_0_is_most_diverse_and_1_is_plain(store):
    store.add_texts([f"apples are red {'indeed ' * i}" for i in range(1, 4)])
    plain = store.max_marginal_relevance_search("apples are red", k=3, lambda_mult=1)
    assert plain == store.similarity_search("apples are red", k=3)
    diverse = store.max_marginal_relevance_search("apples are red", k=3, lambda_mult=0)
    assert diverse[0] == plain[0]
    assert {d.id for d in diverse[1:]} == {"pear", "dog"}


async def test_async_does_the_same(store):
    query = "apples are red"
    assert await store.asimilarity_search(query, k=2) == store.similarity_search(query, k=2)
    scored = await store.asimilarity_search_with_score(query, k=2, filter={"n": 2})
    assert scored == store.similarity_search_with_score(query, k=2, filter={"n": 2})
    assert await store.amax_marginal_relevance_search(
        query, k=2
    ) == store.max_marginal_relevance_search(query, k=2)
    assert await store.aadd_texts(["new"], ids=["n"]) == ["n"]
    assert (await store.aget_by_ids(["n"]))[0].page_content == "new"
    assert await store.adelete(["n"]) is True
    assert store.collection.count() == 3


@pytest.mark.parametrize(
    ("search_type", "search_kwargs", "expected"),
    [
        ("similarity", {"k": 1}, ["apple"]),
        ("similarity", {"filter": {"kind": "animal"}}, ["dog"]),
        ("similarity_score_threshold", {"score_threshold": 0.9}, ["apple"]),
        ("mmr", {"k": 2, "lambda_mult": 1.0}, None),
    ],
)
def test_retrievers(store, search_type, search_kwargs, expected):
    retriever = store.as_retriever(search_type=search_type, search_kwargs=search_kwargs)
    found = [d.id for d in retriever.invoke("apples are red")]
    assert found == expected or (expected is None and len(found) == 2)


def test_another_encoder_is_refused(store, where):
    with pytest.raises(CollectionMismatch, match=r"fake.*other"):
        RolevecVectorStore(fake("other"), collection_name="c", store=where)
    foreign = DeterministicFakeEmbedding(size=64)
    with pytest.raises(CollectionMismatch, match="DeterministicFakeEmbedding"):
        RolevecVectorStore(foreign, collection_name="c", store=where)
    store.collection.encoder = FakeEncoder(name="other")
    for use in (lambda: store.add_texts(["x"]), lambda: store.similarity_search("x")):
        with pytest.raises(CollectionMismatch):
            use()


class Counting(DeterministicFakeEmbedding):
    """A foreign class with an async method of its own."""

    model: str = "m1"
    calls: ClassVar[list] = []

    async def aembed_query(self, text):
        self.calls.append(text)
        return self.embed_query(text)


async def test_a_foreign_class_keeps_its_async_and_its_identity(tmp_path):
    embedding = Counting(size=12)
    store = RolevecVectorStore(embedding, collection_name="c", store=tmp_path)
    await store.aadd_texts(["one", "two"])
    assert (await store.asimilarity_search("one", k=1))[0].page_content == "one"
    assert embedding.calls == ["one"]
    assert store.collection.fingerprint.model.endswith("Counting/m1")
    with pytest.raises(CollectionMismatch, match="m2"):
        RolevecVectorStore(Counting(size=12, model="m2"), collection_name="c", store=tmp_path)
    store.close()


@pytest.mark.filterwarnings("ignore:Using SHA-1")
@pytest.mark.parametrize("key_encoder", ["sha1", "sha256", "sha512", "blake2b"])
def test_the_indexing_api(tmp_path, key_encoder):
    store = RolevecVectorStore(fake(), collection_name="c", store=tmp_path)
    manager = InMemoryRecordManager("c")
    manager.create_schema()
    options = {"source_id_key": "source", "key_encoder": key_encoder, "cleanup": "full"}
    docs = [Document(f"text {i}", metadata={"source": f"s{i}"}) for i in range(4)]
    first = index(docs, manager, store, **options)
    assert (first["num_added"], first["num_deleted"]) == (4, 0)
    second = index(
        [*docs[1:], Document("new", metadata={"source": "s9"})], manager, store, **options
    )
    assert (second["num_added"], second["num_skipped"], second["num_deleted"]) == (1, 3, 1)
    assert store.collection.count() == 4
    store.close()


def test_the_indexing_api_with_a_lost_record_doubles_nothing(tmp_path):
    store = RolevecVectorStore(fake(), collection_name="c", store=tmp_path)
    docs = [Document(f"text {i}", metadata={"source": f"s{i}"}) for i in range(4)]
    for _ in range(2):
        manager = InMemoryRecordManager("c")
        index(docs, manager, store, source_id_key="source", key_encoder="blake2b", cleanup="full")
        assert store.collection.count() == 4
    store.close()


async def test_the_indexing_api_async(tmp_path):
    store = RolevecVectorStore(fake(), collection_name="c", store=tmp_path)
    manager = InMemoryRecordManager("c")
    docs = [Document(f"text {i}", metadata={"source": "s"}) for i in range(3)]
    for cleanup in ("incremental", "scoped_full"):
        await aindex(
            docs, manager, store, cleanup=cleanup, source_id_key="source", key_encoder="blake2b"
        )
        assert store.collection.count() == 3
    store.close()


def test_the_stock_store_reads_what_we_wrote():
    client = QdrantClient(":memory:")
    ours = RolevecVectorStore(fake(), collection_name="c", store=client)
    ours.add_documents(DOCUMENTS)
    stock = QdrantVectorStore(client, "c", fake())
    (found,) = stock.similarity_search("dogs are loud", k=1)
    assert found.page_content == "dogs are loud"
    assert DOCUMENTS[2].metadata.items() <= found.metadata.items()
    client.close()


def test_the_stock_store_works_with_our_embeddings():
    client = QdrantClient(":memory:")
    client.create_collection(
        "s", vectors_config=models.VectorParams(size=64, distance=models.Distance.COSINE)
    )
    stock = QdrantVectorStore(client, "s", fake())
    stock.add_documents([Document(d.page_content, metadata=d.metadata) for d in DOCUMENTS])
    assert stock.similarity_search("pears are green", k=1)[0].page_content == "pears are green"
    ours = RolevecVectorStore(fake(), collection_name="s", store=client, adopt=True)
    assert ours.similarity_search("pears are green", k=1)[0].metadata == DOCUMENTS[1].metadata
    client.close()
