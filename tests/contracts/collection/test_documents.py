"""What goes in comes out."""

import uuid

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rolevec import Document
from rolevec.errors import InvalidDocument, InvalidText, InvalidVector
from rolevec.testing import FakeEncoder

IDS = [
    "1",
    "0",
    "007",
    str(2**64 - 1),
    str(2**64),
    "-1",
    "foo",
    "Ünïcode/../ id",
    "123e4567-e89b-12d3-a456-426614174000",
    "123E4567-E89B-12D3-A456-426614174001",
    "123e4567e89b12d3a456426614174002",
    "x" * 5000,
]


def test_text_metadata_and_any_id_come_back(collection):
    metadata = {"lang": "de", "n": {"a": [1, 2.5, None, {"b": True}]}, "": 1, "ключ": "値"}
    documents = [Document(f"text of {i[:20]}", i, metadata) for i in IDS]
    collection.add(documents)
    assert collection.get(IDS) == documents
    hits = collection.search("text of foo", k=len(IDS))
    assert {hit.id for hit in hits} == set(IDS)
    assert all(hit.metadata == metadata for hit in hits)


def test_documents_without_id_are_added_once(collection):
    first = collection.add(["one", Document("two", metadata={"a": 1})])
    again = collection.add(["one", Document("two", metadata={"a": 1}), Document("two")])
    assert (first.added, again.added) == (2, 3)
    assert collection.count() == 3


def test_an_equal_id_replaces(collection):
    collection.add([Document("old", "a", {"gone": True})])
    collection.add([Document("new", "a", {"lang": "en"})])
    assert collection.get("a") == [Document("new", "a", {"lang": "en"})]
    assert collection.count() == 1


def test_the_last_of_equal_ids_in_one_call_counts(collection):
    report = collection.add([Document(f"version {i}", "a") for i in range(5)])
    assert report.added == 1
    assert collection.get(["a"])[0].text == "version 4"


def test_get_keeps_order_and_leaves_out_what_is_missing(collection):
    collection.add([Document(f"text {i}", f"id-{i}") for i in range(5)])
    found = collection.get(["id-3", "missing", "id-0", "id-3"])
    assert [d.id for d in found] == ["id-3", "id-0"]
    assert collection.get([]) == []


def test_a_stream_is_read_batch_by_batch(collection):
    seen = []

    def stream():
        for i in range(10):
            seen.append(i)
            if i == 7:
                assert collection.count() == 6
            yield f"text {i}"

    assert collection.add(stream(), batch_size=3).added == 10
    assert collection.count() == 10


def test_scroll_gives_every_document_once(collection):
    documents = [Document(f"text {i}", f"id-{i}", {"year": i}) for i in range(25)]
    collection.add(documents)
    assert sorted(d.id for d in collection.scroll(batch_size=4)) == sorted(d.id for d in documents)
    assert {d.metadata["year"] for d in collection.scroll({"year": {"lt": 3}})} == {0, 1, 2}


def test_delete_by_id_and_by_filter(collection):
    collection.add([Document(f"text {i}", f"id-{i}", {"year": i}) for i in range(10)])
    assert collection.delete(["id-0", "missing"]) == 1
    assert collection.delete("id-1") == 1
    assert collection.delete({"year": {"gte": 8}}) == 2
    assert collection.delete(where={"year": 7}) == 1
    assert collection.delete([]) == 0
    assert collection.count() == 5
    for nothing in ({}, None):
        with pytest.raises(ValueError, match=r"filter|what to delete"):
            collection.delete(nothing)
    assert collection.count() == 5


def test_tokens_that_were_cut_are_reported(engine):
    collection = engine.open(FakeEncoder(max_tokens=4, truncation="end"))
    report = collection.add(
        [Document("one two three four five six", "long"), Document("short", "s")]
    )
    assert (report.added, report.truncated, report.dropped_tokens) == (2, 1, 3)
    payloads = {p.payload["_rolevec"]["id"]: p.payload for p in collection.scroll_points()}
    assert payloads["long"]["_rolevec"]["dropped_tokens"] == 3
    assert "dropped_tokens" not in payloads["s"]["_rolevec"]


