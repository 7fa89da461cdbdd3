"""Each dialect's shapes: what it takes, and how it says no."""

import asyncio
import sys
import threading
from importlib.util import find_spec
from pathlib import Path

import pytest
from tokenizers import Tokenizer

from rolevec.encoders.loading import load_encoder
from rolevec.encoders.scoring import load_scorer
from rolevec.errors import InputTooLong, RemoteError
from rolevec.server import Limits, ModelSettings, RerankerSettings, token_ids
from rolevec.server.failures import Kind, Refused
from rolevec.server.shapes import errors

EMBED = {"model": "embed-light", "texts": ["a"], "input_type": "search_query"}
RERANK = {"model": "rerank-v3.5", "query": "a", "documents": ["a", "b"]}
OPENAI = {"model": "embed-light", "input": ["a"]}
TEI = {"inputs": ["a"]}
TEI_RERANK = {"query": "a", "texts": ["a", "b"]}
LONG = "one two three four five six seven " * 3000


def is_cohere(reply):
    return set(reply.json()) == {"message"}


def is_openai(reply):
    return set(reply.json()["error"]) == {"message", "type", "param", "code"}


def is_tei(reply):
    return set(reply.json()) == {"error", "error_type"}


@pytest.mark.parametrize(
    ("path", "body", "change", "status", "said"),
    [
        ("/v2/embed", EMBED, {"model": None}, 400, "model is required"),
        ("/v2/embed", EMBED, {"model": "nope"}, 404, "embed-light"),
        ("/v2/embed", EMBED, {"model": 5}, 400, "model must be a string"),
        ("/v2/embed", EMBED, {"input_type": None}, 400, "input_type is required"),
        ("/v1/embed", EMBED, {"input_type": None}, 400, "input_type is required"),
        ("/v2/embed", EMBED, {"input_type": "query"}, 400, "search_query"),
        ("/v2/embed", EMBED, {"input_type": "image"}, 400, "images are not supported"),
        ("/v2/embed", EMBED, {"images": ["data:image/png;base64,AA"]}, 400, "images are not"),
        ("/v2/embed", EMBED, {"texts": []}, 400, "at least one text"),
        ("/v2/embed", EMBED, {"texts": "a"}, 400, "list of strings"),
        ("/v2/embed", EMBED, {"texts": ["a", " "]}, 400, r"texts[1] is blank"),
        ("/v2/embed", EMBED, {"texts": ["a", 1]}, 400, r"texts[1] must be a string"),
        ("/v2/embed", EMBED, {"texts": ["a"] * 97}, 400, "must be at most 96 - received 97"),
        ("/v2/embed", EMBED, {"embedding_types": ["int4"]}, 400, "none of float"),
        ("/v2/embed", EMBED, {"embedding_types": []}, 400, "list with one of"),
        ("/v2/embed", EMBED, {"embedding_types": [{}]}, 400, "none of float"),
        ("/v2/embed", EMBED, {"truncate": "MIDDLE"}, 400, "NONE, START, END"),
        ("/v2/embed", EMBED, {"output_dimension": 0}, 400, "at least 1"),
        ("/v2/embed", EMBED, {"output_dimension": 1025}, 400, "dimension 1024"),
        ("/v2/embed", EMBED, {"output_dimension": True}, 400, "an integer"),
        ("/v2/embed", EMBED, {"max_tokens": 5}, 400, "max_tokens"),
        ("/v2/embed", EMBED, {"inputs": []}, 400, "either texts or inputs"),
        ("/v2/embed", EMBED, {"truncate": "NONE", "texts": ["a", LONG]}, 400, "text 1 is too long"),
        ("/v2/rerank", RERANK, {"documents": []}, 400, "at least one document"),
        ("/v2/rerank", RERANK, {"documents": [{"x": "y"}]}, 400, "rank_fields"),
        ("/v2/rerank", RERANK, {"query": ""}, 400, "query is empty"),
        ("/v2/rerank", RERANK, {"top_n": 0}, 400, "at least 1"),
        ("/v2/rerank", RERANK, {"model": None}, 400, "model is required"),
        ("/v1/tokenize", {}, {"text": ""}, 400, "text is empty"),
        ("/v1/detokenize", {}, {"tokens": [-1]}, 400, "is no token"),
        ("/v1/detokenize", {}, {"tokens": [10**30]}, 400, "tokens"),
        ("/v1/detokenize", {}, {"tokens": 7}, 400, "list of integers"),
    ],
)
def test_cohere_refuses_in_its_own_shape(server, path, body, change, status, said):
    body = {k: v for k, v in {**body, **change}.items() if v is not None}
    reply = server.ask.post(path, json=body)
    assert (reply.status_code, is_cohere(reply)) == (status, True)
    assert said in reply.json()["message"]


