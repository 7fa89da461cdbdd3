"""RolevecVectorStore: nodes in and out, queries, identity, lifecycle."""

import copy
import dataclasses
import pickle

import numpy as np
import pytest
from llama_index.core.embeddings import MockEmbedding
from llama_index.core.schema import (
    ImageNode,
    IndexNode,
    MediaResource,
    Node,
    NodeRelationship,
    RelatedNodeInfo,
    TextNode,
)
from llama_index.core.vector_stores.types import (
    MetadataFilter,
    MetadataFilters,
    VectorStoreQuery,
    VectorStoreQueryMode,
)
from pydantic import ValidationError
from qdrant_client import QdrantClient

from rolevec.errors import (
    CollectionMismatch,
    CollectionNotFound,
    InvalidDocument,
    InvalidVector,
    UnsupportedByBackend,
)
from rolevec.llama_index import RolevecEmbedding, RolevecVectorStore
from rolevec.qdrant import Bm25, Collection
from rolevec.testing import FakeEncoder

GERMAN = MetadataFilters(filters=[MetadataFilter(key="lang", value="de")])


def query(embedding, text="sweet apples", k=2, **options):
    vector = embedding.get_query_embedding(text)
    return VectorStoreQuery(query_embedding=vector, similarity_top_k=k, **options)


def ids(nodes):
    return sorted(node.node_id for node in nodes)


def without_embedding(node):
    return node.model_copy(update={"embedding": None})


# Nodes in and out


def test_nodes_come_back_equal(store, nodes):
    assert store.get_nodes(["n3", "n1"]) == [without_embedding(nodes[i]) for i in (2, 0)]
    assert store.get_nodes(["none"]) == []
    assert len(store.get_nodes()) == 4


def test_all_kinds_of_nodes_come_back(store, embedding):
    base = {"id_": "x", "metadata": {"a": 1.1, "b": None, "c": {"d": [True, "ü"]}}}
    base["relationships"] = {
        NodeRelationship.SOURCE: RelatedNodeInfo(node_id="s", metadata={"k": 1}),
        NodeRelationship.CHILD: [RelatedNodeInfo(node_id="c")],
    }
    kinds = [
        TextNode(text="text", excluded_llm_metadata_keys=["a"], start_char_idx=3, **base),
        IndexNode(text="index", index_id="elsewhere", **base),
        ImageNode(text="", image="aGk=", image_mimetype="image/png", **base),
        Node(text_resource=MediaResource(text="several"), **base),
    ]
    for node in kinds:
        node.embedding = embedding.get_text_embedding("x")
        store.add([node])
        (found,) = store.get_nodes(["x"])
        assert type(found) is type(node)
        assert found == without_embedding(node)


def test_ids_are_any_string(store, embedding):
    for identifier in ("7", "foo bar", "é", "6f1c1b2e-9c9b-4f0e-8f57-0d8a3f6d8a11"):
        node = TextNode(id_=identifier, text="t", embedding=embedding.get_text_embedding("t"))
        assert store.add([node]) == [identifier]
        assert store.get_nodes([identifier])[0].node_id == identifier


def test_adding_again_replaces(store, nodes):
    nodes[0].text = "changed"
    assert store.add(nodes) == ["n1", "n2", "n3", "n4"]
    assert len(store.get_nodes()) == 4
    assert store.get_nodes(["n1"])[0].text == "changed"
    assert store.add([]) == []


def test_what_cannot_be_stored_is_refused_whole(store, nodes):
    nodes[1].metadata["bad"] = {1, 2}
    with pytest.raises(InvalidDocument, match=r"metadata\.bad"):
        store.add([TextNode(id_="new", text="t", embedding=nodes[0].embedding), nodes[1]])
    with pytest.raises(InvalidVector):
        store.add([TextNode(id_="new", text="t", embedding=[float("nan")] * 64)])
    with pytest.raises(ValueError, match="embedding not set"):
        store.add([TextNode(id_="new", text="t")])
    assert len(store.get_nodes()) == 4


def test_deleting(store):
    store.delete("d1")
    assert ids(store.get_nodes()) == ["n3", "n4"]
    store.delete("d1")
    store.delete_nodes(["n3"], MetadataFilters(filters=[MetadataFilter(key="lang", value="en")]))
    assert len(store.get_nodes()) == 2
    store.delete_nodes(filters=GERMAN)
    assert ids(store.get_nodes()) == ["n4"]
    with pytest.raises(ValueError, match="clear"):
        store.delete_nodes()
    store.delete_nodes([])
    store.delete_nodes(["n4", "missing"])
    assert store.get_nodes() == []


def test_a_whole_document_that_is_a_node_is_deleted_by_its_id(store, embedding):
    store.add([TextNode(id_="d9", text="t", embedding=embedding.get_text_embedding("t"))])
    store.delete("n4")
    assert len(store.get_nodes()) == 5
    store.delete("d9")
    assert len(store.get_nodes()) == 4


