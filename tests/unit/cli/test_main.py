import subprocess
import sys

import pytest

import rolevec
from rolevec.cli.main import _COMMANDS


@pytest.mark.parametrize("command", _COMMANDS)
def test_every_command_explains_itself(run, command):
    result = run(command, "--help")
    assert result.code == 0
    assert result.out.startswith("Usage: ")
    assert "--json" in result.out


def test_the_list_of_commands_and_the_version(run):
    listing = run("--help").out
    assert all(command in listing for command in _COMMANDS)
    assert "ROLEVEC_STORE" in listing
    assert run("--version").out.strip().endswith(rolevec.__version__)


def test_wrong_usage_has_its_own_exit_code(run):
    assert run("searhc", "x").code == 2
    assert run("search").code == 2
    assert run("search", "x", "-k", "0").code == 2


def test_an_error_is_one_line_without_a_traceback(run):
    result = run("search", "anything")
    assert result.code == 1
    assert result.err.splitlines() == [
        "Error: there is no collection 'documents' in rolevec-data"
    ] or result.err.startswith("Error: there is no")
    assert result.out == ""
    near = run("doctor", "ligth")
    assert near.code == 1
    assert "did you mean" in near.err


def test_debug_shows_where_an_error_came_from(run):
    done = subprocess.run(
        [sys.executable, "-m", "rolevec", "--debug", "doctor", "no-such-model"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "Traceback" in done.stderr


def test_asking_for_help_imports_nothing_heavy():
    code = (
        "import sys; from click.testing import CliRunner; from rolevec.cli.main import main;"
        "CliRunner().invoke(main, ['--help']);"
        "print([m for m in ('numpy', 'rich', 'qdrant_client', 'torch') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
