"""Where keys come from, and where they never go."""

import copy
import pickle
import traceback

import pytest
from remote_faulty import KEY, Fault

from rolevec.encoders.loading import load_encoder
from rolevec.encoders.remote.failures import clean
from rolevec.encoders.scoring import load_scorer
from rolevec.errors import AuthenticationError, PartialFailure, RateLimited, RemoteError

DIALECTS = ("cohere", "openai", "tei")
VARIABLE = {"cohere": "CO_API_KEY", "openai": "OPENAI_API_KEY", "tei": "TEI_API_KEY"}
TEXTS = [f"text {n}" for n in range(6)]


@pytest.fixture(params=DIALECTS)
def dialect(request):
    return request.param


@pytest.fixture
def locked(start):
    return start(key=KEY)


def test_from_the_argument_or_the_environment(load, locked, dialect, monkeypatch):
    with pytest.raises(AuthenticationError, match=f"as {VARIABLE[dialect]}"):
        load(dialect, locked)
    assert load(dialect, locked, api_key=f" {KEY}\n").encode_queries(TEXTS).shape == (6, 16)
    monkeypatch.setenv(VARIABLE[dialect], KEY)
    assert load(dialect, locked).encode_queries(TEXTS).shape == (6, 16)
    with pytest.raises(AuthenticationError):
        load(dialect, locked, api_key="another")


def test_cohere_has_two_variables_and_addresses_come_from_one_too(locked, monkeypatch):
    monkeypatch.setenv("COHERE_API_KEY", KEY)
    monkeypatch.setenv("CO_API_URL", f"{locked.url}/v1/")
    assert load_encoder("cohere:m").dim == 16
    monkeypatch.setenv("CO_API_KEY", "wins")
    with pytest.raises(AuthenticationError):
        load_encoder("cohere:m")
    monkeypatch.setenv("OPENAI_BASE_URL", f"{locked.url}/v1")
    assert load_encoder("openai:m", api_key=KEY).dim == 16


@pytest.mark.parametrize("name", ["cohere:embed-v4.0", "openai:text-embedding-3-small"])
def test_vendors_are_not_asked_without_one(name):
    with pytest.raises(AuthenticationError, match="asks for a key: give a key as api_key="):
        load_encoder(name)
    # With one, models that are known need no request to be loaded.
    assert load_encoder(name, api_key="k", dimensions=256).dim == 256


def test_nothing_shows_it(load, locked, dialect):
    encoder = load(dialect, locked, api_key=KEY)
    encoder.encode_queries(TEXTS)
    shown = [repr(encoder), str(vars(encoder)), repr(encoder._transport.connection)]
    assert not any(KEY in text for text in shown)
    assert KEY.encode() not in pickle.dumps(encoder)
    assert KEY not in str(encoder.fingerprint.to_dict())


def test_errors_hide_it_even_if_the_endpoint_repeats_it(load, start, dialect):
    server = start()
    encoder = load(dialect, server, api_key=KEY, max_retries=0)
    said = {"message": f"Bearer {KEY} is not good, sk-abcdefgh12345678 neither", "key": KEY}
    echoing = {"X-Echo": f"Bearer {KEY}", "Set-Cookie": "session=1", "Location": f"/{KEY}"}
    server.faults.extend(Fault("status", code, echoing, said) for code in (401, 429, 500, 302, 418))
    for _ in range(5):
        with pytest.raises(RemoteError) as caught:
            encoder.encode_queries(TEXTS)
        error = caught.value
        told = "".join(traceback.format_exception(error)) + str(vars(error)) + repr(error)
        assert KEY not in told
        assert "sk-abcdefgh" not in told
        assert "set-cookie" not in error.headers
        assert KEY.encode() not in pickle.dumps(error)


def test_a_pickled_encoder_reads_it_on_the_other_side(load, locked, dialect, monkeypatch):
    encoder = load(dialect, locked, api_key=KEY)
    stored = pickle.dumps(encoder)
    with pytest.raises(AuthenticationError, match=VARIABLE[dialect]):
        pickle.loads(stored).encode_queries(TEXTS)
    monkeypatch.setenv(VARIABLE[dialect], KEY)
    assert pickle.loads(stored).encode_queries(TEXTS).shape == (6, 16)
    monkeypatch.delenv(VARIABLE[dialect])
    # A copy in this process keeps it.
    assert copy.deepcopy(encoder).encode_queries(TEXTS).shape == (6, 16)


def test_keys_that_no_header_can_carry_are_refused_unseen():
    with pytest.raises(ValueError, match="api_key") as caught:
        load_encoder("cohere:embed-v4.0", api_key="se\ncret")
    assert "cret" not in str(caught.value)


def test_scorers_are_as_careful(locked):
    scorer = load_scorer("cohere:rerank", base_url=locked.url, api_key=KEY)
    assert len(scorer.score("text", TEXTS)) == 6
    assert KEY not in repr(scorer) + str(vars(scorer))
    assert KEY.encode() not in pickle.dumps(scorer)


def test_text_is_cleaned_and_shortened():
    assert clean(f"  a\n {KEY} b", KEY) == "a [hidden] b"
    assert clean("Authorization: Bearer abc.def", "") == "Authorization: Bearer [hidden]"
    assert clean("a key? a keyhole", "key") == "a [hidden]? a keyhole"
    assert len(clean("x" * 10_000, "")) == 500


def test_errors_survive_pickling():
    first = RateLimited("slow down", status=429, body="b", headers={"Retry-After": "1"})
    again = pickle.loads(pickle.dumps(first))
    assert (str(again), again.status, again.headers) == ("slow down", 429, {"Retry-After": "1"})
    partial = PartialFailure(first, done=[0, 2], vectors="rows", dropped=[0, 0], total=4)
    again = pickle.loads(pickle.dumps(partial))
    assert (again.done, again.missing, again.status) == ((0, 2), (1, 3), 429)
    assert "2 of 4 texts are done" in str(again)
