"""Keywords beside vectors, in every engine alike."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from langchain_qdrant import QdrantVectorStore as StockLangChain
from llama_index.core.vector_stores.types import VectorStoreQuery
from llama_index.vector_stores.qdrant import QdrantVectorStore as StockLlamaIndex
from qdrant_client import QdrantClient

from rolevec import Collection, Document, index_corpus
from rolevec.errors import CollectionMismatch, InvalidText, UnsupportedByBackend
from rolevec.langchain import RolevecEmbeddings
from rolevec.qdrant import Bm25, Fusion
from rolevec.ranking.terms import terms
from rolevec.testing import FakeEncoder

TEXTS = [
    Document("Order AB-1234 was shipped to Lyon", "ship", {"lang": "en"}),
    Document("Order AB-9999 was cancelled", "cancel", {"lang": "en"}),
    Document("Die Bestellung wurde verschickt", "de", {"lang": "de"}),
    Document("注文は昨日発送されました", "ja", {"lang": "ja"}),
    Document("…", "dots", {"lang": "en"}),
]


@pytest.fixture
def orders(engine):
    orders = engine.open(hybrid=True)
    orders.add(TEXTS)
    return orders


def ids(hits):
    return [hit.id for hit in hits]


def test_a_collection_is_not_hybrid_unless_made_so(engine):
    plain = engine.open()
    plain.add(TEXTS)
    assert plain.bm25 is None
    assert "hybrid" in plain.capabilities
    refused = "keeps dense vectors only.*hybrid=True"
    with pytest.raises(UnsupportedByBackend, match=refused):
        plain.search("AB-1234", hybrid=True)
    with pytest.raises(UnsupportedByBackend, match=refused):
        plain.search_many(["AB-1234"], hybrid=True)
    with pytest.raises(UnsupportedByBackend, match=refused):
        plain.search_sparse("AB-1234")
    with pytest.raises(CollectionMismatch, match="dense vectors only"):
        engine.open(hybrid=True)


def test_keywords_score_by_bm25(orders):
    hits = orders.search_sparse("AB-1234", k=5)
    assert ids(hits) == ["ship", "cancel"]
    # Of the four documents with a term, two have "ab" and one "1234".
    documents = [terms(document.text) for document in TEXTS[:4]]
    weight = 2.2 / (1 + 1.2 * (0.25 + 0.75 * len(documents[0]) / 200))
    idf = [math.log(1 + (4 - n + 0.5) / (n + 0.5)) for n in (2, 1)]
    assert hits[0].score == pytest.approx(weight * sum(idf), rel=1e-5)
    assert orders.search_sparse("nothing of it") == []
    assert orders.search_sparse("!?") == []
    with pytest.raises(InvalidText):
        orders.search_sparse(" ")


def test_a_search_is_by_vectors_unless_asked(orders, engine):
    plain = Collection.open("plain", FakeEncoder(), store=":memory:")
    plain.add(TEXTS)
    mine, theirs = orders.search("AB-1234", k=5), plain.search("AB-1234", k=5)
    assert ids(mine) == ids(theirs)
    assert [h.score for h in mine] == pytest.approx([h.score for h in theirs], abs=1e-5)


def test_fusion_is_the_sum_of_reciprocal_ranks(orders):
    query = "order AB-1234"
    dense, sparse = ids(orders.search(query, k=5)), ids(orders.search_sparse(query, k=5))
    hits = orders.search(query, k=5, hybrid=True)
    assert ids(hits)[0] == "ship"
    for hit in hits:
        ranks = [ranking.index(hit.id) + 1 for ranking in (dense, sparse) if hit.id in ranking]
        assert hit.score == pytest.approx(sum(1 / (60 + rank) for rank in ranks))
    assert [h.score for h in hits] == sorted((h.score for h in hits), reverse=True)
    assert {h.id: h.text for h in hits} == {d.id: d.text for d in TEXTS}
    assert orders.search_many([query, "注文"], k=5, hybrid=True)[0] == hits
    vector = orders.encoder.encode_queries([query])[0]
    assert orders.search_by_vector(vector, k=5, hybrid=True, text=query) == hits
    weighted = orders.search(query, k=2, hybrid=Fusion(dense=0))
    assert ids(weighted) == sparse[:2]
    assert ids(orders.search(query, k=5, hybrid=Fusion(sparse=0, k=1))) == dense


def test_filters_hold_for_both_rankings(orders):
    where = {"lang": ["de", "ja"]}
    assert set(ids(orders.search("order AB-1234", where=where, hybrid=True))) == {"de", "ja"}
    assert ids(orders.search_sparse("注文 order", where=where)) == ["ja"]


def test_equal_ranks_go_by_id(engine):
    tied = engine.open(hybrid=True)
    tied.add([Document("same words here", str(i)) for i in range(40, 0, -1)])
    assert ids(tied.search_sparse("words", k=5)) == ["1", "2", "3", "4", "5"]
    assert ids(tied.search("words", k=5, hybrid=True)) == ["1", "2", "3", "4", "5"]


def test_what_a_hybrid_search_refuses(orders):
    with pytest.raises(ValueError, match=r"min_score=0\.5.*reciprocal"):
        orders.search("x", hybrid=True, min_score=0.5)
    with pytest.raises(ValueError, match="text="):
        orders.search_by_vector([1.0] * orders.dim, hybrid=True)
    for bad in (1, "yes", None, Bm25()):
        with pytest.raises(TypeError, match="Fusion"):
            orders.search("x", hybrid=bad)
    with pytest.raises(TypeError, match="Bm25"):
        Collection.open("c", FakeEncoder(), store=":memory:", hybrid=Fusion())


def test_its_settings_are_checked_on_opening(engine):
    bm25 = Bm25("german")
    engine.open(hybrid=bm25).add(["Häuser am See"])
    again = engine.open()
    assert again.bm25 == bm25
    assert [h.text for h in again.search_sparse("Haus")] == ["Häuser am See"]
    engine.open(hybrid=bm25)
    with pytest.raises(CollectionMismatch, match=r"german.*hybrid=Bm25\(language=None"):
        engine.open(hybrid=True)


def test_replaced_and_deleted_documents_lose_their_words(orders):
    orders.add([Document("Order AB-1234 came back", "ship", {"lang": "en"})])
    assert orders.search_sparse("Lyon") == []
    assert ids(orders.search_sparse("back")) == ["ship"]
    orders.delete(["ship"])
    assert orders.search_sparse("back") == []


def test_every_writer_keeps_both_vectors(engine, tmp_path):
    collection = engine.open(hybrid=True)
    (tmp_path / "corpus.jsonl").write_text('{"id": "1", "text": "from a file"}\n', "utf-8")
    index_corpus(tmp_path / "corpus.jsonl", collection, progress=False, ledger=tmp_path / "ledger")
    vectors = FakeEncoder().encode_documents(["by vector"])
    collection.add_vectors([Document("by vector", "2")], vectors)
    assert ids(collection.search_sparse("file")) == ["1"]
    assert ids(collection.search_sparse("vector")) == ["2"]
    assert set(collection.get_vectors(["1", "2"])) == {"1", "2"}
    assert len(collection.diverse("file", k=2)) == 2
    assert ids(collection.recommend(["1"])) == ["2"]


def test_a_migration_keeps_the_keywords(orders):
    orders.migrate(FakeEncoder(dim=32, name="newer"))
    assert orders.dim == 32
    assert orders.bm25 == Bm25()
    assert ids(orders.search_sparse("AB-1234")) == ["ship", "cancel"]
    assert orders.search("order AB-1234", k=1, hybrid=True)[0].id == "ship"


def test_beside_quantised_vectors(tmp_path):
    options = {"store": tmp_path, "hybrid": True, "quantization": "int8"}
    with Collection.open("c", FakeEncoder(), **options) as orders:
        orders.add(TEXTS)
        orders.optimize()
    with Collection.open("c", FakeEncoder(), store=tmp_path) as orders:
        assert orders.search("order AB-1234", k=1, hybrid=True)[0].id == "ship"


async def test_async_twins(orders):
    query = "order AB-1234"
    assert await orders.asearch(query, hybrid=True) == orders.search(query, hybrid=True)
    assert await orders.asearch_sparse(query) == orders.search_sparse(query)


def test_the_stock_stores_read_its_dense_vectors():
    client, encoder = QdrantClient(":memory:"), FakeEncoder()
    with Collection.open("c", encoder, store=client, hybrid=True) as ours:
        ours.add(TEXTS)
        expected = [(hit.id, hit.text) for hit in ours.search("order", k=2)]
        embeddings = RolevecEmbeddings.from_encoder(encoder)
        stock = StockLangChain(client, "c", embeddings)
        found = stock.similarity_search("order", k=2)
        assert [d.page_content for d in found] == [text for _, text in expected]
        vector = encoder.encode_queries(["order"])[0].tolist()
        query = VectorStoreQuery(query_embedding=vector, similarity_top_k=2)
        nodes = StockLlamaIndex("c", client=client).query(query).nodes
        assert [(n.node_id, n.get_content()) for n in nodes] == expected
    client.close()


WORDS = st.sampled_from(["apple", "apples", "Äpfel", "яблоко", "苹果", "りんご", "1234", "x", "…"])
PHRASES = st.lists(WORDS, min_size=1, max_size=5).map(" ".join)


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    encoder = FakeEncoder(dim=8)
    places = (tmp_path_factory.mktemp("store"), ":memory:")
    edge, memory = (Collection.open("c", encoder, store=p, hybrid=True) for p in places)
    yield edge, memory
    edge.close()
    memory.close()


@settings(max_examples=40, deadline=None)
@given(st.lists(PHRASES, min_size=1, max_size=6), PHRASES)
def test_engines_agree(pair, texts, query):
    found = []
    for collection in pair:
        collection.delete([str(i) for i in range(6)])
        collection.add([Document(text, str(i)) for i, text in enumerate(texts)])
        fused = collection.search(query, hybrid=True)
        found.append([[(hit.id, round(hit.score, 9)) for hit in fused],
                      set(ids(collection.search_sparse(query)))])  # fmt: skip
    assert found[0][1] == found[1][1]
    assert {i for i, _ in found[0][0]} == {i for i, _ in found[1][0]}
