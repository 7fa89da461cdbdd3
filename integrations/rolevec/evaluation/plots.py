"""Reports as pictures."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rolevec.errors import MissingExtra
from rolevec.evaluation.report import Report
from rolevec.evaluation.significance import Comparison
from rolevec.evaluation.storage import StorageReport


def check_plot() -> None:
    """Raise `MissingExtra` if there is nothing to draw with."""
    _figure(1, 1)


def draw(report: Report | Comparison | StorageReport, path: str | Path) -> None:
    """Draw a report: bars by data set, differences with their intervals, or recall by memory.

    Args:
        report: any.
        path: file to write; its suffix chooses the format.

    Raises:
        MissingExtra: matplotlib is not installed.
    """
    if isinstance(report, Comparison):
        figure = _differences(report)
    elif isinstance(report, StorageReport):
        figure = _storage(report)
    else:
        figure = _scores(report)
    figure.savefig(path, dpi=120)


def _figure(width: float, height: float) -> Any:
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingExtra("matplotlib", "plot") from error
    return Figure(figsize=(width, height), layout="constrained")


def _scores(report: Report) -> Any:
    """The first metric of every data set, language by language."""
    bars = [
        (
            " ".join(part for part in (score.dataset, score.task, score.language) if part),
            next(iter(score.metrics.items())),
            score.dim,
        )
        for score in report.scores
    ]
    several = len(report.dims) > 1
    names = [
        f"{name}, {metric}" + (f", {dim}" if several else "") for name, (metric, _), dim in bars
    ]
    figure = _figure(8, 1.2 + 0.28 * len(bars))
    axes = figure.subplots()
    axes.barh(names, [100 * value for _, (_, value), _ in bars])
    axes.invert_yaxis()
    axes.set_xlabel("times 100")
    axes.set_title(report.model)
    axes.grid(axis="x", alpha=0.3)
    return figure


def _differences(comparison: Comparison) -> Any:
    found = comparison.differences
    figure = _figure(8, 1.4 + 0.3 * len(found))
    axes = figure.subplots()
    for place, d in enumerate(found):
        sure = d.low > 0 or d.high < 0
        spread = [[100 * (d.difference - d.low)], [100 * (d.high - d.difference)]]
        axes.errorbar(
            100 * d.difference, place, xerr=spread, fmt="o", capsize=3,
            color="tab:blue" if sure else "tab:gray",
        )  # fmt: skip
    axes.axvline(0, color="black", linewidth=0.8)
    axes.set_yticks(range(len(found)), [f"{d.dataset}, {d.task}, {d.metric}" for d in found])
    axes.invert_yaxis()
    axes.set_xlabel("b - a, times 100, with 95 % intervals")
    axes.set_title(f"a: {comparison.a.model}\nb: {comparison.b.model}", fontsize=9)
    axes.grid(axis="x", alpha=0.3)
    return figure


def _storage(report: StorageReport) -> Any:
    figure = _figure(10, 5)
    axes = figure.subplots()
    from matplotlib import colormaps

    axes.set_prop_cycle(color=colormaps["tab20"].colors)  # type: ignore[attr-defined]
    for row in report.rows:
        spread = [[100 * (row.recall - row.low)], [100 * (row.high - row.recall)]]
        chosen = row == report.chosen
        axes.errorbar(
            row.bytes_per_vector, 100 * row.recall, yerr=spread, fmt="*" if chosen else "o",
            markersize=12 if chosen else 5, capsize=2, label=row.name,
        )  # fmt: skip
    axes.axhline(100 * report.target, color="black", linewidth=0.8, linestyle="--")
    axes.set_xscale("log", base=2)
    axes.set_xlabel("bytes a vector that a search scans")
    axes.set_ylabel(f"recall@{report.k} of exact search, %")
    axes.grid(alpha=0.3)
    axes.legend(fontsize=7, loc="center left", bbox_to_anchor=(1, 0.5))
    return figure
