"""The commands as a shell would call them, on the tiny static model of the root conftest."""

import json
from types import SimpleNamespace

import pytest
from click.testing import CliRunner

from rolevec.cli.main import main


@pytest.fixture
def run(static_folder, tmp_path, monkeypatch):
    """Call `rolevec …`; every command that takes a model gets the tiny one from the environment."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ROLEVEC_MODEL", f"static:{static_folder}")
    monkeypatch.setenv("COLUMNS", "100")

    def call(*arguments, stdin=None):
        result = CliRunner().invoke(main, [str(a) for a in arguments], input=stdin)
        # Anything but an exit code is an error that nobody turned into words.
        assert isinstance(result.exception, SystemExit | None), result.exception
        return SimpleNamespace(code=result.exit_code, out=result.stdout, err=result.stderr)

    return call


@pytest.fixture
def run_json(run):
    """Call with --json, expect success, and return what was printed."""

    def call(*arguments, stdin=None):
        result = run(*arguments, "--json", stdin=stdin)
        assert result.code == 0, result.err
        return json.loads(result.out)

    return call
