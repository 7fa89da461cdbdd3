"""A listener to events, and a store with a few embedded nodes in it, in each engine."""

import pytest
from llama_index.core.instrumentation import get_dispatcher
from llama_index.core.instrumentation.event_handlers.base import BaseEventHandler
from llama_index.core.schema import NodeRelationship, RelatedNodeInfo, TextNode
from pydantic import Field
from qdrant_client import QdrantClient

from rolevec.llama_index import RolevecEmbedding, RolevecVectorStore
from rolevec.testing import FakeEncoder

FRUIT = [
    ("n1", "d1", "red apples are sweet", {"lang": "en", "year": 2001, "tags": ["a", "b"]}),
    ("n2", "d1", "green apples are sour", {"lang": "en", "year": 2002, "tags": ["b"]}),
    ("n3", "d2", "rote Äpfel sind süß", {"lang": "de", "year": 2003, "score": 0.5}),
    ("n4", "d3", "blue cars are fast", {"year": 2004, "note": None, "tags": []}),
]


def nodes_of(rows, embedding):
    nodes = [
        TextNode(
            id_=identifier,
            text=text,
            metadata=metadata,
            relationships={NodeRelationship.SOURCE: RelatedNodeInfo(node_id=source)},
        )
        for identifier, source, text, metadata in rows
    ]
    return embedding(nodes)


@pytest.fixture
def embedding():
    return RolevecEmbedding.from_encoder(FakeEncoder())


@pytest.fixture
def nodes(embedding):
    return nodes_of(FRUIT, embedding)


@pytest.fixture(scope="module", params=["edge", "memory"])
def unchanged(request, tmp_path_factory):
    """One store for all tests of a module that only read."""
    embedding = RolevecEmbedding.from_encoder(FakeEncoder())
    place = ":memory:" if request.param == "memory" else tmp_path_factory.mktemp("unchanged")
    store = RolevecVectorStore("fruit", store=place, embed_model=embedding)
    store.add(nodes_of(FRUIT, embedding))
    yield store
    store.close()


@pytest.fixture(params=["edge", "memory"])
def where_stored(request, tmp_path):
    if request.param == "edge":
        yield tmp_path / "store"
    else:
        client = QdrantClient(":memory:")
        yield client
        client.close()


@pytest.fixture
def store(where_stored, embedding, nodes):
    store = RolevecVectorStore("fruit", store=where_stored, embed_model=embedding)
    store.add(nodes)
    yield store
    store.close()


class Listener(BaseEventHandler):
    """Keeps the events that LlamaIndex sends."""

    events: list = Field(default_factory=list)

    def handle(self, event, **_):
        self.events.append(event)


@pytest.fixture
def listener():
    dispatcher, listener = get_dispatcher(), Listener()
    dispatcher.add_event_handler(listener)
    yield listener
    dispatcher.event_handlers.remove(listener)
