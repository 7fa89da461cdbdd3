"""Every operator and combination, by what it finds."""

import pytest
from llama_index.core.vector_stores.types import (
    FilterCondition,
    FilterOperator,
    MetadataFilter,
    MetadataFilters,
    VectorStoreQuery,
)

from rolevec.errors import InvalidFilter


def one(key, operator, value):
    return MetadataFilters(filters=[MetadataFilter(key=key, operator=operator, value=value)])


def many(condition, *parts):
    filters = [
        part
        if isinstance(part, MetadataFilters)
        else MetadataFilter(key=part[0], operator=part[1], value=part[2])
        for part in parts
    ]
    return MetadataFilters(filters=filters, condition=condition)


CASES = [
    (one("lang", "==", "en"), "n1 n2"),
    (one("year", "==", 2003), "n3"),
    (one("score", "==", 0.5), "n3"),
    (one("lang", "!=", "en"), "n3 n4"),
    (one("year", ">", 2002), "n3 n4"),
    (one("year", ">=", 2002), "n2 n3 n4"),
    (one("year", "<", 2002), "n1"),
    (one("year", "<=", 2002.0), "n1 n2"),
    (one("lang", "in", ["en", "de"]), "n1 n2 n3"),
    (one("year", "in", [2001, 2004]), "n1 n4"),
    (one("lang", "in", []), ""),
    (one("lang", "nin", ["en"]), "n3 n4"),
    (one("lang", "nin", []), "n1 n2 n3 n4"),
    (one("tags", "any", ["a", "x"]), "n1"),
    (one("tags", "all", ["a", "b"]), "n1"),
    (one("tags", "contains", "b"), "n1 n2"),
    (one("lang", "text_match", "de"), "n3"),
    (one("tags", "is_empty", None), "n3 n4"),
    (one("note", "is_empty", None), "n1 n2 n3 n4"),
    (many("and", ("lang", "==", "en"), ("year", ">", 2001)), "n2"),
    (many("or", ("lang", "==", "de"), ("year", ">", 2003)), "n3 n4"),
    (many("not", ("lang", "==", "de"), ("year", ">", 2003)), "n1 n2"),
    (many(None, ("lang", "==", "en"), ("year", "==", 2001)), "n1"),
    (
        many(
            "and",
            ("year", "<", 2004),
            many("or", ("lang", "==", "de"), many("not", ("tags", "contains", "a"))),
        ),
        "n2 n3",
    ),
    (many("and", many("or")), "n1 n2 n3 n4"),
    (None, "n1 n2 n3 n4"),
]


@pytest.mark.parametrize(("filters", "found"), CASES)
def test_what_is_found(unchanged, embedding, filters, found):
    query = VectorStoreQuery(
        query_embedding=embedding.get_query_embedding("apples"),
        similarity_top_k=9,
        filters=filters,
    )
    assert sorted(unchanged.query(query).ids) == found.split()
    assert sorted(node.node_id for node in unchanged.get_nodes(filters=filters)) == found.split()


def test_dates_are_ordered(store, nodes):
    for day, node in enumerate(nodes, start=1):
        node.metadata["when"] = f"2026-01-0{day}T12:00:00Z"
    store.add(nodes)
    found = store.get_nodes(filters=one("when", ">", "2026-01-03"))
    assert sorted(node.node_id for node in found) == ["n3", "n4"]


def test_names_that_the_payload_uses_itself(store, nodes):
    nodes[0].metadata["doc_id"] = nodes[0].metadata["page_content"] = "mine"
    store.add(nodes)
    for key in ("doc_id", "page_content"):
        assert [node.node_id for node in store.get_nodes(filters=one(key, "==", "mine"))] == ["n1"]


@pytest.mark.parametrize(
    ("filters", "words"),
    [
        (one("lang", FilterOperator.TEXT_MATCH_INSENSITIVE, "EN"), "text_match_insensitive"),
        (one("lang", "in", "en,de"), "list"),
        (one("lang", "==", ["en"]), "list"),
        (one("lang", ">", "abc"), "ISO 8601"),
        (one("lang", "text_match", 3), "words"),
        (many(FilterCondition.OR, ("year", ">", [1])), "number"),
    ],
)
def test_what_makes_no_sense_is_refused(unchanged, filters, words):
    with pytest.raises(InvalidFilter, match=words):
        unchanged.get_nodes(filters=filters)
