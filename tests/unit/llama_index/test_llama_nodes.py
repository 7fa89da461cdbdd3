"""Nodes from payloads: by the short way or by LlamaIndex's own, they are the same."""

import json

import pytest
from llama_index.core.schema import (
    Document,
    ImageNode,
    IndexNode,
    NodeRelationship,
    RelatedNodeInfo,
    TextNode,
)
from llama_index.core.vector_stores.utils import metadata_dict_to_node, node_to_metadata_dict

from rolevec.llama_index.nodes import node_of_point

RELATED = {
    NodeRelationship.SOURCE: RelatedNodeInfo(node_id="source", metadata={"page": 1}),
    NodeRelationship.CHILD: [RelatedNodeInfo(node_id="first"), RelatedNodeInfo(node_id="second")],
}
NODES = {
    "plain": TextNode(id_="1", text='said "stop"\nthen é 𝄞'),
    "metadata": TextNode(text="a", metadata={"list": [1, 2.5, None, {"deep": []}], "big": 10**30}),
    "infinite": TextNode(text="a", metadata={"score": float("inf")}),
    "related": TextNode(text="a", relationships=RELATED, start_char_idx=3, end_char_idx=4),
    "templates": TextNode(text="a", metadata_template="{key}", excluded_llm_metadata_keys=["k"]),
    "document": Document(text="a", metadata={"k": "v"}),
    "index": IndexNode(text="a", index_id="other"),
    "image": ImageNode(text="a", image_url="http://localhost/a.png"),
}


@pytest.mark.parametrize("name", NODES)
def test_a_node_is_rebuilt_as_llama_index_rebuilds_it(name):
    payload = node_to_metadata_dict(NODES[name])
    expected = metadata_dict_to_node(dict(payload))
    node = node_of_point("point", payload)
    assert type(node) is type(expected)
    assert node == expected
    assert node.model_fields_set == expected.model_fields_set


@pytest.mark.parametrize(
    "content",
    [
        r'{"id_": "1", "text": "half \ud800 a pair"}',
        '{"id_": "1", "text_resource": {"text": "of another version"}}',
        '{"id_": "1", "text": "a", "a_field_to_come": 1}',
    ],
)
def test_what_strict_json_does_not_allow_is_read_all_the_same(content):
    node = node_of_point("point", {"_node_content": content, "_node_type": "TextNode"})
    written = json.loads(content)
    assert node.text == (written.get("text") or written["text_resource"]["text"])
    assert node.node_id == "1"
