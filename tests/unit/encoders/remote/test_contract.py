"""A remote encoder keeps the promises of every encoder, in each dialect."""

import asyncio
import copy
import pickle
import subprocess
import sys

import numpy as np
import pytest
from remote_faulty import Fault

from rolevec.encoders.checks import check_encoder
from rolevec.encoders.loading import load_encoder
from rolevec.encoders.protocol import ReportingEncoder
from rolevec.errors import InvalidText, InvalidVector, RolevecError, UnsupportedByBackend
from rolevec.roles import Role
from rolevec.testing import FakeEncoder

DIALECTS = ("cohere", "openai", "tei")
CUTTING = ("end", "start", "split")
REFUSED = {("cohere", "split"), *(("openai", policy) for policy in CUTTING)}
ROLES = {"query": "query: ", "document": "document: "}
TEXTS = [f"the text of number {n}" for n in range(10)]


@pytest.fixture(params=DIALECTS)
def dialect(request):
    return request.param


@pytest.mark.parametrize("policy", ["warn", "error", *CUTTING])
def test_what_encoders_promise(load, dialect, policy):
    if (dialect, policy) in REFUSED:
        with pytest.raises(UnsupportedByBackend, match=f"truncation='{policy}'"):
            load(dialect, truncation=policy)
        return
    encoder = load(dialect, truncation=policy, **({"prompts": ROLES} if dialect == "tei" else {}))
    assert [check for check in check_encoder(encoder) if not check.passed] == []
    assert isinstance(encoder, ReportingEncoder)


def test_vectors_are_the_models_own(load):
    reference = FakeEncoder(16)
    encoder = load("cohere")
    for role in Role:
        assert np.allclose(encoder.encode(TEXTS, role), reference.encode(TEXTS, role), atol=1e-6)


def test_batches_equal_singles_and_async_equals_sync(load, dialect):
    encoder = load(dialect)
    together = encoder.encode(TEXTS, Role.QUERY, batch_size=3)
    alone = np.concatenate([encoder.encode_queries([text]) for text in TEXTS])
    assert np.array_equal(together, alone)
    assert np.array_equal(asyncio.run(encoder.aencode_queries(TEXTS)), together)
    # A second loop meets the same connections.
    assert np.array_equal(asyncio.run(encoder.aencode(TEXTS, Role.QUERY)), together)


async def test_sync_calls_work_inside_a_running_loop(load, dialect):
    encoder = load(dialect)
    rows = encoder.encode_documents(TEXTS)
    assert np.array_equal(await encoder.aencode_documents(TEXTS), rows)


def test_order_and_repeated_texts(load, server, dialect):
    encoder = load(dialect, concurrency=4)
    server.embedded.clear()
    texts = [*TEXTS, *TEXTS[::-1]] * 5
    rows = encoder.encode(texts, Role.DOCUMENT, batch_size=2)
    assert sorted({t.rpartition("document: ")[2] for t in server.embedded}) == sorted(TEXTS)
    assert len(server.embedded) == len(TEXTS)
    assert np.array_equal(rows[:10], rows[10:20][::-1])


