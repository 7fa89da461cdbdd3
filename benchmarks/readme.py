"""Put the bundled model's scores into the README, from the report that holds them.

rolevec evaluate light DATA --dimensions 512 --dimensions 256 --dimensions 128 --dimensions 64 \
    --report benchmarks/results/light.json
python benchmarks/readme.py
"""

import json
import re
from pathlib import Path

HERE = Path(__file__).parent
README, REPORT = HERE.parent / "README.md", HERE / "results" / "light.json"
BETWEEN = re.compile(r"(<!-- scores -->\n).*?(<!-- end of scores -->)", re.DOTALL)

# What a row says, and the metric it is about.
TASKS = {
    "bitext": ("translation found", "xx->eng"),
    "retrieval": ("question answered, same language", "ndcg@10"),
    "retrieval, cross-lingual": ("question answered, passages in English", "ndcg@10"),
}


def table(report: dict) -> str:
    """Rows of data sets and tasks, a column for each dimension."""
    overall = report["overall"]
    dims = sorted({mean["dim"] for mean in overall}, reverse=True)
    rows: dict[tuple[str, str], dict[int, float]] = {}
    languages: dict[tuple[str, str], int] = {}
    for mean in overall:
        key = (mean["dataset"], mean["task"])
        rows.setdefault(key, {})[mean["dim"]] = mean["metrics"][TASKS[mean["task"]][1]]
        languages[key] = mean["languages"]
    lines = [
        f"| data set | task | languages | metric | {' | '.join(map(str, dims))} |",
        f"|---|---|--:|---|{'--:|' * len(dims)}",
    ]
    for (dataset, task), scores in rows.items():
        words, metric = TASKS[task]
        cells = " | ".join(f"{100 * scores[dim]:.1f}" for dim in dims)
        name = dataset.rpartition("/")[2]
        lines.append(f"| {name} | {words} | {languages[dataset, task]} | {metric} | {cells} |")
    return "\n".join(lines) + "\n"


def updated(text: str, report: dict) -> str:
    """The README with the table of the report."""
    return BETWEEN.sub(lambda found: found[1] + table(report) + found[2], text)


if __name__ == "__main__":
    report = json.loads(REPORT.read_text(encoding="utf-8"))
    README.write_text(updated(README.read_text(encoding="utf-8"), report), encoding="utf-8")
