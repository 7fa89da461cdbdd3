"""What each dialect puts on the wire, and what it makes of the answers."""

import numpy as np
import pytest

from rolevec.encoders.loading import load_encoder
from rolevec.encoders.remote.batches import spans
from rolevec.encoders.remote.dialect import Token
from rolevec.encoders.remote.pieces import Pieces, cut
from rolevec.errors import (
    InputTooLong,
    InvalidVector,
    MissingPrompts,
    ModelNotAvailable,
    RemoteError,
    UnsupportedByBackend,
)
from rolevec.models.registry import find_card
from rolevec.roles import Role
from rolevec.testing import FakeEncoder
from rolevec.truncation import TruncationWarning

ROLES = {"query": "query: ", "document": "passage: "}
# For a server whose /info lists prompts, as FakeEncoder has them.
PROMPTS = {role.value: f"{role.value}: " for role in (Role.QUERY, Role.DOCUMENT)}
LONG = " ".join(f"w{n}" for n in range(100))


def bodies(server, path="/embed"):
    return [seen.body for seen in server.sent(path)]


# Cohere


def test_cohere_is_told_the_role_and_the_policy(load, server):
    for policy, word in {"warn": "END", "end": "END", "start": "START", "error": "NONE"}.items():
        encoder = load("cohere", truncation=policy)
        server.requests.clear()
        for role in Role:
            encoder.encode(["a text"], role)
        assert [body["input_type"] for body in bodies(server)] == [role.cohere for role in Role]
        assert {body["truncate"] for body in bodies(server)} == {word}
        assert bodies(server)[0]["texts"] == ["a text"]


def test_cohere_models_are_known_and_asked_for_a_dimension_they_offer(start):
    server = start(dim=1536)
    encoder = load_encoder("cohere:embed-v4.0", base_url=server.url, dimensions=300)
    assert server.requests == []
    rows = encoder.encode_queries(["a text"])
    assert rows.shape == (1, 300)
    assert bodies(server)[0]["output_dimension"] == 512
    assert np.linalg.norm(rows) == pytest.approx(1, abs=1e-6)
    whole = load_encoder("cohere:embed-v4.0", base_url=server.url)
    whole.encode_queries(["a text"])
    assert "output_dimension" not in bodies(server)[1]
    with pytest.raises(InvalidVector, match="dimension 1536"):
        load_encoder("cohere:embed-v4.0", base_url=server.url, dimensions=2000)


def test_fingerprints_tell_vendors_look_alikes_roles_and_prompts_apart(load):
    encoder, vendor = load("cohere"), load_encoder("cohere:embed-v4.0", api_key="k")
    assert encoder.fingerprint.revision == "cohere-like"
    assert vendor.fingerprint.revision == "cohere"
    assert encoder.fingerprint.prompts["query"] == "input_type=search_query"
    prompted = load("cohere", prompts={"query": "find: ", "document": "{text} (end)"})
    assert prompted.fingerprint.prompts["query"] == "input_type=search_query find: "
    own = prompted.fingerprint.prompts["clustering"]
    assert own == "input_type=clustering {text} (end)"
    assert load("cohere", revision="2026-11").fingerprint.revision == "2026-11"
    rows = [e.encode_queries(["text"]) for e in (encoder, prompted)]
    assert not np.allclose(*rows, atol=1e-3)


def test_cohere_prompts_are_not_cut_off(load):
    with pytest.raises(UnsupportedByBackend, match="cut the prompt off"):
        load("cohere", prompts=ROLES, truncation="start")


def test_cohere_counts_tokens(load, server):
    encoder = load("cohere", prompts={"query": "to find "})
    assert encoder.count_tokens(["a b c", "d", "a b c"], Role.QUERY) == [5, 3, 5]
    assert encoder.count_tokens([], Role.QUERY) == []


# OpenAI


def test_openai_prompts_come_from_the_card_or_the_caller(start):
    server = start(dim=384)
    at = {"base_url": f"{server.url}/v1"}
    card = find_card("multilingual-e5-small")
    encoder = load_encoder("openai:intfloat/multilingual-e5-small", **at)
    encoder.encode_queries(["text"])
    encoder.encode_documents(["text"])
    assert [body["input"] for body in bodies(server)] == [["query: text"], ["passage: text"]]
    assert encoder.fingerprint.prompts == dict(card.prompts)
    off = load_encoder(
        "openai:intfloat/multilingual-e5-small", prompts={"query": "", "document": ""}, **at
    )
    off.encode_queries(["text"])
    assert bodies(server)[-1]["input"] == ["text"]
    assert off.fingerprint != encoder.fingerprint


