"""What keywords add to vectors: nDCG@10 of dense, sparse and hybrid search, and of bm25s.

python benchmarks/hybrid.py DATA [500]      # a folder of BEIR-format data sets; queries of each

Every row but those of bm25s is a search of a collection in Qdrant Edge, with the bundled model. A
data set in several languages whose ids are aligned is also searched across: queries in each
language, passages in English.
"""

from __future__ import annotations

import json
import re
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import bm25s
import numpy as np

from rolevec import Collection, Document, load_encoder
from rolevec.encoders.progress import counter
from rolevec.evaluation import Report, compare, find_datasets
from rolevec.evaluation.content import Retrieval
from rolevec.evaluation.metrics import retrieval_values
from rolevec.evaluation.report import Score, markdown_table, percent
from rolevec.qdrant import Bm25, Fusion
from rolevec.ranking.terms import terms

ENCODER = load_encoder("light", truncation="end")
RESULT = Path(__file__).parent / "results" / "hybrid"
METRIC, K = "ndcg@10", 10
# Ways to search: dense, by keywords, and fused with several settings.
DENSE, SPARSE, HYBRID = "dense", "sparse", "hybrid"
FUSIONS: dict[str, bool | Fusion] = {
    DENSE: False,
    SPARSE: Fusion(dense=0),
    HYBRID: True,
    "hybrid, dense 0.25": Fusion(dense=0.25),
}
STEMMED = {"sparse, stems": SPARSE, "hybrid, stems": HYBRID}
PEERS = ("bm25s, our terms", "bm25s, its words")
PAIRS = (
    (DENSE, HYBRID),
    (DENSE, SPARSE),
    (SPARSE, HYBRID),
    ("bm25s, our terms", SPARSE),
    ("bm25s, its words", SPARSE),
    (HYBRID, "hybrid, dense 0.25"),
    (SPARSE, "sparse, stems"),
)
# Codes in the data sets' names -> Snowball's names; the other languages have no stemmer.
STEMMERS = {
    **{"ar": "arabic", "de": "german", "el": "greek", "en": "english", "es": "spanish"},
    **{"hi": "hindi", "ro": "romanian", "ru": "russian", "tr": "turkish"},
    **{"ara": "arabic", "tur": "turkish", "cranfield": "english"},
}
CROSS = "retrieval, cross-lingual"

Ranked = dict[str, list[str]]


@dataclass
class Systems:
    """Values of each way to search, by data set, task and language."""

    scores: dict[str, list[Score]]

    def add(
        self, name: str, place: tuple[str, str, str], content: Retrieval, ranked: Ranked
    ) -> None:
        qrels = {q: found for q, found in content.qrels.items() if q in content.queries}
        values = retrieval_values(qrels, ranked, (METRIC,))
        means = {METRIC: float(values[METRIC].mean())}
        score = Score(*place, ENCODER.dim, len(qrels), means, {}, tuple(qrels), values)
        self.scores.setdefault(name, []).append(score)


def first(content: Retrieval, most: int) -> Retrieval:
    """With the first of the judged queries only, in the order of the file."""
    judged = [q for q in content.queries if content.qrels.get(q)][:most]
    queries = {q: content.queries[q] for q in judged}
    return replace(content, queries=queries, qrels={q: content.qrels[q] for q in judged})


def whole(texts: Mapping[str, str]) -> dict[str, str]:
    return {name: text for name, text in texts.items() if text.strip()}


def search(collection: Collection, queries: Mapping[str, str], hybrid: bool | Fusion) -> Ranked:
    found = collection.search_many(list(queries.values()), k=K, hybrid=hybrid)
    return {q: [hit.id for hit in hits] for q, hits in zip(queries, found, strict=True)}


def fill(content: Retrieval, folder: str, bm25: Bm25) -> Collection:
    collection = Collection.open("c", ENCODER, store=folder, hybrid=bm25)
    collection.add([Document(text, name) for name, text in whole(content.documents).items()])
    return collection


def peer(content: Retrieval, cut: Callable[[str], Sequence[str]]) -> Ranked:
    documents, queries = whole(content.documents), whole(content.queries)
    names = np.array(list(documents))
    engine = bm25s.BM25(method="lucene", k1=1.2, b=0.75)
    engine.index([list(cut(text)) for text in documents.values()], show_progress=False)
    ranked = {}
    for query, text in queries.items():
        # Each term once, as in our queries; those of no document have no column.
        words = [t for t in dict.fromkeys(cut(text)) if t in engine.vocab_dict]
        if words:
            scores = engine.get_scores(words)
            order = np.lexsort((names, -scores))[:K]
            ranked[query] = [str(names[i]) for i in order if scores[i] > 0]
    return ranked


def its_words(text: str) -> list[str]:
    """bm25s' own pattern and case folding; its stop words are English, so none are dropped."""
    return re.findall(r"(?u)\b\w\w+\b", text.lower())


