"""Tables as columns of texts, each in its role."""

import pytest

from rolevec import Role
from rolevec.testing import FakeEncoder
from rolevec.training import HardNegatives, TransformerConfig, write_hard_negatives
from rolevec.training.data import text_key
from rolevec.training.examples import load_examples


@pytest.fixture
def data(tmp_path):
    folder = tmp_path / "data"
    folder.mkdir()
    parallel = [f"english {i}\tdeu\tdeutsch {i}\tnews\n" for i in range(20)]
    parallel += [f"english {i}\tita\titaliano {i}\tbad/one\n" for i in range(4)]
    (folder / "parallel.tsv").write_text("".join(parallel), encoding="utf-8")
    asked = [f"question {i}\teng\tanswer {i}\tfaq\n" for i in range(40)]
    (folder / "retrieval.tsv").write_text("".join(asked), encoding="utf-8")
    rows = [HardNegatives("q0", "p0"), HardNegatives("q1", "p1", ("a",))]
    write_hard_negatives(folder / "hard.jsonl", rows)
    write_hard_negatives(folder / "hard-2.jsonl", [HardNegatives("q2", "p2", tuple("abcd"))])
    return folder


def read(data, two_roles=True, **changes):
    config = TransformerConfig(data=data, output=data, model="m", **changes)
    examples, development = load_examples(config, two_roles=two_roles)
    return {part.name: part for part in examples}, development


def test_negatives_fill_their_columns(data):
    parts, development = read(data, kinds=("hard",), negatives=3)
    assert development is None
    assert parts["hard"].columns == {
        "anchor": ["q2", "q1"],
        "positive": ["p2", "p1"],
        "negative_1": ["a", "a"],
        "negative_2": ["b", "a"],
        "negative_3": ["c", "a"],
    }
    assert parts["hard-pairs"].columns == {"anchor": ["q0"], "positive": ["p0"]}
    assert parts["hard"].anchor_role is Role.QUERY
    assert not parts["hard"].symmetric


def test_translations_are_seen_in_both_roles(data):
    parts, _ = read(data, kinds=("parallel",), exclude_sources=("bad",))
    both, asked = parts["parallel"], parts["parallel-query"]
    assert (both.anchor_role, asked.anchor_role) == (Role.DOCUMENT, Role.QUERY)
    assert both.symmetric
    assert asked.symmetric
    assert both.columns["anchor"][:2] == ["deutsch 0", "deutsch 2"]
    assert asked.columns["anchor"][:2] == ["deutsch 1", "english 3"]
    assert asked.columns["positive"][:2] == ["english 1", "deutsch 3"]
    (one,), _ = read(data, False, kinds=("parallel",))
    assert one == "parallel"


def test_held_out_answers_are_in_no_table(data):
    parts, development = read(data, held_out=4)
    kept = {text for part in parts.values() for text in part.columns["positive"]}
    assert len(development.rights) > 4
    assert not kept & set(development.rights)
    assert all(text_key(text) % 4 == 0 for text in development.rights)
    assert development.role is Role.QUERY
    assert development.score(FakeEncoder()) > 0.5
    _, development = read(data, held_out=4, kinds=("parallel",))
    assert development.role is Role.DOCUMENT


def test_a_choice_of_rows_shares_languages_out(data):
    (part,) = read(data, False, kinds=("parallel",), max_rows=10, temperature=0.0)[0].values()
    languages = [text.split()[0] for text in part.columns["anchor"]]
    assert (languages.count("deutsch"), languages.count("italiano")) == (5, 4)
    again = read(data, False, kinds=("parallel",), max_rows=10, temperature=0.0)[0]["parallel"]
    assert again == part


def test_sources_can_weigh_less(data):
    (part,) = read(data, False, kinds=("parallel",), source_weights={"news": 0.5})[0].values()
    assert 4 < sum("deutsch" in text for text in part.columns["anchor"]) < 16