@pytest.mark.parametrize(
    ("change", "status", "code", "said"),
    [
        ({"model": "nope"}, 404, "model_not_found", "embed-light"),
        ({"input": []}, 400, None, "input is empty"),
        ({"input": None}, 400, None, "a string or a list"),
        ({"input": ["a", ""]}, 400, None, "input[1] is empty"),
        ({"input": ["a", 5]}, 400, None, "input[1] must be a string"),
        ({"input": [[]]}, 400, None, "no token"),
        ({"input": ["a"] * 2049}, 400, None, "2049 texts"),
        ({"input": LONG}, 400, "context_length_exceeded", "too long"),
        ({"dimensions": 1025}, 400, None, "dimension 1024"),
        ({"encoding_format": "hex"}, 400, None, "float, base64"),
        ({"input_type": "nonsense"}, 400, None, "unknown role"),
    ],
)
def test_openai_refuses_in_its_own_shape(server, change, status, code, said):
    reply = server.ask.post("/v1/embeddings", json={**OPENAI, **change})
    assert (reply.status_code, is_openai(reply)) == (status, True)
    assert reply.json()["error"]["code"] == code
    assert said in reply.json()["error"]["message"]


@pytest.mark.parametrize(
    ("path", "body", "status", "kind", "said"),
    [
        ("/embed", {"inputs": []}, 400, "Empty", "is empty"),
        ("/embed", {"inputs": ["a", ""]}, 422, "Validation", "inputs[1] is empty"),
        ("/embed", {"inputs": ["a"] * 257}, 422, "Validation", "maximum allowed batch size 256"),
        ("/embed", {"inputs": {"a": 1}}, 422, "Validation", "a string or a list"),
        ("/embed", {"inputs": [10**9]}, 422, "Validation", "is no token"),
        ("/embed", {"inputs": "a", "prompt_name": "sts"}, 422, "Validation", "unknown role"),
        ("/embed", {"inputs": "a", "normalize": False}, 422, "Validation", "length 1"),
        ("/embed", {"inputs": LONG, "truncate": False}, 422, "Validation", "too long"),
        ("/rerank", {"query": "a", "texts": []}, 400, "Empty", "texts is empty"),
        ("/similarity", {"inputs": "a"}, 422, "Validation", "source_sentence"),
        ("/decode", {"ids": [[1], 2]}, 422, "Validation", "list of integers"),
    ],
)
def test_tei_refuses_in_its_own_shape(server, path, body, status, kind, said):
    reply = server.ask.post(path, json=body)
    assert (reply.status_code, is_tei(reply)) == (status, True)
    assert reply.json()["error_type"] == kind
    assert said in reply.json()["error"]


@pytest.mark.parametrize("kind", Kind)
def test_every_reason_has_a_status_in_every_dialect(kind):
    for shape in (errors.cohere, errors.openai, errors.tei, errors.shared):
        answer = shape(Refused(kind, "why", headers={"x": "y"}))
        assert 400 <= answer.status < 600
        assert answer.headers == {"x": "y"}
        assert b"why" in answer.body


def test_images_in_inputs_are_refused(server):
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA"}}
    body = {"model": "embed-light", "input_type": "search_document"}
    reply = server.ask.post("/v2/embed", json={**body, "inputs": [{"content": [image]}]})
    assert (reply.status_code, is_cohere(reply)) == (400, True)
    assert "images are not supported" in reply.json()["message"]
    for broken in ("a", {}, {"content": []}, {"content": [5]}, {"content": [{"type": "text"}]}):
        reply = server.ask.post("/v2/embed", json={**body, "inputs": [broken]})
        assert (reply.status_code, is_cohere(reply)) == (400, True)


