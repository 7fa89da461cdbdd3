import json

import pytest

from rolevec import load_encoder

pytest.importorskip("torch")

RECIPE = """
name = "toy"
data = "tables"
dim = 8
vocab = 60
steps = 10
batch = 16
held_out = 5
mix = { parallel = 1.0 }
"""


@pytest.fixture
def recipe(tmp_path):
    (tmp_path / "tables").mkdir()
    words = ("dog hund", "cat katze", "house haus", "tree baum", "river fluss", "bread brot")
    rows = [
        [f"{a.split()[i]} {b.split()[i]}" for i in (0, 1)] for a in words for b in words if a != b
    ]
    table = "".join(f"{english}\tdeu\t{german}\ttoy\n" for english, german in rows)
    (tmp_path / "tables" / "parallel.tsv").write_text(table, encoding="utf-8")
    path = tmp_path / "toy.toml"
    path.write_text(RECIPE, encoding="utf-8")
    return path


def test_a_recipe_becomes_a_model_that_loads(run, run_json, recipe, tmp_path):
    shown = run("train", recipe, "--output", "model", "--set", "dim=16", "--set", "name=mine")
    assert shown.code == 0, shown.err
    assert "rolevec doctor static:model" in shown.out
    assert "training mine: 10 of 10" in shown.err
    encoder = load_encoder("static:model")
    assert (encoder.name, encoder.dim) == ("mine", 16)

    pytest.importorskip("matplotlib")
    again = ("--output", "again", "--cache", "cache", "--plot", "loss.png")
    result = run_json("train", recipe, *again)
    assert (tmp_path / "loss.png").read_bytes().startswith(b"\x89PNG")
    assert json.loads((tmp_path / "again" / "config.json").read_text())["dim"] == 8
    assert 0 <= result["development"] <= 1
    assert len(result["losses"]) == 1


def test_mistakes_are_said(run, recipe):
    assert "say where output is" in run("train", recipe).err
    assert "unknown settings stepz" in run("train", recipe, "-o", "m", "--set", "stepz=1").err
    assert run("train", recipe, "-o", "m", "--set", "steps").code == 2
    missing = run("train", "nothing-like-it", "-o", "m")
    assert missing.code == 2
    assert "no recipe 'nothing-like-it'" in missing.err
    assert "say where data" in run("train", "light", "-o", "m").err


def test_a_model_is_measured_when_it_is_done(run, run_json, recipe, tmp_path):
    folder = tmp_path / "sets" / "bitext"
    folder.mkdir(parents=True)
    for language, lines in (("deu", "hund\nkatze\n"), ("eng", "dog\ncat\n")):
        (folder / f"t.deu-eng.{language}").write_text(lines, encoding="utf-8")
    made = ("--output", "model", "--cache", "cache", "--set", "matryoshka=[4]")
    shown = run("train", recipe, *made, "--evaluate", "sets")
    assert shown.code == 0, shown.err
    assert "bitext/t" in shown.out
    assert "| bitext" in (tmp_path / "model" / "scores.md").read_text(encoding="utf-8")

    scores = json.loads((tmp_path / "model" / "scores.json").read_text(encoding="utf-8"))
    assert [row["dim"] for row in scores["overall"]] == [8, 4]
    assert scores == run_json("train", recipe, *made, "--evaluate", "sets")["scores"]
    cuts = ("--dimensions", "8", "--dimensions", "4")
    assert scores == run_json("evaluate", "static:model", "sets", *cuts)


def test_without_data_sets_no_step_is_made(run, recipe, tmp_path):
    (tmp_path / "empty").mkdir()
    shown = run("train", recipe, "--output", "model", "--evaluate", "empty")
    assert shown.code == 1
    assert "empty" in shown.err
    assert not (tmp_path / "model").exists()
