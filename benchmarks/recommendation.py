"""How often a recommendation finds what a user read next: hit rate@10 and nDCG@10, leave-one-out.

python benchmarks/recommendation.py DATA      # a folder of BEIR-format data sets

There are no logs of people here; what stands for a user is a set of documents that belong together
by somebody's judgement. *Topics*: the documents judged relevant to one query, at least two of them
(Cranfield). *Articles*: the passages of one article; its title is kept from the encoder. *Articles
across languages*: the passages read are each in another language than the one that is to be found,
and only documents in that language may be recommended.

Each document of a user is held out once, and recommended from the others. A user's value is the
mean over these, so that users count the same.
"""

from __future__ import annotations

import json
import re
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from rolevec import Collection, Document, load_encoder
from rolevec.encoders.progress import counter
from rolevec.evaluation import Report, compare, find_datasets
from rolevec.evaluation.content import Retrieval
from rolevec.evaluation.metrics import retrieval_values
from rolevec.evaluation.report import Score, markdown_table, percent

ENCODER = load_encoder("light", truncation="end")
RESULT = Path(__file__).parent / "results" / "recommendation"
METRICS, K = ("hit@10", "ndcg@10"), 10
LEAST = 2  # documents of a user
RANDOM, POPULAR, ONE, ALL = "random", "popularity", "more like the last", "all liked"
DIVERSE = "all liked, diversity 0.3"
SYSTEMS = (RANDOM, POPULAR, ONE, ALL, DIVERSE)
PAIRS = ((POPULAR, ALL), (RANDOM, ALL), (ONE, ALL), (ALL, DIVERSE))


@dataclass(frozen=True)
class Case:
    """One document held out of one user's."""

    user: str
    liked: tuple[str, ...]
    held_out: str


@dataclass(frozen=True)
class Task:
    """Users of one kind, the documents that may be recommended, and how popular these are."""

    dataset: str
    kind: str
    language: str
    cases: Sequence[Case]
    candidates: Sequence[str]
    popularity: Callable[[Case], Mapping[str, int]]


def texts(content: Retrieval) -> dict[str, str]:
    """Without titles, by which articles could be told."""
    named = {
        name: text.removeprefix(content.titles.get(name, "")).strip()
        for name, text in content.documents.items()
    }
    return {name: text for name, text in named.items() if text}


def hold_out(groups: Mapping[str, Sequence[str]]) -> list[Case]:
    return [
        Case(user, tuple(d for d in group if d != held_out), held_out)
        for user, group in groups.items()
        if len(group) >= LEAST
        for held_out in group
    ]


def topics(name: str, language: str, content: Retrieval) -> Task:
    """A user is a query; a document is as popular as other queries make it."""
    known = texts(content)
    groups = {
        query: [d for d, relevance in judged.items() if relevance > 0 and d in known]
        for query, judged in content.qrels.items()
    }
    counts = Counter(d for group in groups.values() for d in group)

    def popularity(case: Case) -> Mapping[str, int]:
        return counts - Counter([*case.liked, case.held_out])

    return Task(name, "topics", language, hold_out(groups), list(known), popularity)


def articles(name: str, language: str, content: Retrieval) -> Task:
    """A user is an article; a document is as popular as the questions that were asked about it."""
    known = texts(content)
    groups: dict[str, list[str]] = {}
    for document in known:
        groups.setdefault(content.titles.get(document, ""), []).append(document)
    groups.pop("", None)
    counts = Counter(d for judged in content.qrels.values() for d in judged)
    return Task(name, "articles", language, hold_out(groups), list(known), lambda _: counts)


def recommended(task: Task, case: Case, where: Any, collection: Collection) -> Iterator[list[str]]:
    """Ids by each of the systems, in their order."""
    seed = [len(task.candidates), *map(ord, case.user + case.held_out)]
    shuffled = [str(d) for d in np.random.default_rng(seed).permutation(task.candidates)]
    left = [d for d in shuffled if d not in case.liked]
    yield left[:K]
    counts = task.popularity(case)
    yield sorted(left, key=lambda d: -counts.get(d, 0))[:K]
    read = [name_of(d, language) for d, language in zip(case.liked, where["read"], strict=True)]
    seen = [name_of(d, task.language) for d in case.liked]
    options: dict[str, Any] = {"k": K, "where": where["filter"], "exclude": seen}
    yield [bare(hit.id) for hit in collection.more_like(read[-1], **options)]
    yield [bare(hit.id) for hit in collection.recommend(read, **options)]
    yield [bare(hit.id) for hit in collection.recommend(read, diversity=0.3, **options)]


def name_of(document: str, language: str) -> str:
    return f"{language}/{document}"


def bare(name: str) -> str:
    return name.partition("/")[2]


def measure(
    task: Task, collection: Collection, languages: Sequence[str], *, across: bool
) -> dict[str, Score]:
    """One score a system."""
    others = [language for language in languages if language != task.language]
    ranked: dict[str, dict[str, list[str]]] = {name: {} for name in SYSTEMS}
    for number, case in enumerate(task.cases):
        count = len(case.liked)
        read = [others[(number + i) % len(others)] for i in range(count)] if across else None
        where = {"read": read or [task.language] * count, "filter": {"lang": task.language}}
        for name, found in zip(SYSTEMS, recommended(task, case, where, collection), strict=True):
            ranked[name][str(number)] = found
    kind = f"{task.kind} across languages" if across else task.kind
    return {name: _score(task, kind, found) for name, found in ranked.items()}


