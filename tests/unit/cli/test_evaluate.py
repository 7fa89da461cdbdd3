import json

import pytest

from rolevec.encoders.loading import load_encoder
from rolevec.evaluation import evaluate

TEXTS = {
    "deu": ["der faule Fuchs", "den faulen Hund"],
    "eng": ["the quick fox", "the lazy dog"],
}


@pytest.fixture
def data(tmp_path):
    folder = tmp_path / "data"
    (folder / "bitext").mkdir(parents=True)
    for language, lines in TEXTS.items():
        text = "".join(f"{line}\n" for line in lines)
        (folder / "bitext" / f"t.deu-eng.{language}").write_text(text, encoding="utf-8")
        _write_retrieval(folder / f"fox-{language}", lines)
    return folder


def _write_retrieval(folder, lines):
    folder.mkdir()
    for name, mark in (("corpus", "d"), ("queries", "q")):
        rows = (json.dumps({"_id": f"{mark}{i}", "text": t}) for i, t in enumerate(lines))
        (folder / f"{name}.jsonl").write_text("\n".join(rows), encoding="utf-8")
    qrels = "query-id\tcorpus-id\tscore\nq0\td0\t1\nq1\td1\t1\n"
    (folder / "qrels.tsv").write_text(qrels, encoding="utf-8")


def test_the_report_is_that_of_the_library(run_json, data, static_folder, tmp_path):
    shown = run_json("evaluate", static_folder, data, "--report", "out/r.json")
    assert shown == evaluate(load_encoder(static_folder), data).to_dict()
    assert json.loads((tmp_path / "out" / "r.json").read_text(encoding="utf-8")) == shown
    assert [(s["dataset"], s["task"]) for s in shown["overall"]] == [
        ("bitext/t", "bitext"),
        ("fox", "retrieval"),
        ("fox", "retrieval, cross-lingual"),
    ]


def test_what_people_see(run, data, static_folder, tmp_path):
    reports = ("--report", "r.md", "--report", "r.json")
    result = run("evaluate", static_folder, data, *reports, "--metric", "hit@1")
    assert result.code == 0, result.err
    assert "tiny-static" in result.out
    assert "hit@1" in result.out
    assert "ndcg@10" not in result.out
    assert "Written to r.md." in result.out
    assert "Written to r.json." in result.out
    assert set(json.loads((tmp_path / "r.json").read_text("utf-8"))) >= {"overall", "scores"}
    assert "## fox: retrieval" in (tmp_path / "r.md").read_text(encoding="utf-8")


def test_cuts_and_two_models(run, run_json, data, static_folder):
    cuts = ("--dimensions", 8, "--dimensions", 32)
    shown = run_json("evaluate", static_folder, data / "bitext", *cuts)
    assert [s["dim"] for s in shown["overall"]] == [8, 32]
    both = run_json("evaluate", static_folder, data, "--compare", static_folder)
    assert both["a"] == both["b"]
    assert {d["p"] for d in both["differences"]} == {1.0}
    table = run("evaluate", static_folder, data, "--compare", static_folder).out
    assert "95 % interval" in table


def test_the_model_compared_with_comes_first(run_json, data, static_folder, tmp_path):
    at = data / "bitext"
    shown = run_json("evaluate", "--compare", static_folder, "light", at, "--report", "c.png")
    assert "tiny-static" in shown["a"]["model"]
    assert "light" in shown["b"]["model"]
    assert (tmp_path / "c.png").read_bytes().startswith(b"\x89PNG")


def test_ways_to_store_a_collection(run, run_json, static_folder, tmp_path):
    (tmp_path / "texts.txt").write_text(
        "".join(f"the quick fox {i}\n\n" for i in range(40)), encoding="utf-8"
    )
    assert run("index", "texts.txt", "-m", static_folder, "-c", "notes").code == 0
    shown = run_json("evaluate", "--storage", "notes", static_folder)
    assert shown["recommendation"]
    assert {"32, float32", "32, int8, rescored", "16, float32"} <= {
        r["name"] for r in shown["rows"]
    }
    missing = run("evaluate", "--storage", "none", static_folder)
    assert missing.code == 1
    assert run("evaluate", static_folder).code == 2


def test_what_is_refused_before_any_work(run, data, static_folder, tmp_path):
    ending = run("evaluate", static_folder, data, "--report", "r.txt")
    assert ending.code == 2
    assert "a file that ends in one of .md, .json" in ending.err
    metric = run("evaluate", static_folder, data, "--metric", "ndcg")
    assert metric.code == 1
    assert "unknown metric 'ndcg'; use ndcg@k" in metric.err
    wide = run("evaluate", static_folder, data, "--dimensions", 33)
    assert (wide.code, wide.out) == (1, "")
    assert "dimensions=33 asked of a model with dimension 32" in wide.err
    other = run("evaluate", static_folder, data, "--compare", "no-such-model")
    assert (other.code, other.out) == (1, "")
    (tmp_path / "empty").mkdir()
    empty = run("evaluate", static_folder, tmp_path / "empty")
    assert empty.code == 1
    assert "no data set found; known forms are" in empty.err


def test_texts_that_are_too_long(run, data, static_folder):
    long = "fox " * 50
    (data / "bitext" / "t.deu-eng.eng").write_text(f"{long}\nthe lazy dog\n", encoding="utf-8")
    at = data / "bitext"
    assert "longer than 16 tokens" in run("evaluate", static_folder, at).err
    assert "longer" not in run("evaluate", static_folder, at, "--truncation", "split").err
    assert run("evaluate", static_folder, at, "--truncation", "error").code == 1
