"""Vectors from the server are those of the encoder, in every dialect, role and type."""

import base64

import numpy as np
import pytest

from rolevec.encoders.loading import load_encoder
from rolevec.encoders.scoring import load_scorer
from rolevec.ranking.rerank import rerank
from rolevec.roles import Role
from rolevec.vectors import cut_dimensions, pack

TEXTS = [
    "How do I reset my password?",
    "Wie setze ich mein Passwort zurück?",
    "如何重置我的密码？",
    "كيف أعيد تعيين كلمة المرور؟",
    "a\0b \ufeff\u202e <|endoftext|> query: [MASK]",
    "How do I reset my password?",
    "x",
]
LONG = "one two three four five six seven " * 3000


def near(found, expected):
    np.testing.assert_allclose(np.asarray(found), expected, atol=1e-6, rtol=0)


@pytest.fixture(params=["cohere", "openai", "tei"])
def remote(request, server):
    address = {
        "cohere": ("cohere:embed-light", server.url),
        "openai": ("openai:embed-light", f"{server.url}/v1"),
        "tei": (f"tei:{server.url}", None),
    }
    name, base_url = address[request.param]
    options = {"base_url": base_url, "api_key": "none"} if base_url else {}
    with load_encoder(name, **options) as encoder:
        yield encoder


@pytest.mark.parametrize("role", Role)
def test_our_own_client_gets_the_vectors_of_the_local_encoder(remote, local, role):
    near(remote.encode(TEXTS, role), local.encode(TEXTS, role))


def test_many_texts_go_in_many_requests_and_come_back_in_order(remote, local):
    texts = [f"text number {i} of many, {'word ' * (i % 50)}" for i in range(700)]
    near(remote.encode_documents(texts), local.encode_documents(texts))


async def test_and_awaited(remote, local):
    near(await remote.aencode_queries(TEXTS), local.encode_queries(TEXTS))


def test_fewer_dimensions_are_cut_and_made_unit_vectors(server, local):
    for name, base in (("cohere:embed-light", server.url), ("openai:embed-light", server.url)):
        base_url = base if name.startswith("cohere") else f"{base}/v1"
        with load_encoder(name, base_url=base_url, api_key="none", dimensions=64) as encoder:
            found = encoder.encode_queries(TEXTS)
        near(found, local.encode(TEXTS, Role.QUERY, dimensions=64))


@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize("version", ["v1", "v2"])
@pytest.mark.parametrize("dimensions", [None, 64])
def test_cohere_gives_all_types_at_once(server, local, role, version, dimensions):
    body = {
        "model": "embed-multilingual-v3.0",
        "texts": TEXTS,
        "input_type": role.cohere,
        "embedding_types": ["float", "int8", "uint8", "binary", "ubinary", "base64"],
        "output_dimension": dimensions,
        "truncate": None,
    }
    reply = server.ask.post(f"/{version}/embed", json=body).json()
    vectors = cut_dimensions(local.encode(TEXTS, role), dimensions)
    found = reply["embeddings"]
    near(found["float"], vectors)
    decoded = [np.frombuffer(base64.b64decode(row), dtype="<f4") for row in found["base64"]]
    near(decoded, vectors)
    for kind in ("int8", "uint8", "binary", "ubinary"):
        # A coordinate within rounding of a step may fall on either side of it.
        difference = np.asarray(found[kind]) - pack(vectors, kind).astype(int)
        assert np.abs(difference).max() <= (1 if kind in ("int8", "uint8") else 0)
    assert reply["texts"] == TEXTS
    assert reply["response_type"] == "embeddings_by_type"
    assert reply["meta"]["api_version"]["version"] == version[1:]
    assert reply["meta"]["billed_units"] == {"input_tokens": sum(local.count_tokens(TEXTS, role))}


def test_cohere_v1_without_types_is_a_bare_list(server, local):
    body = {"texts": TEXTS, "input_type": "search_query"}
    reply = server.ask.post("/v1/embed", json=body).json()
    assert reply["response_type"] == "embeddings_floats"
    near(reply["embeddings"], local.encode_queries(TEXTS))


def test_cohere_v2_takes_inputs_with_text(server, local):
    inputs = [{"content": [{"type": "text", "text": text}]} for text in TEXTS]
    body = {"model": "light", "inputs": inputs, "input_type": "classification"}
    body["model"] = "embed-light"
    reply = server.ask.post("/v2/embed", json=body).json()
    near(reply["embeddings"]["float"], local.encode(TEXTS, Role.CLASSIFICATION))


