"""What the quality loop gains: nDCG@10 of held-out queries before and after it, cross-validated.

python benchmarks/quality_loop.py DATA          # a folder of BEIR-format data sets

For each fold: the passages go into a collection, hard negatives are mined from it for the training
queries, the bundled model is tuned on them, and the held-out queries search all passages with the
old and the new model. No held-out query, and where passages have titles no passage of a held-out
article, is seen by mining or tuning; both stop by a part of the training queries. These sets are
otherwise for measuring only: nothing learned here goes into the bundled model. The settings are the
defaults of `rolevec train tune`, which were chosen on the Arabic set alone.
"""

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np

from rolevec import Collection, load_encoder
from rolevec.encoders.protocol import Encoder
from rolevec.evaluation import Report, compare, evaluate
from rolevec.evaluation.content import Retrieval
from rolevec.evaluation.datasets import Dataset
from rolevec.evaluation.reading import read_retrieval
from rolevec.evaluation.report import Score
from rolevec.training import load_recipe, mine_hard_negatives, train, write_hard_negatives

RESULT = Path(__file__).parent / "results" / "quality_loop"
METRIC, FOLDS = "ndcg@10", 5


@dataclass(frozen=True)
class Task:
    """Queries of one folder against the passages of another; ``apart`` is another task's folder."""

    queries: str
    passages: str
    apart: str
    by_article: bool = True


TASKS = {
    "Cranfield (English)": Task("cranfield", "cranfield", "native-tur_tquad_dev", by_article=False),
    "TQuAD (Turkish)": Task("native-tur_tquad_dev", "native-tur_tquad_dev", "xquad-en"),
    "KorQuAD (Korean)": Task("native-kor_korquad1_dev", "native-kor_korquad1_dev", "xquad-en"),
    "XQuAD, Hindi to English": Task("xquad-hi", "xquad-en", "native-tur_tquad_dev"),
    "XQuAD, Chinese to English": Task("xquad-zh", "xquad-en", "native-tur_tquad_dev"),
    "ARCD (Arabic)": Task("native-ara_arcd_test", "native-ara_arcd_test", "xquad-en"),
}


def read(data: Path, task: Task) -> tuple[Retrieval, dict[str, str]]:
    """The passages and judged queries of a task, and the group of each query."""
    passages, asked = read_retrieval(data / task.passages), read_retrieval(data / task.queries)
    documents = {name: text for name, text in passages.documents.items() if text.strip()}
    qrels = {
        query: {name: rel for name, rel in found.items() if rel > 0 and name in documents}
        for query, found in asked.qrels.items()
        if query in asked.queries
    }
    qrels = {query: found for query, found in qrels.items() if found}
    content = Retrieval(documents, {q: asked.queries[q] for q in qrels}, qrels, passages.titles)
    if not task.by_article:
        return content, {query: query for query in qrels}
    return content, {query: passages.titles[next(iter(found))] for query, found in qrels.items()}


def folds(groups: Mapping[str, str]) -> Iterator[tuple[set[str], set[str]]]:
    """Queries of each fold, and their groups."""
    names = sorted(set(groups.values()))
    order = np.random.default_rng(0).permutation(len(names))
    for fold in range(FOLDS):
        apart = {names[i] for i in order[fold::FOLDS]}
        yield {query for query, group in groups.items() if group in apart}, apart


def tune(
    content: Retrieval, held: set[str], apart: set[str], old: Encoder, work: Path, **settings: Any
) -> tuple[str, dict[str, float]]:
    """Mine and train without the held-out part; the new model, and what it took."""
    known = {
        name: text
        for name, text in content.documents.items()
        if content.titles.get(name) not in apart
    }
    pairs = [
        (text, known[name])
        for query, text in content.queries.items()
        if query not in held
        for name in content.qrels[query]
        if name in known
    ]
    start = time.monotonic()
    with Collection.open("loop", old, store=":memory:") as collection:
        collection.add(known.values())
        write_hard_negatives(work / "hard.jsonl", mine_hard_negatives(collection, pairs))
    mined = time.monotonic()
    recipe = files("rolevec.training") / "recipes" / "tune.toml"
    given = {"data": work / "hard.jsonl", "output": work / "model"}
    result = train(load_recipe(str(recipe), **given, **settings), progress=False)
    record = json.loads((result.folder / "config.json").read_text(encoding="utf-8"))["training"]
    cost = {"pairs": len(pairs), "mine": mined - start, "train": time.monotonic() - mined}
    return result.model, {**cost, "blend": record["blend"], "epoch": record["best_epoch"]}


def measure(encoder: Encoder, content: Retrieval, held: set[str]) -> Score:
    """Held-out queries against all passages."""
    queries = {query: text for query, text in content.queries.items() if query in held}
    qrels = {query: content.qrels[query] for query in queries}
    part = Retrieval(content.documents, queries, qrels, content.titles)
    (score,) = evaluate(encoder, Dataset.of("held-out", part), metrics=(METRIC,)).scores
    return score


