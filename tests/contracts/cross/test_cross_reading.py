"""One collection, written by one library and read by the others, the stock stores included."""

import pytest
from langchain_core.documents import Document as LangChainDocument
from langchain_qdrant import QdrantVectorStore as StockLangChain
from llama_index.core.schema import TextNode
from llama_index.core.vector_stores.types import (
    MetadataFilter,
    MetadataFilters,
    VectorStoreQuery,
)
from llama_index.vector_stores.qdrant import QdrantVectorStore as StockLlamaIndex
from qdrant_client import QdrantClient

from rolevec import Collection, Document
from rolevec.errors import CollectionMismatch
from rolevec.langchain import RolevecEmbeddings
from rolevec.langchain import RolevecVectorStore as OurLangChain
from rolevec.llama_index import RolevecEmbedding
from rolevec.llama_index import RolevecVectorStore as OurLlamaIndex
from rolevec.testing import FakeEncoder

NAME = "shared"
QUERY = "sweet apples"
# What each document is, as (id, text, metadata).
ROWS = [
    (
        "6f1c1b2e-9c9b-4f0e-8f57-0d8a3f6d8a11",
        "red apples are sweet",
        {"lang": "en", "n": 1, "score": 0.1 + 0.2, "tags": ["a", "é"], "deep": {"x": [None, True]}},
    ),
    ("17", "rote Äpfel sind süß", {"lang": "de", "n": -2}),
    ("foo bar", "голубые машины быстры", {}),
    ("doc/4", "甜苹果", {"page_content": "mine", "doc_id": "mine", "metadata": {"text": "mine"}}),
]


class Plain:
    def __init__(self, place, encoder):
        self.collection = Collection.open(NAME, encoder, store=place)

    def write(self, rows):
        self.collection.add([Document(text, i, metadata) for i, text, metadata in rows])

    def read(self):
        return [(h.id, h.text, dict(h.metadata)) for h in self.collection.search(QUERY)]

    def german(self):
        return [hit.id for hit in self.collection.search(QUERY, where={"lang": "de"})]

    def delete(self, identifier):
        self.collection.delete([identifier])


class LangChain:
    def __init__(self, place, encoder):
        embeddings = RolevecEmbeddings.from_encoder(encoder)
        self.store = OurLangChain(embeddings, collection_name=NAME, store=place)
        self.collection = self.store.collection

    def write(self, rows):
        self.store.add_documents(
            [LangChainDocument(id=i, page_content=text, metadata=m) for i, text, m in rows]
        )

    def read(self):
        found = self.store.similarity_search(QUERY, k=10)
        return [(d.id, d.page_content, d.metadata) for d in found]

    def german(self):
        return [d.id for d in self.store.similarity_search(QUERY, filter={"lang": "de"})]

    def delete(self, identifier):
        self.store.delete([identifier])


class LlamaIndex:
    def __init__(self, place, encoder):
        self.embedding = RolevecEmbedding.from_encoder(encoder)
        self.store = OurLlamaIndex(NAME, store=place, embed_model=self.embedding)
        self.collection = self.store.collection

    def write(self, rows):
        nodes = [TextNode(id_=i, text=text, metadata=m) for i, text, m in rows]
        self.store.add(self.embedding(nodes))

    def read(self):
        return [(n.node_id, n.text, n.metadata) for n in self._ask().nodes]

    def german(self):
        german = MetadataFilters(filters=[MetadataFilter(key="lang", value="de")])
        return self._ask(filters=german).ids

    def delete(self, identifier):
        self.store.delete_nodes([identifier])

    def _ask(self, **options):
        vector = self.embedding.get_query_embedding(QUERY)
        return self.store.query(
            VectorStoreQuery(query_embedding=vector, similarity_top_k=10, **options)
        )


OURS = [Plain, LangChain, LlamaIndex]


@pytest.fixture
def encoder():
    return FakeEncoder()


@pytest.fixture(params=["edge", "memory"])
def place(request, tmp_path):
    if request.param == "edge":
        yield tmp_path / "store"
    else:
        client = QdrantClient(":memory:")
        yield client
        client.close()


@pytest.fixture(params=OURS)
def written(request, place, encoder):
    writer = request.param(place, encoder)
    writer.write(ROWS)
    yield writer
    writer.collection.close()


@pytest.fixture(params=OURS)
def reader(request, written, place, encoder):
    reader = request.param(place, encoder)
    yield reader
    reader.collection.close()


def by_id(rows):
    return {identifier: (text, metadata) for identifier, text, metadata in rows}


def test_text_metadata_and_ids_are_equal(written, reader):
    assert reader.read() == written.read()
    assert by_id(reader.read()) == by_id(ROWS)
    assert reader.read()[0][0] == ROWS[0][0]


def test_filters_and_deletion_reach_what_others_wrote(written, reader):
    assert reader.german() == ["17"]
    for identifier in ("17", "foo bar"):
        reader.delete(identifier)
    assert {row[0] for row in written.read()} == {ROWS[0][0], ROWS[3][0]}


def test_each_replaces_what_another_wrote(written, reader):
    reader.write([(ROWS[1][0], "grüne Äpfel", {"lang": "de"})])
    assert by_id(written.read()) == by_id([*ROWS, (ROWS[1][0], "grüne Äpfel", {"lang": "de"})])


@pytest.mark.parametrize("library", OURS)
def test_another_encoder_is_refused_by_each(written, place, library):
    with pytest.raises(CollectionMismatch, match="other"):
        library(place, FakeEncoder(name="other"))


@pytest.mark.parametrize("writer", OURS)
class TestStockStores:
    """The two frameworks' own Qdrant stores, over the same client."""

    @pytest.fixture
    def client(self):
        client = QdrantClient(":memory:")
        yield client
        client.close()

    def test_langchain(self, writer, client, encoder):
        writer(client, encoder).write(ROWS)
        stock = StockLangChain(client, NAME, RolevecEmbeddings.from_encoder(encoder))
        found = stock.similarity_search(QUERY, k=10)
        assert found[0].metadata["_id"] == ROWS[0][0]
        # It adds two entries of its own, and gives the engine's id rather than the document's.
        added = {"_id", "_collection_name"}
        read = {
            d.page_content: {k: v for k, v in d.metadata.items() if k not in added} for d in found
        }
        assert read == {text: metadata for _, text, metadata in ROWS}

    def test_llama_index(self, writer, client, encoder):
        writer(client, encoder).write(ROWS)
        stock = StockLlamaIndex(NAME, client=client)
        vector = encoder.encode_queries([QUERY])[0].tolist()
        query = VectorStoreQuery(query_embedding=vector, similarity_top_k=10)
        nodes = stock.query(query).nodes
        assert by_id((n.node_id, n.text, n.metadata) for n in nodes) == by_id(ROWS)
        assert nodes[0].node_id == ROWS[0][0]
