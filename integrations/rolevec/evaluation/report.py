"""`Report`: scores by data set and language, as a table for people and as JSON for programs."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

Table: TypeAlias = tuple[list[str], list[list[str]]]
"""Headings and rows; a heading that starts with ">" is one of numbers."""


@dataclass(frozen=True, slots=True)
class Score:
    """What one data set gave in one language.

    Attributes:
        dataset: name of the data set.
        task: "retrieval", "retrieval, cross-lingual" (queries of the language, passages in
            English), "bitext", "triples" or "similarity".
        language: as the data set names it; "" if it does not.
        dim: dimension of the vectors.
        count: queries, pairs or triples that were scored.
        metrics: metric -> mean over these; a rank correlation is one of all of them.
        counts: what else a reader should know: "documents" searched, texts that were "blank" (a
            blank document is never found, a blank query finds nothing, any other row is left
            out), judged documents that are "missing" from the corpus (they count as not found),
            and texts "cut" by the encoder.
        ids: names of what was scored, shape (count,).
        values: metric -> one value for each of ``ids``; for `compare`.
    """

    dataset: str
    task: str
    language: str
    dim: int
    count: int
    metrics: Mapping[str, float]
    counts: Mapping[str, int] = field(default_factory=dict)
    ids: tuple[str, ...] = field(default=(), repr=False, compare=False)
    values: Mapping[str, npt.NDArray[np.float64]] = field(
        default_factory=dict, repr=False, compare=False
    )


@dataclass(frozen=True, slots=True)
class Mean:
    """The mean over the languages of one data set, each language counting the same."""

    dataset: str
    task: str
    dim: int
    languages: int
    count: int
    metrics: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Report:
    """How an encoder did. It holds no date: the same model and data give the same report.

    Attributes:
        model: what the encoder's fingerprint says of itself.
        scores: by data set, task, language and dimension.
    """

    model: str
    scores: tuple[Score, ...]

    @property
    def dims(self) -> tuple[int, ...]:
        """The dimensions reported on, in the order asked for."""
        return tuple(dict.fromkeys(score.dim for score in self.scores))

    def groups(self) -> dict[tuple[str, str, int], list[Score]]:
        """(data set, task, dimension) -> its languages."""
        found: dict[tuple[str, str, int], list[Score]] = {}
        for score in self.scores:
            found.setdefault((score.dataset, score.task, score.dim), []).append(score)
        return found

    def overall(self) -> list[Mean]:
        """One line for each data set, task and dimension."""
        return [
            Mean(
                *key,
                languages=len(scores),
                count=sum(score.count for score in scores),
                metrics={
                    metric: float(np.mean([score.metrics[metric] for score in scores]))
                    for metric in scores[0].metrics
                },
            )
            for key, scores in self.groups().items()
        ]

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types; metrics lie between 0 and 1 (a rank correlation from -1)."""
        overall = [
            {
                "dataset": mean.dataset,
                "task": mean.task,
                "dim": mean.dim,
                "languages": mean.languages,
                "count": mean.count,
                "metrics": _rounded(mean.metrics),
            }
            for mean in self.overall()
        ]
        scores = [
            {
                "dataset": score.dataset,
                "task": score.task,
                "language": score.language,
                "dim": score.dim,
                "count": score.count,
                **score.counts,
                "metrics": _rounded(score.metrics),
            }
            for score in self.scores
        ]
        return {"model": self.model, "overall": overall, "scores": scores}

    def overall_table(self) -> Table:
        """Means over languages, times 100, one row for each data set, task and dimension."""
        means = self.overall()
        metrics = list(dict.fromkeys(metric for mean in means for metric in mean.metrics))
        rows = [
            [mean.dataset, mean.task, str(mean.dim), str(mean.languages), str(mean.count)]
            + [percent(mean.metrics.get(metric)) for metric in metrics]
            for mean in means
        ]
        numbers = [">dim", ">languages", ">count", *(f">{metric}" for metric in metrics)]
        return ["data set", "task", *numbers], rows

    def to_markdown(self) -> str:
        """The overall table, then one for each data set of several languages, or with counts."""
        parts = [
            f"# {self.model}",
            "Metrics times 100; a data set's is the mean over its languages.",
            markdown_table(*self.overall_table()),
        ]
        tasks: dict[tuple[str, str], list[Score]] = {}
        for score in self.scores:
            tasks.setdefault((score.dataset, score.task), []).append(score)
        for (dataset, task), scores in tasks.items():
            parts += [f"## {dataset}: {task}", markdown_table(*_language_table(scores))]
        return "\n\n".join(parts) + "\n"

    def save(self, path: str | Path) -> None:
        """Write to a file: `to_markdown` if it ends in .md, `to_dict` if in .json, else a picture.

        Raises:
            ValueError: an ending that is none of .md, .json, .png and .svg.
            MissingExtra: matplotlib is not installed, which draws pictures.
        """
        save(self, path)


FORMATS: Mapping[str, Callable[[Any], str]] = {
    ".md": lambda report: report.to_markdown(),
    ".json": lambda report: json.dumps(report.to_dict(), ensure_ascii=False, indent=1) + "\n",
}


PICTURES = (".png", ".svg")


def check_format(path: str | Path) -> None:
    """Raise ValueError for an ending that no report has, MissingExtra for a picture too many."""
    suffix = Path(path).suffix
    if suffix in PICTURES:
        from rolevec.evaluation.plots import check_plot  # which knows reports

        check_plot()
    elif suffix not in FORMATS:
        known = ", ".join((*FORMATS, *PICTURES))
        raise ValueError(f"{path}: a report is written to a file that ends in one of {known}")


def save(report: Any, path: str | Path) -> None:
    """Write what has ``to_markdown`` and ``to_dict``, or draw it, by the ending of the name."""
    check_format(path)
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    if Path(path).suffix in PICTURES:
        from rolevec.evaluation.plots import draw

        draw(report, path)
        return
    Path(path).write_text(FORMATS[Path(path).suffix](report), encoding="utf-8")


def percent(value: float | None) -> str:
    """Times 100, with one decimal."""
    return "" if value is None else f"{100 * value:.1f}"


def markdown_table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table in Markdown, of headings as in `Table`."""
    marks = ["--:" if heading.startswith(">") else "---" for heading in headings]
    names = [heading.removeprefix(">") for heading in headings]
    # A vertical bar would end the cell.
    cells = ([cell.replace("|", "\\|") for cell in row] for row in (names, marks, *rows))
    return "\n".join(f"| {' | '.join(row)} |" for row in cells)


def _language_table(scores: Sequence[Score]) -> Table:
    """Languages of one data set and task, with the counts that any of them has."""
    counts = list(dict.fromkeys(name for score in scores for name in score.counts))
    metrics = list(scores[0].metrics)
    rows = [
        [score.language or "–", str(score.dim), str(score.count)]
        + [str(score.counts.get(name, 0)) for name in counts]
        + [percent(score.metrics[metric]) for metric in metrics]
        for score in scores
    ]
    return ["language", *(f">{name}" for name in ("dim", "count", *counts, *metrics))], rows


def _rounded(metrics: Mapping[str, float]) -> dict[str, float]:
    # Further digits depend on the machine's matrix product.
    return {metric: round(value, 6) for metric, value in metrics.items()}
