"""Keys, rates, browsers, and what is open to all."""

import subprocess
import sys

import httpx
import pytest

from rolevec.encoders.loading import load_encoder
from rolevec.errors import AuthenticationError
from rolevec.server import KeySettings, Settings, serve
from rolevec.server.keys import digest, new_key

EMBED = {"model": "embed-light", "texts": ["a"], "input_type": "search_query"}
KEY, OTHER, SLOW = new_key(), new_key(), new_key()


@pytest.fixture(scope="module")
def locked(live):
    keys = (
        KeySettings("one", digest(KEY)),
        KeySettings("other", digest(OTHER)),
        KeySettings("slow", digest(SLOW), requests_per_minute=6),
    )
    with live(keys=keys) as server:
        yield server


@pytest.mark.parametrize(
    "headers",
    [
        {"authorization": f"Bearer {KEY}"},
        {"authorization": f"bearer {OTHER}"},
        {"x-api-key": KEY},
        {"api-key": KEY},
    ],
)
def test_a_key_opens(locked, headers):
    assert locked.ask.post("/v2/embed", json=EMBED, headers=headers).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"authorization": ""},
        {"authorization": "Bearer"},
        {"authorization": KEY},
        {"authorization": f"Basic {KEY}"},
        {"authorization": f"Bearer {KEY}x"},
        {"authorization": f"Bearer {digest(KEY)}"},
        {"x-api-key": "\xe9"},
    ],
)
@pytest.mark.parametrize(
    ("path", "fields"),
    [
        ("/v2/embed", {"message"}),
        ("/v1/embeddings", {"error"}),
        ("/embed", {"error", "error_type"}),
    ],
)
def test_anything_else_does_not_and_is_told_so_in_the_dialect(locked, headers, path, fields):
    headers = {name: value.encode("latin-1") for name, value in headers.items()}
    reply = locked.ask.post(path, json=EMBED, headers=headers)
    assert (reply.status_code, set(reply.json())) == (401, fields)
    assert KEY not in reply.text


def test_what_is_open_to_all(locked):
    for path in ("/health", "/ping", "/ready", "/openapi.json", "/"):
        assert locked.ask.get(path).status_code == 200, path
    for path in ("/metrics", "/info", "/v1/models", "/v1/models/embed-light"):
        assert locked.ask.get(path).status_code == 401, path
    # Cohere's SDK fetches the tokenizer without the key.
    assert locked.ask.get("/v1/tokenizers/embed-light/tokenizer.json").status_code == 200
    with_key = {"authorization": f"Bearer {KEY}"}
    assert locked.ask.get("/metrics", headers=with_key).status_code == 200


def test_a_key_can_be_checked(locked):
    for headers, valid in (({}, False), ({"authorization": f"Bearer {KEY}"}, True)):
        reply = locked.ask.post("/v1/check-api-key", headers=headers)
        assert (reply.status_code, reply.json()["valid"]) == (200, valid)


def test_our_own_client_with_and_without_its_key(locked):
    with load_encoder("cohere:embed-light", base_url=locked.url, api_key=KEY) as encoder:
        assert encoder.encode_queries(["a"]).shape == (1, 1024)
    with pytest.raises(AuthenticationError, match="this one is unknown"):
        load_encoder("cohere:embed-light", base_url=locked.url, api_key="x")


def test_each_key_has_its_rate(locked):
    with_key = {"authorization": f"Bearer {SLOW}"}
    replies = [locked.ask.post("/v2/embed", json=EMBED, headers=with_key) for _ in range(3)]
    assert [reply.status_code for reply in replies] == [200, 429, 429]
    assert 1 <= int(replies[1].headers["retry-after"]) <= 10
    with_other = {"authorization": f"Bearer {OTHER}"}
    for _ in range(20):
        assert locked.ask.post("/v2/embed", json=EMBED, headers=with_other).status_code == 200


def test_metrics_may_be_opened(live):
    with live(keys=(KeySettings("a", digest(KEY)),), open_metrics=True) as server:
        server.ask.post("/v2/embed", json=EMBED, headers={"x-api-key": KEY})
        text = server.ask.get("/metrics").text
    assert 'rolevec_requests_total{route="/v2/embed",status="200"} 1.0' in text
    assert 'rolevec_tokens_total{model="embed-light",role="query"}' in text
    assert 'rolevec_request_seconds_count{role="query",route="/v2/embed"} 1.0' in text
    assert 'rolevec_batch_texts_count{model="embed-light"} 1.0' in text
    assert KEY not in text


def test_browsers_may_ask_only_where_the_owner_says_so(server, live):
    asked = {"origin": "https://example.org", "access-control-request-method": "POST"}
    assert server.ask.options("/v2/embed", headers=asked).status_code == 405
    reply = server.ask.post("/v2/embed", json=EMBED, headers={"origin": "https://example.org"})
    assert "access-control-allow-origin" not in reply.headers
    with live(origins=("https://example.org",)) as open_one:
        reply = open_one.ask.options("/v2/embed", headers=asked)
        assert reply.status_code == 200
        assert reply.headers["access-control-allow-origin"] == "https://example.org"
        other = open_one.ask.options("/v2/embed", headers={**asked, "origin": "https://x.org"})
        assert "access-control-allow-origin" not in other.headers


def test_links_go_where_clients_come_from(server, live):
    reply = server.ask.get("/v1/models", headers={"host": "models.example.org:8"})
    assert reply.json()["data"][0]["tokenizer_url"].startswith("http://models.example.org:8/v1/")
    with live(public_url="https://public.example.org/x/") as behind:
        url = behind.ask.get("/v1/models/embed-light").json()["tokenizer_url"]
    assert url == "https://public.example.org/x/v1/tokenizers/embed-light/tokenizer.json"


def test_an_open_door_is_refused_loudly():
    with pytest.raises(Exception, match="there is no key"):
        serve(Settings(host="0.0.0.0"))


def run(*arguments, **environment):
    return subprocess.run(
        [sys.executable, "-m", "rolevec", "serve", *arguments],
        capture_output=True,
        text=True,
        check=False,
        env=environment or None,
        timeout=60,
    )


def test_the_command_refuses_what_there_is_not(tmp_path):
    done = run("--host", "0.0.0.0")
    assert done.returncode == 1
    assert "ROLEVEC_API_KEY" in done.stderr
    assert "Traceback" not in done.stderr
    config = tmp_path / "serve.toml"
    config.write_text("prot = 1", encoding="utf-8")
    done = run("--config", str(config))
    assert (done.returncode, "there is no prot" in done.stderr) == (1, True)
    done = run("--alias", "x=y")
    assert (done.returncode, "there is no y" in done.stderr) == (2, True)
    done = run("no-such-model")
    assert (done.returncode, "no-such-model" in done.stderr) == (1, True)


def test_the_command_makes_keys(tmp_path):
    done = run("--new-key", "app")
    key = done.stdout.split("The key, shown only now: ")[1].split()[0]
    assert f'name = "app"\nsha256 = "{digest(key)}"' in done.stdout


def test_two_servers_cannot_have_one_port(server):
    port = httpx.URL(server.url).port
    done = run("--port", str(port))
    assert (done.returncode, "choose another --port" in done.stderr) == (1, True)
