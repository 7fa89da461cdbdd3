"""How a collection is spread: a server does as asked, the others refuse."""

import pytest

from rolevec.errors import CollectionMismatch, UnsupportedByBackend
from rolevec.qdrant import ServerOptions


def test_a_server_spreads_and_the_others_refuse(engine):
    asked = ServerOptions(shard_number=2, on_disk_vectors=True, on_disk_graph=True)
    if engine.name != "server":
        with pytest.raises(UnsupportedByBackend, match="shard_number"):
            engine.open(server=asked)
        assert "placement" not in engine.open().capabilities
        return
    collection = engine.open(server=asked)
    collection.add(["the fox", "der Hund"])
    assert collection.count() == 2
    assert engine.open(server=asked).count() == 2
    with pytest.raises(CollectionMismatch, match="shard_number=2, not 3"):
        engine.open(server=ServerOptions(shard_number=3))


def test_shards_by_a_field(engine):
    """Only where the server is a cluster."""
    if engine.name != "server" or engine.store.cluster_status().status != "enabled":
        pytest.skip("takes a server in cluster mode")
    from rolevec import Document

    collection = engine.open(server=ServerOptions(shard_key="lang"))
    collection.add([Document("the fox", "1", {"lang": "en"}), Document("x", "2", {"lang": "de"})])
    assert [hit.id for hit in collection.search("fox", where={"lang": "de"})] == ["2"]
    collection.add([Document("der Fuchs", "1", {"lang": "de"})])
    assert collection.count() == collection.count({"lang": "de"}) == 2
    assert collection.delete(["1"]) == 1
    assert collection.count() == 1
