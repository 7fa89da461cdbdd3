"""A million short multilingual texts into an embedded collection: memory, rate, recall.

    python benchmarks/ingest_million.py FOLDER

FOLDER holds ``parallel-*.tsv.xz`` (see ``ingest_texts.py``). A fresh process loads the texts with
`index_corpus` and the bundled model, quantised to int8, then builds the search index with
`Collection.optimize`; this one looks at its memory twice a second. Edge maps its files, and Linux
counts mapped pages that happen to be in memory as resident: it can take them back at any moment, so
they are given apart (RssFile) from what the process has allocated (RssAnon). Another process then
asks 1,000 questions and compares the top 10 with those of an exact search over the stored vectors.

So the question is what it needs, not what it takes where there is plenty: run it in a control group
whose limit counts mapped files too, which the report then names:

    systemd-run --scope -p MemoryMax=1500M python benchmarks/ingest_million.py FOLDER

Stopped, it goes on where it was when it is called again; ``--work`` is where it keeps its files.
"""

import json
import shutil
import subprocess
import sys
import threading
import time
from itertools import islice
from pathlib import Path

import numpy as np
from harness import HERE, describe, machine
from ingest_texts import arguments, corpus, read

K = 10
TIE = 1e-6
EVERY = 0.5
# Points read and compared with all queries at a time.
PAGE = 4096


# --- the measured processes ---------------------------------------------------------------------


def opened(work):
    from rolevec import Collection, load_encoder

    # The graph over int8 is built three times as fast as over float32, and hits are rescored.
    encoder = load_encoder("light", truncation="end")
    return Collection.open("texts", encoder, store=work / "store", quantization="int8")


def load(work, path):
    """Index the file and optimize; say on standard output how far it is."""
    from rolevec import index_corpus
    from rolevec.indexing.sources import FileCorpus

    def counted():
        for number, document in enumerate(FileCorpus(path), 1):
            yield document
            if number % 1000 == 0:
                print(json.dumps({"stage": "load", "done": number}), flush=True)

    with opened(work) as collection:
        print(json.dumps({"stage": "load", "done": 0}), flush=True)
        report = index_corpus(counted(), collection, progress=False)
        facts = {"added": report.added, "unchanged": report.unchanged, "seconds": report.seconds}
        print(json.dumps({"stage": "optimize", "load": facts}), flush=True)
        begin = time.perf_counter()
        collection.optimize()
        seconds = time.perf_counter() - begin
        print(json.dumps({"stage": "end", "optimize_seconds": seconds}), flush=True)


def recall(work, path):
    """Share of the exact top 10 that a search finds, and the time it takes."""
    texts = [record["text"] for record in read(path)]
    with opened(work) as collection:
        scores, times = [], []
        for text in texts:
            begin = time.perf_counter()
            hits = collection.search(text, k=K)
            times.append(time.perf_counter() - begin)
            scores.append([hit.score for hit in hits])
        tenth = nearest(collection, collection.encoder.encode_queries(texts))[:, -1:]
    # Of texts with equal vectors any may be among the first ten.
    shares = np.array(scores) >= tenth - TIE
    milliseconds = [1000 * float(q) for q in np.quantile(times, [0.5, 0.95])]
    print(json.dumps({"recall": float(np.mean(shares)), "query_ms": milliseconds}), flush=True)


def nearest(collection, queries):
    """Scores of the exact top 10 of each query, page by page over everything that is stored."""
    best = np.full((len(queries), K), -2.0, np.float32)
    points = collection.scroll_points(with_vectors=True)
    while page := list(islice(points, PAGE)):
        both = np.hstack([best, queries @ np.stack([point.vector for point in page]).T])
        best = np.partition(both, -K, axis=1)[:, -K:]
    return -np.sort(-best, axis=1)


# --- the parent ---------------------------------------------------------------------------------


