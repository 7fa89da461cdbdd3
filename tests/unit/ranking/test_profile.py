import dataclasses
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rolevec.errors import InvalidVector
from rolevec.fingerprint import Fingerprint
from rolevec.ranking.profile import Profile
from rolevec.ranking.recommend import preference
from rolevec.vectors import unit_rows

DIM = 4
NONE = np.empty((0, DIM), np.float32)
ROWS = unit_rows(np.random.default_rng(7).normal(size=(6, DIM)))


def fresh():
    return Profile(Fingerprint("model", "1", DIM))


def test_its_vector_is_that_of_a_recommendation_from_the_same():
    profile = fresh().updated(ROWS[:2], ROWS[4:5]).updated(ROWS[2:3], ROWS[5:])
    assert np.allclose(profile.vector(), preference(ROWS[:3], ROWS[4:]), atol=1e-6)
    assert fresh().liked.weight == 0


def test_weights_and_decay():
    heavy = fresh().updated(ROWS[:1], NONE).updated(ROWS[1:2], NONE, weight=3)
    expected = unit_rows(ROWS[0] + 3 * ROWS[1])[0]
    assert np.allclose(heavy.vector(), expected, atol=1e-6)
    faded = fresh().updated(ROWS[:1], NONE).updated(ROWS[1:2], NONE, decay=0.25)
    assert np.allclose(faded.vector(), unit_rows(0.25 * ROWS[0] + ROWS[1])[0], atol=1e-6)
    assert faded.liked.weight == 1.25


def test_what_is_seen_is_kept_once_in_order():
    profile = fresh().updated(NONE, NONE, seen=["b", "a"]).updated(NONE, NONE, seen=["a", "c"])
    assert profile.seen == ("b", "a", "c")


def test_nothing_liked_gives_no_vector():
    with pytest.raises(ValueError, match="likes nothing"):
        fresh().updated(NONE, ROWS[:1]).vector()


@pytest.mark.parametrize(
    "bad", [{"weight": 0}, {"weight": float("nan")}, {"decay": 0}, {"decay": 1.5}]
)
def test_weight_and_decay_are_checked(bad):
    with pytest.raises(ValueError, match=next(iter(bad))):
        fresh().updated(ROWS, NONE, **bad)


@given(
    st.lists(st.tuples(st.floats(0.01, 10), st.floats(0.01, 1)), max_size=5),
    st.lists(st.text(st.characters(exclude_categories=["Cs"])), max_size=3),
)
def test_a_file_gives_the_profile_back(tmp_path_factory, updates, seen):
    profile = fresh()
    for weight, decay in updates:
        profile = profile.updated(ROWS[:2], ROWS[2:3], seen=seen, weight=weight, decay=decay)
    path = tmp_path_factory.getbasetemp() / "profile.json"
    profile.save(path)
    assert Profile.load(path) == profile
    assert not path.with_name("profile.json.part").exists()


def broken(**changes):
    return {**fresh().updated(ROWS, NONE).to_dict(), **changes}


@pytest.mark.parametrize(
    ("data", "error", "message"),
    [
        (broken(format=2), ValueError, "format 1"),
        ([], ValueError, "format 1"),
        (broken(liked={"total": [1.0] * 3, "weight": 1}), InvalidVector, "3 numbers"),
        (broken(liked={"total": [float("nan")] * 4, "weight": 1}), InvalidVector, "finite"),
        (broken(disliked={"total": [], "weight": -1}), InvalidVector, "negative"),
        (broken(disliked=None), ValueError, "broken part"),
        (broken(fingerprint={}), ValueError, "broken part"),
    ],
)
def test_a_broken_file_is_told_with_its_name(tmp_path, data, error, message):
    path = tmp_path / "p.json"
    path.write_text(json.dumps(data), encoding="utf-8")
    with pytest.raises(error, match=rf"p\.json.*{message}"):
        Profile.load(path)


def test_a_file_that_is_no_json(tmp_path):
    (tmp_path / "p.json").write_text("{", encoding="utf-8")
    with pytest.raises(ValueError, match=r"p\.json is not JSON"):
        Profile.load(tmp_path / "p.json")


def test_it_is_a_value():
    assert fresh() == fresh()
    with pytest.raises(dataclasses.FrozenInstanceError):
        fresh().seen = ("a",)