def test_openai_models_that_need_prompts_are_refused_without(load, server):
    url = f"{server.url}/v1"
    with pytest.raises(MissingPrompts, match="E5"):
        load_encoder("openai:my-e5-of-my-own", base_url=url)
    assert load_encoder("openai:my-e5-of-my-own", base_url=url, prompts={}).dim == 16


def test_openai_vectors_may_be_base64_and_out_of_order(start):
    server = start(base64_vectors=True)
    encoder = load_encoder("openai:m", base_url=f"{server.url}/v1")
    texts = [f"text {n}" for n in range(5)]
    expected = FakeEncoder(16, prompts={}).encode_documents(texts)
    assert np.allclose(encoder.encode_documents(texts), expected, atol=1e-6)


def test_openai_dimensions_are_asked_for_where_documented(start):
    server = start(dim=1536)
    at = {"base_url": f"{server.url}/v1", "dimensions": 100}
    encoder = load_encoder("openai:text-embedding-3-small", **at)
    assert encoder.encode_queries(["text"]).shape == (1, 100)
    assert bodies(server)[-1]["dimensions"] == 100
    older = load_encoder("openai:text-embedding-ada-002", **at)
    assert older.encode_queries(["text"]).shape == (1, 100)
    assert "dimensions" not in bodies(server)[-1]
    vendor = load_encoder("openai:text-embedding-3-small", api_key="k")
    assert (vendor.dim, vendor.max_tokens, vendor.fingerprint.revision) == (1536, 8192, "openai")


def test_openai_counts_no_tokens(load):
    with pytest.raises(UnsupportedByBackend, match="counts no tokens"):
        load("openai").count_tokens(["text"], Role.QUERY)


# TEI


def test_tei_is_asked_for_its_facts(load, server):
    encoder = load("tei")
    assert [seen.path for seen in server.requests] == ["/info", "/tokenize", "/embed"]
    assert (encoder.name, encoder.max_tokens, encoder.card.pooling) == ("fake/model", 40, "mean")
    assert encoder.fingerprint.revision == "0123abc"


def test_tei_has_the_fingerprint_of_the_same_model_here(start):
    card = find_card("intfloat/multilingual-e5-small")
    pooling = {"embedding": {"pooling": "mean"}}
    info = {"model_id": card.name, "model_sha": card.revision, "model_type": pooling}
    mark = load_encoder(f"tei:{start(dim=384, info=info).url}").fingerprint
    assert (mark.model, mark.revision, mark.pooling) == (card.name, card.revision, card.pooling)
    assert mark.prompts == dict(card.prompts)


def test_tei_prompts_are_named_where_the_server_lists_them(load, start):
    ours = start()
    own = load("tei", ours, prompts=PROMPTS)
    for listed in (PROMPTS, list(PROMPTS)):
        server = start(info={"prompts": listed})
        encoder = load("tei", server)
        server.requests.clear()
        encoder.encode_queries(["text"])
        assert bodies(server)[-1]["inputs"] == ["text"]
        assert bodies(server)[-1]["prompt_name"] == "query"
        told = isinstance(listed, dict)
        assert encoder.fingerprint.prompts == (
            own.fingerprint.prompts if told else {r: f"prompt_name={r}" for r in PROMPTS}
        )
    # The caller's prompt wins, role by role.
    mixed = load("tei", server, prompts={"query": "ask: "})
    mixed.encode_queries(["text"])
    mixed.encode_documents(["text"])
    query, document = bodies(server)[-2:]
    assert (query["inputs"], "prompt_name" in query) == (["ask: text"], False)
    assert (document["inputs"], document["prompt_name"]) == (["text"], "document")


def test_tei_prompts_are_added_on_our_side_elsewhere(load, server):
    encoder = load("tei", prompts=ROLES)
    encoder.encode_queries(["text"])
    assert bodies(server)[-1]["inputs"] == ["query: text"]
    assert "prompt_name" not in bodies(server)[-1]


def test_tei_servers_that_add_a_prompt_by_themselves_are_refused(load, start):
    with pytest.raises(ModelNotAvailable, match="--default-prompt"):
        load("tei", start(info={"default_prompt": "query: "}))


