import pytest
from hypothesis import given
from hypothesis import strategies as st
from qdrant_client.local.json_path_parser import parse_json_path

from rolevec.errors import InvalidFilter
from rolevec.qdrant.paths import Part, parts_of, payload_path, quoted


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("lang", "lang"),
        ("a.b-c_1", "a.b-c_1"),
        ("a[].b[3][]", "a[].b[3][]"),
        ("first name", '"first name"'),
        ('"a.b".c', '"a.b".c'),
        ('"a"[0]', "a[0]"),
        ('""', '""'),
        ("größe", '"größe"'),
        ("\0", '"\0"'),
    ],
)
def test_names_as_paths(name, path):
    assert payload_path(name) == path
    assert payload_path(path) == path


@pytest.mark.parametrize(
    "name",
    [
        *("", ".", "a.", ".a", "a..b", '"', '"a', '"a"b', "a[", "a]", "[0]", "a[-1]", "a[x]"),
        *("a[0]b", "a\\b", '"\\"', "\ud800", "a[" + "9" * 30 + "]", ".".join("a" * 1000)),
        *(1, None, b"a"),
    ],
)
def test_what_is_no_path(name):
    with pytest.raises(InvalidFilter) as refusal:
        parts_of(name)
    assert len(str(refusal.value)) < 500


@given(st.lists(st.text().filter(lambda key: not {'"', "\\"} & set(key)), min_size=1, max_size=5))
def test_any_keys_but_those_with_a_quote_make_a_path_that_qdrant_reads_alike(keys):
    path = ".".join(quoted(key) for key in keys)
    assert parts_of(path) == [Part(key) for key in keys]
    assert [item.key for item in parse_json_path(path)] == keys
