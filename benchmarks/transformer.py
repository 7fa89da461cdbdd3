"""Local transformer models on the CPU, beside sentence-transformers and fastembed.

    python benchmarks/transformer.py DATA [--models MiniLM e5-small e5-base bge-m3]

DATA is a folder in BEIR's format (corpus.jsonl, queries.jsonl), say XQuAD: paragraphs and questions
are mixed, in the same order for all. Writes results/transformer.{json,md,png}.
"""

from __future__ import annotations

import json
import random
import sys
import tempfile
from pathlib import Path

import numpy as np
from harness import ENVIRONMENTS, HERE, Peer, Result, Section, arguments, measure, start, write
from models import flops, model_folder

# Texts of one repetition, so that the slowest peer takes seconds and not minutes.
TEXTS = {"MiniLM": 384, "e5-small": 128, "e5-base": 48, "bge-m3": 16}
DIM = 384  # of MiniLM
QUERIES = 40
# Longer ones would be cut at different places by different peers.
MOST_CHARACTERS = 1000

TORCH = "torch==2.13.0"
ST = ("sentence-transformers==6.2.0", TORCH)
# The newest that its onnx and openvino extras can be installed with.
ST_EXTRAS = ("sentence-transformers[onnx,openvino]==5.7.0", TORCH)
ST_VERSIONS = ("sentence-transformers", "transformers", "torch")
BASELINE = "sentence-transformers"


def peers(model: str) -> list[Peer]:
    theirs = [Peer(BASELINE, "peers/st.py", ST, versions=ST_VERSIONS)]
    versions = ("rolevec", "openvino", "tokenizers")
    ours = [
        Peer("rolevec, precision auto", "peers/ours.py", (), {"precision": "auto"}, {}, versions),
        Peer("rolevec", "peers/ours.py", versions=versions),
    ]
    if model != "MiniLM":
        return theirs + ours
    for name, options, packages, versions in (
        ("bfloat16", {"dtype": "bfloat16"}, ST, ST_VERSIONS),
        ("onnx", {"backend": "onnx"}, ST_EXTRAS, (*ST_VERSIONS, "onnxruntime")),
        ("openvino", {"backend": "openvino"}, ST_EXTRAS, (*ST_VERSIONS, "openvino")),
    ):
        theirs.append(Peer(f"{BASELINE}, {name}", "peers/st.py", packages, options, {}, versions))
    # It does not sort by length, so that larger batches, 256 by default, are mostly padding.
    options = {"dim": DIM, "batch_size": 1}
    fastembed = Peer(
        "fastembed, batches of 1", "peers/fe.py", ("fastembed==0.9.1",), options, {},
        ("fastembed", "onnxruntime"),
    )  # fmt: skip
    plain = Peer(
        "rolevec, ONNX Runtime", "peers/ours.py", (), {"backend": "onnx"}, {},
        ("rolevec", "onnxruntime", "tokenizers"),
    )  # fmt: skip
    return [*theirs, fastembed, *ours, plain]


def read_texts(data: Path) -> list[str]:
    texts = []
    for name in ("corpus.jsonl", "queries.jsonl"):
        with (data / name).open(encoding="utf-8") as lines:
            texts += [json.loads(line)["text"] for line in lines]
    fitting = sorted({text for text in texts if text.strip() and len(text) <= MOST_CHARACTERS})
    if sum(text.endswith("?") for text in fitting) < QUERIES:
        raise SystemExit(f"{data} holds fewer than {QUERIES} questions; take another folder")
    random.Random(0).shuffle(fitting)
    return fitting


def sections(model: str, texts: list[str], repetitions: int, work: Path) -> list[Section]:
    folder = model_folder(model, ENVIRONMENTS / "models")
    chosen = texts[: TEXTS[model]]
    file = work / f"{model}.json"
    file.write_text(json.dumps(chosen), encoding="utf-8")
    with start(peers(model)) as workers:
        by_name = {worker.name: worker for worker in workers}
        chose = {}
        for worker in workers:
            options = dict(worker.peer.options)
            place = str(folder)
            if worker.peer.script == "peers/ours.py":
                backend = options.pop("backend", None)
                place = f"{backend}:{folder}" if backend else place
            chose[worker.name] = worker.ask("load", model=place, texts=str(file), **options).value
        peak = by_name[BASELINE].ask("peak").value
        rates = " and ".join(f"{rate / 1e9:,.0f} in {kind}" for kind, rate in peak.items())
        notes = {"peak": f"A matrix product alone, by torch, reaches {rates} GMAC/s."}
        lengths = by_name["rolevec"].ask("tokens").value
        notes |= {"tokens": sum(lengths), "multiply-adds": flops(folder, lengths)}
        runs = measure(workers, "encode", {}, repetitions=repetitions)
        for name, cosine in cosines(workers, work).items():
            runs[name].extra["lowest cosine"] = cosine
            rate = notes["multiply-adds"] / np.median(runs[name].seconds)
            runs[name].extra["GMAC/s"] = round(float(rate) / 1e9)
            runs[name].options |= chose[name] or {}
        found = [Section(f"{model}, mixed lengths", "texts/s", len(chosen), BASELINE, runs, notes)]
        if model == "MiniLM":
            questions = {"texts": [text for text in texts if text.endswith("?")][:QUERIES]}
            alone = measure(workers, "query", questions, repetitions=repetitions)
            found.append(
                Section(f"{model}, one question at a time", "ms", QUERIES, BASELINE, alone)
            )
    return found


def cosines(workers, work: Path) -> dict[str, float]:
    """The lowest of each peer's vectors to those of the baseline."""
    vectors = {}
    for worker in workers:
        path = work / f"{len(vectors)}.npy"
        worker.ask("save", path=str(path))
        vectors[worker.name] = np.load(path)
    want = vectors[BASELINE]
    return {name: float(np.sum(rows * want, axis=1).min()) for name, rows in vectors.items()}


def main() -> None:
    parser = arguments(__doc__, out=HERE / "results" / "transformer")
    parser.add_argument("data", type=Path)
    parser.add_argument("--models", nargs="+", default=list(TEXTS), choices=list(TEXTS))
    asked = parser.parse_args()
    texts = read_texts(asked.data)
    result = Result("Transformers on the CPU", [], "python benchmarks/transformer.py DATA")
    with tempfile.TemporaryDirectory() as work:
        for model in asked.models:
            print(f"{model} …", file=sys.stderr)
            done = sections(model, texts, asked.repetitions, Path(work))
            for section in done:
                for name in section.runs:
                    middle = float(np.median(section.ratios(name)))
                    print(f"  {section.name}: {name} {middle:.2f}", file=sys.stderr)
            result.sections += done
            # After each, so that whoever stops it keeps what is done.
            write(result, asked.out, show=model == asked.models[-1])


if __name__ == "__main__":
    main()