def measure(folder: str, most: int) -> Systems:
    systems = Systems({})
    datasets = [found for found in find_datasets(folder) if found.kind is Retrieval]
    with counter(sum(len(d.parts) for d in datasets), "data sets", show=True) as advance:
        for dataset in datasets:
            for language, read in dataset.parts.items():
                content = first(read(), most)
                code = language or re.sub(r".*native-(\w+?)_.*", r"\1", dataset.name)
                place = (dataset.name, Retrieval.task, language)
                with (
                    tempfile.TemporaryDirectory() as store,
                    fill(content, store, Bm25()) as collection,
                ):
                    for name, fusion in FUSIONS.items():
                        ranked = search(collection, whole(content.queries), fusion)
                        systems.add(name, place, content, ranked)
                    if language == "en":
                        across(systems, dataset, collection, most)
                stemmed(systems, place, content, STEMMERS.get(code))
                for name, cut in zip(PEERS, (terms, its_words), strict=True):
                    systems.add(name, place, content, peer(content, cut))
                advance(1)
    return systems


def stemmed(
    systems: Systems,
    place: tuple[str, str, str],
    content: Retrieval,
    stems: str | None,
) -> None:
    """With the stemmer of the language; where there is none, what there is without."""
    if stems is None:
        for name, plain in STEMMED.items():
            systems.scores.setdefault(name, []).append(systems.scores[plain][-1])
        return
    with (
        tempfile.TemporaryDirectory() as store,
        fill(content, store, Bm25(stems)) as collection,
    ):
        for name, plain in STEMMED.items():
            ranked = search(collection, whole(content.queries), FUSIONS[plain])
            systems.add(name, place, content, ranked)


def across(systems: Systems, dataset: Any, english: Collection, most: int) -> None:
    for language, read in dataset.parts.items():
        if language == "en":
            continue
        content = first(read(), most)
        for name, fusion in FUSIONS.items():
            ranked = search(english, whole(content.queries), fusion)
            systems.add(name, (dataset.name, CROSS, language), content, ranked)


def report(systems: Systems, name: str, task: str = "") -> Report:
    scores = systems.scores[name]
    return Report(name, tuple(s for s in scores if not task or s.task == task))


def differences(systems: Systems) -> list[dict[str, Any]]:
    found = []
    for a, b in PAIRS:
        across_too = {a, b} <= FUSIONS.keys()
        task = "" if across_too else Retrieval.task
        one, other = report(systems, a, task), report(systems, b, task)
        found += [{"from": a, "to": b, **asdict(d)} for d in compare(one, other).differences]
    return found


def markdown(result: Mapping[str, Any]) -> str:
    means, columns = result["means"], [*FUSIONS, *STEMMED, *PEERS]
    rows = [
        [row["dataset"], row["task"], str(row["queries"])]
        + [percent(row.get(name)) for name in columns]
        for row in means
    ]
    moved = [
        [d["dataset"], d["task"], d["from"], d["to"], f"{100 * d['difference']:+.1f}",
         f"{100 * d['low']:+.1f} to {100 * d['high']:+.1f}", f"{d['p']:.4f}"]
        for d in result["differences"]
    ]  # fmt: skip
    languages = [
        [row["dataset"], row["task"], row["language"]] + [percent(row.get(n)) for n in columns]
        for row in result["languages"]
        if row["language"]
    ]
    head = ["data set", "task"]
    return (
        "\n\n".join(
            [
                "# Hybrid search",
                f"nDCG@10 times 100 of {result['model']} on Qdrant Edge, of at most"
                f" {result['most queries a language']} queries a language; the mean over languages"
                " where there are several. But for Cranfield, questions were written by people who"
                " had the passage in front of them: that favours shared words. The length of the"
                " prefix in the terms (5 letters) was looked at on these same sets.",
                markdown_table([*head, ">queries", *(f">{c}" for c in columns)], rows),
                "Paired differences (randomisation test, bootstrap interval):",
                markdown_table([*head, "from", "to", ">difference", ">95 % interval", ">p"], moved),
                "By language:",
                markdown_table([*head, "language", *(f">{c}" for c in columns)], languages),
            ]
        )
        + "\n"
    )


def summary(systems: Systems) -> dict[str, Any]:
    means: dict[tuple[str, str], dict[str, Any]] = {}
    languages: dict[tuple[str, str, str], dict[str, Any]] = {}
    for name in systems.scores:
        for mean in report(systems, name).overall():
            row = means.setdefault(
                (mean.dataset, mean.task),
                {"dataset": mean.dataset, "task": mean.task, "queries": mean.count},
            )
            row[name] = round(mean.metrics[METRIC], 4)
        for score in systems.scores[name]:
            key = (score.dataset, score.task, score.language)
            row = languages.setdefault(
                key, dict(zip(("dataset", "task", "language"), key, strict=True))
            )
            row[name] = round(score.metrics[METRIC], 4)
    return {
        "model": ENCODER.fingerprint.describe(),
        "metric": METRIC,
        "means": list(means.values()),
        "languages": list(languages.values()),
        "differences": differences(systems),
    }


def main(folder: str, most: str = "500") -> None:
    result = {"most queries a language": int(most), **summary(measure(folder, int(most)))}
    text = json.dumps(result, indent=1, ensure_ascii=False) + "\n"
    RESULT.with_suffix(".json").write_text(text, encoding="utf-8")
    RESULT.with_suffix(".md").write_text(markdown(result), encoding="utf-8")
    print(markdown(result))


if __name__ == "__main__":
    main(*sys.argv[1:])
