"""What a run of `index_corpus` did."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from rolevec.indexing.sources import Rejected
from rolevec.truncation import TruncationReport

_EXAMPLES = 5


@dataclass(frozen=True, slots=True)
class IndexReport:
    """What a run did. Long documents that were split count by their parts.

    Attributes:
        added: documents encoded and written, those that replaced an older self included.
        unchanged: documents that were in the collection already, as they are.
        deleted: documents removed: parts that a shorter text no longer has, and with ``sync`` what
            left the source.
        rejected: records that are no documents.
        truncated: documents of which the model did not see every token.
        dropped_tokens: tokens of them that it did not see.
        tokens: tokens encoded, estimated from a sample: counting costs more than encoding with a
            static model.
        seconds: from start to end.
        sync_withheld: ``sync`` deleted nothing, because records without a readable id were
            rejected and what left the source cannot be told.
        rejects: the first few rejected records.
        reject_file: where all of them are written; None if there are none, or no place for it.
    """

    added: int = 0
    unchanged: int = 0
    deleted: int = 0
    rejected: int = 0
    truncated: int = 0
    dropped_tokens: int = 0
    tokens: int = 0
    seconds: float = 0.0
    sync_withheld: bool = False
    rejects: tuple[Rejected, ...] = ()
    reject_file: Path | None = None


@dataclass(slots=True)
class Tally:
    """Counts of a run under way."""

    added: int = 0
    unchanged: int = 0
    deleted: int = 0
    rejected: int = 0
    truncated: int = 0
    dropped_tokens: int = 0
    tokens: float = 0.0
    unreadable: int = 0
    rejects: list[Rejected] = field(default_factory=list)

    def wrote(self, count: int, tokens: float, truncation: TruncationReport | None) -> None:
        """Count a batch."""
        self.tokens += tokens
        self.loaded(count, 0, truncation.dropped if truncation else ())

    def loaded(self, count: int, unchanged: int, dropped: Sequence[int]) -> None:
        """Count documents that were encoded earlier, and tokens dropped from each then."""
        self.added += count
        self.unchanged += unchanged
        self.truncated += sum(1 for n in dropped if n)
        self.dropped_tokens += sum(dropped)

    def reject(self, rejected: Rejected) -> None:
        """Count a record that is no document."""
        self.rejected += 1
        self.unreadable += not rejected.readable
        if len(self.rejects) < _EXAMPLES:
            self.rejects.append(rejected)

    def note(self) -> str:
        """A few words for the progress bar."""
        words = [f"{self.tokens:,.0f} tokens"]
        for name in ("unchanged", "truncated", "rejected"):
            if count := getattr(self, name):
                words.append(f"{count:,} {name}")
        return ", ".join(words)

    def report(self, seconds: float, *, withheld: bool, reject_file: Path | None) -> IndexReport:
        """The final counts."""
        return IndexReport(
            self.added,
            self.unchanged,
            self.deleted,
            self.rejected,
            self.truncated,
            self.dropped_tokens,
            round(self.tokens),
            seconds,
            withheld,
            tuple(self.rejects),
            reject_file if self.rejected else None,
        )
