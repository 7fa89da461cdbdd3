import json

from rolevec.training import read_hard_negatives


def test_pairs_get_negatives_from_a_collection(run, run_json, tmp_path):
    texts = [
        f"the {a} fox jumps over the {b} dog" for a in ("quick", "brown") for b in ("lazy", "fox")
    ]
    (tmp_path / "docs.jsonl").write_text("".join(json.dumps({"text": t}) + "\n" for t in texts))
    assert run("index", "docs.jsonl").code == 0
    pairs = tmp_path / "pairs.jsonl"
    pairs.write_text(json.dumps({"query": "the quick lazy fox", "positive": texts[0]}) + "\n")
    loose = ("--margin", "1", "-n", "2")
    found = run_json("mine", pairs, "-o", "hard.jsonl", *loose)
    (row,) = read_hard_negatives(tmp_path / "hard.jsonl")
    assert (row.query, row.positive) == ("the quick lazy fox", texts[0])
    assert set(row.negatives) <= set(texts[1:])
    assert (found["pairs"], found["kept"]) == (1, len(row.negatives))
    shown = run("mine", pairs, "-o", "again.jsonl", *loose, "--random")
    assert shown.code == 0, shown.err
    assert "1 pairs" in shown.out
    assert "rolevec train tune --data again.jsonl" in shown.out
    assert run("mine", "missing.jsonl", "-o", "x.jsonl").code == 2
