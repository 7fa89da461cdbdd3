"""Reranking by encoders and scorers, alone and in numbers, waited for or not."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rolevec import Hit, arerank, rerank, rerank_many
from rolevec.ranking.rerank import arerank_many, calibrated
from rolevec.testing import FakeEncoder

TEXTS = ["pears are green", "dogs are loud", "apples are red"]
QUERIES = ["red apples", "loud dogs", "nothing"]


class Length:
    """A pair scorer: the longer the text, the better; remembers what it was asked."""

    def __init__(self):
        self.asked = []

    def score(self, query, texts):
        self.asked.append((query, list(texts)))
        return [len(text) for text in texts]


class Waiting(Length):
    """The same, for who can wait."""

    async def ascore(self, query, texts):
        return self.score(query, texts)


class Counting(FakeEncoder):
    """Counts the texts it encodes."""

    count = 0

    def encode(self, texts, role, **options):
        self.count += len(texts)
        return super().encode(texts, role, **options)


def test_an_encoder_scores_by_role_from_0_to_1():
    encoder = FakeEncoder()
    found = rerank("red apples", TEXTS, encoder)
    cosines = encoder.encode_documents(TEXTS) @ encoder.encode_queries(["red apples"])[0]
    assert [hit.text for hit in found] == [TEXTS[i] for i in np.argsort(-cosines)]
    assert [hit.score for hit in found] == pytest.approx(np.sort((1 + cosines) / 2)[::-1])
    assert [hit.id for hit in found] == [str(i) for i in np.argsort(-cosines)]


@given(st.lists(st.floats(-1.00001, 1.00001), min_size=2))
def test_calibration_keeps_the_order_and_the_bounds(cosines):
    scores = calibrated(cosines)
    assert ((scores >= 0) & (scores <= 1)).all()
    order = np.argsort(cosines, kind="stable")
    assert (np.diff(scores[order]) >= 0).all()
    assert calibrated([-1, 0, 1]).tolist() == [0, 0.5, 1]


def test_hits_keep_id_and_metadata_and_ties_their_order():
    hits = [Hit("b", 0.9, "same", {"n": 1}), Hit("a", 0.1, "same"), Hit("c", 0.2, "longer text")]
    found = rerank("any", hits, Length(), k=2)
    assert found == [Hit("c", 11.0, "longer text"), Hit("b", 4.0, "same", {"n": 1})]
    assert hits[0].score == 0.9


def test_many_is_each_by_itself_and_encodes_a_text_once():
    encoder = Counting()
    lists = [TEXTS, [], TEXTS[::-1]]
    found = rerank_many(QUERIES, lists, encoder, k=2)
    assert encoder.count == len(TEXTS) + 2
    assert found == [
        rerank(q, some, FakeEncoder(), k=2) for q, some in zip(QUERIES, lists, strict=True)
    ]
    scorer = Length()
    rerank_many(QUERIES, lists, scorer)
    assert scorer.asked == [(QUERIES[0], TEXTS), (QUERIES[2], TEXTS[::-1])]
    assert rerank_many([], [], encoder) == []
    assert rerank_many(["q"], [[]], encoder) == [[]]


@pytest.mark.parametrize("scorer", [FakeEncoder(), Length(), Waiting()])
async def test_async_gives_the_same(scorer):
    assert await arerank("red apples", TEXTS, scorer, k=2) == rerank(
        "red apples", TEXTS, scorer, k=2
    )
    lists = [TEXTS, [], TEXTS[:1]]
    assert await arerank_many(QUERIES, lists, scorer) == rerank_many(QUERIES, lists, scorer)


async def test_mistakes_are_said():
    for wrong in ({"k": 0}, {"k": -1}):
        with pytest.raises(ValueError, match="at least 1"):
            rerank("q", TEXTS, FakeEncoder(), **wrong)
        with pytest.raises(ValueError, match="at least 1"):
            await arerank("q", TEXTS, FakeEncoder(), **wrong)
    with pytest.raises(ValueError, match="2 queries with 1 lists"):
        rerank_many(["a", "b"], [TEXTS], FakeEncoder())

    class Short:
        def score(self, query, texts):
            return [1.0]

    with pytest.raises(ValueError, match="1 scores for 3 texts"):
        rerank("q", TEXTS, Short())