def pooled(scores: list[Score], model: str) -> Report:
    """The queries of all folds as one report."""
    values = np.concatenate([score.values[METRIC] for score in scores])
    ids = tuple(name for score in scores for name in score.ids)
    mean = {METRIC: float(values.mean())}
    one = scores[0]
    whole = Score(
        one.dataset, one.task, "", one.dim, len(ids), mean, one.counts, ids, {METRIC: values}
    )
    return Report(model, (whole,))


def by_group(gains: np.ndarray[Any, Any], groups: list[str]) -> tuple[float, float]:
    """95 % interval of the mean gain when whole groups are drawn, not queries."""
    names, place = np.unique(groups, return_inverse=True)
    sums, sizes = np.bincount(place, gains), np.bincount(place)
    drawn = np.random.default_rng(0).integers(0, len(names), (10_000, len(names)))
    means = sums[drawn].sum(axis=1) / sizes[drawn].sum(axis=1)
    low, high = np.percentile(means, [2.5, 97.5])
    return float(low), float(high)


def run(data: Path, task: Task, **settings: Any) -> dict[str, Any]:
    """One task, over all folds."""
    content, groups = read(data, task)
    elsewhere, _ = read(data, TASKS_BY_FOLDER.get(task.apart, Task(task.apart, task.apart, "")))
    old = load_encoder("light", truncation="end")
    before, after, costs = [], [], []
    other: dict[str, float] = {}
    for held, apart in folds(groups):
        with tempfile.TemporaryDirectory() as work:
            model, cost = tune(content, held, apart, old, Path(work), **settings)
            with load_encoder(model, truncation="end") as new:
                before.append(measure(old, content, held))
                after.append(measure(new, content, held))
                costs.append(cost)
                if not other:
                    every = set(elsewhere.queries)
                    other = {
                        "before": measure(old, elsewhere, every).metrics[METRIC],
                        "after": measure(new, elsewhere, every).metrics[METRIC],
                    }
        print(after[-1].metrics[METRIC] - before[-1].metrics[METRIC], cost, file=sys.stderr)
    reports = pooled(before, old.name), pooled(after, "tuned")
    (gain,) = compare(*reports).differences
    both = list(zip(before, after, strict=True))
    values = [report.scores[0].values[METRIC] for report in reports]
    low, high = by_group(values[1] - values[0], [groups[q] for q in reports[0].scores[0].ids])
    return {
        "queries": len(groups),
        "groups": len(set(groups.values())),
        "documents": len(content.documents),
        "before": gain.a,
        "after": gain.b,
        "gain": gain.difference,
        "interval": [gain.low, gain.high],
        "interval_by_group": [low, high],
        "p": gain.p,
        "folds": [new.metrics[METRIC] - old.metrics[METRIC] for old, new in both],
        "elsewhere": {"set": task.apart, **other},
        "costs": costs,
    }


def markdown(found: Mapping[str, Any]) -> str:
    """Times 100, but for the counts."""
    lines = [
        "# What the quality loop gains",
        "",
        "    python benchmarks/quality_loop.py DATA",
        "",
        "nDCG@10 times 100 of held-out queries, five-fold cross-validation: mined and tuned on the"
        " other folds, with the defaults of `rolevec train tune`, which were chosen on ARCD. Folds"
        " are of articles where passages have titles, of queries in Cranfield, where a passage may"
        " answer queries of both sides. Intervals: 95 %, paired bootstrap over queries, and over"
        " articles. Elsewhere: the model of the first fold on a set that it was not tuned on.",
        "",
        "| task | queries | before | after | gain | interval | by article | elsewhere |",
        "|---|--:|--:|--:|--:|--:|--:|--:|",
    ]
    for name, row in found.items():
        spans = [
            f"{100 * low:+.1f} to {100 * high:+.1f}"
            for low, high in (row["interval"], row["interval_by_group"])
        ]
        other = row["elsewhere"]
        if not TASKS[name].by_article:
            spans[1] = "-"
        lines.append(
            f"| {name} | {row['queries']} | {100 * row['before']:.1f} | {100 * row['after']:.1f} |"
            f" {100 * row['gain']:+.1f} | {spans[0]} | {spans[1]} |"
            f" {other['set']}: {100 * (other['after'] - other['before']):+.1f} |"
        )
    if missing := [name for name in TASKS if name not in found]:
        lines += ["", f"Not run: {', '.join(missing)}."]
    return "\n".join([*lines, ""])


TASKS_BY_FOLDER = {task.queries: task for task in TASKS.values() if task.queries == task.passages}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--task", action="append", choices=list(TASKS), help="only this one")
    parser.add_argument("--set", action="append", default=[], help="NAME=JSON, a setting of tuning")
    parser.add_argument("--out", type=Path, default=RESULT)
    given = parser.parse_args()
    settings = {name: json.loads(value) for name, _, value in (s.partition("=") for s in given.set)}
    target = given.out.with_suffix(".json")
    found = json.loads(target.read_text()) if given.task and target.exists() else {}
    for name in given.task or TASKS:
        found[name] = run(given.data, TASKS[name], **settings)
        given.out.with_suffix(".json").write_text(json.dumps(found, indent=1) + "\n")
        given.out.with_suffix(".md").write_text(markdown(found))
        print(name, json.dumps(found[name]))


if __name__ == "__main__":
    main()
