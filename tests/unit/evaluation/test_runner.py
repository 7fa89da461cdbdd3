import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rolevec.encoders.loading import load_encoder
from rolevec.errors import InvalidVector
from rolevec.evaluation import evaluate
from rolevec.evaluation.content import Bitext, Retrieval, Similarity, Triples
from rolevec.evaluation.datasets import Dataset
from rolevec.roles import Role
from rolevec.testing import FakeEncoder

NAMES = ("ndcg", "recall", "mrr", "map", "precision", "hit")


class Recorder(FakeEncoder):
    """A fake that remembers what it was asked."""

    def __init__(self, **options):
        super().__init__(**options)
        self.calls = []

    def encode_with_report(self, texts, role, **options):
        self.calls.append((role, list(texts)))
        return super().encode_with_report(texts, role, **options)


class Plain:
    """Turns "x y" into the vector (x, y); many texts are then equally near. It does not report."""

    def __init__(self):
        self._fake = FakeEncoder(dim=2)

    def __getattr__(self, name):
        if name == "encode_with_report":
            raise AttributeError(name)
        return getattr(self._fake, name)

    def encode(self, texts, role, **options):
        return np.array([text.split() for text in texts], dtype=np.float32).reshape(-1, 2)


def one(content, encoder=None, **options):
    """The only score of a data set in memory."""
    (score,) = evaluate(encoder or FakeEncoder(), Dataset.of("d", content), **options).scores
    return score


def test_everything_with_a_real_model(everything, static_folder):
    report = evaluate(load_encoder(static_folder, truncation="end"), everything)
    assert [(s.dataset, s.task, s.language, s.count) for s in report.scores] == [
        ("animals", "retrieval", "de", 3),
        ("animals", "retrieval", "en", 3),
        ("animals", "retrieval, cross-lingual", "de", 3),
        ("bitext/t", "bitext", "deu", 3),
        ("sts/pairs.tsv", "similarity", "en", 3),
        ("triples.jsonl", "triples", "de", 1),
        ("triples.jsonl", "triples", "en", 1),
    ]
    assert report.model.startswith("tiny-static@")
    assert list(report.scores[0].metrics) == ["ndcg@10", "recall@100", "mrr@10"]
    assert report.scores[0].metrics["recall@100"] == 1
    assert report.scores[4].metrics["spearman"] > 0
    assert all(-1 <= v <= 1 for s in report.scores for v in s.metrics.values())
    assert evaluate(load_encoder(static_folder, truncation="end"), everything) == report


def test_roles_and_each_text_once(family):
    encoder = Recorder()
    evaluate(encoder, family)
    assert [(role, len(texts)) for role, texts in encoder.calls] == [
        (Role.DOCUMENT, 3),
        (Role.QUERY, 3),
    ] * 2
    encoder.calls.clear()
    evaluate(encoder, Dataset.of("b", Bitext(["eins", "zwei"], ["one", "two"])))
    evaluate(encoder, Dataset.of("t", Triples(["a"], ["b"], ["c"])))
    evaluate(encoder, Dataset.of("s", Similarity(["a", "b"], ["c", "d"], [1, 2])))
    assert {role for role, _ in encoder.calls} == {Role.DOCUMENT}


def test_cuts_are_of_one_encoding(family):
    encoder = Recorder()
    report = evaluate(encoder, family, dimensions=[16, 64, 16], metrics=["mrr@3"])
    assert report.dims == (16, 64)
    assert len(encoder.calls) == 4
    for dim in report.dims:
        again = evaluate(FakeEncoder(dimensions=dim), family, metrics=["mrr@3"])
        assert [s for s in report.scores if s.dim == dim] == list(again.scores)
    with pytest.raises(InvalidVector, match="dimensions=65"):
        evaluate(encoder, family, dimensions=[65])


def test_passages_in_english_for_queries_in_another_language(family):
    encoder = FakeEncoder()
    (score,) = [s for s in evaluate(encoder, family).scores if "cross" in s.task]
    queries = encoder.encode_queries(["schneller Fuchs", "fauler Hund", "Regen"])
    english = ["the quick brown fox", "a lazy dog sleeps", "rain falls on the hills"]
    cosines = queries @ encoder.encode_documents(english).T
    ranks = (cosines >= cosines.diagonal()[:, None]).sum(axis=1)
    assert score.values["mrr@10"] == pytest.approx(1 / ranks)


def test_other_ids_are_no_parallel_corpus(family):
    corpus = family / "animals-de" / "corpus.jsonl"
    corpus.write_text(corpus.read_text().replace("d2", "x2"), encoding="utf-8")
    scores = evaluate(FakeEncoder(), family).scores
    assert {s.task for s in scores} == {"retrieval"}
    assert scores[0].counts == {"documents": 3, "missing": 1}


