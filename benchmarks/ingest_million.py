"""A million short multilingual texts into an embedded collection: memory, rate, recall.

    python benchmarks/ingest_million.py FOLDER

FOLDER holds ``parallel-*.tsv.xz`` (see ``ingest_texts.py``). A fresh process loads the texts with
`index_corpus` and the bundled model, quantised to int8, which builds the search index piece by
piece as it goes; this one looks at its memory twice a second. Edge maps its files, and Linux counts
mapped pages that happen to be in memory as resident, twice where they are mapped twice: it can take
them back at any moment, so they are given apart, each counted once (Pss_File), from what the
process has allocated (Pss_Anon). Another process then asks 1,000 questions and compares the top 10
with those of an exact search over the stored vectors.

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
    """Index the file; say on standard output how far it is, and what builds of the index took."""
    from rolevec import index_corpus
    from rolevec.indexing.sources import FileCorpus

    def say(**facts):
        print(json.dumps(facts), flush=True)

    def counted():
        for number, document in enumerate(FileCorpus(path), 1):
            yield document
            if number % 1000 == 0:
                say(stage="load", done=number)

    with opened(work) as collection:
        backend = collection._backend
        build = backend.optimize

        def timed():
            say(stage="build")
            begin = time.perf_counter()
            built = build()
            say(stage="load", build=time.perf_counter() - begin, points=backend.count(None))
            return built

        backend.optimize = timed
        say(stage="load", done=0)
        report = index_corpus(counted(), collection, progress=False, optimize=True)
        facts = {"added": report.added, "unchanged": report.unchanged, "seconds": report.seconds}
        say(stage="end", load=facts)


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
    """MiB allocated, MiB of mapped files that are in memory, and the resident set."""
    try:
        rollup = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii")
    except OSError:  # it has just ended
        return None
    fields = {line.split(":")[0]: line.split()[1] for line in rollup.splitlines()[1:]}
    names = {"anon": "Pss_Anon", "file": "Pss_File", "rss": "Rss"}
    return {key: int(fields[name]) / 1024 for key, name in names.items() if name in fields} or None


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
    done, reached = 0, []
    for sample in samples:
        done = sample["done"] or done
        reached.append(done)
    parts = {
        "the first tenth": [s for s, n in zip(samples, reached, strict=True) if n <= count / 10],
        "the rest": [s for s, n in zip(samples, reached, strict=True) if n > count / 10],
    }
    parts["the rest, no build"] = [s for s in parts["the rest"] if s["stage"] == "load"]
    parts["the rest, builds"] = [s for s in parts["the rest"] if s["stage"] == "build"]
    peaks = {
        name: {k: max(s[k] for s in some) for k in ("anon", "file", "rss")}
        | {"sum": max(s["anon"] + s["file"] for s in some)}
        for name, some in parts.items()
        if some
    }
    builds = [{k: line[k] for k in ("points", "build")} for line in lines if "build" in line]
    load = next(line["load"] for line in lines if "load" in line)
    return {"peaks_mib": peaks, "builds": builds, "load": load}


def plot(samples, path):
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot

    figure, (top, bottom) = pyplot.subplots(2, 1, sharex=True, figsize=(8, 5), layout="constrained")
    minutes = [s["second"] / 60 for s in samples]
    anon = [s["anon"] for s in samples]
    both = [s["anon"] + s["file"] for s in samples]
    top.fill_between(minutes, anon, color="#2a6f97", label="allocated")
    top.fill_between(minutes, anon, both, color="#b8d0e0", label="mapped files, in memory")
    top.axhline(1500, color="black", linewidth=0.6, linestyle="--")
    top.set_ylabel("MiB")
    top.legend(fontsize=8, loc="upper left")
    load = [s for s in samples if s["done"] is not None]
    step = max(1, len(load) // 100)
    pairs = list(zip(load[::step], load[step::step], strict=False))
    rates = [(b["done"] - a["done"]) / (b["second"] - a["second"]) for a, b in pairs]
    bottom.plot([b["second"] / 60 for _, b in pairs], rates, color="#2a6f97")
    bottom.set_ylim(bottom=0)
    bottom.set_ylabel("texts per second")
    bottom.set_xlabel("minutes; a piece of the index is built where the rate falls to zero")
    figure.savefig(path, dpi=130)


def report(result):
    load, builds = result["load"], sum(build["build"] for build in result["builds"])
    low, high = result["query_ms"]
    lines = [
        f"# {result['texts']:,} texts into an embedded collection", "",
        "    python benchmarks/ingest_million.py FOLDER", "", describe(result["machine"]), "",
        f"{load['added'] / load['seconds']:,.0f} texts per second on average over"
        f" {load['seconds']:,.0f} s, {builds:,.0f} s of them for the search index in"
        f" {len(result['builds'])} pieces ({load['added'] / (load['seconds'] - builds):,.0f} texts"
        " per second without).",
        f"Recall@{K} against an exact search, {result['queries']:,} queries:"
        f" {result['recall']:.4f}; a search takes {low:.1f} ms (median), {high:.1f} ms (95 %).", "",
        f"The control group may take {result['limit_mib']:,} MiB in all, mapped files included."
        if result["limit_mib"] else "Nothing limits the memory.", "",
        "| peak MiB | allocated | mapped files | most of both at once | RSS |",
        "|---|--:|--:|--:|--:|",
        *(f"| {name} | {p['anon']:,.0f} | {p['file']:,.0f} | {p['sum']:,.0f} | {p['rss']:,.0f} |"
          for name, p in result["peaks_mib"].items()), "",
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
