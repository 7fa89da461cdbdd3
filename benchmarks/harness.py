"""Measure several implementations of one task side by side, each in its own process.

A *peer* is a worker script, the packages it needs and the options it gets. Its packages go into a
virtual environment of its own, made once and kept; our own peers run in this interpreter. The
workers stay alive and take turns (A B C A B C …), so that a slow minute of the machine falls on all
of them, and what is reported is the ratio within each round: its median and its quartiles.

A worker script names its actions and serves them; only the standard library is imported here, so
that it runs in any environment (the folder of this file is on its path):

    from harness import serve

    def load(folder): ...                  # keyword arguments are those of `Worker.ask`
    def encode(count): ...                 # returns what JSON can hold, or None
    serve(load=load, encode=encode)

The parent asks and compares:

    peers = [Peer("theirs", "peers/theirs.py", packages=("theirs==1.2",)),
             Peer("rolevec", "peers/ours.py")]
    with start(peers) as workers:
        for worker in workers:
            worker.ask("load", folder="…")                       # -> Answer(value, seconds, …)
        runs = measure(workers, "encode", {"count": 9}, repetitions=7)
    section = Section("what was done", unit="texts/s", amount=9, baseline="theirs", runs=runs)
    write(Result("title", [section]), HERE / "results" / "name")  # .json, .md and .png

Public: `serve`, `Peer`, `Worker`, `Answer`, `start`, `measure`, `Run`, `Section`, `Result`,
`machine`, `table`, `plot`, `write`. A `Run` holds seconds and processor seconds of each repetition,
the peak memory of its process and whatever ``extra`` numbers the caller adds to it, which become
columns of the table.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
ENVIRONMENTS = Path(tempfile.gettempdir()) / "rolevec-benchmarks"
REPETITIONS = 7
# Thread pools of some runtimes spin for a while when they are done; the next one should not pay.
PAUSE = 0.3
# What decides which arithmetic a processor has.
FLAGS = ("avx2", "avx512f", "avx_vnni", "avx512_vnni", "avx512_bf16", "avx512_fp16", "amx_bf16")
FLAGS += ("amx_int8", "asimddp", "bf16", "i8mm", "sve")


# --- in the worker ------------------------------------------------------------------------------


def serve(**actions: Callable[..., Any]) -> None:
    """Answer the parent's requests, one line of JSON each, until it closes the pipe.

    Time is taken round the action alone. What an action prints goes to standard error.
    """
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    for line in sys.stdin:
        request = json.loads(line)
        try:
            answer = _perform(actions[request["action"]], request["arguments"])
        except Exception as error:  # the parent decides what a failure means
            answer = {"error": f"{type(error).__name__}: {error}"}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


def _perform(action: Callable[..., Any], arguments: Mapping[str, Any]) -> dict[str, Any]:
    busy, begin = time.process_time(), time.perf_counter()
    value = action(**arguments)
    seconds, busy = time.perf_counter() - begin, time.process_time() - busy
    return {"value": value, "seconds": seconds, "busy": busy, "peak_mib": peak_mib()}


def peak_mib() -> float:
    """Most memory this process has held so far."""
    try:
        status = Path("/proc/self/status").read_text(encoding="ascii")
        return int(status.partition("VmHWM:")[2].split()[0]) / 1024
    except (OSError, IndexError, ValueError):
        import resource

        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak / (1024**2 if sys.platform == "darwin" else 1024)


# --- in the parent ------------------------------------------------------------------------------


class PeerFailed(RuntimeError):
    """A worker could not do what it was asked; its own words."""


@dataclass(frozen=True)
class Peer:
    """One implementation.

    Attributes:
        name: as the table shows it.
        script: of the worker, relative to this folder.
        packages: requirements for a virtual environment of its own; none: this interpreter.
        options: go to its "load" action, and into the result.
        environment: variables on top of the parent's.
        versions: distributions whose versions belong to the result.
    """

    name: str
    script: str
    packages: tuple[str, ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)
    versions: tuple[str, ...] = ()

    def python(self) -> str:
        """The interpreter that has the packages; makes its environment on first use."""
        if not self.packages:
            return sys.executable
        digest = hashlib.sha256("\n".join((sys.version, *self.packages)).encode()).hexdigest()
        folder = ENVIRONMENTS / digest[:16]
        python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
        if not (folder / "complete").is_file():
            print(f"installing {', '.join(self.packages)}", file=sys.stderr)
            subprocess.run([sys.executable, "-m", "venv", "--clear", str(folder)], check=True)
            install = [str(python), "-m", "pip", "install", "--quiet", *self.packages]
            subprocess.run(install, check=True, stdout=sys.stderr)
            (folder / "complete").touch()
        return str(python)


@dataclass(frozen=True)
class Answer:
    """What an action returned, the seconds it took, its processor seconds, and peak memory."""

    value: Any
    seconds: float
    busy: float
    peak_mib: float


class Worker:
    """A peer's process."""

    def __init__(self, peer: Peer) -> None:
        self.peer = peer
        python = peer.python()
        self.versions = _versions(python, peer.versions)
        self._process = subprocess.Popen(
            [python, str(HERE / peer.script)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            encoding="utf-8",
            env={**os.environ, "PYTHONPATH": str(HERE), **peer.environment},
        )

    @property
    def name(self) -> str:
        return self.peer.name

    def ask(self, action: str, **arguments: Any) -> Answer:
        """Have an action done and wait for it.

        Raises:
            PeerFailed: the action raised, or the process ended.
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            self._process.stdin.write(json.dumps({"action": action, "arguments": arguments}) + "\n")
            self._process.stdin.flush()
        except BrokenPipeError as error:
            raise PeerFailed(f"{self.name}: the process has ended") from error
        line = self._process.stdout.readline()
        if not line:
            raise PeerFailed(f"{self.name}: the process ended with {self._process.wait()}")
        answer = json.loads(line)
        if "error" in answer:
            raise PeerFailed(f"{self.name}: {answer['error']}")
        return Answer(**answer)

    def close(self) -> None:
        assert self._process.stdin is not None
        with suppress(BrokenPipeError):  # it has ended by itself
            self._process.stdin.close()
        try:
            self._process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


@contextmanager
def start(peers: Sequence[Peer]) -> Iterator[list[Worker]]:
    """A worker for each peer, ended when the block is left."""
    with ExitStack() as stack:
        workers = []
        for peer in peers:
            workers.append(Worker(peer))
            stack.callback(workers[-1].close)
        yield workers


@dataclass
class Run:
    """A peer's repetitions of a task, in the order of the rounds."""

    seconds: list[float] = field(default_factory=list)
    busy: list[float] = field(default_factory=list)
    peak_mib: float = 0.0
    options: dict[str, Any] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    extra: dict[str, float | str] = field(default_factory=dict)


def measure(
    workers: Sequence[Worker],
    action: str,
    arguments: Mapping[str, Any],
    *,
    repetitions: int = REPETITIONS,
    warm: int = 1,
    pause: float = PAUSE,
) -> dict[str, Run]:
    """Let the workers do one thing in turn, ``warm`` rounds for nothing and then for the record."""
    runs = {w.name: Run(options=dict(w.peer.options), versions=dict(w.versions)) for w in workers}
    for repetition in range(-warm, repetitions):
        for worker in workers:
            time.sleep(pause)
            answer = worker.ask(action, **arguments)
            run = runs[worker.name]
            run.peak_mib = answer.peak_mib
            if repetition >= 0:
                run.seconds.append(answer.seconds)
                run.busy.append(answer.busy)
    return runs


@dataclass
class Section:
    """One task and how its peers did.

    Attributes:
        unit: of ``amount`` over seconds, say "texts/s"; or "ms", for the time of one of them.
        amount: how many of them one repetition does.
        baseline: the name of the peer that counts as 1.
        notes: facts for the result; those that are sentences stand above the table.
    """

    name: str
    unit: str
    amount: int
    baseline: str
    runs: dict[str, Run]
    notes: dict[str, Any] = field(default_factory=dict)

    def values(self, name: str) -> list[float]:
        """Each repetition in the section's unit."""
        seconds = self.runs[name].seconds
        if self.unit == "ms":
            return [1000 * s / self.amount for s in seconds]
        return [self.amount / s for s in seconds]

    def ratios(self, name: str, baseline: str | None = None) -> list[float]:
        """How many times faster than the baseline, round by round."""
        theirs = self.runs[baseline or self.baseline].seconds
        return [t / o for t, o in zip(theirs, self.runs[name].seconds, strict=True)]


@dataclass
class Result:
    title: str
    sections: list[Section]
    command: str = ""

    def to_dict(self) -> dict[str, Any]:
        content = {"title": self.title, "command": self.command, "machine": machine()}
        return content | {"sections": [asdict(section) for section in self.sections]}


def spread(values: Sequence[float]) -> tuple[float, float, float]:
    """Lower quartile, median, upper quartile."""
    if len(values) == 1:
        return (values[0],) * 3
    low, middle, high = statistics.quantiles(values, n=4, method="inclusive")
    return low, middle, high


def machine() -> dict[str, Any]:
    """What a reader needs to place the numbers; nothing that identifies the machine."""
    lines: dict[str, str] = {}
    info = Path("/proc/cpuinfo")
    if info.is_file():
        for line in info.read_text(encoding="utf-8").splitlines():
            key, _, value = line.partition(":")
            lines.setdefault(key.strip(), value.strip())
    flags = (lines.get("flags") or lines.get("Features") or "").split()
    model = " ".join(
        f"{key} {lines[key]}" for key in ("cpu family", "model", "stepping") if key in lines
    )
    return {
        "processor": lines.get("model name") or platform.processor() or platform.machine(),
        "model": model,
        "flags": [flag for flag in FLAGS if flag in flags],
        "processors": processors(),
        "memory_gib": _memory_gib(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
    }


def processors() -> float:
    """Processors this process may use: its affinity, and the quota of its control group."""
    count: float = os.cpu_count() or 1
    if hasattr(os, "sched_getaffinity"):
        count = len(os.sched_getaffinity(0))
    try:
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text(encoding="ascii").split()
        return count if quota == "max" else min(count, int(quota) / int(period))
    except (OSError, ValueError):
        return count


def _memory_gib() -> int | None:
    try:
        return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1024**3)
    except (AttributeError, ValueError, OSError):
        return None


def _versions(python: str, names: Sequence[str]) -> dict[str, str]:
    if python == sys.executable:
        return {name: metadata.version(name) for name in names}
    code = "import sys, json; from importlib.metadata import version as v;"
    code += "print(json.dumps({n: v(n) for n in sys.argv[1:]}))"
    done = subprocess.run([python, "-c", code, *names], check=True, stdout=subprocess.PIPE)
    versions: dict[str, str] = json.loads(done.stdout)
    return versions


# --- the report ---------------------------------------------------------------------------------


def table(result: Result) -> str:
    """A Markdown table for each section; ratios are medians over rounds, with quartiles."""
    parts = [f"# {result.title}", ""]
    if result.command:
        parts += [f"    {result.command}", ""]
    parts += [describe(machine()), ""]
    for section in result.sections:
        parts += [*_section_lines(section), ""]
    return "\n".join(parts)


def describe(facts: Mapping[str, Any]) -> str:
    """The machine in a sentence."""
    return (
        f"{facts['processor']} ({facts['model']}; {', '.join(facts['flags'])}),"
        f" {facts['processors']:g} processors, {facts['memory_gib']} GiB, {facts['system']},"
        f" Python {facts['python']}."
    )


def _section_lines(section: Section) -> Iterator[str]:
    extra = list(dict.fromkeys(key for run in section.runs.values() for key in run.extra))
    rounds = len(section.runs[section.baseline].seconds)
    yield f"## {section.name}"
    yield ""
    remarks = [note for note in section.notes.values() if isinstance(note, str)]
    yield " ".join(
        [f"{section.amount} each, {rounds} rounds; ratio to {section.baseline}.", *remarks]
    )
    yield ""
    yield f"| | {section.unit} | ratio | quartiles | peak MiB |{''.join(f' {e} |' for e in extra)}"
    yield f"|---|--:|--:|--:|--:|{'--:|' * len(extra)}"
    for name, run in section.runs.items():
        low, middle, high = spread(section.ratios(name))
        speed = spread(section.values(name))[1]
        cells = "".join(f" {_cell(run.extra.get(key, ''))} |" for key in extra)
        yield (
            f"| {name} | {speed:,.{1 if speed < 100 else 0}f} | {middle:.2f} |"
            f" {low:.2f}–{high:.2f} | {run.peak_mib:,.0f} |{cells}"
        )


def _cell(value: float | str) -> str:
    return value if isinstance(value, str) else f"{value:.5g}"


def plot(result: Result, path: Path) -> None:
    """Bars of the ratios, a panel for each section, quartiles as whiskers."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot

    heights = [len(section.runs) + 1 for section in result.sections]
    figure, panels = pyplot.subplots(
        len(heights), 1, figsize=(8, 0.34 * sum(heights) + 0.5), squeeze=False,
        height_ratios=heights, layout="constrained",
    )  # fmt: skip
    for section, axes in zip(result.sections, panels[:, 0], strict=True):
        names = list(section.runs)
        lows, middles, highs = zip(*(spread(section.ratios(n)) for n in names), strict=True)
        below = [m - low for low, m in zip(lows, middles, strict=True)]
        above = [high - m for m, high in zip(middles, highs, strict=True)]
        colours = ["#2a6f97" if n.startswith("rolevec") else "#b8b8b8" for n in names]
        axes.barh(names, middles, xerr=(below, above), color=colours, height=0.7)
        axes.axvline(1, color="black", linewidth=0.6)
        axes.invert_yaxis()
        axes.set_title(f"{section.name} ({section.baseline} = 1)", fontsize=9, loc="left")
        axes.tick_params(labelsize=8)
        axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=130)
    pyplot.close(figure)


def write(result: Result, stem: Path, *, show: bool = True) -> None:
    """Write stem.json, stem.md and stem.png; print the table unless told not to."""
    stem.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps(result.to_dict(), indent=1, ensure_ascii=False)
    stem.with_suffix(".json").write_text(text + "\n", encoding="utf-8")
    stem.with_suffix(".md").write_text(table(result), encoding="utf-8")
    plot(result, stem.with_suffix(".png"))
    if show:
        print(table(result))


def arguments(doc: str | None, **defaults: Any) -> argparse.ArgumentParser:
    """The options that every benchmark takes: --repetitions, --out and positional data folders."""
    parser = argparse.ArgumentParser(
        description=doc, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--repetitions", type=int, default=REPETITIONS)
    parser.add_argument("--out", type=Path, help="result files, without suffix")
    parser.set_defaults(**defaults)
    return parser