def test_ready_made_vectors(collection):
    rows = np.random.default_rng(0).normal(size=(3, collection.dim)) * 100
    collection.add_vectors([Document("", str(i)) for i in range(3)], rows)
    stored = collection.get_vectors(["0", "1", "2"])
    assert np.allclose(np.linalg.norm(list(stored.values()), axis=1), 1, atol=1e-6)
    assert collection.search_by_vector(rows[1], k=1)[0].id == "1"
    assert collection.add_vectors([], []).added == 0


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 0.0])
def test_a_bad_vector_keeps_the_whole_call_out(collection, bad):
    rows = np.ones((3, collection.dim))
    rows[1] = bad
    with pytest.raises(InvalidVector):
        collection.add_vectors(["a", "b", "c"], rows)
    with pytest.raises(InvalidVector):
        collection.search_by_vector(rows[1])
    with pytest.raises(InvalidVector, match="dimension"):
        collection.search_by_vector(np.ones(collection.dim + 1))
    assert collection.count() == 0


BAD_DOCUMENTS = [
    (Document(""), InvalidText),
    (Document(" \n\u2003"), InvalidText),
    (Document("\ud800"), InvalidText),
    (Document(7), InvalidText),
    (Document("x", id=""), InvalidDocument),
    (Document("x", id="\udfff"), InvalidDocument),
    (Document("x", id=1.5), InvalidDocument),
    (Document("x", metadata=[1]), InvalidDocument),
    (Document("x", metadata={1: 2}), InvalidDocument),
    (Document("x", metadata={"a": float("nan")}), InvalidDocument),
    (Document("x", metadata={"a": float("inf")}), InvalidDocument),
    (Document("x", metadata={"a": 2**63}), InvalidDocument),
    (Document("x", metadata={"a": object()}), InvalidDocument),
    (Document("x", metadata={"a": (1, 2)}), InvalidDocument),
    (Document("x", metadata={"a": uuid.uuid4()}), InvalidDocument),
    (Document("x", metadata={"a": np.float32(1)}), InvalidDocument),
    (Document("x", metadata={"\ud800": 1}), InvalidDocument),
    (17, InvalidDocument),
]


@pytest.mark.parametrize(("bad", "error"), BAD_DOCUMENTS)
def test_a_bad_document_keeps_the_whole_list_out(collection, bad, error):
    with pytest.raises(error, match="document 1"):
        collection.add([Document("good"), bad], batch_size=1)
    assert collection.count() == 0


def test_metadata_nested_without_end_is_refused(collection):
    deep = {}
    for _ in range(100_000):
        deep = {"a": deep}
    with pytest.raises(InvalidDocument, match="nested"):
        collection.add([Document("x", metadata=deep)])


def test_a_text_of_ten_megabytes_comes_back(engine):
    collection = engine.open(FakeEncoder(max_tokens=100, truncation="end"))
    text = "fünf Wörter in jeder Zeile\n" * (10_000_000 // 28)
    report = collection.add([Document(text, "big")])
    assert report.truncated == 1
    assert collection.get("big")[0].text == text


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
KEYS = st.text() | st.sampled_from(
    ["page_content", "metadata", "doc_id", "_node_content", "_rolevec"]
)


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.text(), st.text(), st.dictionaries(KEYS, JSON, max_size=4))
def test_anything_is_refused_or_comes_back_unchanged(collection, text, identifier, metadata):
    document = Document(text, identifier, metadata)
    before = collection.count()
    try:
        collection.add([document])
    except (InvalidText, InvalidDocument):
        assert collection.count() == before
        return
    (found,) = collection.get([identifier])
    assert found == document
    assert repr(found.metadata) == repr(document.metadata)