def _score(task: Task, kind: str, ranked: Mapping[str, list[str]]) -> Score:
    qrels = {str(number): {case.held_out: 1} for number, case in enumerate(task.cases)}
    values = retrieval_values(qrels, ranked, METRICS)
    users: dict[str, list[int]] = {}
    for number, case in enumerate(task.cases):
        users.setdefault(case.user, []).append(number)
    by_metric = {
        metric: np.array([values[metric][rows].mean() for rows in users.values()])
        for metric in METRICS
    }
    means = {metric: float(found.mean()) for metric, found in by_metric.items()}
    counts = {"documents": len(task.candidates), "held out": len(task.cases)}
    return Score(
        task.dataset,
        kind,
        task.language,
        ENCODER.dim,
        len(users),
        means,
        counts,
        tuple(users),
        by_metric,
    )


def run(folder: str) -> dict[str, list[Score]]:
    scores: dict[str, list[Score]] = {name: [] for name in SYSTEMS}
    datasets = [found for found in find_datasets(folder) if found.kind is Retrieval]
    with counter(sum(len(d.parts) for d in datasets), "users of", show=True) as advance:
        for dataset in datasets:
            contents = {language: read() for language, read in dataset.parts.items()}
            with (
                tempfile.TemporaryDirectory() as store,
                Collection.open(
                    "c", ENCODER, store=store, indexed_fields={"lang": "keyword"}
                ) as collection,
            ):
                for language, content in contents.items():
                    named = [(name_of(d, language), text) for d, text in texts(content).items()]
                    collection.add([Document(t, i, {"lang": language}) for i, t in named])
                for language, content in contents.items():
                    titled = sum(map(bool, content.titles.values())) > len(
                        set(content.titles.values())
                    )
                    several = max(map(len, content.qrels.values())) > 1
                    task = (topics if several or not titled else articles)(
                        dataset.name, language, content
                    )
                    for across in (False, True) if len(contents) > 1 else (False,):
                        for name, score in measure(
                            task, collection, list(contents), across=across
                        ).items():
                            scores[name].append(score)
                    advance(1)
    return scores


def summary(scores: Mapping[str, list[Score]]) -> dict[str, Any]:
    reports = {name: Report(name, tuple(found)) for name, found in scores.items()}
    means: dict[tuple[str, str], dict[str, Any]] = {}
    for name, found in reports.items():
        for mean in found.overall():
            row = means.setdefault(
                (mean.dataset, mean.task),
                {"dataset": mean.dataset, "users are": mean.task, "users": mean.count},
            )
            row |= {f"{name}, {m}": round(value, 4) for m, value in mean.metrics.items()}
    sizes = {(s.dataset, s.task): s.counts["documents"] for s in scores[ALL]}
    for key, row in means.items():
        row["documents"] = sizes[key]
    moved = [
        {"from": a, "to": b, **asdict(d)}
        for a, b in PAIRS
        for d in compare(reports[a], reports[b]).differences
    ]
    languages = [
        {"dataset": s.dataset, "users are": s.task, "language": s.language, "users": s.count}
        | {name: round(scores[name][i].metrics["hit@10"], 4) for name in SYSTEMS}
        for i, s in enumerate(scores[ALL])
    ]
    model = ENCODER.fingerprint.describe()
    return {
        "model": model,
        "means": list(means.values()),
        "differences": moved,
        "hit@10 by language": languages,
    }


def markdown(result: Mapping[str, Any]) -> str:
    head = ["data set", "users are", ">users", ">documents"]
    tables = []
    for metric in METRICS:
        rows = [
            [r["dataset"], r["users are"], str(r["users"]), str(r["documents"])]
            + [percent(r[f"{name}, {metric}"]) for name in SYSTEMS]
            for r in result["means"]
        ]
        tables += [
            f"{metric}, times 100:",
            markdown_table([*head, *(f">{s}" for s in SYSTEMS)], rows),
        ]
    moved = [
        [d["dataset"], d["task"], d["metric"], d["from"], d["to"], f"{100 * d['difference']:+.1f}",
         f"{100 * d['low']:+.1f} to {100 * d['high']:+.1f}", f"{d['p']:.4f}"]
        for d in result["differences"]
    ]  # fmt: skip
    columns = [
        "data set",
        "users are",
        "metric",
        "from",
        "to",
        ">difference",
        ">95 % interval",
        ">p",
    ]
    intro = re.sub(r"^.*?\n\n.*?\n\n", "", __doc__ or "", flags=re.S).strip()
    return (
        "\n\n".join(
            [
                "# Recommendation",
                intro,
                f"By {result['model']}. Popularity is the number of other topics that a document is"
                " relevant to, or the number of questions asked about a passage. What was read is"
                " left out of every recommendation, the random one included.",
                *tables,
                "Paired differences (randomisation test, bootstrap interval):",
                markdown_table(columns, moved),
            ]
        )
        + "\n"
    )


def main(folder: str) -> None:
    result = summary(run(folder))
    text = json.dumps(result, indent=1, ensure_ascii=False) + "\n"
    RESULT.with_suffix(".json").write_text(text, encoding="utf-8")
    RESULT.with_suffix(".md").write_text(markdown(result), encoding="utf-8")
    print(markdown(result))


if __name__ == "__main__":
    main(sys.argv[1])
