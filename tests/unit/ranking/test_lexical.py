import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rolevec.ranking.lexical import Bm25


def test_a_document_and_a_query():
    bm25 = Bm25("none", k1=1.5, b=0.5, average_length=6)
    document = bm25.document("the cat sat by the door")
    query = bm25.query("the the cat dog")
    assert len(document.indices) == 5
    assert document.indices == sorted(document.indices)
    assert query.values == [1.0, 1.0, 1.0]
    weights = dict(zip(document.indices, document.values, strict=True))
    shared = sorted(weights[i] for i in query.indices if i in weights)
    assert shared == [pytest.approx(2.5 / 2.5), pytest.approx(2 * 2.5 / 3.5)]


def test_numbers_of_terms_never_change():
    assert Bm25("none").query("hello").indices == [4144392170]
    assert Bm25("none").query("北京").indices == [3528305154]


@given(st.text())
def test_every_text_gives_a_valid_vector(text):
    for vector in (Bm25().document(text), Bm25().query(text)):
        assert len(vector.indices) == len(set(vector.indices)) == len(vector.values)
        assert all(0 <= i < 1 << 32 for i in vector.indices)
        assert all(0 < value < math.inf for value in vector.values)
    assert Bm25().document(text).indices == Bm25().query(text).indices


def test_settings_come_back_from_a_record():
    bm25 = Bm25("german", k1=0.9, b=0.4, average_length=80)
    assert Bm25.from_dict(bm25.to_dict()) == bm25
    with pytest.raises(ValueError, match="version 7"):
        Bm25.from_dict({**bm25.to_dict(), "version": 7})


@pytest.mark.parametrize(
    "bad",
    [
        {"k1": -1},
        {"b": 1.1},
        {"b": math.nan},
        {"average_length": 0},
        {"k1": "x"},
        {"language": "xx"},
    ],
)
def test_settings_are_checked(bad):
    with pytest.raises(ValueError, match=next(iter(bad))):
        Bm25(**bad)
