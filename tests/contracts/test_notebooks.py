"""The notebooks run from a clone, and what they show is what was committed."""

import runpy
from pathlib import Path

import nbformat
import pytest

FOLDER = Path(__file__).parents[2] / "examples" / "notebooks"
SCRIPT = runpy.run_path(str(FOLDER / "execute.py"))
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
# Scores in the last digit depend on the processor.
NEAR = {"rel": 0.02, "abs": 0.02}


def read(path):
    return nbformat.read(path, as_version=4)


@pytest.mark.slow
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_it_runs_and_shows_what_it_showed(path, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    kept, now = SCRIPT["shown"](read(path)), SCRIPT["shown"](SCRIPT["executed"](path))
    assert [words for words, _, _ in now] == [words for words, _, _ in kept]
    assert [pictures for _, _, pictures in now] == [pictures for _, _, pictures in kept]
    for (_, numbers, _), (_, expected, _) in zip(now, kept, strict=True):
        assert numbers == pytest.approx(expected, **NEAR)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_what_is_committed_is_tidy_and_has_a_picture(path):
    notebook = read(path)
    assert nbformat.writes(SCRIPT["tidied"](read(path))) == nbformat.writes(notebook)
    assert sum(pictures for _, _, pictures in SCRIPT["shown"](notebook)) >= 1
    assert not [o for c in notebook.cells for o in c.get("outputs", []) if o.output_type == "error"]
