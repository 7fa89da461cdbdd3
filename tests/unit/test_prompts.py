"""Templates per role, and the names of roles."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rolevec.errors import UnsupportedRole
from rolevec.prompts import Prompts
from rolevec.roles import Role

E5 = Prompts({"query": "query: ", "document": "passage: "})


@given(st.text(), st.sampled_from(Role))
def test_the_text_stays_whole_between_its_parts(text, role):
    before, after = E5.parts(role)
    assert E5.apply([text], role) == [before + text + after]


def test_a_slot_places_the_text():
    prompts = Prompts({"query": "task: find | {text} |"})
    assert prompts.apply(["{text}"], Role.QUERY) == ["task: find | {text} |"]
    assert prompts.apply(["x"], Role.DOCUMENT) == ["x"]


def test_roles_without_a_template_count_as_documents():
    assert E5.apply(["x"], Role.CLUSTERING) == ["passage: x"]


def test_distinguish_tells_whether_roles_matter():
    assert E5.distinguish
    assert not Prompts().distinguish
    assert not Prompts({"query": "a: ", "document": "a: "}).distinguish


def test_prompts_equal_by_content_and_round_trip():
    assert Prompts(E5.to_dict()) == E5
    assert hash(Prompts(E5.to_dict())) == hash(E5)


@pytest.mark.parametrize("role", Role)
def test_every_role_answers_to_its_own_and_to_coheres_name(role):
    assert Role.parse(role) is Role.parse(role.value) is Role.parse(role.cohere) is role


@pytest.mark.parametrize("name", ["image", "", "queries", 3])
def test_an_unknown_role_is_refused(name):
    with pytest.raises(UnsupportedRole):
        Role.parse(name)
