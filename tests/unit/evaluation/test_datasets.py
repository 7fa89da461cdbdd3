import shutil

import pytest

from rolevec.errors import RolevecError
from rolevec.evaluation import find_datasets
from rolevec.evaluation.content import Bitext, Retrieval, Similarity, Triples, whole_rows
from rolevec.evaluation.datasets import Dataset


def summary(path):
    return [(d.name, d.kind, sorted(d.parts)) for d in find_datasets(path)]


def test_a_folder_of_everything(everything):
    assert summary(everything) == [
        ("animals", Retrieval, ["de", "en"]),
        ("bitext/t", Bitext, ["deu"]),
        ("sts/pairs.tsv", Similarity, ["en"]),
        ("triples.jsonl", Triples, ["de", "en"]),
    ]
    animals, bitext, pairs, triples = find_datasets(str(everything))
    assert animals.parts["de"]().queries["q2"] == "Regen"
    assert bitext.parts["deu"]().english[1] == "a lazy dog sleeps"
    assert pairs.parts["en"]().score == [5.0, 3.5, 0.0]
    assert triples.parts["de"]().near_miss == ["Schnee taut"]


def test_each_form_by_itself(everything):
    assert summary(everything / "animals-de") == [("animals-de", Retrieval, ["de"])]
    assert summary(everything / "bitext") == [("t", Bitext, ["deu"])]
    assert summary(everything / "triples.jsonl") == [("triples.jsonl", Triples, ["de", "en"])]
    assert summary(everything / "sts" / "pairs.tsv") == [("pairs.tsv", Similarity, ["en"])]


def test_names_that_are_no_language(tmp_path, write_retrieval):
    for name in ("trec-covid", "webis-touche2020", "wiki-zho-Hans", "native-ara_test"):
        write_retrieval(tmp_path / name, ["x"], ["q"], [("q0", "d0", 1)], "qrels/test.tsv")
    assert [(name, parts) for name, _, parts in summary(tmp_path)] == [
        ("native-ara_test", [""]),
        ("trec-covid", [""]),
        ("webis-touche2020", [""]),
        ("wiki-zho-Hans", ["zho-Hans"]),
    ]


def test_families_of_different_folders_stay_apart(family):
    shutil.copytree(family / "animals-de", family / "more" / "animals-de")
    assert [name for name, _, _ in summary(family)] == ["animals", "more/animals-de"]


def test_what_is_passed_over(everything, write_lines):
    write_lines(everything / ".hidden" / "t.fra-eng.fra", "x")
    write_lines(everything / "notes.jsonl", {"text": "x"})
    write_lines(everything / "notes.csv", "a,b")
    # Inside of a retrieval folder nothing else is looked for.
    shutil.copy(everything / "triples.jsonl", everything / "animals-de" / "triples.jsonl")
    assert len(find_datasets(everything)) == 4


def test_nothing_found_says_what_was_looked_for(tmp_path, write_lines):
    with pytest.raises(FileNotFoundError, match="nothing at"):
        find_datasets(tmp_path / "absent")
    with pytest.raises(RolevecError, match=r"no data set found; known forms are .*corpus\.jsonl"):
        find_datasets(tmp_path)
    alone = write_lines(tmp_path / "t.deu-eng.deu", "x")
    with pytest.raises(FileNotFoundError, match=r"has no partner t\.deu-eng\.eng"):
        find_datasets(tmp_path)
    with pytest.raises(FileNotFoundError, match="partner"):
        find_datasets(alone)


def test_a_data_set_in_memory():
    content = Bitext(["eins"], ["one"])
    dataset = Dataset.of("mine", content, "deu")
    assert (dataset.name, dataset.kind, list(dataset.parts)) == ("mine", Bitext, ["deu"])
    assert dataset.parts["deu"]() is content


def test_rows_that_are_whole():
    assert whole_rows(["a", "", "c", "d"], ["1", "2", " \n", "4"]) == [0, 3]
    with pytest.raises(ValueError, match="zip"):
        whole_rows(["a"], [])