@pytest.mark.parametrize("truncate", ["END", "START", None])
def test_cohere_cuts_where_it_is_asked_and_bills_what_is_left(server, local, truncate):
    policy = {"START": "start"}.get(truncate, "end")
    with load_encoder("light", truncation=policy) as encoder:
        expected = encoder.encode_documents([LONG, "short"])
    body = {
        "model": "embed-light",
        "texts": [LONG, "short"],
        "input_type": "search_document",
        "truncate": truncate,
    }
    reply = server.ask.post("/v2/embed", json=body)
    near(reply.json()["embeddings"]["float"], expected)
    (short,) = local.count_tokens(["short"], Role.DOCUMENT)
    assert reply.json()["meta"]["billed_units"]["input_tokens"] == local.max_tokens + short
    assert "1 of 2 texts are longer" in reply.json()["meta"]["warnings"][0]
    assert reply.headers["x-truncated-texts"] == "1"


@pytest.mark.parametrize("encoding_format", ["float", "base64", None])
def test_openai_in_both_formats(server, local, encoding_format):
    with load_encoder("light", prompts={"query": "", "document": ""}) as plain:
        expected = plain.encode_queries(TEXTS)
        tokens = sum(plain.count_tokens(TEXTS, Role.QUERY))
    body = {"model": "embed-light", "input": TEXTS, "encoding_format": encoding_format}
    reply = server.ask.post("/v1/embeddings", json=body).json()
    rows = [item["embedding"] for item in reply["data"]]
    if encoding_format == "base64":
        rows = [np.frombuffer(base64.b64decode(row), dtype="<f4") for row in rows]
    near(rows, expected)
    assert [item["index"] for item in reply["data"]] == list(range(len(TEXTS)))
    assert reply["usage"] == {"prompt_tokens": tokens, "total_tokens": tokens}


@pytest.mark.parametrize("role", Role)
def test_roles_may_be_said_where_the_dialect_has_none(server, local, role):
    expected = local.encode(TEXTS, role)
    body = {"model": "embed-light", "input": TEXTS, "input_type": role.cohere}
    reply = server.ask.post("/v1/embeddings", json=body).json()
    near([item["embedding"] for item in reply["data"]], expected)
    body = {"inputs": TEXTS, "prompt_name": role.value}
    near(server.ask.post("/embed", json=body).json(), expected)


def test_big_answers_are_whole(server, local):
    texts = [f"text {i}" for i in range(500)]
    body = {"model": "embed-light", "input": texts, "input_type": "search_query"}
    reply = server.ask.post("/v1/embeddings", json=body).json()
    assert [item["index"] for item in reply["data"]] == list(range(500))
    near([item["embedding"] for item in reply["data"]], local.encode_queries(texts))
    body["encoding_format"] = "base64"
    data = server.ask.post("/v1/embeddings", json=body).json()["data"]
    rows = [np.frombuffer(base64.b64decode(item["embedding"]), dtype="<f4") for item in data]
    near(rows, local.encode_queries(texts))


def test_tei_reports_what_it_read(server, local):
    reply = server.ask.post("/embed", json={"inputs": TEXTS, "prompt_name": "query"})
    assert reply.headers["x-compute-tokens"] == str(sum(local.count_tokens(TEXTS, Role.QUERY)))
    with load_encoder(f"tei:{server.url}") as encoder:
        assert encoder.count_tokens(TEXTS, Role.QUERY) == local.count_tokens(TEXTS, Role.QUERY)
        assert encoder.fingerprint.prompts == local.fingerprint.prompts
        assert encoder.max_tokens == local.max_tokens


def test_tei_similarity_is_the_cosine(server, local):
    body = {
        "inputs": {"source_sentence": TEXTS[0], "sentences": TEXTS[1:]},
        "parameters": {"prompt_name": "document"},
    }
    vectors = local.encode_documents(TEXTS)
    near(server.ask.post("/similarity", json=body).json(), vectors[1:] @ vectors[0])
    near(server.ask.post("/", json=body).json(), vectors[1:] @ vectors[0])


def test_rerank_without_a_cross_encoder_is_the_cosine_and_says_so(server, local):
    documents = TEXTS[1:]
    expected = rerank("password", documents, local)
    with load_scorer("cohere:rerank-v3.5", base_url=server.url, api_key="none") as scorer:
        near([hit.score for hit in rerank("password", documents, scorer)],
             [hit.score for hit in expected])  # fmt: skip
    for path, extra in (("/v1/rerank", {}), ("/v2/rerank", {"model": "rerank-v3.5"})):
        body = {"query": "password", "documents": documents, "top_n": 3, **extra}
        reply = server.ask.post(path, json=body).json()
        assert [str(item["index"]) for item in reply["results"]] == [h.id for h in expected[:3]]
        assert "no cross-encoder" in reply["meta"]["warnings"][0]
        assert reply["meta"]["billed_units"] == {"search_units": 1}
    body = {"query": "password", "texts": documents, "return_text": True}
    reply = server.ask.post("/rerank", json=body)
    assert [item["text"] for item in reply.json()] == [hit.text for hit in expected]
    assert reply.headers["x-score"] == "cosine"
