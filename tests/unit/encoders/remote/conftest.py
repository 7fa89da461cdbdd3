"""A faulty server of one's own for each test, and encoders that ask it."""

import importlib.util
import sys
from pathlib import Path

import pytest

from rolevec.encoders.loading import load_encoder


def _module(name):
    # Tests are imported by path, so a module beside them has to be, too.
    known = sys.modules.get(f"remote_{name}")
    if known is not None:
        return known
    path = Path(__file__).with_name(f"{name}.py")
    spec = importlib.util.spec_from_file_location(f"remote_{name}", path)
    module = sys.modules[f"remote_{name}"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


faulty = _module("faulty")
_module("faults")
VARIABLES = (
    *("CO_API_KEY", "COHERE_API_KEY", "CO_API_URL", "OPENAI_API_KEY", "OPENAI_BASE_URL"),
    *("TEI_API_KEY", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"),
)


@pytest.fixture(autouse=True)
def no_settings(monkeypatch):
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


@pytest.fixture
def server():
    with faulty.FaultyServer() as server:
        yield server


@pytest.fixture
def start():
    """Start servers with settings of one's own."""
    started = []

    def start(**settings):
        started.append(faulty.FaultyServer(**settings).__enter__())
        return started[-1]

    yield start
    for server in started:
        server.__exit__()


@pytest.fixture
def load(server):
    """Load an encoder of a dialect that asks the server, with waits too short to notice."""
    loaded = []

    def load(dialect, at=None, **options):
        options = {"backoff": 0.001, "timeout": 10} | options
        loaded.append(load_encoder(*address(dialect, (at or server).url, options), **options))
        return loaded[-1]

    yield load
    for encoder in loaded:
        encoder.close()


def address(dialect, url, options):
    if dialect == "tei":
        return (f"tei:{url}",)
    options["base_url"] = url if dialect == "cohere" else f"{url}/v1"
    roles = {"query": "query: ", "document": "document: "}
    if dialect == "openai":
        options.setdefault("prompts", roles)
    return (f"{dialect}:some-model",)
