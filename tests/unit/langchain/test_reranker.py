import pickle

import pytest
from langchain_classic.retrievers import ContextualCompressionRetriever
from langchain_core.documents import Document
from pydantic import ValidationError

from rolevec.errors import InvalidText
from rolevec.langchain import RolevecEmbeddings, RolevecReranker, RolevecVectorStore
from rolevec.testing import FakeEncoder

DOCUMENTS = [
    Document("pears are green", id="pear", metadata={"n": 1}),
    Document("dogs are loud", id="dog", metadata={"n": 2}),
    Document("apples are red", metadata={"n": 3, "relevance_score": "old"}),
]


class Longest:
    """A pair scorer: the longer the text, the better."""

    def score(self, query, texts):
        return [len(text) for text in texts]


def test_best_first_as_copies_with_scores():
    encoder = FakeEncoder()
    best, second = RolevecReranker.from_scorer(encoder, top_n=2).compress_documents(
        DOCUMENTS, "apples are red"
    )
    score = best.metadata.pop("relevance_score")
    assert (best.page_content, best.id, best.metadata) == ("apples are red", None, {"n": 3})
    query = encoder.encode_queries(["apples are red"])[0]
    cosine = float(query @ encoder.encode_documents(["apples are red"])[0])
    assert score == pytest.approx((1 + cosine) / 2)
    assert score > second.metadata["relevance_score"]
    assert second.id in {"pear", "dog"}
    assert DOCUMENTS[2].metadata["relevance_score"] == "old"


def test_a_pair_scorer_and_no_limit():
    reranker = RolevecReranker.from_scorer(Longest(), top_n=None)
    found = reranker.compress_documents(DOCUMENTS, "any")
    assert [d.metadata["relevance_score"] for d in found] == [15, 14, 13]


async def test_async_gives_the_same():
    reranker = RolevecReranker.from_scorer(FakeEncoder())
    assert await reranker.acompress_documents(DOCUMENTS, "dogs") == reranker.compress_documents(
        DOCUMENTS, "dogs"
    )


def test_nothing_in_nothing_out_and_no_model_needed():
    assert RolevecReranker(model="not-there").compress_documents([], "any") == []


def test_a_model_by_name(static_folder):
    reranker = RolevecReranker(
        model=f"static:{static_folder}", top_n=1, options={"truncation": "end"}
    )
    query = "the quick brown fox"
    (best,) = reranker.compress_documents([*DOCUMENTS, Document("the quick brown fox")], query)
    assert best.page_content == "the quick brown fox"
    again = pickle.loads(pickle.dumps(reranker))
    assert again.compress_documents(DOCUMENTS, query) == reranker.compress_documents(
        DOCUMENTS, query
    )


def test_mistakes_are_said():
    with pytest.raises(ValidationError, match="top_n"):
        RolevecReranker(top_n=0)
    with pytest.raises(ValidationError, match="devise"):
        RolevecReranker(options={"devise": "cpu"})
    with pytest.raises(InvalidText, match="text 1"):
        RolevecReranker.from_scorer(FakeEncoder()).compress_documents(
            [Document("one"), Document(" ")], "any"
        )
    assert "sk-hidden" not in repr(RolevecReranker(options={"api_key": "sk-hidden"}))


def test_a_scorer_by_name(static_folder, tmp_path):
    reranker = RolevecReranker(
        model=f"late:{static_folder}", top_n=1, options={"truncation": "end"}
    )
    query = "the quick brown fox"
    ask = ([*DOCUMENTS, Document(query)], query)
    (best,) = reranker.compress_documents(*ask)
    assert best.page_content == query
    assert 0.6 < best.metadata["relevance_score"] <= 1
    assert pickle.loads(pickle.dumps(reranker)).compress_documents(*ask) == [best]
    assert b"s3cret" not in pickle.dumps(
        RolevecReranker(model="cohere:rerank-v3.5", options={"api_key": "s3cret"})
    )


def test_behind_a_retriever():
    store = RolevecVectorStore.from_documents(
        DOCUMENTS, RolevecEmbeddings.from_encoder(FakeEncoder()), store=":memory:"
    )
    retriever = ContextualCompressionRetriever(
        base_compressor=RolevecReranker.from_scorer(Longest(), top_n=1),
        base_retriever=store.as_retriever(search_kwargs={"k": 2}),
    )
    (best,) = retriever.invoke("dogs are loud or apples are red")
    assert best.page_content == "apples are red"
    store.close()
