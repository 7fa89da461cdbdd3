"""A served page and a browser to look at it with."""

import os
import shutil
import threading
import time

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")


@pytest.fixture(scope="module")
def browser():
    """Headless Chromium: the machine's own, or the one that playwright has downloaded.

    For one module only: as long as playwright runs, no other test can run an event loop.
    """
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    found = next((path for name in NAMES if (path := shutil.which(name))), None)
    # Chromium refuses to run as root inside its sandbox; the pages are our own.
    flags = ["--no-sandbox"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
    with playwright.sync_playwright() as driver:
        try:
            browser = driver.chromium.launch(executable_path=found, args=flags)
        except playwright.Error as error:
            pytest.skip(f"no Chromium: {str(error).splitlines()[0]}")
        yield browser
        browser.close()


@pytest.fixture
def page(browser):
    """A fresh page; whatever goes wrong in its scripts, or against its policy, is collected."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    context.set_default_timeout(15_000)
    page = context.new_page()
    page.troubles = []
    page.on("pageerror", lambda error: page.troubles.append(str(error)))
    page.on(
        "console",
        lambda message: page.troubles.append(message.text) if message.type == "error" else None,
    )
    yield page
    context.close()


def serve(settings):
    """The address of a running server, until the generator is closed."""
    uvicorn = pytest.importorskip("uvicorn")
    from rolevec.server import create_app

    config = uvicorn.Config(create_app(settings), port=0, log_level="error", lifespan="on")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    end = time.monotonic() + 30
    while not server.started:
        assert thread.is_alive(), "the server did not start"
        assert time.monotonic() < end, "the server did not start"
        time.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    yield f"http://127.0.0.1:{port}"
    server.should_exit = True
    thread.join(timeout=20)


@pytest.fixture(scope="session")
def folder(static_folder, altered):
    """The tiny model for texts as long as the page's example."""
    return altered(static_folder, max_tokens=300)


@pytest.fixture(scope="session")
def models(folder):
    from rolevec.server import ModelSettings

    return (
        ModelSettings(model=f"static:{folder}", name="tiny"),
        ModelSettings(model=f"static:{folder}", name="tiny-16", options={"dimensions": 16}),
    )


@pytest.fixture(scope="session")
def url(models):
    """A server that asks for no key."""
    from rolevec.server import Settings

    yield from serve(Settings(models=models))


@pytest.fixture(scope="session")
def guarded(models):
    """A server that asks for the key "secret"."""
    from rolevec.server import KeySettings, Settings
    from rolevec.server.keys import digest

    yield from serve(Settings(models=models, keys=(KeySettings("test", digest("secret")),)))
