"""Documents per second and memory of bulk loading, beside langchain-qdrant and LlamaIndex.

    python benchmarks/ingest_peers.py FOLDER

FOLDER holds ``parallel-*.tsv.xz`` (see ``ingest_texts.py``). 20,000 documents go into an embedded
Qdrant, each time into an empty collection: with `index_corpus` into Edge, with `add_texts` of
langchain-qdrant and with LlamaIndex's `IngestionPipeline` and its Qdrant store into qdrant-client's
local mode, the only embedded Qdrant that those two know, on disk and in memory. All use the weights
of all-MiniLM-L6-v2; theirs run in sentence-transformers, as their own integrations do it. Their
batch sizes are tuned first: each peer loads 1,000 documents with each pair of sizes in `BATCHES`,
and goes on with the fastest. Every peer has a process of its own, and they take turns.
"""

import sys
from pathlib import Path

import harness
from harness import HERE, Peer, Result, Section, measure, start
from ingest_texts import WORK, corpus
from models import model_folder

# Documents given to the store at once, texts encoded at once.
BATCHES = ((64, 32), (256, 64), (1024, 64))
TUNED_ON = 1000
THEIRS = {
    "langchain-qdrant": (
        "peers/ingest_langchain.py",
        ("langchain-qdrant", "qdrant-client", "sentence-transformers", "torch"),
    ),
    "LlamaIndex": (
        "peers/ingest_llama_index.py",
        (
            "llama-index-core",
            "llama-index-vector-stores-qdrant",
            "qdrant-client",
            "sentence-transformers",
            "torch",
        ),
    ),
}


def tuned(model, few):
    """The fastest batch sizes of each of the others, in memory, where encoding counts most."""
    best = {}
    for name, (script, _) in THEIRS.items():
        tried = []
        with start([Peer(name, script)]) as [worker]:
            for store, encode in BATCHES:
                options = {"place": ":memory:", "batch_size": store, "encode_batch": encode}
                worker.ask("load", model=model, documents=few, **options)
                tried.append((worker.ask("ingest").seconds, store, encode))
        best[name] = min(tried)[1:]
    return best


def peers(best):
    found = []
    for name, (script, versions) in THEIRS.items():
        for words, place in (("on disk", "path"), ("in memory", ":memory:")):
            options = {"place": place, "batch_size": best[name][0], "encode_batch": best[name][1]}
            found.append(Peer(f"{name}, {words}", script, options=options, versions=versions))
    for precision in ("float32", "auto"):
        options = {"precision": precision}
        name = "rolevec" if precision == "float32" else "rolevec, precision=auto"
        versions = ("openvino", "onnxruntime", "qdrant-edge-py")
        found.append(Peer(name, "peers/ingest_ours.py", options=options, versions=versions))
    return found


def main():
    parser = harness.arguments(__doc__, repetitions=2)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--documents", type=int, default=20_000)
    parser.add_argument("--work", type=Path, default=WORK)
    options = parser.parse_args()
    documents, _ = corpus(options.folder, options.work, options.documents)
    few, _ = corpus(options.folder, options.work, TUNED_ON)
    model = str(model_folder("MiniLM", options.work))
    best = tuned(model, str(few))
    with start(peers(best)) as workers:
        for worker in workers:
            worker.ask("load", model=model, documents=str(documents), **worker.peer.options)
        runs = measure(workers, "ingest", {}, repetitions=options.repetitions, warm=0)
    notes = {
        "batches": "; ".join(
            f"{name}: {store} documents to the store and {encode} texts to the encoder at once"
            for name, (store, encode) in best.items()
        )
        + f", the fastest of {len(BATCHES)} pairs.",
        "memory": "Peak memory is that of the process, the encoder and the documents included.",
    }
    name = "short texts into an empty embedded collection"
    section = Section(
        name, "documents/s", options.documents, "langchain-qdrant, in memory", runs, notes
    )
    command = "python benchmarks/ingest_peers.py FOLDER"
    out = options.out or HERE / "results" / "ingest_peers"
    harness.write(Result("Bulk loading with all-MiniLM-L6-v2", [section], command), out)


if __name__ == "__main__":
    sys.exit(main())
