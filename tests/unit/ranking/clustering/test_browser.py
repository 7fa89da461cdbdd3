"""The page of a map in headless Chromium."""

import os
import shutil

import numpy as np
import pytest

from rolevec import cluster
from rolevec.ranking.clustering.map import save_map

pytestmark = pytest.mark.slow

TEXTS = ["<b>bread</b> <script>alert(1)</script>", "oven bread", "ship sea", "sea 海 sail"]


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """The open page, with whatever goes wrong in it and whatever it asks the network for."""
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    names = ("chromium", "chromium-browser", "google-chrome", "chrome")
    found = next((path for name in names if (path := shutil.which(name))), None)
    flags = ["--no-sandbox"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
    vectors = np.eye(4, dtype=np.float32)[[0, 0, 1, 1]] + np.float32(0.1) * np.eye(4)
    path = tmp_path_factory.mktemp("map") / "map.html"
    save_map(path, vectors, cluster(vectors, 2, texts=TEXTS), TEXTS, title="A </title> map")
    with playwright.sync_playwright() as driver:
        try:
            browser = driver.chromium.launch(executable_path=found, args=flags)
        except playwright.Error as error:
            pytest.skip(f"no Chromium: {str(error).splitlines()[0]}")
        page = browser.new_page(viewport={"width": 1000, "height": 700})
        page.troubles = []
        page.on("pageerror", lambda error: page.troubles.append(str(error)))
        page.on("console", lambda message: page.troubles.append(message.text))
        page.on("dialog", lambda dialog: page.troubles.append(dialog.message))
        page.asked = []
        page.on("request", lambda request: page.asked.append(request.url))
        page.goto(path.as_uri())
        yield page
        browser.close()


def place(page, row):
    return page.evaluate(f"place({row})")


def hover(page, row):
    box = page.locator("#map").bounding_box()
    x, y = place(page, row)
    page.mouse.move(box["x"] + x, box["y"] + y)
    return page.text_content("#tip p")


def test_it_shows_texts_as_text_and_asks_for_nothing(page):
    assert page.text_content("h1") == "A </title> map"
    assert hover(page, 0) == TEXTS[0]
    assert hover(page, 3) == TEXTS[3]
    assert page.locator("#tip b b, #tip script").count() == 0
    assert [url.partition(":")[0] for url in page.asked] == ["file"]
    assert page.troubles == []


def test_the_legend_picks_clusters_out(page):
    entries = page.locator("#legend button")
    assert entries.count() == 2
    first = page.evaluate("labels[0]")
    assert "bread" in entries.nth(first).text_content()
    entries.nth(1 - first).click()
    assert page.evaluate("[0, 1, 2, 3].map(shown)") == [False, False, True, True]
    assert entries.nth(first).get_attribute("aria-pressed") == "false"
    entries.nth(1 - first).click()
    assert page.evaluate("[0, 1, 2, 3].every(shown)")


def test_it_zooms_about_the_pointer_and_back(page):
    box = page.locator("#map").bounding_box()
    before = place(page, 0)
    page.mouse.move(box["x"] + before[0], box["y"] + before[1])
    page.mouse.wheel(0, -400)
    page.wait_for_function("scale > 1.5")
    assert place(page, 0) == pytest.approx(before, abs=0.5)
    page.click("#whole")
    assert page.evaluate("scale") == 1


def test_it_finds(page):
    page.fill("#find", "海")
    assert page.text_content("#found") == "1 of 4"
    assert page.evaluate("[0, 1, 2, 3].map(shown)") == [False, False, False, True]
    page.fill("#find", "")
