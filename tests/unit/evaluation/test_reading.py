import gzip

import pytest

from rolevec.evaluation.reading import (
    first_fields,
    read_bitext,
    read_qrels,
    read_retrieval,
    read_similarity,
    read_triples,
)


def test_a_retrieval_folder(tmp_path, write_lines):
    write_lines(
        tmp_path / "corpus.jsonl",
        {"_id": "a", "title": "Foxes", "text": "They run."},
        {"_id": 7, "title": None, "text": "No title.", "metadata": {}},
        {"_id": "empty", "title": "", "text": ""},
    )
    write_lines(tmp_path / "queries.jsonl", {"_id": "q", "text": "who runs?"})
    write_lines(tmp_path / "qrels" / "test.tsv", "query-id\tcorpus-id\tscore", "q\ta\t2", "q\t7\t0")
    content = read_retrieval(tmp_path)
    assert content.documents == {"a": "Foxes They run.", "7": "No title.", "empty": ""}
    assert content.queries == {"q": "who runs?"}
    assert content.qrels == {"q": {"a": 2, "7": 0}}
    assert content.titles == {"a": "Foxes"}


PACKINGS = {"": bytes, ".gz": gzip.compress}


@pytest.mark.parametrize("packing", PACKINGS)
def test_packed_files_and_byte_order_marks(tmp_path, write_retrieval, packing):
    inside = "\N{ZERO WIDTH NO-BREAK SPACE}fox"
    folder = write_retrieval(tmp_path, [inside], ["q"], [("q0", "d0", 1)])
    plain = (folder / "corpus.jsonl").read_bytes()
    (folder / "corpus.jsonl").unlink()
    marked = PACKINGS[packing](b"\xef\xbb\xbf" + plain)
    (folder / f"corpus.jsonl{packing}").write_bytes(marked)
    # Only the file's own mark is dropped.
    assert read_retrieval(folder).documents == {"d0": inside}


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (['{"_id": "a"'], r"corpus\.jsonl:1: it is not JSON"),
        (["", "[1]"], r"corpus\.jsonl:2: it is a list"),
        ([{"id": "a", "text": "x"}], r"corpus\.jsonl:1: it has no _id; it has id, text"),
        ([{"_id": "a", "body": "x"}], r"corpus\.jsonl:1: it has no text under 'text'; it has _id"),
        ([{"_id": "a", "text": "x"}, {"_id": "a", "text": "y"}], r"jsonl:2: the _id 'a' occurs"),
    ],
)
def test_lines_of_another_form_are_named(tmp_path, lines, message, write_lines, write_retrieval):
    write_retrieval(tmp_path, ["x"], ["q"], [])
    write_lines(tmp_path / "corpus.jsonl", *lines)
    with pytest.raises(ValueError, match=message):
        read_retrieval(tmp_path)


def test_judgements_of_another_form_are_named(tmp_path, write_lines):
    no_header = write_lines(tmp_path / "a.tsv", "q\td\t1")
    with pytest.raises(ValueError, match=r"a\.tsv:1: the header is .* must be query-id corpus-id"):
        read_qrels(no_header)
    for row in ("q\td", "q\td\tyes", "q d 1"):
        wrong = write_lines(tmp_path / "b.tsv", "query-id\tcorpus-id\tscore", "q\td\t1", "", row)
        with pytest.raises(ValueError, match=r"b\.tsv:4: not an id, an id and a whole number"):
            read_qrels(wrong)


def test_a_missing_file_is_named(tmp_path, write_retrieval):
    with pytest.raises(FileNotFoundError, match=r"has no corpus\.jsonl"):
        read_retrieval(tmp_path)
    write_retrieval(tmp_path, ["x"], ["q"], [])
    (tmp_path / "qrels.tsv").unlink()
    with pytest.raises(FileNotFoundError, match=r"no qrels\.tsv and no qrels/test\.tsv"):
        read_retrieval(tmp_path)


@pytest.mark.parametrize("packing", PACKINGS)
def test_only_a_line_feed_ends_a_line(tmp_path, packing):
    odd = "one\N{LINE SEPARATOR}two\x0b\x85three\rfour"
    left, right = (tmp_path / f"t.deu-eng.{side}{packing}" for side in ("deu", "eng"))
    left.write_bytes(PACKINGS[packing](f"{odd}\nzwei\r\n".encode()))
    right.write_bytes(PACKINGS[packing](b"one\ntwo"))
    content = read_bitext(left, right)
    assert content.texts == ([odd, "zwei"], ["one", "two"])
    right.write_bytes(PACKINGS[packing](b"one\n"))
    with pytest.raises(ValueError, match=r"deu.* has 2 lines, t\.deu-eng\.eng.* 1"):
        read_bitext(left, right)


def test_triples(tmp_path, write_lines):
    row = {"language": "de", "anchor": "a", "paraphrase": "b", "near_miss": "c"}
    path = write_lines(tmp_path / "t.jsonl", row, row | {"language": "am"})
    found = read_triples(path)
    assert list(found) == ["am", "de"]
    assert found["de"].texts == (["a"], ["b"], ["c"])
    write_lines(path, row | {"near_miss": None})
    with pytest.raises(ValueError, match=r"t\.jsonl:1: it has no text under 'near_miss'"):
        read_triples(path)


def test_scored_pairs(tmp_path, write_lines):
    # One mark that is not closed: in a .tsv file it is part of the text.
    path = write_lines(
        tmp_path / "p.tsv", "text_a\ttext_b\tscore", '"so\twell\t1', "a\tb\t0.5", "c\td\t-1e-1"
    )
    (content,) = read_similarity(path).values()
    assert content.texts == (['"so', "a", "c"], ["well", "b", "d"])
    assert content.score == [1.0, 0.5, -0.1]
    path = write_lines(tmp_path / "p.csv", "language,score,text_a,text_b", 'de,3,"a, b","c\nd"')
    assert read_similarity(path)["de"].texts == (["a, b"], ["c\nd"])
    for row, message in (("de,high,a,b", "score 'high' is no number"), ("de,1,a", "'text_b'")):
        write_lines(path, "language,score,text_a,text_b", row)
        with pytest.raises(ValueError, match=rf"p\.csv:2: .*{message}"):
            read_similarity(path)


def test_a_glance_at_the_first_line(tmp_path, write_lines):
    assert first_fields(write_lines(tmp_path / "a.jsonl", {"x": 1, "y": 2})) == {"x", "y"}
    assert first_fields(write_lines(tmp_path / "a.csv", 'x,"y z"')) == {"x", "y z"}
    assert first_fields(write_lines(tmp_path / "a.tsv", "x\ty")) == {"x", "y"}
    for text in ("[1]", "no json", ""):
        assert first_fields(write_lines(tmp_path / "a.jsonl", text)) == set()
    (tmp_path / "a.csv").write_bytes(b"\xff\xfe\n")
    assert first_fields(tmp_path / "a.csv") == set()