def test_tei_without_embeddings_is_refused(load, start):
    with pytest.raises(ModelNotAvailable, match="a reranker, not an embedding model"):
        load("tei", start(info={"model_type": {"reranker": {}}}))


def test_something_else_at_the_address_is_told(load, start):
    with pytest.raises(RemoteError, match="answered 200 with JSON that has no str 'model_id'"):
        load("tei", start(info={"model_id": None}))


def test_tei_texts_are_cut_as_everywhere_and_keep_their_prompt(load, server):
    # 40 tokens are 2 special ones, 1 of the prompt, and 37 words.
    for policy, first, last in (("warn", 0, 36), ("end", 0, 36), ("start", 63, 99)):
        encoder = load("tei", truncation=policy, prompts=ROLES)
        if policy == "warn":
            with pytest.warns(TruncationWarning, match="1 of 2 texts are longer than 40 tokens"):
                report = encoder.encode_with_report([LONG, "a"], Role.QUERY).truncation
        else:
            report = encoder.encode_with_report([LONG, "a"], Role.QUERY).truncation
        assert report.dropped == (63, 0)
        sent = bodies(server)[-1]["inputs"][0].split()
        assert (sent[0], sent[1], sent[-1]) == ("query:", f"w{first}", f"w{last}")
        assert len(sent) == 38
    with pytest.raises(InputTooLong, match="63 tokens too many"):
        load("tei", truncation="error", prompts=ROLES).encode_queries([LONG])


def test_tei_texts_can_be_split_into_windows(load, server):
    encoder = load("tei", truncation="split", prompts=ROLES)
    server.requests.clear()
    encoded = encoder.encode_with_report(["a", LONG, "b"], Role.QUERY)
    assert encoded.truncation.dropped == (0, 0, 0)
    windows = [text for body in bodies(server) for text in body["inputs"]]
    assert [len(window.split()) for window in windows] == [2, 34, 35, 34, 2]
    assert " ".join(w.removeprefix("query: ") for w in windows[1:-1]) == LONG
    alone = FakeEncoder(16, prompts={}).encode_documents(windows)
    mean = np.average(alone[1:-1], axis=0, weights=[33, 34, 33])
    assert np.allclose(encoded.vectors[1], mean / np.linalg.norm(mean), atol=1e-6)
    assert np.allclose(encoded.vectors[[0, 2]], alone[[0, -1]], atol=1e-6)


def test_tei_is_not_asked_to_count_what_is_surely_short(load, server):
    encoder = load("tei", prompts=ROLES)
    encoder.encode_queries(["text"])
    server.requests.clear()
    encoder.encode_queries(["a short text", "another one"])
    assert [seen.path for seen in server.requests] == ["/embed"]


def test_tei_counts_tokens(load, server):
    encoder = load("tei", prompts=ROLES)
    texts = [f"{'w ' * n}" + "w" for n in range(20)]
    assert encoder.count_tokens(texts, Role.QUERY) == [n + 4 for n in range(20)]
    assert max(len(seen.texts) for seen in server.sent("/tokenize")) == 8


# Parts


def test_pieces_end_between_characters():
    text = "äöü" * 4  # two bytes a character, three bytes a token
    tokens = [Token(start, start + 3) for start in range(0, 24, 3)]
    pieces = cut(text, tokens, 3, "end")
    assert pieces.texts == ["äöüä"]
    assert pieces.dropped == [5]
    assert cut("x" + " " * 9, [Token(n, n + 1) for n in range(10)], 2, "start").texts


def test_a_text_is_done_when_all_its_pieces_are():
    pieces = Pieces(["a", "b", "c", "d"], [1, 3, 1, 1], [1, 2, 1], [0, 0, 0])
    rows = np.float32([[1, 0], [0, 1], [1, 0], [np.nan, np.nan]])
    joined, done = pieces.join(rows, np.array([True, True, True, False]))
    assert done.tolist() == [True, True, False]
    assert joined[:2].tolist() == [[1, 0], [1, 3]]
    assert [pieces.finished(0, 2), pieces.finished(2, 4)] == [2, 1]


def test_spans_hold_every_limit():
    assert spans([], 3) == []
    assert spans(["a"] * 7, 3) == [(0, 3), (3, 6), (6, 7)]
    assert spans(["aaaaaa"] * 4, 9, tokens=6) == [(0, 2), (2, 4)]
    assert spans(["aaaa", "a" * 50, "a"], 9, size=10) == [(0, 1), (1, 2), (2, 3)]
