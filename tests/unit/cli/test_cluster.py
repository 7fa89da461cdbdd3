import pytest

TEXTS = ["the quick brown fox", "the quick fox", "快速的狐狸", "快速的棕色狐狸", "ленивую собаку"]


@pytest.fixture
def lines(tmp_path):
    (tmp_path / "texts.txt").write_text("\n\n".join(TEXTS), encoding="utf-8")
    return tmp_path / "texts.txt"


def test_lines_of_a_file_are_grouped(run_json, lines):
    said = run_json("cluster", lines, "-n", 3)
    assert [group["size"] for group in said["clusters"]] == [2, 2, 1]
    assert [row["label"] for row in said["labels"]] == [0, 0, 1, 1, 2]
    assert said["clusters"][2]["exemplar"]["text"] == TEXTS[4]
    assert all(group["keywords"] for group in said["clusters"])


def test_a_collection_is_grouped_and_drawn(run, run_json, tmp_path):
    rows = "\n".join(
        f'{{"id": "{i}x", "text": "{text}", "n": {i}}}' for i, text in enumerate(TEXTS)
    )
    (tmp_path / "rows.jsonl").write_text(rows, encoding="utf-8")
    run_json("index", tmp_path / "rows.jsonl")
    said = run_json("cluster", "-n", 2, "--where", '{"n": {"lt": 4}}', "--map", "a.html")
    assert sorted(row["id"] for row in said["labels"]) == ["0x", "1x", "2x", "3x"]
    assert said["maps"] == ["a.html"]
    assert TEXTS[0] in (tmp_path / "a.html").read_text("utf-8")
    shown = run("cluster", "-n", 2, "--map", "b.png", "--title", "Foxes")
    assert "Map: b.png" in shown.out
    assert (tmp_path / "b.png").read_bytes().startswith(b"\x89PNG")
    assert len(run_json("cluster", "--limit", 3)["labels"]) == 3


def test_wrong_usage_is_said(run, lines):
    assert run("cluster", lines, "--map", "x.svg").code == 2
    assert run("cluster", lines, "--where", "{}").code == 2
    assert run("cluster", "nowhere.txt").code == 2
    assert "density" in run("cluster", lines, "--keep-noise").err
