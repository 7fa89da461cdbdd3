"""Whatever the endpoint does, no vector is lost, doubled, or put in another's place."""

import warnings

import numpy as np
import pytest
from remote_faults import ALL, BATCH, CASES, OPTIONS, RETRIES, TEXTS, arm
from remote_faulty import Fault

from rolevec.errors import (
    AuthenticationError,
    InputTooLong,
    InvalidVector,
    PartialFailure,
    RateLimited,
    RemoteError,
)
from rolevec.roles import Role

DIALECTS = ("cohere", "openai", "tei")


@pytest.fixture(params=DIALECTS)
def dialect(request):
    return request.param


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_fault_in_the_middle(load, server, dialect, case):
    encoder = load(dialect, **OPTIONS | case.options)
    whole = encoder.encode(TEXTS, Role.QUERY)
    arm(server, case)
    if case.error is None:
        assert np.array_equal(encoder.encode(TEXTS, Role.QUERY, batch_size=BATCH), whole)
    else:
        with pytest.raises(PartialFailure) as caught:
            encoder.encode(TEXTS, Role.QUERY, batch_size=BATCH)
        failure = caught.value
        assert type(failure.__cause__) is case.error
        assert failure.status == (case.status or 0)
        assert failure.done == tuple(range(BATCH))
        assert failure.missing == tuple(range(BATCH, len(TEXTS)))
        assert np.array_equal(failure.vectors, whole[:BATCH])
    assert len(server.sent()) == case.requests
    assert len(server.embedded) == len(set(server.embedded))


def test_the_call_can_be_taken_up_where_it_failed(load, server, dialect):
    encoder = load(dialect, **OPTIONS)
    texts = [TEXTS[0], *TEXTS, TEXTS[0], TEXTS[12]]
    whole = encoder.encode_documents(texts)
    server.faults.extend([None, None, Fault("status", 400)])
    with pytest.raises(PartialFailure) as caught:
        encoder.encode(texts, Role.DOCUMENT, batch_size=BATCH)
    failure = caught.value
    # Positions are those of the caller's texts, repeated ones included.
    assert failure.done == (*range(11), len(texts) - 2)
    rows = np.empty_like(whole)
    rows[list(failure.done)] = failure.vectors
    rows[list(failure.missing)] = encoder.encode_documents([texts[i] for i in failure.missing])
    assert np.array_equal(rows, whole)


def test_a_failure_before_anything_is_done_is_no_partial_one(load, server, dialect):
    encoder = load(dialect, **OPTIONS)
    for fault, kind in (
        (Fault("status", 401), AuthenticationError),
        (Fault("nan"), InvalidVector),
        (Fault("status", 418), RemoteError),
    ):
        server.faults.append(fault)
        with pytest.raises(kind) as caught:
            encoder.encode_documents(TEXTS[:3])
        assert type(caught.value) is kind
    server.faults.extend([Fault("status", 429)] * (RETRIES + 1))
    with pytest.raises(RateLimited, match="429"):
        encoder.encode_documents(TEXTS[:3])


def test_what_is_under_way_when_another_fails_is_kept(load, server):
    encoder = load("cohere", concurrency=4)
    slow = {TEXTS[0]: Fault("status", 500), TEXTS[7]: Fault("status", 422)}
    server.fault_for = slow.get
    server.embedded.clear()
    with pytest.raises(PartialFailure) as caught:
        encoder.encode(TEXTS, Role.DOCUMENT, batch_size=BATCH)
    assert caught.value.status == 422
    # Not 0 to 4, which would have been repeated, nor 5 to 9; of the others what had been sent.
    assert set(server.embedded) == {TEXTS[i] for i in caught.value.done}
    assert not set(caught.value.done) & set(range(10))


def test_chunks_before_the_one_that_fails_are_kept(load, server, monkeypatch):
    monkeypatch.setattr("rolevec.encoders.base.BaseEncoder.chunk", 8)
    encoder = load("cohere", **OPTIONS)
    whole = encoder.encode_documents(TEXTS)
    for fault, kind in (
        (Fault("status", 400), RemoteError),
        (Fault("nan"), InvalidVector),
    ):
        server.faults.extend([None, fault])
        with pytest.raises(PartialFailure) as caught:
            encoder.encode_documents(TEXTS)
        assert type(caught.value.__cause__) is kind
        assert caught.value.done == tuple(range(8))
        assert np.array_equal(caught.value.vectors, whole[:8])


