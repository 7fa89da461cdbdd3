"""Tables of pairs in every form that is read."""

import gzip
import json
import lzma

import pytest

from rolevec.training.data import read_pairs
from rolevec.training.hard import HardNegatives, read_hard_negatives
from rolevec.training.records import SUFFIXES

pyarrow = pytest.importorskip("pyarrow")

ROWS = {
    "parallel": [
        ("the dog", "deu", "der Hund\u2028bellt", "toy"),
        ("a cat", "fra", "un chat", "x"),
    ],
    "lexicon": [("dog", "deu", "Hund", "toy")],
    "pivot": [("der Hund", "deu", "le chien", "fra", "toy")],
    "retrieval": [("who barks?", "eng", "A dog barks.", "toy")],
    "paraphrase": [("a dog", "eng", "a hound", "toy")],
}
FIELDS = {
    "parallel": ("english", "language", "text", "source"),
    "lexicon": ("english", "language", "text", "source"),
    "pivot": ("left", "left_language", "right", "right_language", "source"),
    "retrieval": ("query", "language", "passage", "source"),
    "paraphrase": ("left", "language", "right", "source"),
}


def write(path, rows, fields):
    if path.suffix == ".parquet":
        from pyarrow import parquet

        columns = dict(zip(fields, map(list, zip(*rows, strict=True)), strict=True))
        parquet.write_table(pyarrow.table(columns), path)
        return
    if ".tsv" in path.suffixes:
        lines = ["\t".join(row) for row in rows]
    else:
        lines = [json.dumps(dict(zip(fields, row, strict=True))) for row in rows]
    opened = {".gz": gzip.open, ".xz": lzma.open}.get(path.suffix, open)
    with opened(path, "wt", encoding="utf-8", newline="\n") as file:
        file.write("".join(f"{line}\n" for line in lines))


def pairs_of(folder, kind):
    return [
        (p.left, p.left_lang, p.right, p.right_lang, p.source) for p in read_pairs(folder, kind)
    ]


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("kind", ROWS)
def test_a_table_is_the_same_in_every_form(tmp_path, kind, suffix):
    write(tmp_path / f"{kind}-00{suffix}", ROWS[kind], FIELDS[kind])
    first = ROWS[kind][0]
    expected = {
        "parallel": (first[2], "deu", first[0], "eng", "toy"),
        "lexicon": ("Hund", "deu", "dog", "eng", "toy"),
        "pivot": first,
        "retrieval": ("who barks?", "eng", "A dog barks.", "eng", "toy"),
        "paraphrase": ("a dog", "eng", "a hound", "eng", "toy"),
    }
    found = pairs_of(tmp_path, kind)
    assert found[0] == expected[kind]
    assert len(found) == len(ROWS[kind])
    assert len(list(read_pairs(tmp_path, kind, ["toy"]))) == len(ROWS[kind]) - 1


def test_tables_of_several_forms_are_one(tmp_path):
    for number, suffix in enumerate(SUFFIXES):
        write(tmp_path / f"lexicon-{number}{suffix}", ROWS["lexicon"], FIELDS["lexicon"])
    assert len(pairs_of(tmp_path, "lexicon")) == len(SUFFIXES)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("parallel.tsv", "only\tthree\tcolumns\n", r"parallel\.tsv:1: 3 columns, not 4: english,"),
        ("parallel.jsonl", '{"english": "a"}\n', r"parallel\.jsonl:1: no text under language, "),
        ("parallel.jsonl", "\nno JSON\n", r"parallel\.jsonl:2: it is not JSON"),
        ("parallel.jsonl", "[1]\n", r"parallel\.jsonl:1: it is a list, not a JSON object"),
        ("parallel.parquet", "no Parquet", r"parallel\.parquet cannot be read: "),
    ],
)
def test_what_is_no_row_is_named(tmp_path, name, content, message):
    (tmp_path / name).write_text(content, encoding="utf-8")
    with pytest.raises(ValueError, match=message):
        list(read_pairs(tmp_path, "parallel"))


def test_hard_negatives_in_every_form(tmp_path):
    expected = [HardNegatives("who barks?", "A dog barks.", ("A cat sleeps.", "Rain falls."))]
    fields = ("query", "positive", "negatives")
    for suffix in SUFFIXES:
        path = tmp_path / f"hard{suffix}"
        row = ("who barks?", "A dog barks.", ["A cat sleeps.", "Rain falls."])
        in_columns = ".tsv" in path.suffixes
        write(path, [(*row[:2], *row[2]) if in_columns else row], fields)
        assert list(read_hard_negatives(path)) == expected, suffix


@pytest.mark.parametrize("line", ["one column", ""])
def test_too_few_columns_are_no_pair(tmp_path, line):
    (tmp_path / "hard.tsv").write_text(f"a\tb\n{line}\n", encoding="utf-8")
    with pytest.raises(ValueError, match=r"hard\.tsv:2"):
        list(read_hard_negatives(tmp_path / "hard.tsv"))
