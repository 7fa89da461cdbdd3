"""A collection knows its encoder."""

import pytest
from qdrant_client import QdrantClient, models

from rolevec.encoders.foreign import VectorsOnly
from rolevec.errors import CollectionMismatch, CollectionNotFound
from rolevec.qdrant import Collection, list_collections
from rolevec.testing import FakeEncoder

OTHERS = {
    "model": FakeEncoder(name="other"),
    "dim": FakeEncoder(dim=32),
    "prompts": FakeEncoder(prompts={"query": "search: ", "document": "document: "}),
}


@pytest.mark.parametrize("field", OTHERS)
def test_another_encoder_is_refused_on_opening(engine, field):
    engine.open().add(["text"])
    with pytest.raises(CollectionMismatch) as refused:
        engine.open(OTHERS[field])
    message = str(refused.value)
    assert "fake@fake-1 (64 dimensions)" in message
    assert OTHERS[field].fingerprint.describe() in message
    assert field in message
    assert "Either load the encoder" in message
    assert "new collection" in message


def test_another_encoder_is_refused_on_adding_and_searching(engine):
    collection = engine.open()
    collection.add(["text"])
    collection.encoder = OTHERS["model"]
    for use in (
        lambda: collection.add(["more"]),
        lambda: collection.add_vectors(["more"], [[1.0] * 64]),
        lambda: collection.search("text"),
        lambda: collection.search_many(["text"]),
        lambda: collection.search_by_vector([1.0] * 64),
        lambda: collection.recommend(["text"]),
        lambda: collection.diverse("text"),
    ):
        with pytest.raises(CollectionMismatch, match="other"):
            use()
    assert collection.count() == 1


def test_the_same_encoder_opens_it_again(engine):
    engine.open().add(["text"])
    again = engine.open(create=False)
    assert again.count() == 1
    assert again.fingerprint == FakeEncoder().fingerprint


def test_a_cut_dimension_is_part_of_the_identity(engine):
    engine.open(dimensions=32)
    with pytest.raises(CollectionMismatch, match="dim"):
        engine.open()
    assert engine.open(FakeEncoder(dimensions=32)).dim == 32


def test_quantization_is_fixed_at_creation(engine):
    engine.open()
    with pytest.raises(CollectionMismatch, match="quantization"):
        engine.open(quantization="int8")


def test_what_is_not_there_is_not_found(engine):
    with pytest.raises(CollectionNotFound):
        engine.open(create=False)


def test_vectors_of_unknown_origin_must_be_adopted(engine):
    engine.open(VectorsOnly(64)).add_vectors(["text"], [[1.0] * 64])
    with pytest.raises(CollectionMismatch, match="adopt=True"):
        engine.open()
    with pytest.raises(CollectionMismatch, match="dim"):
        engine.open(OTHERS["dim"], adopt=True)
    assert engine.open(adopt=True).count() == 1
    with pytest.raises(CollectionMismatch, match="other"):
        engine.open(OTHERS["model"], adopt=True)
    assert engine.open(VectorsOnly(64)).count() == 1


def test_a_collection_of_another_program_must_be_adopted():
    client = QdrantClient(":memory:")
    cosine = models.VectorParams(size=64, distance=models.Distance.COSINE)
    client.create_collection("theirs", vectors_config=cosine)
    client.upsert(
        "theirs", [models.PointStruct(id=1, vector=[1.0] * 64, payload={"text": "a", "n": 1})]
    )
    with pytest.raises(CollectionMismatch, match="adopt=True"):
        Collection.open("theirs", FakeEncoder(), store=client)
    collection = Collection.open("theirs", FakeEncoder(), store=client, adopt=True)
    (document,) = collection.get(["1"])
    assert (document.text, document.metadata) == ("a", {"n": 1})
    dot = models.VectorParams(size=64, distance=models.Distance.DOT)
    client.create_collection("dot", vectors_config=dot)
    with pytest.raises(CollectionMismatch, match="cosine"):
        Collection.open("dot", FakeEncoder(), store=client, adopt=True)
    assert list_collections(client) == ["dot", "theirs"]
    client.close()


@pytest.mark.parametrize("name", ["", "a/b", "..", ".hidden", "a\0b", "x" * 256, "a:b", None])
def test_names_that_no_store_takes(tmp_path, name):
    with pytest.raises(ValueError, match="collection"):
        Collection.open(name, FakeEncoder(), store=tmp_path)


def test_unknown_index_types_are_refused(engine):
    with pytest.raises(ValueError, match="keyword"):
        engine.open(indexed_fields={"lang": "string"})


def test_indexes_can_be_added_later(engine):
    engine.open().add(["text"])
    engine.open(indexed_fields={"lang": "keyword"})
    assert engine.open(indexed_fields={"year": "integer"}).count({"lang": "de"}) == 0
