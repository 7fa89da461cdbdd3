"""`rolevec plan`, and the tables in the guide that it made."""

import re
import shlex
from pathlib import Path

import pytest

GUIDE = Path(__file__).parents[3] / "docs" / "guides" / "large-collections.md"
TABLE = re.compile(r"<!-- (rolevec plan [^\n]*?) -->\n\n(.*?)\n\n<!-- end -->", re.DOTALL)


def test_every_line_says_where_it_comes_from(run_json):
    found = run_json("plan", "--points", "1e9", "--dim", "384", "--model", "light")
    assert list(found) == ["none", "int8", "turbo4", "binary"]
    lines = {line["name"]: line for line in found["int8"]}
    assert lines["memory, one copy"]["value"] == 545e9
    assert all(line["source"] for line in found["int8"])


def test_the_table_and_its_sources(run):
    found = run("plan", "--points", "1e6", "--model", "light", "--quantization", "none")
    assert found.code == 0
    assert "1,000,000 points of 1024 dimensions" in found.out
    assert "6.14 GB" in found.out
    assert "writing, one core: " in found.out
    assert "measured on" in found.out


@pytest.mark.parametrize(
    ("options", "word"),
    [
        (("--points", "many"), "whole number"),
        (("--points", "1.5"), "whole number"),
        (("--points", "nan"), "whole number"),
        (("--points", "inf"), "whole number"),
        (("--points", "10", "--dim", "0"), "dim=0"),
        (("--points", "-1", "--dim", "1"), "points=-1"),
        (("--points", "1e30", "--dim", "1"), "points="),
        (("--points", "10", "--replicas", "0"), "replicas=0"),
        (("--points", "10", "--quantization", "int4"), "int4"),
        (("--points", "10", "--model", "org/nobody"), "--measure"),
        ((), "--points"),
    ],
)
def test_bad_flags(run, options, word):
    found = run("plan", *(options if "--model" in options else (*options, "--model", "light")))
    assert found.code in (1, 2)
    assert word in found.err


def test_nothing_and_one(run_json):
    for points in ("0", "1"):
        found = run_json("plan", "--points", points, "--model", "light")
        assert all(line["value"] >= 0 for lines in found.values() for line in lines)


def test_this_machine(run, monkeypatch):
    """With little to measure; the real amounts take a minute."""
    monkeypatch.setattr("rolevec.indexing.rates._POINTS", 100)
    monkeypatch.setattr("rolevec.indexing.rates.ENCODING_SECONDS", 0.01)
    found = run("plan", "--points", "1000", "--measure")
    assert found.code == 0
    assert "Measuring" in found.err
    assert "measured on this machine" in found.out


def test_the_tables_of_the_guide_are_not_stale(run):
    tables = TABLE.findall(GUIDE.read_text(encoding="utf-8"))
    assert len(tables) >= 2
    for command, table in tables:
        assert run(*shlex.split(command)[1:]).out.strip() == table.strip(), command
