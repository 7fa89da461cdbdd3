"""The README's Python runs as it stands and prints what the README says it prints."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

README = Path(__file__).parents[2] / "README.md"
# A block of Python, and the block of plain text that follows it at once, if one does.
BLOCK = re.compile(r"```python\n(.*?)```(?:\n+```text\n(.*?)```)?", re.DOTALL)


def blocks():
    return BLOCK.findall(README.read_text(encoding="utf-8"))


@pytest.mark.slow
@pytest.mark.parametrize(("code", "output"), blocks(), ids=lambda text: text.split("\n")[0][:40])
def test_a_block_runs_and_prints_what_it_says(code, output, tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    if output:
        assert done.stdout == output


def test_the_first_block_is_short_and_shows_its_output():
    code, output = blocks()[0]
    assert len([line for line in code.splitlines() if line.strip()]) <= 12
    assert output.strip()