@pytest.mark.parametrize(
    ("path", "body", "shape"),
    [
        ("/embed", TEI, "list"),
        ("/v1/embed", TEI, "list"),
        ("/", TEI, "list"),
        ("/embed", EMBED, "embeddings"),
        ("/v1/embed", EMBED, "embeddings"),
        ("/v1/v1/embed", EMBED, "embeddings"),
        ("/v1/v2/embed/", EMBED, "embeddings"),
        ("/rerank", TEI_RERANK, "list"),
        ("/v1/rerank", TEI_RERANK, "list"),
        ("/rerank", RERANK, "results"),
        ("/v1/rerank", RERANK, "results"),
        ("/embeddings", OPENAI, "data"),
        ("/v1/v1/embeddings", OPENAI, "data"),
    ],
)
def test_shared_addresses_go_by_the_shape(server, path, body, shape):
    reply = server.ask.post(path, json=body)
    assert reply.status_code == 200
    assert isinstance(reply.json(), list) if shape == "list" else shape in reply.json()


def test_what_is_not_there_is_said_so_that_every_client_reads_it(server):
    reply = server.ask.post("/v3/embed", json=EMBED)
    assert reply.status_code == 404
    assert reply.json()["message"] == reply.json()["error"]["message"]
    reply = server.ask.get("/v2/embed")
    assert (reply.status_code, reply.headers["allow"], is_cohere(reply)) == (405, "POST", False)
    for body in (b"", b"{", b"[]", b'"a"', b"\xff", b'{"texts": NaN}'):
        reply = server.ask.post("/v2/embed", content=body)
        assert (reply.status_code, is_cohere(reply)) == (400, True)
        assert is_openai(server.ask.post("/v1/embeddings", content=body))
        assert is_tei(server.ask.post("/embed", content=body))


def test_models_in_both_shapes(server):
    listing = server.ask.get("/v1/models").json()
    assert listing["object"] == "list"
    names = ["embed-light", "embed-multilingual-v3.0"]
    assert [model["id"] for model in listing["data"]] == names
    assert [model["name"] for model in listing["models"]] == names
    model = server.ask.get("/v1/models/EMBED-light").json()
    assert model == listing["models"][0]
    assert model["endpoints"] == ["embed", "rerank"]
    assert model["context_length"] == 8192
    assert server.ask.get("/v1/models?endpoint=chat").json()["models"] == []
    page = server.ask.get("/v1/models?page_size=1").json()
    assert page["next_page_token"] == "1"
    rest = server.ask.get("/v1/models?page_size=1&page_token=1").json()
    assert rest["models"] == listing["models"][1:]
    assert rest["next_page_token"] is None
    assert server.ask.get("/v1/models?page_size=x").status_code == 400
    reply = server.ask.get("/v1/models/nope")
    assert reply.status_code == 404
    assert is_openai(reply)
    assert "message" in reply.json()


def test_the_tokenizer_is_served_and_its_ids_are_those_of_tokenize(server):
    url = server.ask.get("/v1/models/embed-light").json()["tokenizer_url"]
    assert url.startswith(server.url)
    tokenizer = Tokenizer.from_str(server.ask.get(url).text)
    text = "Wie setze ich mein Passwort zurück? 密码"
    encoding = tokenizer.encode(text, add_special_tokens=False)
    reply = server.ask.post("/v1/tokenize", json={"text": text, "model": "embed-light"}).json()
    assert reply["tokens"] == encoding.ids
    assert reply["token_strings"] == encoding.tokens
    ids = {"tokens": reply["tokens"], "model": "embed-light"}
    back = server.ask.post("/v1/detokenize", json=ids).json()
    assert (
        back["text"]
        == tokenizer.decode(encoding.ids)
        == "wie setze ich mein passwort zurück ? 密码"
    )
    assert server.ask.post("/v1/check-api-key").json()["valid"] is True


def test_tei_tells_tokens_by_their_bytes(server, local):
    text = "Grüße aus 東京"
    (tokens,) = server.ask.post("/tokenize", json={"inputs": text}).json()
    raw = text.encode()
    plain = [token for token in tokens if not token["special"]]
    assert [raw[t["start"] : t["stop"]].decode() for t in plain] == [t["text"] for t in plain]
    ids = [token["id"] for token in tokens]
    assert server.ask.post("/decode", json={"ids": ids}).json() == ["grüße aus 東京"]
    both = server.ask.post("/tokenize", json={"inputs": ["a", text], "prompt_name": "query"}).json()
    assert [len(t) for t in both] == local.count_tokens(["a", text], "query")


