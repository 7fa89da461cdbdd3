"""What a way of storing vectors costs in memory, and in neighbours that are no longer found."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from rolevec.evaluation.report import Table, markdown_table, percent, save
from rolevec.evaluation.significance import interval
from rolevec.ranking.exact import top_k
from rolevec.ranking.storage import StorageTrial


@dataclass(frozen=True, slots=True)
class StorageRow:
    """One way of storing.

    Attributes:
        name: dimension, precision and what else.
        bytes_per_vector: of what a search scans.
        recall: share of the true nearest k that it finds, mean over queries.
        low, high: its 95 % bootstrap interval.
        settings: what to ask for to have it.
    """

    name: str
    bytes_per_vector: int
    recall: float
    low: float
    high: float
    settings: str


@dataclass(frozen=True, slots=True)
class StorageReport:
    """Ways of storing the same vectors, against exact search over them.

    Attributes:
        k: neighbours looked for.
        documents, queries: how many of each were measured with.
        target: the recall asked for.
        rows: in the order tried.
    """

    k: int
    documents: int
    queries: int
    target: float
    rows: tuple[StorageRow, ...]

    @property
    def chosen(self) -> StorageRow | None:
        """The smallest whose recall surely reaches the target: its interval does."""
        able = [row for row in self.rows if row.low >= self.target]
        return min(able, key=lambda row: (row.bytes_per_vector, -row.recall), default=None)

    @property
    def recommendation(self) -> str:
        """What to do, in words."""
        row = self.chosen
        measured = f"{self.queries} queries over {self.documents} vectors"
        if row is None:
            return (
                f"Nothing tried surely keeps {percent(self.target)} % of the nearest {self.k}"
                f" ({measured}); stay with full vectors, or measure with more queries."
            )
        full = max(self.rows, key=lambda row: row.recall)
        saved = full.bytes_per_vector / row.bytes_per_vector
        return (
            f"Take {row.name} ({row.settings}): {row.bytes_per_vector} bytes a vector,"
            f" {saved:.1f} times less than {full.name}, and {percent(row.recall)} % of the nearest"
            f" {self.k} are found ({measured}). Rescoring reads the full vectors, which stay on"
            " disk."
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types."""
        return {**asdict(self), "recommendation": self.recommendation}

    def table(self) -> Table:
        """Recall times 100."""
        rows = [
            [
                row.name,
                str(row.bytes_per_vector),
                percent(row.recall),
                f"{percent(row.low)} to {percent(row.high)}",
                row.settings,
            ]
            for row in self.rows
        ]
        headings = ["stored as", ">bytes a vector", f">recall@{self.k}", ">95 % interval"]
        return [*headings, "settings"], rows

    def to_markdown(self) -> str:
        """The recommendation and the table."""
        return f"# Storage\n\n{self.recommendation}\n\n{markdown_table(*self.table())}\n"

    def save(self, path: str | Path) -> None:
        """As `Report.save`; .png and .svg are pictures."""
        save(self, path)


def evaluate_storage(trial: StorageTrial, *, k: int = 10, target: float = 0.95) -> StorageReport:
    """Measure ways of storing vectors by the neighbours they find.

    Args:
        trial: of `rolevec.qdrant.storage_choices`, or made of search functions.
        k: neighbours to look for.
        target: the recall that a recommendation has to reach, between 0 and 1.

    Raises:
        ValueError: ``k`` or ``target`` is out of range, or there are no queries.
    """
    if not 0 < target <= 1:
        raise ValueError(f"target={target} is not between 0 and 1")
    if not len(trial.queries):
        raise ValueError("no queries to measure with")
    exact, _ = top_k(trial.queries, trial.vectors, k)
    rows = []
    for choice in trial.choices:
        found = choice.search(trial.queries, k)
        values = np.array(
            [len({*true} & {*got}) / len(true) for true, got in zip(exact, found, strict=True)]
        )
        low, high = interval(values)
        recall = float(values.mean())
        size = choice.bytes_per_vector
        rows.append(StorageRow(choice.name, size, recall, low, high, choice.settings))
    return StorageReport(k, len(trial.vectors), len(trial.queries), target, tuple(rows))