def test_partial_failures_are_cut_like_the_rest(load, server):
    encoder = load("cohere", dimensions=8, **OPTIONS)
    whole = encoder.encode(TEXTS, Role.DOCUMENT, dimensions=4)
    server.faults.extend([None, Fault("status", 400)])
    with pytest.raises(PartialFailure) as caught:
        encoder.encode(TEXTS, Role.DOCUMENT, dimensions=4, batch_size=BATCH)
    assert np.array_equal(caught.value.vectors, whole[:BATCH])


async def test_async_calls_fail_alike(load, server, dialect):
    encoder = load(dialect, **OPTIONS)
    server.faults.extend([None, Fault("status", 500), None, Fault("status", 403)])
    with pytest.raises(PartialFailure) as caught:
        await encoder.aencode(TEXTS, Role.DOCUMENT, batch_size=BATCH)
    assert type(caught.value.__cause__) is AuthenticationError
    assert caught.value.done == tuple(range(2 * BATCH))
    server.faults.append(Fault("count"))
    with pytest.raises(RemoteError, match="answered 200 with 2 vectors"):
        await encoder.aencode_queries(TEXTS[:3])


def test_the_cache_keeps_what_is_done_and_nothing_broken(load, server, dialect, tmp_path):
    encoder = load(dialect, cache=tmp_path / "vectors.sqlite", **OPTIONS)
    first = encoder.encode_documents(TEXTS[3:5])
    server.faults.extend([None, Fault("nan")])
    with pytest.raises(PartialFailure) as caught:
        encoder.encode(TEXTS, Role.DOCUMENT, batch_size=BATCH)
    # Five more than the two that were there.
    assert caught.value.done == (0, 1, 2, 3, 4, 5, 6)
    assert np.array_equal(caught.value.vectors[3:5], first)
    server.embedded.clear()
    whole = encoder.encode_documents(TEXTS)
    assert sorted(server.embedded) == sorted(TEXTS[7:]) or dialect == "openai"
    assert len(server.embedded) == len(TEXTS) - 7
    assert np.array_equal(whole[:7], caught.value.vectors)


async def test_the_cache_does_so_for_async_calls(load, server, tmp_path):
    encoder = load("cohere", cache=tmp_path / "vectors.sqlite", **OPTIONS)
    first = await encoder.aencode_documents(TEXTS[3:5])
    server.faults.extend([None, Fault("count")])
    with pytest.raises(PartialFailure) as caught:
        await encoder.aencode(TEXTS, Role.DOCUMENT, batch_size=BATCH)
    assert caught.value.done == (0, 1, 2, 3, 4, 5, 6)
    server.embedded.clear()
    rows = await encoder.aencode_documents(TEXTS)
    assert server.embedded == TEXTS[7:]
    assert np.array_equal(rows[3:5], first)
    assert np.array_equal(rows, encoder.encode_documents(TEXTS))


def test_a_text_that_is_too_long_is_that_error(load, server):
    encoder = load("cohere", truncation="error")
    long = "word " * 600
    with pytest.raises(InputTooLong, match="too long"):
        encoder.encode([*TEXTS, long], Role.DOCUMENT, batch_size=BATCH)
    assert np.isfinite(load("cohere").encode_documents([long])).all()


def test_errors_say_what_and_where(load, server):
    encoder = load("cohere", max_retries=0)
    said = {
        Fault("html"): f"POST {server.url}/v2/embed answered 200 with text/html instead of JSON",
        Fault("status", 404): "answered 404: status 404; is base_url right",
        Fault("status", 401): "give a key as api_key= or in the environment as CO_API_KEY",
        Fault("reset"): "cohere: POST .* failed: R",
        Fault("dimension"): "rows of equal length|dimension 15; expected 16",
    }
    for fault, message in said.items():
        server.faults.append(fault)
        with pytest.raises((RemoteError, InvalidVector), match=message) as caught:
            encoder.encode_documents(TEXTS[:1])
        assert len(str(caught.value)) < 900
        assert len(getattr(caught.value, "body", "")) <= 500


def test_no_warning_is_left_behind(load, server, dialect):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        encoder = load(dialect, **OPTIONS)
        server.faults.extend([Fault("reset"), None])
        assert encoder.encode(TEXTS, Role.QUERY, batch_size=BATCH).shape[0] == len(TEXTS)
        assert len(server.sent()) >= ALL
        encoder.close()