def watched(arguments):
    """Run this script as a child; its lines, and samples of its memory every half second."""
    begin, lines, samples = time.perf_counter(), [], []
    command = [sys.executable, __file__, *map(str, arguments)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        reader = threading.Thread(target=lambda: lines.extend(map(json.loads, process.stdout)))
        reader.start()
        while process.poll() is None:
            done = lines[-1] if lines else {}
            memory = resident(process.pid)
            if memory and done:
                where = {"stage": done["stage"], "done": done.get("done")}
                samples.append({"second": time.perf_counter() - begin, **where, **memory})
            time.sleep(EVERY)
        reader.join()
    if process.returncode:
        raise SystemExit(f"the measured process ended with {process.returncode}")
    return lines, samples


def resident(pid):
    """MiB allocated, and MiB of mapped files that are in memory."""
    try:
        status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    except OSError:
        return None
    fields = dict(line.split(":", 1) for line in status.splitlines() if ":" in line)
    if "RssAnon" not in fields:  # it has just ended
        return None
    return {k: int(fields[f"Rss{k.title()}"].split()[0]) / 1024 for k in ("anon", "file")}


def limit():
    """MiB that this process's control group may take, mapped files included; None if unlimited."""
    for line in Path("/proc/self/cgroup").read_text(encoding="ascii").splitlines():
        _, kinds, group = line.split(":", 2)
        root = Path("/sys/fs/cgroup") / ("memory" if "memory" in kinds.split(",") else "")
        name = "memory.limit_in_bytes" if root.name == "memory" else "memory.max"
        file = root / group.lstrip("/") / name
        if file.is_file() and (text := file.read_text(encoding="ascii").strip()) != "max":
            mebibytes = int(text) >> 20
            return mebibytes if mebibytes < 1 << 40 else None
    return None


def summary(lines, samples, count):
    """The figures of a run."""
    stages = {}
    for name in ("load", "optimize"):
        if not (of := [s for s in samples if s["stage"] == name]):
            continue  # shorter than the pause between two samples
        stages[name] = {k: max(s[k] for s in of) for k in ("anon", "file")} | {
            "sum": max(s["anon"] + s["file"] for s in of)
        }
    load = [s for s in samples if s["stage"] == "load"]
    early = [s for s in load if s["done"] and s["done"] <= count / 10]
    late = [s for s in load if s["done"] and s["done"] > count / 10]
    growth = {
        k: max(s[k] for s in late) - max(s[k] for s in early) for k in ("anon", "file")
    } if early and late else None  # fmt: skip
    facts = {key: value for line in lines for key, value in line.items()}
    return {"peaks_mib": stages, "growth_after_a_tenth_mib": growth} | {
        "load": facts["load"], "optimize_seconds": facts["optimize_seconds"]
    }  # fmt: skip


def plot(samples, path):
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot

    figure, (top, bottom) = pyplot.subplots(2, 1, sharex=True, figsize=(8, 5), layout="constrained")
    minutes = [s["second"] / 60 for s in samples]
    anon = [s["anon"] for s in samples]
    both = [s["anon"] + s["file"] for s in samples]
    top.fill_between(minutes, anon, color="#2a6f97", label="allocated (RssAnon)")
    top.fill_between(minutes, anon, both, color="#b8d0e0", label="mapped files (RssFile)")
    top.axhline(1500, color="black", linewidth=0.6, linestyle="--")
    top.set_ylabel("MiB")
    top.legend(fontsize=8, loc="upper left")
    load = [s for s in samples if s["stage"] == "load" and s["done"] is not None]
    step = max(1, len(load) // 100)
    pairs = list(zip(load[::step], load[step::step], strict=False))
    rates = [(b["done"] - a["done"]) / (b["second"] - a["second"]) for a, b in pairs]
    bottom.plot([b["second"] / 60 for _, b in pairs], rates, color="#2a6f97")
    bottom.set_ylim(bottom=0)
    bottom.set_ylabel("texts per second")
    bottom.set_xlabel("minutes; the index is built where the rate ends")
    figure.savefig(path, dpi=130)


def report(result):
    peaks, load = result["peaks_mib"], result["load"]
    rate = result["texts"] / load["seconds"]
    low, high = result["query_ms"]
    growth = result["growth_after_a_tenth_mib"]
    lines = [
        f"# {result['texts']:,} texts into an embedded collection", "",
        "    python benchmarks/ingest_million.py FOLDER", "", describe(result["machine"]), "",
        f"{rate:,.0f} texts per second on average over {load['seconds']:,.0f} s; building the index"
        f" took {result['optimize_seconds']:,.0f} s.",
        f"Recall@{K} against an exact search, {result['queries']:,} queries:"
        f" {result['recall']:.4f}; a search takes {low:.1f} ms (median), {high:.1f} ms (95 %).", "",
        f"The control group may take {result['limit_mib']:,} MiB in all, mapped files included."
        if result["limit_mib"] else "Nothing limits the memory.", "",
        "| peak MiB | allocated (RssAnon) | mapped files (RssFile) | most of both at once |",
        "|---|--:|--:|--:|",
        *(f"| {name} | {p['anon']:,.0f} | {p['file']:,.0f} | {p['sum']:,.0f} |"
          for name, p in peaks.items()), "",
    ]  # fmt: skip
    if growth:
        lines += [
            f"After the first tenth of the texts the peak of allocated memory grew by"
            f" {growth['anon']:,.0f} MiB, that of mapped files by {growth['file']:,.0f} MiB.", ""
        ]  # fmt: skip
    if load["unchanged"]:
        lines += [f"It was resumed: {load['unchanged']:,} texts were there already.", ""]
    return "\n".join(lines)


def main():
    parser = arguments(__doc__, HERE / "results" / "ingest_million")
    parser.add_argument("--texts", type=int, default=1_000_000)
    parser.add_argument("--queries", type=int, default=1000)
    parser.add_argument("--keep", action="store_true", help="keep the store when it is done")
    options = parser.parse_args()
    documents, queries = corpus(options.folder, options.work, options.texts, options.queries)
    store = options.work / f"million-{options.texts}"
    lines, samples = watched(["--child", "load", store, documents])
    command = [sys.executable, __file__, "--child", "recall", str(store), str(queries)]
    found = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    result = {"texts": options.texts, "queries": options.queries, "machine": machine()}
    result["limit_mib"] = limit()
    result |= summary(lines, samples, options.texts) | json.loads(found.stdout)
    result["samples"] = [
        {k: round(v, 1) if isinstance(v, float) else v for k, v in s.items()}
        for s in samples[:: max(1, len(samples) // 400)]
    ]
    text = json.dumps(result, indent=1) + "\n"
    options.out.with_suffix(".json").write_text(text, encoding="utf-8")
    options.out.with_suffix(".md").write_text(report(result), encoding="utf-8")
    plot(samples, options.out.with_suffix(".png"))
    print(report(result))
    if not options.keep:
        shutil.rmtree(store)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--child"]:
        {"load": load, "recall": recall}[sys.argv[2]](*map(Path, sys.argv[3:]))
    else:
        main()
