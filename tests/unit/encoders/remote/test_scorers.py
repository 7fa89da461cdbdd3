"""Cross-encoders behind an API score in the order of the texts."""

import pickle

import numpy as np
import pytest
from remote_faulty import Fault

from rolevec.encoders.scoring import load_scorer
from rolevec.errors import (
    InvalidText,
    ModelNotAvailable,
    RateLimited,
    RemoteError,
    RolevecError,
    UnknownModel,
)
from rolevec.ranking.rerank import PairScorer, rerank
from rolevec.testing import FakeEncoder

QUERY = "where do foxes live"
TEXTS = ["banks open at nine", "foxes live in dens", *(f"page {n}" for n in range(20))]


@pytest.fixture(params=["cohere", "tei"])
def scorer(request, start):
    server = start(info={"model_type": {"reranker": {}}})
    name = "cohere:rerank-v3.5" if request.param == "cohere" else f"tei:{server.url}"
    options = {"base_url": server.url} if request.param == "cohere" else {}
    with load_scorer(name, backoff=0.001, max_retries=2, **options) as scorer:
        scorer.server = server
        yield scorer


def test_scores_are_in_the_order_of_the_texts(scorer):
    fake = FakeEncoder(16)
    expected = fake.encode_documents(TEXTS) @ fake.encode_queries([QUERY])[0]
    assert np.allclose(scorer.score(QUERY, TEXTS), expected, atol=1e-6)
    assert scorer.score(QUERY, []) == []


def test_it_reranks(scorer):
    assert isinstance(scorer, PairScorer)
    hits = rerank(QUERY, TEXTS, scorer, k=3)
    assert hits[0].text == "foxes live in dens"
    assert len(hits) == 3


async def test_async_scores_are_the_same(scorer):
    assert await scorer.ascore(QUERY, TEXTS) == scorer.score(QUERY, TEXTS)


def test_many_texts_take_several_requests(scorer, monkeypatch):
    scorer.score(QUERY, TEXTS)
    sizes = [
        len(r.body.get("documents", r.body.get("texts"))) for r in scorer.server.sent("/rerank")
    ]
    assert sizes == ([22] if scorer.provider.name == "cohere" else [8, 8, 6])


def test_failures(scorer):
    scorer.server.faults.extend([Fault("status", 500), Fault("reset mid-body")])
    assert len(scorer.score(QUERY, TEXTS[:3])) == 3
    scorer.server.faults.extend([Fault("status", 429)] * 3)
    with pytest.raises(RateLimited):
        scorer.score(QUERY, TEXTS[:3])
    for kind in ("html", "too few scores", "shape"):
        scorer.server.faults.append(Fault(kind))
        with pytest.raises(RemoteError, match="answered 200 with"):
            scorer.score(QUERY, TEXTS[:3])
    with pytest.raises(InvalidText, match="text 1 is blank"):
        scorer.score(QUERY, ["a", " "])


def test_it_pickles_and_closes(scorer):
    scores = scorer.score(QUERY, TEXTS)
    del scorer.server
    again = pickle.loads(pickle.dumps(scorer))
    assert again.score(QUERY, TEXTS) == scores
    again.close()
    with pytest.raises(RolevecError, match="closed"):
        again.score(QUERY, TEXTS)


def test_usage(start):
    told = []
    server = start()
    scorer = load_scorer("cohere:rerank", base_url=server.url, on_usage=told.append)
    scorer.score(QUERY, TEXTS)
    (usage,) = told
    assert (usage.role, usage.texts, usage.billed_units) == (None, 22, {"search_units": 1.0})


def test_names_and_options_that_there_are_not(server):
    for name in ("openai:m", "rerank-v3.5", "C:\\models"):
        with pytest.raises(UnknownModel, match="cohere:, late:, onnx:, openvino:, tei:, torch:"):
            load_scorer(name)
    with pytest.raises(TypeError, match="has no option device"):
        load_scorer("cohere:m", base_url=server.url, device="cuda")
    with pytest.raises(ModelNotAvailable, match="not a reranker"):
        load_scorer(f"tei:{server.url}")
