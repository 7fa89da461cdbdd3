import json

import pytest

from rolevec.evaluation import Report
from rolevec.evaluation.report import Score, markdown_table


@pytest.fixture
def report():
    return Report(
        "model (4 dimensions)",
        (
            Score("wiki", "retrieval", "de", 4, 30, {"mrr@10": 0.5}, {"documents": 9}),
            Score("wiki", "retrieval", "en", 4, 10, {"mrr@10": 0.25}, {"documents": 8, "blank": 1}),
            Score("wiki", "retrieval", "de", 2, 30, {"mrr@10": 0.1}),
            Score("wiki", "retrieval", "en", 2, 10, {"mrr@10": 0.2}),
            Score("pairs|x", "similarity", "", 4, 7, {"spearman": -1 / 3}),
        ),
    )


def test_a_data_set_is_the_mean_of_its_languages(report):
    wiki, cut, pairs = report.overall()
    assert (wiki.dataset, wiki.task, wiki.dim) == ("wiki", "retrieval", 4)
    assert (wiki.languages, wiki.count, wiki.metrics) == (2, 40, {"mrr@10": 0.375})
    assert (cut.dim, cut.metrics["mrr@10"]) == (2, pytest.approx(0.15))
    assert pairs.languages == 1
    assert report.dims == (4, 2)


def test_the_tables(report):
    assert (
        report.to_markdown()
        == """\
# model (4 dimensions)

Metrics times 100; a data set's is the mean over its languages.

| data set | task | dim | languages | count | mrr@10 | spearman |
| --- | --- | --: | --: | --: | --: | --: |
| wiki | retrieval | 4 | 2 | 40 | 37.5 |  |
| wiki | retrieval | 2 | 2 | 40 | 15.0 |  |
| pairs\\|x | similarity | 4 | 1 | 7 |  | -33.3 |

## wiki: retrieval

| language | dim | count | documents | blank | mrr@10 |
| --- | --: | --: | --: | --: | --: |
| de | 4 | 30 | 9 | 0 | 50.0 |
| en | 4 | 10 | 8 | 1 | 25.0 |
| de | 2 | 30 | 0 | 0 | 10.0 |
| en | 2 | 10 | 0 | 0 | 20.0 |

## pairs|x: similarity

| language | dim | count | spearman |
| --- | --: | --: | --: |
| – | 4 | 7 | -33.3 |
"""
    )


def test_saved_as_its_name_ends(report, tmp_path):
    report.save(tmp_path / "new" / "r.md")
    assert (tmp_path / "new" / "r.md").read_text(encoding="utf-8") == report.to_markdown()
    report.save(str(tmp_path / "r.json"))
    saved = json.loads((tmp_path / "r.json").read_text(encoding="utf-8"))
    assert saved == report.to_dict()
    assert saved["model"] == "model (4 dimensions)"
    assert saved["overall"][0]["metrics"] == {"mrr@10": 0.375}
    assert saved["scores"][1] == {
        "dataset": "wiki",
        "task": "retrieval",
        "language": "en",
        "dim": 4,
        "count": 10,
        "documents": 8,
        "blank": 1,
        "metrics": {"mrr@10": 0.25},
    }
    assert saved["scores"][4]["metrics"] == {"spearman": -0.333333}
    with pytest.raises(ValueError, match=r"r\.txt: .* a file that ends in one of \.md, \.json"):
        report.save(tmp_path / "r.txt")


def test_a_table_without_rows():
    assert markdown_table(["a", ">b"], []) == "| a | b |\n| --- | --: |"
