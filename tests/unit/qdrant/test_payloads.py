import json

import pytest
from llama_index.core.schema import TextNode
from llama_index.core.vector_stores.utils import metadata_dict_to_node, node_to_metadata_dict

from rolevec import Document
from rolevec.qdrant.payloads import RESERVED, document_of, payload_of

DOCUMENT = Document("text", "foo", {"lang": "de", "doc_id": "mine", "metadata": 1, "n": {"a": [1]}})


def test_the_payload_is_a_superset_of_both_stock_ones():
    payload = payload_of(DOCUMENT, "foo")
    assert payload["page_content"] == "text"
    assert payload["metadata"] == DOCUMENT.metadata
    assert payload["lang"] == "de"
    assert payload["n"] == {"a": [1]}
    assert payload["doc_id"] == "None"
    json.dumps(payload)


def test_llama_index_rebuilds_the_node():
    node = metadata_dict_to_node(payload_of(DOCUMENT, "foo"))
    assert (node.node_id, node.get_content(), node.metadata) == ("foo", "text", DOCUMENT.metadata)
    assert isinstance(node, TextNode)


def test_the_same_keys_as_llama_index_writes():
    node = TextNode(id_="foo", text="text", metadata={"lang": "de"})
    theirs = node_to_metadata_dict(node, remove_text=False, flat_metadata=False)
    ours = payload_of(Document("text", "foo", {"lang": "de"}), "foo")
    assert theirs.keys() <= ours.keys()
    assert {k: ours[k] for k in theirs if k != "_node_content"} == {
        k: v for k, v in theirs.items() if k != "_node_content"
    }
    written = json.loads(theirs["_node_content"])
    for key, value in json.loads(ours["_node_content"]).items():
        assert written[key] == value


def test_reserved_names_survive_in_the_nested_copy():
    metadata = {name: f"mine {name}" for name in RESERVED}
    document = Document("text", "foo", metadata)
    assert document_of("x", payload_of(document, "foo")) == document


@pytest.mark.parametrize(
    ("payload", "expected"),
    [
        ({"page_content": "a", "metadata": {"x": 1}}, Document("a", "9", {"x": 1})),
        ({"page_content": "a", "metadata": None}, Document("a", "9", {})),
        ({"text": "a", "x": 1}, Document("a", "9", {"x": 1})),
        ({"content": "a"}, Document("a", "9", {})),
        ({"x": 1}, Document("", "9", {"x": 1})),
        ({}, Document("", "9", {})),
    ],
)
def test_payloads_of_others(payload, expected):
    assert document_of(9, payload) == expected


def test_a_payload_of_the_stock_llama_index_store():
    node = TextNode(id_="n1", text="text", metadata={"lang": "de"})
    payload = node_to_metadata_dict(node, remove_text=False, flat_metadata=False)
    assert document_of("p", payload) == Document("text", "n1", {"lang": "de"})
