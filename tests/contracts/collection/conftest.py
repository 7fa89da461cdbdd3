"""One suite for every storage engine; a server takes part where ROLEVEC_QDRANT_URL is set."""

import os
import uuid

import pytest

from rolevec.qdrant import Collection
from rolevec.testing import FakeEncoder

SERVER = os.environ.get("ROLEVEC_QDRANT_URL")
ENGINES = ["edge", "memory", *(["server"] if SERVER else [])]


class Engine:
    """Opens collections of one test in one engine, several on the same data if asked."""

    def __init__(self, name, folder):
        from qdrant_client import QdrantClient

        self.name = name
        self.store = {
            "edge": lambda: folder / "store",
            "memory": lambda: QdrantClient(":memory:"),
            "server": lambda: QdrantClient(url=SERVER),
        }[name]()
        self.collection = f"test-{uuid.uuid4().hex}"
        self.opened = []

    def open(self, encoder=None, **options):
        encoder = encoder or FakeEncoder()
        opened = Collection.open(self.collection, encoder, store=self.store, **options)
        self.opened.append(opened)
        return opened

    def clean(self):
        for collection in self.opened:
            collection.close()
        if self.name == "server":
            self.store.delete_collection(self.collection)
        if self.name != "edge":
            self.store.close()


@pytest.fixture(params=ENGINES)
def engine(request, tmp_path):
    engine = Engine(request.param, tmp_path)
    yield engine
    engine.clean()


@pytest.fixture
def collection(engine):
    return engine.open(indexed_fields={"lang": "keyword", "year": "integer"})
