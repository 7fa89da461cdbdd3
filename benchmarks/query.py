"""Milliseconds of one short query, encoded and searched, at 100,000 documents.

    python benchmarks/query.py DATA/tatoeba112/tatoeba.*

The lines of the files are the documents (made more by numbering them, if there are too few) and
some of them the queries. langchain-qdrant searches Qdrant's local mode with the same vectors, and
gets its query vectors from the same encoder. "encode" and "engine" are what the others consist of;
the column "over the plain API" is what a framework and its adapter add, the median of the
differences of medians round by round. What LlamaIndex's retriever adds where its store asks the
plain API and hands out nodes that are ready is measured too: what ours takes beyond that is the
adapter's share. Results are compared with those of
langchain-qdrant, which searches exactly.
"""

import json
import random
import statistics
import sys
import tempfile
from pathlib import Path

import numpy as np
from harness import HERE, Peer, Result, Run, Section, arguments, start, write

from rolevec import Role, load_encoder
from rolevec.qdrant import Collection

THEIRS = "langchain-qdrant, local mode"
PLAIN, FRAMEWORK = "rolevec, plain API", "LlamaIndex round the plain API"
DOORS = {
    "rolevec, encode alone": "encode",
    "rolevec, engine alone": "engine",
    PLAIN: "plain",
    "rolevec, LangChain retriever": "langchain",
    "rolevec, LlamaIndex retriever": "llama_index",
    FRAMEWORK: "llama_index_round",
}


def read(paths, count, queries):
    lines = [
        line.strip() for path in paths for line in path.read_text(encoding="utf-8").splitlines()
    ]
    lines = sorted({line for line in lines if line})
    random.Random(0).shuffle(lines)
    asked, lines = lines[:queries], lines[queries:]
    documents = [
        f"{lines[n % len(lines)]} {n}" if n >= len(lines) else lines[n] for n in range(count)
    ]
    return documents, asked


def fill(store, encoder, documents, vectors):
    with Collection.open("bench", encoder, store=store) as collection:
        for start in range(0, len(documents), 10_000):
            part = slice(start, start + 10_000)
            collection.add_vectors(documents[part], vectors[part])
        collection.optimize()


def agreement(ours, theirs):
    """Share of their results that ours has."""
    return statistics.mean(
        len(set(a) & set(b)) / len(set(b)) for a, b in zip(ours, theirs, strict=True)
    )


def main():
    parser = arguments(__doc__, out=HERE / "results" / "query")
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("--documents", type=int, default=100_000)
    parser.add_argument("--queries", type=int, default=40)
    parser.add_argument("--k", type=int, default=10)
    options = parser.parse_args()
    documents, queries = read(options.files, options.documents, options.queries)
    with tempfile.TemporaryDirectory() as temporary:
        place = Path(temporary)
        (place / "documents.json").write_text(json.dumps(documents), encoding="utf-8")
        (place / "queries.json").write_text(json.dumps(queries), encoding="utf-8")
        with load_encoder("light") as encoder:
            vectors = encoder.encode(documents, Role.DOCUMENT)
            np.save(place / "vectors.npy", vectors)
            fill(place / "store", encoder, documents, vectors)
        given = {
            "documents": str(place / "documents.json"), "queries": str(place / "queries.json"),
            "vectors": str(place / "vectors.npy"), "k": options.k,
        }  # fmt: skip
        versions = ("qdrant-client", "qdrant-edge-py", "langchain-core", "llama-index-core")
        theirs = Peer(
            THEIRS, "peers/query_langchain_qdrant.py",
            versions=("langchain-qdrant", "qdrant-client", "langchain-core"),
        )  # fmt: skip
        ours = [Peer(name, "peers/query_ours.py", versions=versions) for name in DOORS]
        with start([theirs, *ours]) as workers:
            workers[0].ask("load", **given)
            for worker in workers[1:]:
                worker.ask(
                    "load", door=DOORS[worker.name], store=str(place / "store"),
                    queries=given["queries"], k=options.k,
                )  # fmt: skip
            runs = rounds(workers, options.repetitions)
            exact = workers[0].ask("found").value
            for worker in workers[3:-1]:
                share = agreement(worker.ask("found").value, exact)
                runs[worker.name].extra["of the exact results"] = share
    for name in list(DOORS)[3:-1]:
        added = more(runs[name], runs[PLAIN])
        runs[name].extra["over the plain API"] = f"{statistics.median(added):.2f} ms"
        if "LlamaIndex" in name:
            own = statistics.median(more(runs[name], runs[FRAMEWORK]))
            runs[name].extra["of that the adapter's"] = f"{own:.2f} ms"
    note = {"documents": len(documents), "queries": len(queries), "k": options.k}
    title = f"one query at {len(documents):,} documents, {vectors.shape[1]} dimensions"
    section = Section(title, "ms", 1, THEIRS, runs, note)
    command = f"python benchmarks/query.py FILES --repetitions {options.repetitions}"
    write(Result("Query path", [section], command), options.out)


def more(one, other):
    """Milliseconds that one takes more than the other, round by round."""
    return [1000 * (a - b) for a, b in zip(one.seconds, other.seconds, strict=True)]


def rounds(workers, repetitions):
    """Workers in turn; a round's time of one is the median of its queries."""
    runs = {w.name: Run(options=dict(w.peer.options), versions=dict(w.versions)) for w in workers}
    for repetition in range(-1, repetitions):
        for worker in workers:
            answer = worker.ask("ask")
            run = runs[worker.name]
            run.peak_mib = answer.peak_mib
            if repetition >= 0:
                run.seconds.append(statistics.median(answer.value) / 1000)
                run.busy.append(answer.busy)
    return runs


if __name__ == "__main__":
    sys.exit(main())
