"""The embedded engine and local mode select the same documents for any filter."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rolevec import Document
from rolevec.qdrant import Collection
from rolevec.testing import FakeEncoder

VALUES = st.sampled_from(["de", "fr", "", 0, 1, -5, 2.5, 1.0, True, False])
NUMBERS = st.sampled_from([-5, 0, 1, 2.5, 1.0])
STORED = (
    VALUES
    | st.none()
    | st.lists(VALUES, max_size=2)
    | st.dictionaries(st.sampled_from("ab"), VALUES, max_size=2)
)
FIELDS = st.sampled_from(["a", "b", "c", "a.b", "c.a"])
OPERATORS = (
    VALUES
    | st.none()
    | st.lists(VALUES, max_size=3)
    | st.fixed_dictionaries({"ne": VALUES})
    | st.fixed_dictionaries({"in": st.lists(VALUES, max_size=3)})
    | st.fixed_dictionaries({"nin": st.lists(VALUES, max_size=3)})
    | st.fixed_dictionaries({"gte": NUMBERS, "lt": NUMBERS})
    | st.fixed_dictionaries({"exists": st.booleans()})
)
WHERE = st.recursive(
    st.dictionaries(FIELDS, OPERATORS, min_size=1, max_size=2),
    lambda inner: (
        st.fixed_dictionaries({"or": st.lists(inner, min_size=1, max_size=2)})
        | st.fixed_dictionaries({"and": st.lists(inner, min_size=1, max_size=2)})
        | st.fixed_dictionaries({"not": inner})
    ),
    max_leaves=4,
)
METADATA = st.dictionaries(st.sampled_from("abc"), STORED, max_size=3)


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    folder = tmp_path_factory.mktemp("store")
    encoder = FakeEncoder(dim=8)
    edge = Collection.open("c", encoder, store=folder)
    memory = Collection.open("c", encoder, store=":memory:")
    yield edge, memory
    edge.close()
    memory.close()


@settings(max_examples=150, deadline=None)
@given(st.lists(METADATA, min_size=1, max_size=6), WHERE)
def test_filters_select_the_same(pair, metadata, where):
    documents = [Document(f"text {i}", str(i), m) for i, m in enumerate(metadata)]
    selected = []
    for collection in pair:
        collection.delete([str(i) for i in range(6)])
        collection.add(documents)
        selected.append(sorted(d.id for d in collection.scroll(where)))
    assert selected[0] == selected[1]