@pytest.mark.parametrize(("dialect", "most"), [("cohere", 96), ("tei", 8), ("openai", 2048)])
def test_requests_are_split_at_the_providers_limit(load, server, dialect, most):
    encoder = load(dialect)
    server.requests.clear()
    texts = [f"n {n}" for n in range(2100 if most > 100 else 3 * most + 1)]
    rows = encoder.encode_documents(texts)
    sizes = sorted((len(seen.texts) for seen in server.sent()), reverse=True)
    assert max(sizes) == most
    assert sum(sizes) == len(texts)
    assert len(sizes) == -(-len(texts) // most)
    assert np.array_equal(rows[-1:], encoder.encode_documents(texts[-1:]))


def test_no_texts_make_no_request(load, server, dialect):
    encoder = load(dialect)
    server.requests.clear()
    assert encoder.encode_documents([]).shape == (0, 16)
    assert asyncio.run(encoder.aencode_queries([])).shape == (0, 16)
    assert server.requests == []


def test_bad_texts_are_refused_before_anything_is_sent(load, server, dialect):
    encoder = load(dialect)
    server.requests.clear()
    with pytest.raises(InvalidText, match="text 1 is blank"):
        encoder.encode_documents(["a", " "])
    with pytest.raises(InvalidText, match="surrogate"):
        asyncio.run(encoder.aencode_documents(["a", "\ud800"]))
    assert server.requests == []


def test_pickled_encoders_make_the_same_vectors_without_asking_again(load, server, dialect):
    encoder = load(dialect, dimensions=8)
    rows = encoder.encode_queries(TEXTS)
    server.requests.clear()
    again = pickle.loads(pickle.dumps(encoder))
    assert server.requests == []
    assert (again.fingerprint, again.dim, again.name) == (encoder.fingerprint, 8, encoder.name)
    assert np.array_equal(again.encode_queries(TEXTS), rows)
    for copied in (copy.copy(encoder), copy.deepcopy(encoder)):
        assert np.array_equal(copied.encode_queries(TEXTS), rows)
        copied.close()
    assert np.array_equal(encoder.encode_queries(TEXTS), rows)
    again.close()


def test_a_closed_encoder_refuses(load, dialect):
    encoder = load(dialect)
    encoder.close()
    with pytest.raises(RolevecError, match="closed"):
        encoder.encode_queries(TEXTS)
    with pytest.raises(RolevecError, match="closed"):
        asyncio.run(encoder.aencode_queries(TEXTS))


def test_dimensions_are_cut_and_checked(load, dialect):
    encoder = load(dialect, dimensions=8)
    assert encoder.encode_queries(TEXTS).shape == (10, 8)
    assert encoder.fingerprint.dim == 8
    with pytest.raises(InvalidVector, match="dimensions=9"):
        encoder.encode(TEXTS, Role.QUERY, dimensions=9)
    with pytest.raises(InvalidVector, match="dimensions=17"):
        load(dialect, dimensions=17)


def test_options_that_there_are_not_are_refused(load, dialect):
    with pytest.raises(TypeError, match="has no option pooling, precision; it has api_key"):
        load(dialect, pooling="mean", precision="float16")
    with pytest.raises(ValueError, match="device='cuda'"):
        load(dialect, device="cuda")
    for name, value in {
        "timeout": 0,
        "max_retries": -1,
        "concurrency": 0,
        "requests_per_minute": 0,
        "tokens_per_minute": float("nan"),
        "backoff": "soon",
    }.items():
        with pytest.raises(ValueError, match=f"{name}="):
            load(dialect, **{name: value})


@pytest.mark.parametrize(
    "address", ["localhost:8080", "ftp://host/", "http://", "http://me:pw@host/", "http://h/?k=v"]
)
def test_addresses_that_make_no_sense_are_refused(address):
    with pytest.raises(ValueError, match=r"tei") as caught:
        load_encoder(f"tei:{address}")
    assert "pw" not in str(caught.value)


def test_usage_is_told_once_a_call(load, server, dialect):
    told = []
    encoder = load(dialect, on_usage=told.append, concurrency=1)
    server.requests.clear()
    server.faults.extend([None, Fault("status", 500)])
    encoder.encode([*TEXTS, *TEXTS], Role.QUERY, batch_size=5)
    (usage,) = told
    assert (usage.provider, usage.role, usage.texts) == (dialect, Role.QUERY, 10)
    assert (usage.requests, usage.retries) == (len(server.requests), 1)
    # The prompt of these two is in the text, and counts.
    prompted = 10 if dialect == "openai" else 20 if dialect == "tei" else 0
    assert usage.tokens == 50 + prompted
    assert usage.billed_units.get("input_tokens" if dialect == "cohere" else "none", 50.0) == 50.0
    asyncio.run(encoder.aencode_documents(TEXTS[:2]))
    server.faults.append(Fault("status", 400))
    with pytest.raises(RolevecError):
        encoder.encode_documents(TEXTS)
    assert [usage.texts for usage in told] == [10, 2, 10]
    assert told[-1].requests == 1


LIGHT = """
import sys
from rolevec.encoders.loading import load_encoder
from rolevec.encoders.scoring import load_scorer
before = "httpx" in sys.modules
encoder = load_encoder("cohere:m", base_url=sys.argv[1])
encoder.encode_documents(["a text"])
print(before, "httpx" in sys.modules, [m for m in ("cohere", "openai") if m in sys.modules])
"""


def test_http_is_imported_when_needed_and_no_vendors_sdk_ever(server):
    out = subprocess.run(
        [sys.executable, "-c", LIGHT, server.url], capture_output=True, text=True, check=True
    )
    assert out.stdout.split(maxsplit=2) == ["False", "True", "[]\n"]
    assert out.stderr == ""
