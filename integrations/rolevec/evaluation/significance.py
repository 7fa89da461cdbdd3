"""Whether one encoder is better than another, or luck would do as much."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from rolevec.evaluation.report import Report, Score, Table, markdown_table, percent, save

_DRAWS = 10_000
_BLOCK = 1 << 22  # numbers drawn at a time
# Sums of equal numbers in another order may differ in their last digits.
_ROUNDING = 1e-12

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Difference:
    """Two encoders on one data set, by one metric.

    Attributes:
        a, b: the means over languages.
        difference: b - a.
        low, high: its 95 % bootstrap interval.
        p: how often a difference as large comes about if it does not matter which is which.
    """

    dataset: str
    task: str
    metric: str
    a: float
    b: float
    difference: float
    low: float
    high: float
    p: float


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two reports and their differences."""

    a: Report
    b: Report
    differences: tuple[Difference, ...]

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types."""
        return {
            "a": self.a.to_dict(),
            "b": self.b.to_dict(),
            "differences": [asdict(difference) for difference in self.differences],
        }

    def table(self) -> Table:
        """Times 100, but for p."""
        headings = ["data set", "task", "metric"]
        rows = [
            [d.dataset, d.task, d.metric]
            + [percent(value) for value in (d.a, d.b)]
            + [f"{100 * d.difference:+.1f}", f"{100 * d.low:+.1f} to {100 * d.high:+.1f}"]
            + [f"{d.p:.4f}"]
            for d in self.differences
        ]
        return [*headings, ">a", ">b", ">b - a", ">95 % interval", ">p"], rows

    def to_markdown(self) -> str:
        """The differences, then both reports."""
        return (
            f"# Comparison\n\na: {self.a.model}  \nb: {self.b.model}\n\n"
            f"{markdown_table(*self.table())}\n\n{self.a.to_markdown()}\n{self.b.to_markdown()}"
        )

    def save(self, path: str | Path) -> None:
        """As `Report.save`."""
        save(self, path)


def compare(report_a: Report, report_b: Report, *, seed: int = 0) -> Comparison:
    """Compare two encoders on the same data, by the values of each query, pair or triple.

    Paired randomisation (Smucker, Allan and Carterette, CIKM 2007) for p and the percentile
    bootstrap for the interval, 10,000 draws each. What has the same id in several languages is
    drawn together: the question 17 of a parallel data set is one question. A rank correlation is
    not a mean of values and is left out.

    Args:
        report_a: the one compared with.
        report_b: the one whose gain is asked for. Several dimensions are compared in the order in
            which they were asked for.
        seed: of the draws.

    Raises:
        ValueError: the reports are not of the same data, or not of as many dimensions.
    """
    found = [
        _difference(a, b, metric, seed)
        for a, b in _paired(report_a, report_b)
        for metric in a[0].values
        if metric in b[0].values
    ]
    return Comparison(report_a, report_b, tuple(found))


def interval(values: Floats, *, seed: int = 0) -> tuple[float, float]:
    """95 % bootstrap interval of a mean: 2.5th and 97.5th percentile of 10,000 resamples.

    Args:
        values: shape (n,).
    """
    mean = float(values.mean())
    low, high = mean + _bootstrap((values - mean) / values.size, np.random.default_rng(seed))
    return float(low), float(high)


def _paired(a: Report, b: Report) -> list[tuple[list[Score], list[Score]]]:
    """The languages of each data set, task and dimension, from both reports."""
    if len(a.dims) != len(b.dims):
        raise ValueError(f"dimensions {a.dims} in one report, {b.dims} in the other")
    groups_a, groups_b = _by_order_of_dims(a), _by_order_of_dims(b)
    if groups_a.keys() != groups_b.keys():
        apart = sorted({key[0] for key in groups_a.keys() ^ groups_b.keys()})
        raise ValueError(f"only one of the reports has {', '.join(apart)}")
    pairs = [(scores, groups_b[key]) for key, scores in groups_a.items()]
    for one, other in pairs:
        if [(s.language, s.ids) for s in one] != [(s.language, s.ids) for s in other]:
            raise ValueError(
                f"{one[0].dataset}: the reports are of different languages or queries;"
                " evaluate both encoders on the same files"
            )
    return pairs


def _by_order_of_dims(report: Report) -> dict[tuple[str, str, int], list[Score]]:
    groups = report.groups().items()
    return {
        (dataset, task, report.dims.index(dim)): sorted(scores, key=lambda score: score.language)
        for (dataset, task, dim), scores in groups
    }


def _difference(a: list[Score], b: list[Score], metric: str, seed: int) -> Difference:
    shares, deviations = _shares(a, b, metric)
    difference = float(shares.sum())
    low, high = difference + _bootstrap(deviations, np.random.default_rng(seed))
    return Difference(
        a[0].dataset,
        a[0].task,
        metric,
        a=float(np.mean([score.metrics[metric] for score in a])),
        b=float(np.mean([score.metrics[metric] for score in b])),
        difference=difference,
        low=float(low),
        high=float(high),
        p=_randomisation(shares, np.random.default_rng(seed)),
    )


def _shares(a: list[Score], b: list[Score], metric: str) -> tuple[Floats, Floats]:
    """What each id adds to the mean difference, and to its deviation, both of shape (ids,).

    A language counts as one over the number of languages, its values alike within it. Deviations
    are from the mean of the language: their sum over a resample is that of the mean, to first
    order, even where languages differ in size.
    """
    places: dict[str, int] = {}
    for score in a:
        for name in score.ids:
            places.setdefault(name, len(places))
    shares, deviations = np.zeros(len(places)), np.zeros(len(places))
    for one, other in zip(a, b, strict=True):
        gain = (other.values[metric] - one.values[metric]) / (len(a) * one.count)
        at = [places[name] for name in one.ids]
        shares[at] += gain
        deviations[at] += gain - gain.mean()
    return shares, deviations


def _randomisation(shares: Floats, rng: np.random.Generator) -> float:
    """Two-sided p: shares keep their size and get their sign by the toss of a coin."""
    moved = shares[shares != 0]
    least = abs(moved.sum()) - _ROUNDING

    def extreme(rows: int) -> Floats:
        heads = rng.integers(0, 2, (rows, moved.size), dtype=np.int8).astype(np.float64)
        return np.asarray(np.abs(2 * (heads @ moved) - moved.sum()) >= least, dtype=np.float64)

    # The labels as they are count as one draw; p is never 0.
    return float((_draw(extreme, moved.size).sum() + 1) / (_DRAWS + 1))


def _bootstrap(deviations: Floats, rng: np.random.Generator) -> Floats:
    """2.5th and 97.5th percentile of the deviation of a resample, shape (2,)."""

    def resample(rows: int) -> Floats:
        drawn = rng.integers(0, deviations.size, (rows, deviations.size))
        return np.asarray(deviations[drawn].sum(axis=1))

    return np.percentile(_draw(resample, deviations.size), [2.5, 97.5])


def _draw(sample: Callable[[int], Floats], width: int) -> Floats:
    """``_DRAWS`` results of ``sample``, which is asked for as many at a time as memory allows."""
    most = max(1, _BLOCK // max(1, width))
    counts = [min(most, _DRAWS - start) for start in range(0, _DRAWS, most)]
    return np.concatenate([sample(count) for count in counts])
