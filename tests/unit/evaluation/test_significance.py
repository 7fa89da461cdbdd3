import itertools
import json

import numpy as np
import pytest

from rolevec.evaluation import Report, compare, evaluate
from rolevec.evaluation.report import Score
from rolevec.evaluation.significance import _DRAWS
from rolevec.testing import FakeEncoder


def report(*languages, dim=4, dataset="d", name="m"):
    """One data set; a language is (name, values) or (name, values, ids)."""
    scores = []
    for language, given, *rest in languages:
        values = np.array(given, dtype=np.float64)
        ids = tuple(rest[0] if rest else (f"{i}" for i in range(len(values))))
        metrics = {"mrr@10": float(values.mean())}
        found = {"mrr@10": values}
        scores.append(Score(dataset, "retrieval", language, dim, len(ids), metrics, {}, ids, found))
    return Report(name, tuple(scores))


def only(comparison):
    (difference,) = comparison.differences
    return difference


def exact_p(shares):
    sums = [abs(np.dot(signs, shares)) for signs in itertools.product((1, -1), repeat=len(shares))]
    return np.mean(np.array(sums) >= abs(sum(shares)) - 1e-12)


def test_p_is_the_share_of_all_ways_to_swap_the_labels():
    a = np.array([0.1, 0.2, 0.5, 0.5, 0.0, 1.0, 0.3, 0.25, 0.5])
    b = np.array([0.3, 0.9, 0.4, 0.5, 1.0, 1.0, 0.5, 0.50, 0.4])
    found = only(compare(report(("en", a)), report(("en", b))))
    expected = exact_p((b - a) / 9)
    assert 0.03 < expected < 0.3
    # Four standard errors of a share of 10,000 draws.
    assert found.p == pytest.approx(expected, abs=4 * np.sqrt(expected / _DRAWS))
    assert (found.a, found.b) == (pytest.approx(a.mean()), pytest.approx(b.mean()))
    assert found.difference == pytest.approx((b - a).mean())


def test_the_interval_is_that_of_resampled_means():
    rng = np.random.default_rng(1)
    a, b = rng.random(200), rng.random(200) + 0.1
    found = only(compare(report(("en", a)), report(("en", b))))
    half = 1.96 * (b - a).std() / np.sqrt(200)
    assert found.low == pytest.approx(found.difference - half, abs=0.1 * half)
    assert found.high == pytest.approx(found.difference + half, abs=0.1 * half)


def test_languages_count_the_same_and_questions_are_drawn_once():
    # One question in two languages is one observation, not two.
    ids = ("q0", "q1", "q2")
    a = report(("de", [0, 0, 0], ids), ("en", [0, 0, 0], ids))
    b = report(("de", [1, 1, 0], ids), ("en", [1, 1, 0], ids))
    found = only(compare(a, b))
    assert found.difference == pytest.approx(2 / 3)
    assert found.p == pytest.approx(exact_p([1, 1]), abs=0.02)
    # A language of one query weighs as much as one of three.
    a = report(("de", [0, 0, 0], ids), ("en", [0], ("q9",)))
    b = report(("de", [0, 0, 0], ids), ("en", [1], ("q9",)))
    assert only(compare(a, b)).difference == 0.5


def test_no_difference_and_a_great_one():
    same = report(("en", [0.5, 0.25]))
    found = only(compare(same, same))
    assert (found.difference, found.low, found.high, found.p) == (0, 0, 0, 1)
    found = only(compare(report(("en", np.zeros(50))), report(("en", np.ones(50)))))
    assert (found.low, found.high) == (1, 1)
    assert found.p == pytest.approx(1 / (_DRAWS + 1))
    assert only(compare(report(("en", np.ones(50))), report(("en", np.zeros(50))))).difference == -1


def test_the_seed_decides_the_draws():
    rng = np.random.default_rng(2)
    a, b = (report(("en", rng.random(20))) for _ in range(2))
    assert compare(a, b) == compare(a, b)
    assert compare(a, b, seed=1).differences != compare(a, b).differences


def test_different_data_is_refused():
    a = report(("en", [1, 0]))
    for other in (report(("de", [1, 0])), report(("en", [1])), report(("en", [1, 0], "xy"))):
        with pytest.raises(ValueError, match="d: the reports are of different languages or queri"):
            compare(a, other)
    with pytest.raises(ValueError, match="only one of the reports has d, e"):
        compare(a, report(("en", [1, 0]), dataset="e"))
    two = Report("m", a.scores + report(("en", [1, 0]), dim=2).scores)
    with pytest.raises(ValueError, match=r"dimensions \(4,\) in one report, \(4, 2\)"):
        compare(a, two)


def test_two_encoders_of_different_dimensions(everything, tmp_path):
    a, b = (evaluate(FakeEncoder(dim, f"fake-{dim}"), everything) for dim in (8, 64))
    comparison = compare(a, b)
    compared = {(d.task, d.metric) for d in comparison.differences}
    assert ("bitext", "xx->eng") in compared
    assert ("triples", "accuracy") in compared
    assert not any(metric == "spearman" for _, metric in compared)
    comparison.save(tmp_path / "c.json")
    saved = json.loads((tmp_path / "c.json").read_text(encoding="utf-8"))
    assert saved["a"]["model"] == a.model
    assert len(saved["differences"]) == len(comparison.differences)
    text = comparison.to_markdown()
    assert text.startswith("# Comparison\n\na: fake-8@fake-1 (8 dimensions)  \nb: fake-64@")
    assert "| data set | task | metric | a | b | b - a | 95 % interval | p |" in text
    assert text.count("## bitext/t: bitext") == 2