def test_a_model_takes_its_own_token_ids(server, live):
    ids = server.ask.post("/v1/tokenize", json={"text": "red wine"}).json()["tokens"]
    expected = server.ask.post("/embed", json={"inputs": "red wine"}).json()
    assert server.ask.post("/embed", json={"inputs": ids}).json() == expected
    assert server.ask.post("/embed", json={"inputs": [ids, ids]}).json() == expected * 2
    with live(token_ids="model") as own:
        for given in (ids, [ids]):
            reply = own.ask.post("/v1/embeddings", json={"input": given}).json()
            assert reply["data"][0]["embedding"] == expected[0]


def test_token_ids_of_openai_are_never_taken_for_the_models_own(server, live, monkeypatch):
    """The file of tokens is one that llama-index brings along."""
    core = Path(find_spec("llama_index.core").origin).parent
    monkeypatch.setenv("TIKTOKEN_CACHE_DIR", str(core / "_static" / "tiktoken_cache"))
    tiktoken = pytest.importorskip("tiktoken")
    ids = tiktoken.get_encoding("cl100k_base").encode("red wine")
    expected = server.ask.post("/embed", json={"inputs": "red wine"}).json()
    reply = server.ask.post("/v1/embeddings", json={"input": [ids]}).json()
    assert reply["data"][0]["embedding"] == expected[0]
    for wrong in ([100_262], [10**6], [-1]):
        reply = server.ask.post("/v1/embeddings", json={"input": [ids, wrong]})
        assert (reply.status_code, is_openai(reply)) == (400, True)


def test_token_ids_that_cannot_be_read_are_refused_with_what_to_do(monkeypatch):
    monkeypatch.setitem(sys.modules, "tiktoken", None)
    token_ids._loading.cache_clear()
    try:
        with pytest.raises(Refused, match="check_embedding_ctx_length=False"):
            asyncio.run(token_ids.openai_texts("cl100k_base", None, [[1]], 100))
    finally:
        token_ids._loading.cache_clear()


def test_an_over_long_text_is_known_to_our_own_client(server):
    for name, base in (("cohere", server.url), ("openai", f"{server.url}/v1")):
        options = {"base_url": base, "api_key": "none", "truncation": "error"}
        encoder = load_encoder(f"{name}:embed-light", **options)
        with encoder, pytest.raises(InputTooLong):
            encoder.encode_documents(["short", LONG])


def test_the_openai_route_cuts_if_its_owner_says_so(live):
    with live(openai_truncation="end") as server:
        reply = server.ask.post("/v1/embeddings", json={"input": ["a", LONG]})
    assert reply.status_code == 200
    assert reply.headers["x-truncated-texts"] == "1"


def test_several_models_and_names(live):
    small = ModelSettings("light", name="small", aliases=("s",), options={"dimensions": 64})
    with live(models=(ModelSettings("light"), small)) as server:
        for name, dim in (("embed-light", 1024), ("small", 64), ("S", 64)):
            reply = server.ask.post("/v2/embed", json={**EMBED, "model": name}).json()
            assert len(reply["embeddings"]["float"][0]) == dim
        assert server.ask.post("/v2/embed", json={**EMBED, "model": "x"}).status_code == 404
        body = {**EMBED, "model": "small", "output_dimension": 512}
        assert server.ask.post("/v2/embed", json=body).status_code == 400
    with (
        pytest.raises(ValueError, match="two models are called"),
        live(models=(ModelSettings("light"), ModelSettings("light"))),
    ):
        pass


VENDORS = [
    "embed-v4.0", "embed-english-v3.0", "embed-english-light-v3.0", "embed-multilingual-v3.0",
    "embed-multilingual-light-v3.0", "embed-english-v2.0", "embed-english-light-v2.0",
    "embed-multilingual-v2.0", "text-embedding-3-small", "text-embedding-ada-002",
]  # fmt: skip


@pytest.mark.parametrize("name", VENDORS)
def test_an_application_moves_by_its_url_alone(server, name):
    reply = server.ask.post("/v2/embed", json={**EMBED, "model": name})
    assert reply.status_code == 200
    assert reply.headers["x-rolevec-model"] == "embed-light"


def test_vendors_names_can_be_refused(live):
    with live(vendor_names=False) as server:
        for name in VENDORS:
            reply = server.ask.post("/v2/embed", json={**EMBED, "model": name})
            assert reply.status_code == 404


def test_any_name_is_the_first_model_if_its_owner_says_so(live):
    with live(any_name=True) as server:
        assert server.ask.post("/v2/embed", json={**EMBED, "model": "x"}).status_code == 200
        assert server.ask.get("/v1/models/embed-english-v3.0").json()["id"] == "embed-english-v3.0"


