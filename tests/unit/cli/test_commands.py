import json

import numpy as np
import pytest

from rolevec import Collection
from rolevec.encoders.loading import load_encoder
from rolevec.models.registry import cards


@pytest.fixture
def files(tmp_path):
    folder = tmp_path / "files"
    folder.mkdir()
    (folder / "fox.txt").write_text("the quick brown fox", encoding="utf-8")
    (folder / "dog.md").write_text("der faule Hund", encoding="utf-8")
    (folder / "rows.jsonl").write_text(
        '{"id": "cat", "text": "快速的狐狸", "n": 1}\n{"id": "bad"}\n', encoding="utf-8"
    )
    return folder


def test_hybrid_index_and_search(run, run_json, files):
    assert run_json("index", files, "--hybrid")["added"] == 3
    best = run_json("search", "Hund", "--hybrid", "-k", 1)
    assert [hit["id"] for hit in best] == ["dog.md"]
    assert run_json("index", files)["unchanged"] == 3
    assert "takes hybrid" in run("index", files, "--language", "german").err
    assert "klingon" in run("index", files, "--hybrid", "--language", "klingon").err
    refused = run("index", files, "--hybrid", "--language", "german")
    assert refused.code == 1
    assert "leave the argument out" in refused.err


def test_recommend_by_a_profile(run, run_json, files, tmp_path):
    run_json("index", files)
    assert "LIKED" in run("recommend").err
    user = tmp_path / "user.json"
    assert "no profile" in run("recommend", "--profile", user).err
    first = run_json("recommend", "fox.txt", "--profile", user)
    # Which comes first, the tiny model's random rows decide.
    assert {hit["id"] for hit in first} == {"cat", "dog.md"}
    assert run_json("recommend", "--profile", user) == first
    run_json("recommend", "cat", "--profile", user, "--decay", "0.5")
    saved = json.loads(user.read_text(encoding="utf-8"))
    assert (saved["seen"], saved["liked"]["weight"]) == (["fox.txt", "cat"], 1.5)


def test_recommend_leaves_out_what_is_excluded(run_json, files, tmp_path):
    run_json("index", files)
    seen = tmp_path / "seen.txt"
    seen.write_text("dog.md\n\n", encoding="utf-8")
    found = run_json("recommend", "ein Fuchs", "--exclude-file", seen, "--exclude", "cat")
    assert [hit["id"] for hit in found] == ["fox.txt"]
    assert len(run_json("recommend", "ein Fuchs", "--diversity", "0.5")) == 3


def test_hybrid_search_of_a_plain_collection(run, run_json, files):
    run_json("index", files)
    assert "hybrid=True" in run("search", "Hund", "--hybrid").err


def test_index_search_recommend(run, run_json, files, tmp_path):
    report = run_json("index", files)
    assert (report["added"], report["count"]) == (3, 3)
    assert report["rejected"] == 1
    assert [r["where"] for r in report["rejects"]] == ["rows.jsonl:2"]
    again = run_json("index", files)
    assert (again["added"], again["unchanged"], again["count"]) == (0, 3, 3)
    (files / "dog.md").unlink()
    synced = run_json("index", files, "--sync")
    assert (synced["deleted"], synced["count"]) == (1, 2)
    (files / "dog.md").write_text("der faule Hund", encoding="utf-8")
    assert run_json("index", files)["added"] == 1

    best = run_json("search", "the quick brown fox", "-k", 1)
    assert [(hit["id"], hit["text"]) for hit in best] == [("fox.txt", "the quick brown fox")]
    assert best[0]["metadata"] == {"source": "fox.txt"}
    filtered = run_json("search", "fox", "--where", '{"n": {"gte": 1}}')
    assert [hit["id"] for hit in filtered] == ["cat"]
    assert run_json("search", "fox", "--min-score", "1.1") == []

    liked = run_json("recommend", "fox.txt", "--unlike", "dog.md")
    assert [hit["id"] for hit in liked] == ["cat"]
    assert (tmp_path / "rolevec-data" / "documents").is_dir()


def test_what_people_see(run, files):
    indexed = run("index", files)
    assert indexed.code == 0
    assert "3 documents written; about" in indexed.out
    assert 'rolevec search "your question"' in indexed.out
    assert "rows.jsonl:2: it has no text under 'text'; it has id" in indexed.err
    found = run("search", "the quick brown fox", "-k", 1)
    assert "fox.txt" in found.out
    assert "the quick brown fox" in found.out
    nothing = run("search", "fox", "--min-score", "1.1")
    assert (nothing.code, nothing.out) == (0, "")
    assert "Nothing found" in nothing.err


def test_the_next_step_names_the_store(run, files):
    out = run("index", files, "--store", "elsewhere", "--collection", "mine").out
    assert '"your question" --store elsewhere --collection mine' in out


def test_strict_stops_and_says_where(run, files):
    result = run("index", files, "--strict")
    assert result.code == 1
    assert "rows.jsonl:2" in result.err


def test_cut_texts_are_counted(run, run_json, tmp_path):
    (tmp_path / "long.txt").write_text("fox " * 50, encoding="utf-8")
    assert "longer than the model takes" in run("index", tmp_path / "long.txt").err
    again = ("index", tmp_path / "long.txt", "--again")
    report = run_json(*again)
    assert report["truncated"] == 1
    assert report["dropped_tokens"] > 10
    assert run_json(*again, "--truncation", "split")["truncated"] == 0
    refused = run_json(*again, "--truncation", "error")
    assert (refused["added"], refused["rejected"]) == (0, 1)
    assert "longer than the 16 tokens" in refused["rejects"][0]["reason"]
    strict = run(*again, "--truncation", "error", "--strict")
    assert strict.code == 1
    assert "longer than 16 tokens" in strict.err


