import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rolevec.evaluation.metrics import (
    bitext_values,
    check_metrics,
    retrieval_values,
    spearman,
    triple_values,
)
from rolevec.vectors import unit_rows

NAMES = ("ndcg", "recall", "mrr", "map", "precision", "hit")


def values_at(k, qrels, ranked):
    return {
        name.partition("@")[0]: found.tolist()
        for name, found in retrieval_values(qrels, ranked, [f"{n}@{k}" for n in NAMES]).items()
    }


def test_a_list_worked_out_by_hand():
    # Relevant at ranks 2 (grade 1) and 3 (grade 2) of 3; one more (grade 1) is not found.
    found = values_at(3, {"q": {"b": 1, "c": 2, "far": 1, "no": 0}}, {"q": ["no", "b", "c", "d"]})
    gain = 1 / np.log2(3) + 2 / np.log2(4)
    ideal = 2 / np.log2(2) + 1 / np.log2(3) + 1 / np.log2(4)
    assert found == {
        "ndcg": [pytest.approx(gain / ideal)],
        "recall": [pytest.approx(2 / 3)],
        "mrr": [1 / 2],
        "map": [pytest.approx((1 / 2 + 2 / 3) / 3)],
        "precision": [pytest.approx(2 / 3)],
        "hit": [1],
    }


def test_the_cut_off_is_kept_to():
    found = values_at(1, {"q": {"b": 1}}, {"q": ["a", "b"]})
    assert found == {name: [0] for name in NAMES}


def test_queries_keep_their_order_and_an_empty_list_is_a_zero():
    qrels = {"z": {"a": 1}, "none": {"a": 1}, "absent": {"a": 1}, "a": {"a": 1}}
    found = retrieval_values(qrels, {"a": ["a"], "z": ["b", "a"], "none": []}, ["mrr@5"])
    assert found["mrr@5"].tolist() == [0.5, 0, 0, 1]
    assert retrieval_values(qrels, {}, ["mrr@5"])["mrr@5"].tolist() == [0, 0, 0, 0]


def test_what_metrics_there_are():
    assert check_metrics(["map@7", "ndcg@10", "map@7"]) == {"map@7": 7, "ndcg@10": 10}
    for wrong in ("ndgc@10", "ndcg", "ndcg@0", "NDCG@10", "recall@-1"):
        with pytest.raises(ValueError, match=f"unknown metric '{wrong}'; use ndcg@k, recall@k"):
            check_metrics(["ndcg@10", wrong])
    with pytest.raises(ValueError, match="none given"):
        check_metrics([])


@st.composite
def few_directions(draw):
    """Sentences of which many are equal, so that there are many ties."""
    rng = np.random.default_rng(draw(st.integers(0, 1 << 32)))
    pool = np.eye(draw(st.integers(1, 6)), dtype=np.float32)
    return [pool[rng.integers(0, len(pool), 12)] for _ in range(2)]


@given(few_directions())
def test_bitext_is_a_search_for_the_nearest(sides):
    other, english = sides
    found = bitext_values(other, english)
    for name, (source, target) in {"xx->eng": sides, "eng->xx": (english, other)}.items():
        cosines = source @ target.T
        expected = [float(row.tolist().index(row.max()) == i) for i, row in enumerate(cosines)]
        assert found[name].tolist() == expected


def test_a_tie_is_right_for_the_first_only():
    other = unit_rows([[1, 0], [1, 0], [0, 1]])
    found = bitext_values(other, other)
    assert found["xx->eng"].tolist() == found["eng->xx"].tolist() == [1, 0, 1]


def test_triples():
    anchor = unit_rows([[1, 0], [1, 0], [1, 0]])
    near, far = [1, 0.1], [0, 1]
    found = triple_values(anchor, unit_rows([near, far, near]), unit_rows([far, near, near]))
    assert found["accuracy"].tolist() == [1, 0, 0]


def test_rank_correlation():
    left = unit_rows([[1, 0]] * 4)
    right = unit_rows([[1, 0], [4, 1], [1, 1], [0, 1]])
    assert spearman(left, right, [9, 5, 3, 0.5]) == pytest.approx(1)
    assert spearman(left, right, [0, 1, 2, 3]) == pytest.approx(-1)
    # Ranks 4 3 2 1 and, with a tie, 3.5 3.5 2 1.
    assert spearman(left, right, [2, 2, 1, 0]) == pytest.approx(0.9486833)
    assert spearman(left, left, [1, 2, 3, 4]) == 0
    for scores in ([1, 1, 1, 1], [1, 2, 3, float("nan")]):
        with pytest.raises(ValueError, match="no rank correlation"):
            spearman(left, right, scores)


@st.composite
def ranked_lists(draw):
    rng = np.random.default_rng(draw(st.integers(0, 1 << 32)))
    documents = [f"d{i}" for i in range(15)]
    qrels, ranked = {}, {}
    for query in ("q0", "q1"):
        judged = rng.choice(documents, rng.integers(1, 8), replace=False)
        qrels[query] = {d: int(rng.integers(0, 3)) for d in judged.tolist()}
        ranked[query] = rng.permutation(documents)[: rng.integers(1, 16)].tolist()
    return qrels, ranked


@settings(max_examples=200)
@given(ranked_lists(), st.integers(1, 12))
def test_each_metric_is_that_of_trec_eval(trec_eval, lists, k):
    qrels, ranked = lists
    run = {q: {d: -float(i) for i, d in enumerate(found)} for q, found in ranked.items()}
    expected = trec_eval(k, qrels, run)
    for name, values in values_at(k, qrels, ranked).items():
        assert values == pytest.approx(expected[name])


def test_a_thousand_runs_with_ties_give_what_trec_eval_gives(trec_eval):
    """Scores of few values, so that most documents tie; some queries without any list."""
    rng = np.random.default_rng(7)
    documents = [f"d{i:02}" for i in range(30)]
    for _ in range(1000):
        qrels, run = {}, {}
        for query in ("q0", "q1", "q2"):
            judged = rng.choice(documents, rng.integers(1, 12), replace=False).tolist()
            qrels[query] = {d: int(rng.integers(0, 4)) for d in judged}
            found = rng.choice(documents, rng.integers(0, 31), replace=False).tolist()
            run[query] = {d: float(rng.integers(0, 4)) / 4 for d in found}
        if rng.random() < 0.3:
            del run["q1"]
        # trec_eval's rule, which `evaluate` keeps by the order of its rows: ties by descending id.
        ranked = {
            query: sorted(sorted(scores, reverse=True), key=scores.__getitem__, reverse=True)
            for query, scores in run.items()
        }
        k = int(rng.integers(1, 15))
        answered = [query for query in qrels if run.get(query)]
        expected = trec_eval(k, {q: qrels[q] for q in answered}, run) if answered else {}
        for name, values in values_at(k, qrels, ranked).items():
            theirs = dict(zip(answered, expected.get(name, ()), strict=True))
            assert values == pytest.approx([theirs.get(query, 0) for query in qrels])
