"""Put measured numbers into the README and the pages of the documentation, from the result files.

python benchmarks/pages.py

A page holds, on lines of their own, "<!-- numbers: NAME -->" and "<!-- end of numbers -->"; what
stands between is written here. NAME is one of `TABLES`, or "FILE.md N": table N of that result
file, counted from 1. Likewise "<!-- rolevec plan … -->" and "<!-- end -->" hold what that command
prints.
"""

import json
import re
import runpy
import shlex
import subprocess
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

HERE = Path(__file__).parent
RESULTS = HERE / "results"
PAGES = [HERE.parent / "README.md", *sorted((HERE.parent / "docs").rglob("*.md"))]
BETWEEN = re.compile(
    r"(<!-- numbers: (.+?) -->\n).*?^(<!-- end of numbers -->)", re.DOTALL | re.MULTILINE
)
PLANS = re.compile(r"(<!-- (rolevec plan .+?) -->)\n.*?^(<!-- end -->)", re.DOTALL | re.MULTILINE)


def scores() -> str:
    """The bundled model at several dimensions, as in the README."""
    readme = runpy.run_path(str(HERE / "readme.py"))
    return str(readme["table"](json.loads((RESULTS / "light.json").read_text("utf-8"))))


def peers() -> str:
    """nDCG@10 of the bundled model beside others, over the languages that both were measured in."""
    rows = json.loads((RESULTS / "light-peers.json").read_text("utf-8"))["ndcg@10"]
    groups = defaultdict(list)
    for row in rows:
        groups[row["dataset"], "all-MiniLM-L6-v2" in row].append(row)
    lines = ["| data set | languages | light | BM25 | all-MiniLM-L6-v2 |", "|---|--:|--:|--:|--:|"]
    for (dataset, minilm), found in sorted(groups.items()):
        names = ["light", "bm25"] + ["all-MiniLM-L6-v2"] * minilm
        means = [f"{100 * sum(row[n] for row in found) / len(found):.1f}" for n in names]
        label = f"{dataset}, English" if minilm else dataset
        cells = [label, str(len(found)), *means] + [""] * (not minilm)
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def roles() -> str:
    """nDCG@10 of the bundled model with roles as they should be, and without."""
    found = json.loads((RESULTS / "light-roles.json").read_text("utf-8"))["ndcg@10"]
    kinds = list(next(iter(found.values())))
    lines = [f"| data set | {' | '.join(kinds)} |", "|---|" + "--:|" * len(kinds)]
    for dataset, by_kind in found.items():
        lines.append(f"| {dataset} | {' | '.join(f'{100 * by_kind[k]:.1f}' for k in kinds)} |")
    return "\n".join(lines) + "\n"


def runs(files: dict[str, str]) -> str:
    """Runs of the recipe, title -> result file: nDCG@10, or a bitext's accuracy."""
    columns = []
    for name in files.values():
        overall = json.loads((RESULTS / f"{name}.json").read_text("utf-8"))["overall"]
        full = max(row["dim"] for row in overall)
        columns.append(
            {(r["dataset"], r["task"]): r["metrics"] for r in overall if r["dim"] == full}
        )
    lines = [f"| data set | {' | '.join(files)} |", "|---|" + "--:|" * len(files)]
    for dataset, task in columns[0]:
        metrics = [column[dataset, task] for column in columns]
        scores = [f"{100 * m.get('ndcg@10', m.get('xx->eng')):.1f}" for m in metrics]
        lines.append(f"| {dataset}, {task} | {' | '.join(scores)} |")
    return "\n".join(lines) + "\n"


def rebuild() -> str:
    """From nothing with another seed, or without the text that is closest to the test."""
    return runs(
        {
            "bundled": "light",
            "rebuilt, seed 2": "light-seed-2",
            "no rows from Tatoeba": "light-without-tatoeba",
        }
    )


def licences() -> str:
    """As long, with and without the sources under the GPL, the AGPL and the GFDL."""
    return runs({"without": "light-3000-steps", "with": "light-3000-steps-gpl"})


def recipes() -> str:
    """The bundled model, and models of other recipes."""
    return runs(
        {
            "bundled": "light",
            "no dictionary": "light-no-dictionary",
            "pairs of pieces": "light-piece-pairs",
            "124,000 tokens": "light-124000-tokens",
            "plain means": "light-plain-means",
            "no pairs of pieces": "light-no-pairs",
            "nor refined rows": "light-two-bits",
            "nor weight decay": "light-no-decay",
            "more sentences": "light-more-sentences",
        }
    )


TABLES: dict[str, Callable[[], str]] = {
    "scores": scores, "peers": peers, "roles": roles, "rebuild": rebuild,
    "licences": licences, "recipes": recipes,
}  # fmt: skip


def numbers(name: str) -> str:
    """A table by the name that a page calls it."""
    if name in TABLES:
        return TABLES[name]()
    file, _, place = name.partition(" ")
    lines = (RESULTS / file).read_text("utf-8").splitlines(keepends=True)
    tables: list[str] = []
    for before, line in zip(["", *lines], lines, strict=False):
        if line.startswith("|"):
            if not before.startswith("|"):
                tables.append("")
            tables[-1] += line
    return tables[int(place or 1) - 1]


def printed(command: str) -> str:
    """What a command prints."""
    done = subprocess.run(shlex.split(command), capture_output=True, text=True, check=True)
    return done.stdout.strip()


def updated(text: str) -> str:
    """A page with the numbers of today's result files, and today's plans."""
    text = PLANS.sub(lambda found: f"{found[1]}\n\n{printed(found[2])}\n\n{found[3]}", text)
    return BETWEEN.sub(lambda found: found[1] + numbers(found[2]) + found[3], text)


if __name__ == "__main__":
    for page in PAGES:
        page.write_text(updated(page.read_text("utf-8")), encoding="utf-8")