def test_ctrl_c_says_how_to_go_on(run, files, monkeypatch):
    def interrupted(*arguments, **options):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("rolevec.cli.index.index_corpus", interrupted)
        stopped = run("index", files)
    assert stopped.code == 130
    assert "run it again to go on" in stopped.err
    assert run("index", files).code == 0


def test_rejects_go_where_they_are_told(run, files, tmp_path):
    shown = run("index", files, "--rejects", tmp_path / "bad.jsonl")
    assert "bad.jsonl" in shown.err.replace("\n", "")
    line = json.loads((tmp_path / "bad.jsonl").read_text(encoding="utf-8"))
    assert line["record"] == {"id": "bad"}
    (files / "rows.jsonl").write_text("{\n", encoding="utf-8")
    assert "--sync deleted nothing" in run("index", files, "--sync").err


def test_indexed_fields_come_with_the_collection(run, files, static_folder):
    assert run("index", files, "--index-field", "n=integer").code == 0
    with Collection.open("documents", load_encoder(static_folder), store="rolevec-data") as opened:
        assert opened._opened.about().indexed_fields == {"n": "integer"}
    assert "NAME=TYPE" in run("index", files, "--index-field", "n").err
    assert "has type 'number'" in run("index", files, "--index-field", "n=number").err


def test_a_store_inside_the_folder_is_no_source(run_json, files):
    for _ in range(2):
        report = run_json("index", files, "--store", files / "data")
        assert (report["count"], report["rejected"]) == (3, 1)
    assert (files / "data" / "documents" / "index-rejects.jsonl").exists()


def test_long_texts_in_parts(run_json, tmp_path):
    (tmp_path / "long.txt").write_text("the quick brown fox. " * 10, encoding="utf-8")
    report = run_json("index", tmp_path / "long.txt", "--split", 12, "--overlap", 3)
    assert report["truncated"] == 0
    assert report["count"] == report["added"] > 2
    best = run_json("search", "fox", "-k", 1)[0]
    assert best["metadata"]["parent_id"] == "long.txt"


def test_settings_of_a_collection_are_held_to(run, files, static_folder):
    assert run("index", files, "--dimensions", 16, "--quantization", "int8").code == 0
    assert run("search", "fox", "--dimensions", 16).code == 0
    with Collection.open(
        "documents", load_encoder(static_folder), store="rolevec-data", dimensions=16
    ) as collection:
        assert collection.dim == 16
    refused = run("index", files)
    assert refused.code == 1
    assert "dim: 16 in the collection, 32 given" in refused.err


def test_embed(run, run_json, static_folder, tmp_path):
    encoder = load_encoder(static_folder)
    shown = run_json("embed", "the fox", "der Hund", "--role", "search_query")
    assert (shown["role"], shown["dim"], shown["texts"]) == ("query", 32, 2)
    expected = encoder.encode_queries(["the fox", "der Hund"])
    assert np.allclose(shown["vectors"], expected)

    lines = run("embed", "-r", "document", stdin="the fox\nder Hund\n").out.splitlines()
    assert [line.split("  ")[1] for line in lines] == ["the fox", "der Hund"]
    assert "(32 in all)" in lines[0]

    target = tmp_path / "vectors.npy"
    written = run("embed", "the fox", "-r", "query", "--dimensions", 8, "-o", target)
    assert "1 vectors of dimension 8" in written.out
    cut = np.load(target)
    assert np.allclose(cut, encoder.encode(["the fox"], "query", dimensions=8))


def test_embed_wants_a_role(run):
    assert run("embed", "x").code == 2
    wrong = run("embed", "x", "--role", "qurey")
    assert wrong.code == 2
    assert "unknown role 'qurey'" in wrong.err
    blank = run("embed", "x", " ", "--role", "query")
    assert blank.code == 1
    assert "text 1 is blank" in blank.err


def test_models(run, run_json):
    listed = run_json("models")
    assert [card["name"] for card in listed] == [card.name for card in cards()]
    assert "intfloat/multilingual-e5-small" in run("models").out
    one = run_json("models", "embed-multilingual-light-v3.0")
    assert (one["name"], one["dim"]) == ("intfloat/multilingual-e5-small", 384)
    assert "'passage: '" in run("models", "intfloat/multilingual-e5-small").out
    unknown = run("models", "multilingual-e5-smal")
    assert unknown.code == 1
    assert "did you mean" in unknown.err


def test_doctor(run, run_json, static_folder, altered):
    seen = run_json("doctor", static_folder)
    assert all(check["passed"] for check in seen["checks"])
    assert seen["installed"]["numpy"] == np.__version__
    assert "unit length" in run("doctor", static_folder).out

    # A prompt that the table knows nothing of: the roles have no effect, and loading says so.
    broken = altered(static_folder, prompts={"query": "{text}☃"}, unk_id=0)
    result = run("doctor", broken)
    assert result.code == 1
    assert "it can tell apart" in result.err


def test_a_filter_that_is_no_filter(run, files):
    run("index", files)
    for where in ("{", "[1]"):
        assert run("search", "x", "--where", where).code == 2
    wrong = run("search", "x", "--where", '{"n": {"around": 1}}')
    assert wrong.code == 1
    assert "unknown operator around" in wrong.err
