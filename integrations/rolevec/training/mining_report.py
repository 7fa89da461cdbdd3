"""What a search for hard negatives kept, and what it passed over and why."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import Any

from rolevec.training.hard import HardNegatives


@dataclass(slots=True)
class MiningReport:
    """Counts so far; whole when all pairs have been mined.

    Attributes:
        pairs: mined.
        without: pairs for which no negative was left.
        hits: found by the search, over all pairs.
        kept: negatives.
        skipped_rank: hits among the first ones that were to be passed over.
        known: an answer to the query, or the query itself, by its text.
        repeated: the text of a hit that ranks higher.
        near_positive: scored too near to the answer, or above it: likely another answer.
        near_duplicate: too like the answer as a document.
        not_needed: good, but there were enough.
    """

    pairs: int = 0
    without: int = 0
    hits: int = 0
    kept: int = 0
    skipped_rank: int = 0
    known: int = 0
    repeated: int = 0
    near_positive: int = 0
    near_duplicate: int = 0
    not_needed: int = 0

    def to_dict(self) -> dict[str, int]:
        """Plain JSON types; ``hits`` is the sum of what stands after it, but for ``without``."""
        return {part.name: getattr(self, part.name) for part in fields(self)}

    def __str__(self) -> str:
        return (
            f"{self.pairs:,} pairs, {self.without:,} of them without negatives; of {self.hits:,}"
            f" hits {self.kept:,} kept, {self.not_needed:,} not needed; skipped:"
            f" {self.skipped_rank:,} first ranks, {self.known:,} known answers,"
            f" {self.repeated:,} repeated, {self.near_positive:,} too near to the answer's score,"
            f" {self.near_duplicate:,} near-duplicates of the answer"
        )


class Mined(Iterator[HardNegatives]):
    """Results one by one, and the report of what has been mined so far.

    Attributes:
        report: counts; see `MiningReport`.
    """

    def __init__(self, rows: Iterator[HardNegatives], report: MiningReport) -> None:
        self._rows = rows
        self.report = report

    def __next__(self) -> HardNegatives:
        return next(self._rows)

    def close(self) -> None:
        """Mine no further."""
        close: Any = getattr(self._rows, "close", None)
        if close is not None:
            close()
