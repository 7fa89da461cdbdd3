"""Small data sets, written as people write them."""

import json

import pytest
import pytrec_eval

DOCUMENTS = {
    "en": ["the quick brown fox", "a lazy dog sleeps", "rain falls on the hills"],
    "de": ["der schnelle braune Fuchs", "ein fauler Hund schläft", "Regen fällt auf die Hügel"],
}
QUERIES = {
    "en": ["quick fox", "lazy dog", "rain"],
    "de": ["schneller Fuchs", "fauler Hund", "Regen"],
}


def write_lines(path, *values):
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = (v if isinstance(v, str) else json.dumps(v, ensure_ascii=False) for v in values)
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return path


def write_retrieval(folder, documents, queries, qrels, qrels_name="qrels.tsv"):
    """``documents`` and ``queries`` are lists of texts; ids are d0, d1, … and q0, q1, …"""
    write_lines(
        folder / "corpus.jsonl", *({"_id": f"d{i}", "text": t} for i, t in enumerate(documents))
    )
    write_lines(
        folder / "queries.jsonl", *({"_id": f"q{i}", "text": t} for i, t in enumerate(queries))
    )
    rows = (f"{query}\t{document}\t{score}" for query, document, score in qrels)
    write_lines(folder / qrels_name, "query-id\tcorpus-id\tscore", *rows)
    return folder


def trec_eval(k, qrels, run):
    """Each metric for each query, by pytrec_eval, which has no cut-off for the reciprocal rank."""
    names = {
        "ndcg": f"ndcg_cut_{k}",
        "recall": f"recall_{k}",
        "mrr": "recip_rank",
        "map": f"map_cut_{k}",
        "precision": f"P_{k}",
        "hit": f"success_{k}",
    }
    values = pytrec_eval.RelevanceEvaluator(qrels, set(names.values())).evaluate(run)
    found = {name: [values[query][theirs] for query in qrels] for name, theirs in names.items()}
    found["mrr"] = [rank if rank * k >= 1 - 1e-9 else 0 for rank in found["mrr"]]
    return found


@pytest.fixture(name="trec_eval", scope="session")
def trec_eval_itself():
    return trec_eval


@pytest.fixture(name="write_lines")
def lines_writer():
    return write_lines


@pytest.fixture(name="write_retrieval")
def retrieval_writer():
    return write_retrieval


@pytest.fixture
def family(tmp_path):
    """The same three passages and questions in German and English."""
    for language in ("de", "en"):
        write_retrieval(
            tmp_path / "data" / f"animals-{language}",
            DOCUMENTS[language],
            QUERIES[language],
            [(f"q{i}", f"d{i}", 1) for i in range(3)],
        )
    return tmp_path / "data"


@pytest.fixture
def everything(family):
    """A folder with a data set of each task."""
    write_lines(family / "bitext" / "t.deu-eng.deu", *DOCUMENTS["de"])
    write_lines(family / "bitext" / "t.deu-eng.eng", *DOCUMENTS["en"])
    write_lines(family / "bitext" / "README.md", "About this data.")
    write_lines(
        family / "triples.jsonl",
        {
            "language": "en",
            "anchor": "the dog bites the man",
            "paraphrase": "the man is bitten by the dog",
            "near_miss": "the man bites the dog",
        },
        {
            "language": "de",
            "anchor": "Regen fällt",
            "paraphrase": "es fällt Regen",
            "near_miss": "Schnee taut",
        },
    )
    write_lines(
        family / "sts" / "pairs.tsv",
        "text_a\ttext_b\tscore\tlanguage",
        "the quick fox\tthe quick fox\t5\ten",
        "the quick fox\tthe quick dog\t3.5\ten",
        "the quick fox\train\t0\ten",
    )
    return family
