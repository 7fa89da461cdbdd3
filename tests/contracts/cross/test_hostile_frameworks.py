"""Hostile input through LangChain's and LlamaIndex's interfaces: the same out, or a clear error."""

import math

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from langchain_core.documents import Document as LangChainDocument
from llama_index.core.schema import NodeRelationship, RelatedNodeInfo, TextNode
from llama_index.core.vector_stores.types import (
    FilterOperator,
    MetadataFilter,
    MetadataFilters,
    VectorStoreQuery,
)
from qdrant_client import QdrantClient

from rolevec import Collection, Document
from rolevec.errors import (
    InvalidDocument,
    InvalidFilter,
    InvalidText,
    InvalidVector,
    RolevecError,
)
from rolevec.langchain import RolevecEmbeddings
from rolevec.langchain import RolevecVectorStore as OurLangChain
from rolevec.llama_index import RolevecEmbedding
from rolevec.llama_index import RolevecVectorStore as OurLlamaIndex
from rolevec.testing import FakeEncoder

DIM = 8
NAME = "hostile"


def examples(count):
    return settings(
        max_examples=count,
        deadline=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    )


@pytest.fixture(params=["edge", "memory"])
def place(request, tmp_path):
    if request.param == "edge":
        yield tmp_path / "store"
    else:
        client = QdrantClient(":memory:")
        yield client
        client.close()


@pytest.fixture
def langchain(place):
    embeddings = RolevecEmbeddings.from_encoder(FakeEncoder(dim=DIM))
    store = OurLangChain(embeddings, collection_name=NAME, store=place)
    yield store
    store.close()


@pytest.fixture
def llama(place):
    embedding = RolevecEmbedding.from_encoder(FakeEncoder(dim=DIM))
    store = OurLlamaIndex(NAME, store=place, embed_model=embedding)
    yield store
    store.close()


def content(collection):
    points = collection.scroll_points(with_vectors=True)
    return sorted((str(p.id), repr(p.payload), p.vector.tobytes()) for p in points)


def node_of(text, identifier, metadata, **fields):
    node = TextNode(text=text, id_=identifier, embedding=[1.0] * DIM, **fields)
    # Afterwards, as the transformations of a pipeline do it: past LlamaIndex's own checks.
    node.metadata.update(metadata)
    return node


@examples(20)
@given(data=st.data())
def test_langchain_gives_back_what_it_was_given(langchain, wild, data):
    text, metadata = data.draw(wild.texts), data.draw(wild.metadata)
    given_id = data.draw(st.none() | wild.ids.map(str))
    document = LangChainDocument(page_content=text, metadata=metadata, id=given_id)
    as_document = langchain.add_documents([document])
    as_text = langchain.add_texts([text], [metadata], ids=[given_id])
    assert as_document == as_text
    if given_id is not None:
        assert as_text == [given_id]
    only = {"$id": as_text}
    found = [
        *langchain.get_by_ids(as_text),
        *langchain.similarity_search(text, filter=only),
        *langchain.max_marginal_relevance_search(text, filter=only),
    ]
    wanted = (text, repr(metadata), as_text[0])
    assert [(d.page_content, repr(d.metadata), d.id) for d in found] == [wanted] * 3


@examples(20)
@given(data=st.data())
def test_langchain_writes_nothing_of_a_list_with_a_bad_document(langchain, wild, data):
    langchain.add_texts(["old"], [{"n": 1}], ids=["1"])
    before = content(langchain.collection)
    text, metadata, identifier = "x", {}, "bad"
    match data.draw(st.sampled_from(["text", "metadata", "id"])):
        case "text":
            text = data.draw(wild.no_texts)
        case "metadata":
            metadata = data.draw(wild.no_metadata.filter(bool))  # nothing stands for no metadata
        case "id":
            identifier = data.draw(wild.no_ids)
    with pytest.raises((InvalidText, InvalidDocument), match="document 1: "):
        langchain.add_texts(
            ["new", text, "z"], [{}, metadata, {}], ids=["1", identifier, "z"], batch_size=1
        )
    assert content(langchain.collection) == before
    try:
        bad = LangChainDocument(page_content=text, metadata=metadata, id=identifier)
    except (ValueError, TypeError):  # refused by LangChain's own validation
        return
    if (bad.page_content, bad.id) != (text, identifier):  # or made good by it, as b"x" is
        return
    with pytest.raises((InvalidText, InvalidDocument), match="document 1: "):
        langchain.add_documents([LangChainDocument(page_content="new", id="1"), bad], batch_size=1)
    assert content(langchain.collection) == before


