"""RolevecRerank: order, scores, events, async."""

import pickle

import numpy as np
import pytest
from llama_index.core.callbacks import CallbackManager, CBEventType, EventPayload, LlamaDebugHandler
from llama_index.core.instrumentation.events.rerank import ReRankEndEvent, ReRankStartEvent
from llama_index.core.schema import NodeWithScore, TextNode
from pydantic import ValidationError

from rolevec.encoders.static import StaticEncoder
from rolevec.llama_index import RolevecRerank
from rolevec.testing import FakeEncoder

TEXTS = ["blue cars are fast", "red apples are sweet", "green apples are sour"]


class WordCount:
    """Scores by how often the query's first word occurs."""

    def score(self, query, texts):
        return [text.count(query.split()[0]) for text in texts]


@pytest.fixture
def nodes():
    return [
        NodeWithScore(node=TextNode(id_=str(i), text=t), score=0.1) for i, t in enumerate(TEXTS)
    ]


def order(nodes):
    return [node.node.node_id for node in nodes]


def test_the_best_come_first_and_nothing_is_changed(nodes):
    reranker = RolevecRerank.from_scorer(FakeEncoder(), top_n=2)
    best = reranker.postprocess_nodes(nodes, query_str="sweet apples")
    assert order(best) == ["1", "2"]
    encoder = FakeEncoder()
    cosines = encoder.encode_documents(TEXTS) @ encoder.encode_queries(["sweet apples"])[0]
    np.testing.assert_allclose([n.score for n in best], (1 + cosines[[1, 2]]) / 2, atol=1e-6)
    assert [n.score for n in nodes] == [0.1, 0.1, 0.1]
    assert order(nodes) == ["0", "1", "2"]


async def test_any_scorer_and_async(nodes):
    reranker = RolevecRerank.from_scorer(WordCount(), top_n=None)
    best = await reranker.apostprocess_nodes(nodes, query_str="apples")
    assert [(n.node.node_id, n.score) for n in best] == [("1", 1.0), ("2", 1.0), ("0", 0.0)]


def test_metadata_meant_for_embedding_counts(nodes):
    nodes[0].node.metadata["title"] = "sweet apples"
    best = RolevecRerank.from_scorer(WordCount()).postprocess_nodes(nodes, query_str="sweet")
    assert order(best) == ["0", "1", "2"]


def test_a_model_by_name(nodes, static_folder):
    reranker = RolevecRerank(
        static_folder, top_n=1, options={"dimensions": 16, "truncation": "end"}
    )
    assert len(reranker.postprocess_nodes(nodes, query_str="quick fox")) == 1
    assert reranker.scorer.fingerprint == StaticEncoder(static_folder, dimensions=16).fingerprint


def test_a_scorer_by_name(nodes, static_folder):
    reranker = RolevecRerank(f"late:{static_folder}", top_n=1, options={"truncation": "end"})
    (best,) = reranker.postprocess_nodes(nodes, query_str="red apples are sweet")
    assert best.node.node_id == "1"
    assert 0.6 < best.score <= 1


def test_borders(nodes):
    reranker = RolevecRerank.from_scorer(FakeEncoder())
    assert reranker.postprocess_nodes([], query_str="x") == []
    with pytest.raises(ValueError, match="query_str"):
        reranker.postprocess_nodes(nodes)
    for wrong in ({"top_n": 0}, {"topn": 3}):
        with pytest.raises(ValidationError):
            RolevecRerank(**wrong)


def test_events_and_callbacks(nodes, listener):
    debug = LlamaDebugHandler(print_trace_on_end=False)
    reranker = RolevecRerank.from_scorer(
        FakeEncoder(), top_n=2, callback_manager=CallbackManager([debug])
    )
    best = reranker.postprocess_nodes(nodes, query_str="sweet apples")
    start, end = (e for e in listener.events if isinstance(e, (ReRankStartEvent, ReRankEndEvent)))
    assert (start.query, start.top_n, start.model_name) == ("sweet apples", 2, "fake")
    assert order(start.nodes) == ["0", "1", "2"]
    assert end.nodes == best
    ((_, finished),) = debug.get_event_pairs(CBEventType.RERANKING)
    assert order(finished.payload[EventPayload.NODES]) == ["1", "2"]


def test_serialisation(nodes, static_folder):
    reranker = RolevecRerank("fake:x", top_n=7, options={"api_key": "s3cret", "dimensions": 8})
    again = RolevecRerank.from_dict(reranker.to_dict())
    assert (again.model, again.top_n, again.options) == ("fake:x", 7, {"dimensions": 8})
    assert "s3cret" not in repr(reranker) + str(reranker.to_dict())
    assert b"s3cret" not in pickle.dumps(reranker)
    silent = RolevecRerank(static_folder, options={"truncation": "end"})
    for reranker in (RolevecRerank.from_scorer(FakeEncoder()), silent):
        twin = pickle.loads(pickle.dumps(reranker))
        ask = {"nodes": nodes, "query_str": "sweet apples"}
        assert order(twin.postprocess_nodes(**ask)) == order(reranker.postprocess_nodes(**ask))
