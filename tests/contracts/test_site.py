"""The documentation is built from docstrings and pages, with no warning and nothing fetched."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import rolevec

ROOT = Path(__file__).parents[2]
OUTSIDE = re.compile(r"""<(?:script|link|img)[^>]+(?:src|href)=["']?(https?://[^"' >]+)""")
NO_NETWORK = {"https_proxy": "http://127.0.0.1:9", "http_proxy": "http://127.0.0.1:9"}


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)],
        cwd=ROOT,
        env={**os.environ, **NO_NETWORK},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return folder


@pytest.mark.slow
def test_it_builds_without_a_warning(site):
    assert (site / "index.html").exists()


@pytest.mark.slow
def test_its_pages_load_nothing_from_elsewhere(site):
    for page in site.rglob("*.html"):
        fetched = OUTSIDE.findall(page.read_text(encoding="utf-8"))
        assert not [link for link in fetched if "canonical" not in link], page


@pytest.mark.slow
def test_every_public_name_is_in_the_reference(site):
    page = (site / "reference" / "rolevec" / "index.html").read_text(encoding="utf-8")
    missing = [name for name in rolevec.__all__ if f'id="rolevec.{name}"' not in page]
    assert missing == []
