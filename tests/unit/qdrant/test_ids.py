import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rolevec.errors import InvalidDocument
from rolevec.qdrant.ids import content_id, point_id


@pytest.mark.parametrize(
    ("given_id", "point"),
    [
        ("0", 0),
        ("42", 42),
        (42, 42),
        ("18446744073709551615", 2**64 - 1),
        ("123E4567-E89B-12D3-A456-426614174000", "123e4567-e89b-12d3-a456-426614174000"),
        ("123e4567e89b12d3a456426614174000", "123e4567-e89b-12d3-a456-426614174000"),
    ],
)
def test_integers_and_uuids_stay_what_they_are(given_id, point):
    assert point_id(given_id) == point


@pytest.mark.parametrize("text", ["007", "-1", "18446744073709551616", "foo", " 1", "٣", "1e3"])
def test_other_strings_become_stable_uuids(text):
    point = point_id(text)
    assert isinstance(point, str)
    assert uuid.UUID(point).version == 5
    assert point == point_id(text)


def test_the_mapping_never_changes():
    # Written into people's stores: a change here would duplicate their documents.
    assert point_id("foo") == "0cba45cb-d9ea-546e-a4d7-ed4b2f62f016"
    assert content_id("text", {"b": 1, "a": "ä"}) == "23cd4144-3b05-5a04-9225-dc5f9746733c"


@given(st.text(), st.text())
def test_different_strings_get_different_points(one, other):
    try:
        same = point_id(one) == point_id(other)
    except InvalidDocument:
        return
    if same and one != other:
        assert uuid.UUID(one) == uuid.UUID(other)


@pytest.mark.parametrize("bad", ["", None, 1.5, True, b"x", "\ud800"])
def test_what_cannot_be_an_id_is_refused(bad):
    with pytest.raises(InvalidDocument):
        point_id(bad)


def test_content_decides_and_order_of_keys_does_not():
    assert content_id("a", {"x": 1, "y": 2}) == content_id("a", {"y": 2, "x": 1})
    assert content_id("a", {"x": 1}) != content_id("a", {"x": 2})
    assert content_id("a", {}) != content_id("b", {})