def test_clear_keeps_the_collection(store, where_stored):
    store.clear()
    assert store.get_nodes() == []
    assert store.collection.fingerprint == FakeEncoder().fingerprint
    with pytest.raises(CollectionMismatch):
        RolevecVectorStore("fruit", store=where_stored, embed_model=FakeEncoder(name="other"))


# Queries


def test_the_nearest_come_first(store, embedding, nodes):
    result = store.query(query(embedding, k=3))
    assert result.ids[0] == "n1"
    assert result.nodes[0] == without_embedding(nodes[0])
    vector = np.array(embedding.get_query_embedding("sweet apples"))
    exact = {node.node_id: float(np.dot(vector, node.embedding)) for node in nodes}
    np.testing.assert_allclose(result.similarities, [exact[i] for i in result.ids], atol=1e-6)
    assert result.ids == sorted(exact, key=exact.get, reverse=True)[:3]


def test_restricted_queries(store, embedding):
    assert store.query(query(embedding, k=9, doc_ids=["d1", "d3"])).ids == ["n1", "n2", "n4"]
    assert sorted(store.query(query(embedding, k=9, node_ids=["n3", "n4"])).ids) == ["n3", "n4"]
    both = query(embedding, k=9, node_ids=["n1", "n3"], filters=GERMAN)
    assert store.query(both).ids == ["n3"]
    assert len(store.query(query(embedding, k=9, node_ids=[])).ids) == 4


def test_mmr(store, embedding, nodes):
    twins = [n.model_copy(update={"id_": f"twin-{n.node_id}"}) for n in nodes]
    store.add(twins)
    plain = store.query(query(embedding, k=4))
    mmr = query(embedding, k=4, mode=VectorStoreQueryMode.MMR)
    relevant = store.query(mmr, mmr_threshold=1.0)
    assert sorted(relevant.ids) == sorted(plain.ids)
    np.testing.assert_allclose(relevant.similarities, plain.similarities, atol=1e-6)
    mmr.mmr_threshold = 0.5
    varied = store.query(mmr)
    assert len({i.removeprefix("twin-") for i in varied.ids}) == 4
    assert varied.ids[0] in plain.ids[:2]
    narrow = store.query(mmr, mmr_prefetch_k=2, mmr_threshold=0.0)
    assert {i.removeprefix("twin-") for i in narrow.ids} >= {"n1"}
    assert sorted(store.query(mmr, mmr_prefetch_factor=1.0).ids) == sorted(plain.ids)
    with pytest.raises(TypeError, match="mmr_treshold"):
        store.query(mmr, mmr_treshold=1.0)


@pytest.mark.parametrize("mode", ["text_search", "semantic_hybrid", "svm"])
def test_other_modes_are_refused_by_name(store, embedding, mode):
    with pytest.raises(UnsupportedByBackend, match=f"'{mode}'.*'default', 'mmr'"):
        store.query(query(embedding, mode=VectorStoreQueryMode(mode)))


def test_modes_that_go_by_words(where_stored, embedding, nodes):
    store = RolevecVectorStore("words", store=where_stored, embed_model=embedding, hybrid=True)
    store.add(nodes)
    words = {"query_str": "sour apples", "similarity_top_k": 3}
    sparse = store.query(VectorStoreQuery(mode=VectorStoreQueryMode.SPARSE, **words))
    assert sparse.ids == ["n2", "n1"]
    assert sparse.similarities[0] > 1
    assert sparse.nodes[0].get_content() == "green apples are sour"
    vector = embedding.get_query_embedding("blue cars are fast")
    both = VectorStoreQuery(mode=VectorStoreQueryMode.HYBRID, query_embedding=vector, **words)
    assert set(store.query(both).ids) == {"n1", "n2", "n4"}
    assert store.query(dataclasses.replace(both, alpha=0.0, hybrid_top_k=2)).ids == ["n2", "n1"]
    assert store.query(dataclasses.replace(both, alpha=1.0)).ids[0] == "n4"
    with pytest.raises(ValueError, match="alpha=2"):
        store.query(dataclasses.replace(both, alpha=2.0))
    with pytest.raises(ValueError, match="query_str"):
        store.query(dataclasses.replace(both, query_str=None))


def test_words_of_a_collection_that_keeps_none(store, embedding):
    for mode in (VectorStoreQueryMode.SPARSE, VectorStoreQueryMode.HYBRID):
        with pytest.raises(UnsupportedByBackend, match="hybrid=True"):
            store.query(dataclasses.replace(query(embedding, mode=mode), query_str="apples"))


def test_hybrid_settings_are_kept_by_to_dict(tmp_path, embedding):
    bm25 = Bm25("german", average_length=50)
    store = RolevecVectorStore("words", store=str(tmp_path), embed_model=embedding, hybrid=bm25)
    store.close()
    again = RolevecVectorStore.from_dict(store.to_dict())
    assert again.hybrid == bm25


def test_a_query_without_a_vector(store, where_stored):
    assert store.query(VectorStoreQuery(query_str="sweet apples")).ids == ["n1"]
    blind = RolevecVectorStore("fruit", store=where_stored)
    with pytest.raises(ValueError, match="query_embedding"):
        blind.query(VectorStoreQuery(query_str="sweet apples"))