def test_blank_texts_are_counted_and_break_nothing():
    content = Retrieval(
        {"full": "the fox", "empty": "", "space": " \n"},
        {"q": "fox", "blank": "", "unjudged": "dog"},
        {"q": {"full": 1, "empty": 1}, "blank": {"full": 1}, "gone": {"full": 1}, "unjudged": {}},
    )
    score = one(content, metrics=["recall@10", "mrr@1"])
    assert score.ids == ("q", "blank")
    assert score.values["recall@10"].tolist() == [0.5, 0]
    assert score.counts == {"documents": 1, "blank": 3}
    score = one(Bitext(["eins", "", "drei"], ["one", "two", "three"]))
    assert (score.ids, score.counts) == (("0", "2"), {"blank": 1})
    score = one(Similarity(["a", "b", " "], ["a", "x", "c"], [2, 1, 9]))
    assert (score.count, score.counts) == (2, {"blank": 1})


def test_nothing_to_score_is_said():
    for content in (Retrieval({"d": "x"}, {"q": "x"}, {}), Triples(["a"], [""], ["b"])):
        with pytest.raises(ValueError, match="d: nothing to score"):
            one(content)
    assert one(Retrieval({"d": ""}, {"q": "x"}, {"q": {"d": 1}})).metrics["mrr@10"] == 0


def test_a_query_does_not_find_itself():
    # "1" is the same argument under its title; "3" has the id of the query, and its last words.
    documents = {"1": "Schools homework is good", "2": "homework is bad", "3": "hear purring cats"}
    queries = {"1": "homework is good", "3": "purring cats"}
    qrels = {"1": {"2": 1}, "3": {"3": 1}}
    score = one(Retrieval(documents, queries, qrels, {"1": "Schools"}), metrics=["hit@1"])
    assert score.values["hit@1"].tolist() == [1, 1]


def test_texts_that_were_cut_are_counted():
    encoder = FakeEncoder(max_tokens=3, truncation="end")
    content = Retrieval(
        {"a": "one two", "b": "one two three four"},
        {"q": "one", "r": "one two three"},
        {"q": {"a": 1}, "r": {"b": 1}},
    )
    assert one(content, encoder).counts == {"documents": 2, "cut": 2}


def test_what_cannot_be_scored_is_named():
    with pytest.raises(ValueError, match="several data sets are called d; give each its own name"):
        evaluate(FakeEncoder(), [Dataset.of("d", Bitext(["a"], ["a"]))] * 2)
    equal = Dataset.of("likeness", Similarity(["a", "b"], ["a", "c"], [1, 1]), "de")
    with pytest.raises(ValueError, match=r"likeness \(de\): 2 pairs whose scores are all equal"):
        evaluate(FakeEncoder(), equal)


def test_wrong_metrics_are_refused_before_any_work(family):
    encoder = Recorder()
    with pytest.raises(ValueError, match="unknown metric 'accuracy'"):
        evaluate(encoder, family, metrics=["accuracy"])
    assert encoder.calls == []


def test_bars_on_request(everything, capsys):
    evaluate(FakeEncoder(), everything, progress=True)
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "animals" in shown.err
    evaluate(FakeEncoder(), everything)
    assert capsys.readouterr().err == ""


@st.composite
def retrievals(draw):
    """Vectors of small integers, whose products are exact and often equal."""
    rng = np.random.default_rng(draw(st.integers(0, 1 << 32)))
    names = [f"d{i}" for i in rng.permutation(12)]
    texts = [" ".join(map(str, row)) for row in rng.integers(-1, 2, (14, 2)).tolist()]
    qrels = {
        query: {
            name: int(rng.integers(0, 3)) for name in rng.choice(names, 4, replace=False).tolist()
        }
        for query in ("q0", "q1")
    }
    documents = dict(zip(names, texts, strict=False))
    return Retrieval(documents, {"q0": texts[12], "q1": texts[13]}, qrels)


@settings(max_examples=1000, deadline=None)
@given(retrievals(), st.integers(1, 14))
def test_a_search_with_ties_scores_as_trec_eval_does(trec_eval, content, k):
    score = one(content, Plain(), metrics=[f"{name}@{k}" for name in NAMES])
    run = {
        query: {
            name: float(np.dot(*(np.array(t.split(), float) for t in (asked, text))))
            for name, text in content.documents.items()
        }
        for query, asked in content.queries.items()
    }
    expected = trec_eval(k, content.qrels, run)
    for name, values in score.values.items():
        assert values == pytest.approx(expected[name.partition("@")[0]])
