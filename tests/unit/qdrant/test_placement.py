"""How a server spreads a collection: what the real client sends, to a server that keeps it."""

import pytest

from rolevec import Collection, Document, index_corpus
from rolevec.errors import (
    CollectionMismatch,
    InvalidDocument,
    RateLimited,
    RemoteError,
    UnsupportedByBackend,
)
from rolevec.qdrant import ServerOptions
from rolevec.testing import FakeEncoder


@pytest.fixture
def opened(qdrant_server):
    collections = []

    def call(**options):
        options.setdefault("store", qdrant_server.url)
        collections.append(Collection.open("c", FakeEncoder(), **options))
        return collections[-1]

    yield call
    for collection in collections:
        collection.close()


BY_LANGUAGE = ServerOptions(shard_number=2, shard_key="lang")
DOCUMENTS = [
    Document("the fox", "1", {"lang": "en"}),
    Document("der Hund", "2", {"lang": "de"}),
    Document("die Katze", "3", {"lang": "de"}),
    Document("le chat", "4", {"lang": "fr"}),
]


def ids(found):
    return sorted(item.id for item in found)


def test_what_is_asked_for_a_new_collection(opened, qdrant_server):
    options = ServerOptions(6, 2, 2, "tenant", on_disk_vectors=True, on_disk_graph=True)
    collection = opened(server=options)
    (body,) = qdrant_server.sent("PUT", "/collections/c")
    assert body["shard_number"] == 6
    assert body["replication_factor"] == 2
    assert body["write_consistency_factor"] == 2
    assert body["sharding_method"] == "custom"
    assert body["vectors"]["on_disk"] is True
    assert body["hnsw_config"] == {"on_disk": True}
    assert body["metadata"]["rolevec"]["shard_key"] == "tenant"
    assert "placement" in collection.capabilities


def test_nothing_is_asked_where_nothing_is_said(opened, qdrant_server):
    opened()
    (body,) = qdrant_server.sent("PUT", "/collections/c")
    assert set(body) == {"vectors", "metadata"}
    assert set(body["vectors"]) == {"size", "distance"}
    assert "shard_key" not in body["metadata"]["rolevec"]


def test_an_existing_collection_must_be_as_asked(opened):
    opened(server=ServerOptions(shard_number=6, shard_key="lang"))
    opened(server=ServerOptions(shard_number=6))
    opened()
    for options, words in [
        (ServerOptions(shard_number=3), "shard_number=6, not 3"),
        (ServerOptions(shard_key="tenant"), "shard_key='lang', not 'tenant'"),
        (ServerOptions(on_disk_vectors=True), "on_disk_vectors=False, not True"),
    ]:
        with pytest.raises(CollectionMismatch, match=words):
            opened(server=options)


@pytest.mark.parametrize("store", [":memory:", "folder"])
def test_one_process_spreads_nothing(opened, tmp_path, store):
    place = tmp_path / "store" if store == "folder" else store
    with pytest.raises(UnsupportedByBackend, match="replication_factor"):
        opened(store=place, server=ServerOptions(replication_factor=2))
    opened(store=place, server=ServerOptions())
    with pytest.raises(UnsupportedByBackend, match="replication_factor"):
        opened(store=place, server=ServerOptions(replication_factor=2))


@pytest.mark.parametrize(
    "options",
    [
        {"shard_number": 0},
        {"replication_factor": True},
        {"write_consistency_factor": 2},
        {"replication_factor": 2, "write_consistency_factor": 3},
        {"shard_key": "a.b"},
        {"shard_key": ""},
    ],
)
def test_options_that_make_no_sense(options):
    with pytest.raises(ValueError, match="|".join(options)):
        ServerOptions(**options)


def test_points_go_to_their_shards(opened, qdrant_server):
    collection = opened(server=BY_LANGUAGE)
    collection.add(DOCUMENTS)
    assert [b["shard_key"] for b in qdrant_server.sent("PUT", "/shards")] == ["en", "de", "fr"]
    writes = {b["shard_key"]: b for b in qdrant_server.sent("PUT", "/points")}
    assert {k: [p["id"] for p in b["points"]] for k, b in writes.items()} == {
        "en": [1],
        "de": [2, 3],
        "fr": [4],
    }
    assert collection.count() == 4
    assert ids(collection.scroll(batch_size=1)) == ["1", "2", "3", "4"]
    assert ids(collection.get(["2", "4", "9"])) == ["2", "4"]


