"""Servers that really run, on a socket of this machine, with the model in the package."""

import threading
from contextlib import contextmanager

import httpx
import pytest

from rolevec.encoders.loading import load_encoder
from rolevec.server import ModelSettings, Settings
from rolevec.server.running import Running
from rolevec.server.settings import Limits

VARIABLES = (
    *("CO_API_KEY", "COHERE_API_KEY", "CO_API_URL", "OPENAI_API_KEY", "OPENAI_BASE_URL"),
    *("TEI_API_KEY", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"),
)


class Live:
    """A running server.

    ask: an HTTP client with its address.
    """

    def __init__(self, settings):
        started = threading.Event()
        self.running = Running(settings, lambda address: started.set())
        self.url = self.running.address
        self._thread = threading.Thread(target=self.running.run, daemon=True)
        self._thread.start()
        assert started.wait(60)
        self.ask = httpx.Client(base_url=self.url, timeout=60, trust_env=False)

    @property
    def engine(self):
        return self.running.app.server.engine

    def stop(self):
        self.ask.close()
        self.running.stop()
        self._thread.join(60)
        assert not self._thread.is_alive()


@contextmanager
def live(**settings):
    limits = settings.pop("limits", None) or Limits(drain=0)
    server = Live(Settings(**{"port": 0, "log_level": "error", "limits": limits, **settings}))
    try:
        yield server
    finally:
        server.stop()


@pytest.fixture(autouse=True)
def no_settings(monkeypatch):
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


@pytest.fixture(scope="session", name="live")
def live_fixture():
    return live


@pytest.fixture(scope="session")
def server():
    with live(models=(ModelSettings("light", aliases=("embed-multilingual-v3.0",)),)) as running:
        yield running


@pytest.fixture(scope="session")
def local():
    with load_encoder("light", truncation="end") as encoder:
        yield encoder
