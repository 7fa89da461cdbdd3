import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rolevec.ranking.fusion import Fusion, fuse


def test_reciprocal_ranks_are_summed():
    scores = fuse([["a", "b"], ["b", "c"]], [1.0, 0.5], 60)
    assert scores == {
        "a": pytest.approx(1 / 61),
        "b": pytest.approx(1 / 62 + 0.5 / 61),
        "c": pytest.approx(0.5 / 62),
    }
    assert fuse([[], []], [1.0, 1.0], 60) == {}


@given(st.lists(st.lists(st.integers(0, 20), unique=True), min_size=1, max_size=4))
def test_who_is_ahead_in_all_rankings_is_ahead(rankings):
    scores = fuse(rankings, [1.0] * len(rankings), 60)
    assert scores.keys() == set().union(*rankings)
    places = {
        item: [ranks.index(item) if item in ranks else math.inf for ranks in rankings]
        for item in scores
    }
    for one in scores:
        for other in scores:
            if one != other and all(
                a <= b for a, b in zip(places[one], places[other], strict=True)
            ):
                assert scores[one] > scores[other]


@pytest.mark.parametrize(
    "bad",
    [
        {"dense": -1.0},
        {"dense": 0.0, "sparse": 0.0},
        {"sparse": math.nan},
        {"dense": math.inf},
        {"k": 0},
        {"candidates": 0},
    ],
)
def test_settings_are_checked(bad):
    with pytest.raises(ValueError, match=next(iter(bad)) + "=|weights"):
        Fusion(**bad)
