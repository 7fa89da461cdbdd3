import datetime
import sys
from operator import length_hint

import pytest

from rolevec import Document, index_corpus
from rolevec.errors import MissingExtra
from rolevec.indexing.sources import FileCorpus

pa = pytest.importorskip("pyarrow")
from pyarrow import parquet  # noqa: E402


@pytest.fixture
def path(tmp_path):
    rows = {
        "id": [1, 2, None, 4],
        "text": ["one", "два", "三", None],
        "tags": [["a", "b"], [], None, ["c"]],
        "day": [datetime.date(2024, 1, 2), None, None, None],
        "metadata": [{"n": 1}, None, None, None],
    }
    parquet.write_table(pa.table(rows), tmp_path / "rows.parquet", row_group_size=2)
    return tmp_path / "rows.parquet"


def test_rows_are_documents(path):
    rejected = []
    corpus = FileCorpus(path, on_reject=rejected.append)
    found = list(corpus)
    assert length_hint(corpus) == 4
    tags = {"source": "rows.parquet", "n": 1, "tags": ["a", "b"], "day": "2024-01-02"}
    assert found[0] == Document("one", "1", tags)
    assert [d.text for d in found] == ["one", "два", "三"]
    assert [(r.where, r.id) for r in rejected] == [("rows.parquet:4", "4")]
    assert "no text under 'text'" in rejected[0].reason


def test_a_damaged_file_is_one_reject(path, store):
    path.write_bytes(path.read_bytes()[:-20])
    report = index_corpus(path, store(), progress=False)
    assert report.rejected == 1
    assert "cannot be read" in report.rejects[0].reason


def test_it_is_indexed_with_all_else(path, store):
    (path.parent / "more.txt").write_text("plain", encoding="utf-8")
    collection = store(place=":memory:")
    report = index_corpus(path.parent, collection, progress=False)
    assert (report.added, report.rejected) == (4, 1)
    assert collection.get("2")[0].text == "два"


def test_the_extra_is_named(path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(MissingExtra, match=r"rolevec\[parquet\]"):
        list(FileCorpus(path))
