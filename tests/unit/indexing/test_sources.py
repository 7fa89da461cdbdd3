import csv
import json
from operator import length_hint

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rolevec import Document
from rolevec.errors import InvalidDocument, RolevecError
from rolevec.indexing.sources import FileCorpus


def corpus(path, **options):
    rejected = []
    documents = list(FileCorpus(path, on_reject=rejected.append, **options))
    return documents, [(r.where, r.reason) for r in rejected]


def test_a_folder_of_everything(tmp_path):
    (tmp_path / "b.txt").write_text("plain text\n", encoding="utf-8")
    (tmp_path / "deep" / "er").mkdir(parents=True)
    (tmp_path / "deep" / "er" / "a.md").write_text("\ufeff# Überschrift", encoding="utf-8")
    (tmp_path / "rows.jsonl").write_text(
        '{"id": 7, "text": "one", "metadata": {"n": 1}, "lang": "en"}\n\n{"text": "two"}\n',
        encoding="utf-8",
    )
    (tmp_path / "table.csv").write_text('id,text,year\nx,"a, b",2020\n', encoding="utf-8")
    (tmp_path / "table.tsv").write_text("text\tyear\ntab\t1999\n", encoding="utf-8")
    for ignored in ("picture.png", ".hidden.txt"):
        (tmp_path / ignored).write_text("no", encoding="utf-8")
    (tmp_path / ".git").mkdir()
    (tmp_path / ".git" / "notes.txt").write_text("no", encoding="utf-8")

    documents, rejected = corpus(tmp_path)
    assert rejected == []
    assert length_hint(FileCorpus(tmp_path)) == len(documents) == 6
    found = {document.text: document for document in documents}
    assert found["plain text\n"] == Document("plain text\n", "b.txt", {"source": "b.txt"})
    assert found["# Überschrift"].id == "deep/er/a.md"
    assert found["one"] == Document("one", "7", {"source": "rows.jsonl", "n": 1, "lang": "en"})
    assert found["a, b"] == Document("a, b", "x", {"source": "table.csv", "year": "2020"})
    assert found["tab"].metadata == {"source": "table.tsv", "year": "1999"}


def test_ids_are_the_same_each_time_and_follow_the_content(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_text('{"text": "one"}\n{"text": "two"}\n', encoding="utf-8")
    first = [d.id for d in FileCorpus(path)]
    path.write_text('{"text": "zero"}\n{"text": "one"}\n', encoding="utf-8")
    assert [d.id for d in FileCorpus(path)][1] == first[0]
    assert first[0] != first[1]


def test_bad_records_cost_themselves_only(tmp_path):
    (tmp_path / "rows.jsonl").write_bytes(
        b'{"text": "good"}\n{"text": \n{"body": "x"}\n[1]\n{"text": " "}\n\xff\n'
        b'{"text": "n", "metadata": 3}\n{"text": "x", "v": NaN}\n{"text": "last"}\n'
        + b"[" * 100_000
        + b"\n"
    )
    (tmp_path / "table.csv").write_text("text,n\nok,1\nshort\nlong,1,2\n", encoding="utf-8")
    (tmp_path / "latin.txt").write_bytes("Grüße".encode("latin-1"))
    (tmp_path / "empty.md").write_text("", encoding="utf-8")
    documents, rejected = corpus(tmp_path)
    assert [d.text for d in documents] == ["good", "last", "ok"]
    reasons = dict(rejected)
    assert "cannot be read" in reasons["latin.txt"]
    assert "empty" in reasons["empty.md"]
    assert "not JSON" in reasons["rows.jsonl:2"]
    assert "no text under 'text'; it has body" in reasons["rows.jsonl:3"]
    assert "list" in reasons["rows.jsonl:4"]
    assert "blank" in reasons["rows.jsonl:5"]
    assert "not JSON" in reasons["rows.jsonl:6"]
    assert "metadata is a int" in reasons["rows.jsonl:7"]
    assert "nan" in reasons["rows.jsonl:8"]
    assert "not JSON" in reasons["rows.jsonl:10"]
    assert {"table.csv:3", "table.csv:4"} <= reasons.keys()
    assert len(rejected) == 12


def test_without_a_listener_a_bad_record_is_an_error(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_text('{"text": "good"}\n{"text": ""}\n', encoding="utf-8")
    with pytest.raises(InvalidDocument, match=r"rows\.jsonl:2"):
        list(FileCorpus(path))


def test_fields_may_have_other_names(tmp_path):
    path = tmp_path / "rows.csv"
    path.write_text("key,body,id,text\nk,hello,1,other\n", encoding="utf-8")
    (document,) = FileCorpus(path, text_field="body", id_field="key")
    assert document == Document("hello", "k", {"source": "rows.csv", "id": "1", "text": "other"})
    (tmp_path / "a.txt").write_text("whole", encoding="utf-8")
    documents, _ = corpus(tmp_path, text_field="body", id_field="key")
    assert {d.id for d in documents} == {"a.txt", "k"}


def test_the_row_numbers_that_pandas_writes_are_left_out(tmp_path):
    path = tmp_path / "rows.csv"
    path.write_text(",text\n0,hello\n", encoding="utf-8")
    (document,) = FileCorpus(path)
    assert document.metadata == {"source": "rows.csv"}


def test_nothing_to_read_is_said(tmp_path):
    with pytest.raises(FileNotFoundError, match="nothing at"):
        FileCorpus(tmp_path / "none")
    with pytest.raises(RolevecError, match=r"known kinds are .*\.jsonl"):
        FileCorpus(tmp_path)
    (tmp_path / "a.pdf").write_bytes(b"%PDF")
    with pytest.raises(RolevecError, match="known kinds"):
        FileCorpus(tmp_path / "a.pdf")


texts = st.text(st.characters(exclude_categories=["Cs"]), min_size=1).filter(
    lambda text: not text.isspace()
)
names = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8).filter(
    lambda name: name not in {"text", "id", "metadata", "source"}
)


@settings(deadline=None, max_examples=60)
@given(rows=st.lists(st.tuples(texts, st.dictionaries(names, texts, max_size=3)), min_size=1))
def test_json_lines_come_back_as_written(tmp_path_factory, rows):
    path = tmp_path_factory.mktemp("rows") / "rows.jsonl"
    with path.open("w", encoding="utf-8") as file:
        for text, fields in rows:
            file.write(json.dumps({"text": text, **fields}, ensure_ascii=False) + "\n")
    found = list(FileCorpus(path))
    assert [(d.text, dict(d.metadata)) for d in found] == [
        (text, {"source": "rows.jsonl", **fields}) for text, fields in rows
    ]


# NUL is refused by the csv module of Python 3.10 and older only; a lone "\r" is a line end to it.
cells = texts.filter(lambda text: not {"\0", "\r"} & set(text))


@settings(deadline=None, max_examples=60)
@given(rows=st.lists(st.tuples(cells, cells), min_size=1))
def test_csv_comes_back_as_written(tmp_path_factory, rows):
    path = tmp_path_factory.mktemp("rows") / "rows.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["text", "note"])
        writer.writerows(rows)
    found = [(d.text, d.metadata["note"]) for d in FileCorpus(path)]
    assert found == rows
    assert length_hint(FileCorpus(path)) == len(rows)
