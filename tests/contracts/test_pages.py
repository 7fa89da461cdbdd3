"""The Python of the README and of the documentation runs as it stands and prints what it says."""

import re
import runpy
import socket
import warnings
from pathlib import Path

import click
import pytest

from rolevec.cli.main import main

ROOT = Path(__file__).parents[2]
PAGES = runpy.run_path(str(ROOT / "docs" / "execute.py"))
README, DOCS, blocks = PAGES["README"], PAGES["DOCS"], PAGES["blocks"]
SHELL = re.compile(r"^```sh\n(.*?)^```$", re.DOTALL | re.MULTILINE)
COMMAND = re.compile(r"(?:^|&& |\| )rolevec +(.*)")
HERE = {"127.0.0.1", "localhost", "::1"}


def check(block, namespace):
    printed = block.printed(namespace)
    if block.output:
        assert printed == block.output, f"{block.page.name}:{block.line}"


def name(page):
    return page.relative_to(ROOT).as_posix()


@pytest.fixture
def offline(monkeypatch):
    connect = socket.socket.connect

    def local_only(self, address):
        if self.family in (socket.AF_INET, socket.AF_INET6) and address[0] not in HERE:
            raise OSError(f"a page of the documentation went to {address}")
        return connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", local_only)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("MPLBACKEND", "Agg")


@pytest.fixture
def empty_folder(monkeypatch, tmp_path, offline):
    monkeypatch.chdir(tmp_path)
    with warnings.catch_warnings():
        warnings.simplefilter("default")  # over-long texts are a subject of the pages
        yield tmp_path


@pytest.mark.parametrize("block", blocks(README), ids=lambda b: f"README:{b.line}")
def test_each_block_of_the_readme_stands_alone(block, empty_folder):
    check(block, {"__name__": "__main__"})


@pytest.mark.parametrize("page", [p for p in DOCS if blocks(p)], ids=name)
def test_the_blocks_of_a_page_run_one_after_the_other(page, empty_folder):
    namespace = {"__name__": "__main__"}
    for block in blocks(page):
        check(block, namespace)


@pytest.mark.parametrize("page", [README, *DOCS], ids=name)
def test_the_commands_that_a_page_shows_exist(page):
    text = page.read_text(encoding="utf-8").replace("\\\n", " ")
    lines = [line for shell in SHELL.findall(text) for line in shell.splitlines()]
    for shown in [found[1] for line in lines if (found := COMMAND.search(line))]:
        words = shown.split()
        command = main.get_command(click.Context(main), words[0]) if words else None
        if words and words[0].startswith("-"):
            continue
        assert command is not None, f"there is no `rolevec {shown}`"
        known = {option for parameter in command.params for option in parameter.opts}
        known |= {o for p in command.params for o in p.secondary_opts} | {"--help"}
        used = {word.partition("=")[0] for word in words if re.match(r"--[a-z]", word)}
        if not isinstance(command, click.Group):
            assert used <= known, f"`rolevec {words[0]}` has no {', '.join(sorted(used - known))}"


def test_the_first_block_is_short_and_shows_its_output():
    first = blocks(README)[0]
    assert len([line for line in first.code.splitlines() if line.strip()]) <= 12
    assert first.output.strip()
