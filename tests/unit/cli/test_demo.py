import json
import unicodedata
from importlib.resources import files

from rolevec import Collection
from rolevec.encoders.loading import load_encoder

CORPUS = json.loads(files("rolevec.cli").joinpath("demo.json").read_text(encoding="utf-8"))


def test_the_corpus_is_what_the_demo_says_it_is():
    documents = {d["id"]: d for d in CORPUS["documents"]}
    assert len(documents) == len(CORPUS["documents"]) >= 60
    assert len({d["language"] for d in documents.values()}) >= 15
    for question in CORPUS["questions"]:
        answer = documents[question["answer"]]
        assert answer["language"] != question["language"]
        assert not set(question["text"].lower().split()) & set(answer["text"].lower().split())
    used = {entry["language"] for part in ("documents", "questions") for entry in CORPUS[part]}
    assert used <= CORPUS["languages"].keys()
    letters = {c for d in documents.values() for c in d["text"] if c.isalpha()}
    assert len({unicodedata.name(c).split()[0] for c in letters}) >= 6


def test_it_runs_and_says_what_to_do_next(run, run_json):
    result = run("demo")
    assert result.code == 0, result.err
    assert "questions found their answer first" in result.out
    assert "rolevec index FOLDER" in result.out
    summary = run_json("demo")
    assert summary["documents"] == len(CORPUS["documents"])
    ranks = [answer["rank"] for answer in summary["answers"]]
    assert summary["right"] == ranks.count(1)
    for answer, question in zip(summary["answers"], CORPUS["questions"], strict=True):
        found = [hit["id"] for hit in answer["found"]]
        assert answer["rank"] == (
            found.index(question["answer"]) + 1 if question["answer"] in found else None
        )


def test_it_leaves_nothing_behind_unless_told_to(run, tmp_path, static_folder):
    run("demo")
    assert list(tmp_path.iterdir()) == []
    for _ in range(2):
        assert run("demo", "--store", "kept").code == 0
    encoder = load_encoder(static_folder)
    with Collection.open("demo", encoder, store="kept", create=False) as kept:
        assert kept.count() == len(CORPUS["documents"])