def test_a_search_asks_the_shards_that_its_filter_names(opened, qdrant_server):
    collection = opened(server=BY_LANGUAGE)
    collection.add(DOCUMENTS)

    def asked(where):
        qdrant_server.requests.clear()
        found = ids(collection.search("the fox", where=where))
        bodies = qdrant_server.sent("POST", "/query/batch")
        assert collection.count(where) == len(found)
        assert ids(collection.scroll(where)) == found
        counts = qdrant_server.sent("POST", "/count") + qdrant_server.sent("POST", "/scroll")
        keys = [s.get("shard_key") for body in bodies for s in body["searches"]]
        assert all(body.get("shard_key") == keys[0] for body in counts)
        return keys[:1], found

    assert asked(None) == ([None], ["1", "2", "3", "4"])
    assert asked({"lang": "de"}) == ([["de"]], ["2", "3"])
    assert asked({"lang": ["de", "fr", "xx"]}) == ([["de", "fr"]], ["2", "3", "4"])
    assert asked({"and": [{"lang": "de"}, {"$id": "3"}]}) == ([["de"]], ["3"])
    assert asked({"lang": ["de", "en"], "and": [{"lang": ["en", "fr"]}]}) == ([["en"]], ["1"])
    assert asked({"or": [{"lang": "de"}, {"$id": "1"}]}) == ([None], ["1", "2", "3"])
    assert asked({"lang": {"ne": "de"}}) == ([None], ["1", "4"])
    assert asked({"lang": "xx"}) == ([], [])


def test_deleting_names_its_shards(opened, qdrant_server):
    collection = opened(server=BY_LANGUAGE)
    collection.add(DOCUMENTS)
    assert collection.delete(["1", "2"]) == 2
    assert collection.delete(where={"lang": "fr"}) == 1
    keys = [body["shard_key"] for body in qdrant_server.sent("POST", "/delete")]
    assert keys == [["de", "en", "fr"], ["fr"]]
    assert ids(collection.scroll()) == ["3"]


def test_a_document_that_changes_its_shard_leaves_the_old_one(opened):
    collection = opened(server=BY_LANGUAGE)
    collection.add(DOCUMENTS)
    collection.add([Document("der Fuchs", "1", {"lang": "de"})])
    assert collection.count() == 4
    assert collection.count({"lang": "en"}) == 0
    assert [d.text for d in collection.get("1")] == ["der Fuchs"]


def test_a_document_without_a_key_is_refused(opened):
    collection = opened(server=BY_LANGUAGE)
    with pytest.raises(InvalidDocument, match=r"document 1: metadata\['lang'\] is None"):
        collection.add([DOCUMENTS[0], Document("no language")])
    assert collection.count() == 0
    report = index_corpus([*DOCUMENTS, Document("none")], collection, progress=False)
    assert (report.added, report.rejected) == (4, 1)
    assert "shard" in report.rejects[0].reason


def test_a_key_that_another_process_makes_first(opened, qdrant_server):
    one, two = opened(server=BY_LANGUAGE), opened()
    one.add(DOCUMENTS[:1])
    two.add(DOCUMENTS)
    one.add(DOCUMENTS)
    assert one.count() == two.count() == 4
    assert len(qdrant_server.sent("PUT", "/shards")) == 3


@pytest.mark.parametrize(
    ("status", "message", "kind", "words"),
    [
        (
            400,
            'Bad request: Limit exceeded 14 > 10 for "limit". Help: Reduce the "limit" parameter'
            " to or below 10.",
            RemoteError,
            ["strict mode", "14 > 10", "to or below 10", "strict_mode_config"],
        ),
        (
            429,
            "Rate limiting exceeded: Read rate limit exceeded: Operation requires 1 tokens but"
            " only 0.0 were available. Retry after 60s",
            RateLimited,
            ["strict mode", "Retry after 60s", "read_rate_limit"],
        ),
        (500, "Service internal error: disk full", RemoteError, ["500", "disk full"]),
    ],
)
def test_refusals_say_what_to_do(opened, qdrant_server, status, message, kind, words):
    collection = opened()
    collection.add(DOCUMENTS)
    qdrant_server.refusals.append(("POST", "/query/batch", status, message))
    with pytest.raises(kind) as caught:
        collection.search("the fox")
    assert caught.value.status == status
    for word in words:
        assert word in str(caught.value)
    assert collection.search("the fox")


def test_a_server_that_is_gone(opened, qdrant_server):
    qdrant_server.close()
    with pytest.raises(RemoteError, match="did not answer") as caught:
        opened()
    assert caught.value.status == 0
