"""Hostile requests: whatever comes, no 5xx, no hang, and the next request is answered."""

import json
import socket

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rolevec.server.app import TABLE

POSTS = sorted(path for path, methods in TABLE.items() if "POST" in methods)
FIELDS = [
    *("texts", "inputs", "input", "documents", "query", "text", "tokens", "ids", "images", "model"),
    *("input_type", "prompt_name", "embedding_types", "truncate", "truncation_direction", "top_n"),
    *("output_dimension", "dimensions", "encoding_format", "rank_fields", "return_documents"),
    *("return_text", "normalize", "add_special_tokens", "max_tokens", "parameters", "content"),
    *("source_sentence", "sentences", "priority", "user", "type", "image_url"),
]
WORDS = [
    *("embed-light", "search_query", "query", "float", "base64", "int8", "END", "NONE", "left"),
    *("text", "", " ", "\0", "image", "\U0001f600", "a" * 5000, "1", "none"),
]
LEAVES = (
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.integers(-1, 600)
    | st.floats(allow_nan=False)
    | st.text()
    | st.sampled_from(WORDS)
)
VALUES = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(FIELDS), inner, max_size=4)
    ),
    max_leaves=10,
)
GOOD = {
    "model": "embed-light",
    "texts": ["a", "b"],
    "input": ["a", "b"],
    "inputs": ["a"],
    "query": "a",
    "documents": ["a", "b"],
    "input_type": "search_query",
    "text": "a",
    "tokens": [1],
    "ids": [1],
}
# Mostly right, so that more than the first check is reached.
BODIES = st.builds(
    lambda kept, wild: {**{name: GOOD[name] for name in kept}, **wild},
    st.sets(st.sampled_from(sorted(GOOD))),
    st.dictionaries(st.sampled_from(FIELDS), VALUES, max_size=4),
)
FUZZ = settings(
    max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def check(reply):
    assert reply.status_code < 500, reply.text
    if reply.status_code >= 400 and reply.request.method != "HEAD":
        assert reply.json()


@FUZZ
@given(path=st.sampled_from(POSTS), body=BODIES | VALUES)
def test_any_json(server, path, body):
    check(server.ask.post(path, content=json.dumps(body)))


@FUZZ
@given(
    path=st.sampled_from(POSTS),
    content=st.binary(max_size=200)
    | st.text(alphabet='{}[]",:0123456789eE+-.\\u texinpmodl', max_size=100).map(str.encode)
    | st.integers(1, 5000).map(lambda n: b"[" * n)
    | st.integers(1, 5000).map(lambda n: b'{"texts":' * n),
)
def test_any_bytes(server, path, content):
    check(server.ask.post(path, content=content))


@FUZZ
@given(
    method=st.sampled_from(["GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH"]),
    path=st.text(
        st.characters(codec="latin-1", exclude_categories=["Cc"], exclude_characters="?#"),
        max_size=40,
    )
    | st.sampled_from(sorted(TABLE)),
    query=st.text(alphabet="abc=&%0123456789_pagesiztoken", max_size=30),
)
def test_any_address(server, method, path, query):
    url = httpx.URL(server.url).copy_with(path="/" + path.lstrip("/"), query=query.encode())
    check(server.ask.request(method, url))


@FUZZ
@given(
    content=st.binary(max_size=300)
    | st.builds(
        lambda head, rest: head + rest,
        st.sampled_from(
            [
                b"POST /v2/embed HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n",
                b"POST /v2/embed HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n",
                b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
                b"POST /embed HTTP/1.1\r\n",
            ]
        ),
        st.binary(max_size=100),
    )
)
def test_any_bytes_on_the_socket(server, content):
    address = httpx.URL(server.url)
    with socket.create_connection((address.host, address.port), timeout=10) as connection:
        connection.sendall(content)
        connection.shutdown(socket.SHUT_WR)
        reply = b""
        try:
            while chunk := connection.recv(65536):
                reply += chunk
        except ConnectionResetError:
            pass
    # Python's parser may put two answers behind each other.
    assert b"HTTP/1.1 5" not in reply


def test_after_all_that_it_still_answers(server):
    check(server.ask.post("/v2/embed", json=GOOD | {"inputs": None}))
    assert server.engine.models[0].batcher.waiting_jobs == 0
    assert server.engine.models[0].batcher.waiting_cost == 0


def test_the_document_names_every_address(server):
    paths = server.ask.get("/openapi.json").json()["paths"]
    told = {path.split("{")[0] for path in paths}
    assert {path.rstrip("*") for path in TABLE if not path.startswith("/page/")} == told
    for path, methods in paths.items():
        key = path.split("{")[0] + ("*" if "{" in path else "")
        assert {m.upper() for m in methods} == set(TABLE[key]), path


@pytest.mark.slow
def test_the_document_holds_by_schemathesis(server):
    schemathesis = pytest.importorskip("schemathesis")
    from schemathesis.checks import not_a_server_error
    from schemathesis.specs.openapi.checks import (
        content_type_conformance,
        response_schema_conformance,
        status_code_conformance,
    )

    checks = [
        not_a_server_error,
        status_code_conformance,
        content_type_conformance,
        response_schema_conformance,
    ]
    schema = schemathesis.openapi.from_url(f"{server.url}/openapi.json")
    count = 0
    for operation in schema.get_all_operations():
        case_strategy = operation.ok().as_strategy()

        @settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
        @given(case=case_strategy)
        def ask(case):
            case.call_and_validate(checks=checks, timeout=60)

        ask()
        count += 1
    assert count >= 20