def test_langchain_takes_no_single_string_for_a_list(langchain):
    with pytest.raises(InvalidText):
        langchain.add_texts("three")
    with pytest.raises(InvalidDocument):
        langchain.get_by_ids(b"ab")
    assert langchain.collection.count() == 0


@examples(20)
@given(data=st.data())
def test_queries_of_both_are_any_text_and_nothing_else(langchain, wild, data):
    langchain.add_texts(["stored"], ids=["1"])
    good, bad = data.draw(wild.texts), data.draw(wild.no_texts)
    assert [d.id for d in langchain.similarity_search(good)] == ["1"]
    with pytest.raises(InvalidText):
        langchain.similarity_search(bad)
    with pytest.raises(InvalidFilter):
        langchain.similarity_search(good, filter={"a": data.draw(wild.surrogates)})


@examples(20)
@given(data=st.data())
def test_llama_index_gives_back_what_it_was_given(llama, wild, data):
    # Blank ones too: the vectors are there already.
    text = data.draw(wild.texts | wild.blank)
    identifier, metadata = str(data.draw(wild.ids)), data.draw(wild.metadata)
    source = data.draw(st.none() | wild.texts)
    parents = {NodeRelationship.SOURCE: RelatedNodeInfo(node_id=source)} if source else {}
    node = node_of(text, identifier, metadata, relationships=parents)
    assert llama.add([node]) == [identifier]
    query = VectorStoreQuery(
        query_embedding=node.embedding, similarity_top_k=1, node_ids=[identifier]
    )
    result = llama.query(query)
    assert result.ids == [identifier]
    for found in [*llama.get_nodes([identifier]), *result.nodes]:
        assert (found.node_id, found.text, repr(found.metadata), found.ref_doc_id) == (
            identifier,
            text,
            repr(metadata),
            source,
        )
    if source:
        llama.delete(source)
        assert llama.get_nodes([identifier]) == []


@examples(20)
@given(data=st.data())
def test_llama_index_writes_nothing_of_a_list_with_a_bad_node(llama, wild, data):
    llama.add([node_of("old", "1", {"n": 1})])
    before = content(llama.collection)
    text, identifier, metadata, embedding, parents = "x", "bad", {}, [1.0] * DIM, {}
    match data.draw(st.sampled_from(["text", "id", "metadata", "vector", "source"])):
        case "text":
            text = data.draw(wild.surrogates)
        case "id":
            identifier = data.draw(st.just("") | wild.surrogates)
        case "metadata":
            metadata = data.draw(wild.no_metadata.filter(lambda m: isinstance(m, dict)))
        case "vector":
            bad = st.sampled_from([math.nan, math.inf, -math.inf, 1e300])
            embedding = data.draw(
                bad.map(lambda x: [1.0] * (DIM - 1) + [x])
                | st.sampled_from([[], [0.0] * DIM, [1.0], [1.0] * (DIM + 1), [1e-30] * DIM])
            )
        case "source":
            parents = {NodeRelationship.SOURCE: RelatedNodeInfo(node_id=data.draw(wild.surrogates))}
    node = node_of(text, identifier, metadata, relationships=parents)
    node.embedding = embedding
    with pytest.raises((InvalidDocument, InvalidText, InvalidVector)):
        llama.add([node_of("new", "1", {}), node, node_of("z", "z", {})])
    assert content(llama.collection) == before


@pytest.mark.parametrize(
    "bad",
    [
        node_of("x", "1", {"a": math.nan}),
        node_of("\ud800", "1", {}),
        node_of("x", "", {}),
        TextNode(text="x", id_="1", embedding=[math.nan] * 3),
        TextNode(text="x", id_="1", embedding=[]),
    ],
    ids=["metadata", "text", "id", "vector", "no vector"],
)
def test_a_refused_first_node_leaves_no_collection_behind(place, bad):
    # It would have the dimension of the bad vectors for good.
    store = OurLlamaIndex(NAME, store=place)
    with pytest.raises(RolevecError):
        store.add([bad])
    good = TextNode(text="x", id_="1", embedding=[1.0] * (DIM + 1))
    assert store.add([good]) == ["1"]
    assert [node.node_id for node in store.get_nodes()] == ["1"]
    store.close()


