"""What is served at `/`, without a browser."""

import re
from pathlib import Path

import pytest

from rolevec.server import page
from rolevec.server.page import ASSETS, CSP, HEADERS

TEXT = {path: content.decode() for path, (content, _) in ASSETS.items()}
HTML = TEXT["/"]


def test_every_file_is_served():
    folder = Path(page.__file__).parent
    files = {p.read_bytes() for p in folder.iterdir() if p.is_file() and p.suffix != ".py"}
    assert files == {content for content, _ in ASSETS.values()}


def test_every_reference_is_an_asset():
    referred = re.findall(r'(?:src|href)="([^"]+)"', HTML)
    imported = re.findall(r'from "\./([^"]+)"', TEXT["/page/page.js"])
    assert len(referred) == 3
    assert len(imported) == 2
    assert {f"/{name}" for name in referred} <= ASSETS.keys()
    assert {f"/page/{name}" for name in imported} <= ASSETS.keys()


@pytest.mark.parametrize("path", TEXT)
def test_nothing_comes_from_elsewhere(path):
    text = TEXT[path].replace("http://www.w3.org/2000/svg", "")
    assert not re.search(r"https?://|//[a-z]+\.", text)


def test_nothing_is_inline_and_nothing_is_evaluated():
    assert not re.search(r"\son\w+=|\sstyle=|<style|javascript:", HTML)
    assert all("src=" in tag for tag in re.findall(r"<script[^>]*>", HTML))
    for path, text in TEXT.items():
        if path.endswith(".js"):
            assert not re.search(r"\beval\b|\bFunction\(|innerHTML|insertAdjacentHTML", text)
            assert not re.search(r"localStorage|sessionStorage|document\.cookie", text)


def test_no_field_can_end_in_an_address():
    fields = re.findall(r"<(?:input|textarea|select|button)[^>]*>", HTML)
    assert len(fields) > 5
    assert not any(" name=" in field for field in fields)


def test_the_policy_allows_only_ourselves():
    rules = dict(rule.strip().split(" ", 1) for rule in CSP.split(";"))
    assert rules["default-src"] == "'none'"
    assert set(rules.values()) == {"'none'", "'self'"}
    assert HEADERS["Content-Security-Policy"] == CSP


def test_media_types():
    kinds = {path: kind.partition(";")[0] for path, (_, kind) in ASSETS.items()}
    assert kinds["/"] == "text/html"
    assert kinds["/page/page.css"] == "text/css"
    assert {kinds[path] for path in kinds if path.endswith(".js")} == {"text/javascript"}
    assert kinds["/page/icon.svg"] == "image/svg+xml"