async def test_async_twins(store, embedding, nodes):
    extra = nodes[0].model_copy(update={"id_": "n5"})
    assert await store.async_add([extra]) == ["n5"]
    assert len((await store.aquery(query(embedding, k=9))).ids) == 5
    assert len(await store.aget_nodes(["n5", "n1"])) == 2
    await store.adelete("d1")
    await store.adelete_nodes(["n3"])
    assert ids(await store.aget_nodes()) == ["n4"]
    await store.aclear()
    assert await store.aget_nodes() == []


# Identity


def test_another_model_of_the_same_size_is_refused(store, where_stored, embedding, nodes):
    other = RolevecEmbedding.from_encoder(FakeEncoder(name="other"))
    with pytest.raises(CollectionMismatch, match="other"):
        RolevecVectorStore("fruit", store=where_stored, embed_model=other)
    store.collection.encoder = other.encoder
    with pytest.raises(CollectionMismatch, match="other"):
        store.add(nodes)
    with pytest.raises(CollectionMismatch, match="other"):
        store.query(query(other))


def test_without_an_embed_model_the_dimension_is_held_to(where_stored, embedding, nodes):
    store = RolevecVectorStore("plain", store=where_stored)
    with pytest.raises(CollectionNotFound, match="embed_model"):
        _ = store.collection
    assert store.get_nodes() == []
    assert store.query(query(embedding)).ids == []
    store.delete("d1")
    store.add(nodes)
    assert store.collection.dim == 64
    again = RolevecVectorStore("plain", store=where_stored)
    assert len(again.get_nodes()) == 4
    assert again.query(query(embedding)).ids[0] == "n1"
    with pytest.raises((InvalidVector, CollectionMismatch)):
        again.query(VectorStoreQuery(query_embedding=[1.0] * 32))
    with pytest.raises(CollectionMismatch, match="adopt=True"):
        RolevecVectorStore("plain", store=where_stored, embed_model=embedding)
    adopted = RolevecVectorStore("plain", store=where_stored, embed_model=embedding, adopt=True)
    assert adopted.collection.fingerprint == FakeEncoder().fingerprint


def test_a_foreign_embedding_is_fingerprinted(where_stored):
    store = RolevecVectorStore("x", store=where_stored, embed_model=MockEmbedding(embed_dim=8))
    assert store.collection.fingerprint.describe() == "MockEmbedding/unknown (8 dimensions)"
    RolevecVectorStore("x", store=where_stored, embed_model=MockEmbedding(embed_dim=8))
    named = MockEmbedding(embed_dim=8, model_name="named")
    with pytest.raises(CollectionMismatch, match="named"):
        RolevecVectorStore("x", store=where_stored, embed_model=named)
    with pytest.raises(TypeError, match="str"):
        RolevecVectorStore("y", store=where_stored, embed_model="light")


def test_cut_dimensions(where_stored, embedding, nodes):
    store = RolevecVectorStore("cut", store=where_stored, embed_model=embedding, dimensions=32)
    store.add(nodes)
    assert store.collection.dim == 32
    assert store.query(query(embedding)).ids[0] == "n1"


def test_create_false(where_stored, embedding):
    with pytest.raises(CollectionNotFound):
        RolevecVectorStore("none", store=where_stored, embed_model=embedding, create=False)
    lazy = RolevecVectorStore("none", store=where_stored, create=False)
    with pytest.raises(CollectionNotFound):
        lazy.get_nodes()


# Lifecycle


def test_options_are_checked(where_stored):
    with pytest.raises(ValidationError, match="colection"):
        RolevecVectorStore("x", store=where_stored, colection=1)
    with pytest.raises(ValidationError, match="quantization"):
        RolevecVectorStore("x", store=where_stored, quantization="int7")


def test_client(store, where_stored):
    in_memory = isinstance(where_stored, QdrantClient)
    assert store.client is (where_stored if in_memory else store.collection)


def test_copies_are_views(store):
    assert copy.deepcopy(store).collection is store.collection


def test_pickling(tmp_path, nodes):
    store = RolevecVectorStore("a", store=tmp_path, api_key="s3cret", indexed_fields={"y": "float"})
    store.add(nodes)
    store.close()
    again = pickle.loads(pickle.dumps(store))
    assert b"s3cret" not in pickle.dumps(store)
    assert len(again.get_nodes()) == 4
    assert again.indexed_fields == {"y": "float"}
    assert "s3cret" not in repr(store) + str(store.to_dict())
    with pytest.raises(TypeError, match="QdrantClient"):
        pickle.dumps(RolevecVectorStore("a", store=QdrantClient(":memory:")))


def test_plain_collection_reads_it(store, where_stored):
    with Collection.open("fruit", FakeEncoder(), store=where_stored, create=False) as collection:
        assert collection.search("sweet apples", k=1, where={"lang": "en"})[0].id == "n1"
        (document,) = collection.get(["n3"])
    assert (document.text, document.metadata["score"]) == ("rote Äpfel sind süß", 0.5)