@examples(20)
@given(data=st.data())
def test_llama_index_refuses_queries_and_ids_that_are_none(llama, wild, data):
    llama.add([node_of("stored", "1", {})])
    lone = data.draw(wild.surrogates)
    for vector in ([], [math.nan] * DIM, [0.0] * DIM, [1e300] * DIM):
        with pytest.raises(InvalidVector):
            llama.query(VectorStoreQuery(query_embedding=vector))
    with pytest.raises(InvalidText):
        llama.query(VectorStoreQuery(query_str=data.draw(wild.blank | wild.surrogates)))
    for use in (llama.get_nodes, llama.delete_nodes, lambda ids: llama.delete(ids[1])):
        with pytest.raises((InvalidDocument, InvalidFilter)):
            use(["1", lone])
    good = VectorStoreQuery(query_str=data.draw(wild.texts))
    assert llama.query(good).ids == ["1"]


VALUES = st.sampled_from([0, 1, 2.5, -0.0, 0.1 + 0.2, "x", "", "2024-01-01", "X y"])
WILD_VALUES = VALUES | st.sampled_from(
    [None, math.nan, math.inf, 2**63, 10**400, "\ud800", [], [1], ["x", "\udfff"], [0.1, 2.5]]
)
FILTERS = st.builds(
    MetadataFilter,
    key=st.sampled_from(["a", "b", "a b", '"a.b"', "doc_id", "b[].a", "", "a[", "\ud800", "a..b"]),
    value=WILD_VALUES,
    operator=st.sampled_from(list(FilterOperator)),
)


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    embedding = RolevecEmbedding.from_encoder(FakeEncoder(dim=DIM))
    stores = [
        OurLlamaIndex(NAME, store=place, embed_model=embedding)
        for place in (tmp_path_factory.mktemp("hostile"), ":memory:")
    ]
    yield stores
    for store in stores:
        store.close()


@examples(50)
@given(
    metadata=st.lists(
        st.dictionaries(st.sampled_from(["a", "b", "a b", "a.b", "doc_id"]), VALUES, max_size=3),
        min_size=1,
        max_size=3,
    ),
    filters=st.lists(FILTERS, min_size=1, max_size=2),
    condition=st.sampled_from(["and", "or", "not"]),
)
def test_a_wild_filter_of_llama_index_is_refused_or_selects_the_same(
    pair, metadata, filters, condition
):
    chosen = []
    for store in pair:
        store.clear()
        store.add([node_of("x", str(i), m) for i, m in enumerate(metadata)])
        wild = MetadataFilters(filters=filters, condition=condition)
        try:
            chosen.append(sorted(node.node_id for node in store.get_nodes(filters=wild)))
        except InvalidFilter:
            chosen.append(InvalidFilter)
    assert chosen[0] == chosen[1]


def test_filters_of_llama_index_nested_without_end_are_refused(llama):
    llama.add([node_of("x", "1", {"a": 1})])
    filters = MetadataFilters(filters=[MetadataFilter(key="a", value=1)])
    for levels in range(500):
        if levels == 60:
            assert len(llama.get_nodes(filters=filters)) == 1
        filters = MetadataFilters(filters=[filters])
    with pytest.raises(InvalidFilter, match="deep"):
        llama.get_nodes(filters=filters)


def test_what_each_writes_of_hostile_input_the_others_read(place, langchain, llama):
    metadata = {"page_content": "\0", "_node_content": {"a": [1, 1.0, True, -0.0]}, "a.b": "\x1b"}
    for identifier in ("007", "a/../b\0", "\U0001f600" * 100):
        langchain.add_texts(["\0 \x1f"], [metadata], ids=[identifier])
        (node,) = llama.get_nodes([identifier])
        assert (node.node_id, node.text) == (identifier, "\0 \x1f")
        assert repr(node.metadata) == repr(metadata)
        llama.add([node_of("\0 \x1f", f"{identifier} again", metadata)])
        with Collection.open(NAME, FakeEncoder(dim=DIM), store=place) as collection:
            (found,) = collection.get(f"{identifier} again")
        assert repr(found) == repr(Document("\0 \x1f", f"{identifier} again", metadata))