def test_a_cross_encoder_scores_if_there_is_one(live, server):
    """The cross-encoder is another server of ours, asked as Cohere's."""
    options = {"base_url": server.url, "api_key": "none"}
    reranker = RerankerSettings("cohere:rerank-v3.5", aliases=("ranker",), options=options)
    with live(rerankers=(reranker,)) as front:
        body = {**RERANK, "model": "ranker", "return_documents": True}
        reply = front.ask.post("/v1/rerank", json=body).json()
        assert "warnings" not in reply["meta"]
        assert reply["results"][0]["document"] == {"text": "a"}
        assert front.ask.post("/rerank", json=TEI_RERANK).headers["x-score"] == "cross-encoder"
        body = {**RERANK, "model": "embed-light"}
        assert "cosine" in front.ask.post("/v2/rerank", json=body).json()["meta"]["warnings"][0]
        assert front.ask.post("/v2/rerank", json={**RERANK, "model": "x"}).status_code == 404
        endpoints = {m["id"]: m["endpoints"] for m in front.ask.get("/v1/models").json()["data"]}
        assert endpoints == {"embed-light": ["embed"], "rerank-v3.5": ["rerank"],
                             "ranker": ["rerank"]}  # fmt: skip


def test_rerank_of_v1_takes_objects(server):
    documents = [{"title": "wine", "text": "red"}, {"title": "wheel", "text": "round"}]
    body = {"query": "wine", "documents": documents, "rank_fields": ["title", "text"]}
    reply = server.ask.post("/v1/rerank", json={**body, "max_chunks_per_doc": 3}).json()
    assert reply["results"][0]["index"] == 0
    assert "max_chunks_per_doc has no effect on this server" in reply["meta"]["warnings"]


def test_limits_are_the_owners(live):
    limits = Limits(body_bytes=1000, text_characters=50, cohere_texts=2, documents=2, drain=0)
    with live(limits=limits) as server:
        assert server.ask.post("/v2/embed", json={**EMBED, "texts": ["a"] * 3}).status_code == 400
        assert server.ask.post("/v2/embed", json={**EMBED, "texts": ["a" * 51]}).status_code == 400
        assert server.ask.post("/v2/rerank", json={**RERANK, "documents": ["a"] * 3}).is_error
        assert server.ask.post("/rerank", json={**TEI_RERANK, "texts": ["a"] * 3}).is_error

        def chunks():
            yield b'{"texts": ["'
            for _ in range(100):
                yield b"a" * 100

        for content in (b"x" * 1001, chunks()):
            reply = server.ask.post("/v2/embed", content=content)
            assert (reply.status_code, is_cohere(reply)) == (413, True)
        assert server.ask.post("/v2/embed", json=EMBED).status_code == 200


def test_a_model_elsewhere_is_not_served(live, server):
    options = {"base_url": server.url, "api_key": "none"}
    there = ModelSettings("cohere:embed-light", options=options)
    with pytest.raises(Exception, match="does not run on this machine"), live(models=(there,)):
        pass
    cached = ModelSettings("light", options={"cache": True})
    with pytest.raises(ValueError, match="no cache"), live(models=(cached,)):
        pass


def test_a_reranker_that_fails_is_a_503(live):
    options = {"base_url": "http://127.0.0.1:9", "api_key": "none", "max_retries": 0}
    with live(rerankers=(RerankerSettings("cohere:rerank-v3.5", options=options),)) as server:
        reply = server.ask.post("/v2/rerank", json=RERANK)
        assert (reply.status_code, is_cohere(reply)) == (503, True)
        with (
            load_scorer(
                "cohere:rerank-v3.5", base_url=server.url, api_key="none", max_retries=0
            ) as scorer,
            pytest.raises(RemoteError),
        ):
            scorer.score("a", ["b"])


def test_many_threads_at_once_get_their_own_vectors(server, local):
    texts = [f"text number {i}" for i in range(64)]
    expected = local.encode_queries(texts)
    found = {}

    def ask(place):
        body = {**EMBED, "texts": [texts[place]]}
        found[place] = server.ask.post("/v2/embed", json=body).json()["embeddings"]["float"][0]

    threads = [threading.Thread(target=ask, args=(i,)) for i in range(64)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for place, row in found.items():
        assert abs(expected[place] - row).max() < 1e-6
    assert len(found) == 64
