"""One run of `index_corpus`: its bookkeeping, wherever its batches are encoded."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol, cast

from rolevec.documents import Document
from rolevec.encoders.batching import overlapped
from rolevec.errors import InvalidDocument
from rolevec.indexing.encoding import Done, encode_documents
from rolevec.indexing.ledger import Ledger, content_hash
from rolevec.indexing.planning import Batch, Item, Planner
from rolevec.indexing.rejects import RejectFile
from rolevec.indexing.report import Tally
from rolevec.indexing.sources import FileCorpus, Rejected
from rolevec.indexing.splitting import Splitter
from rolevec.qdrant.bulk import BulkWriter
from rolevec.qdrant.ids import PointId

# Documents between two flushes, so that a power cut costs no more than these.
_FLUSH_EVERY = 20_000
# Bytes of vectors for which an index is built at a time: what one build takes in memory, and
# reads in no order, must not grow with the collection.
_BUILT_AT_ONCE, _FLOAT_BYTES = 250 << 20, 4


class Lane(Protocol):
    """Where batches are encoded."""

    def run(self, run: Run, batches: Iterator[Batch]) -> Iterator[Done]:
        """Take batches as they can be worked on, and give each back once, in any order."""


@dataclass(slots=True)
class LocalLane:
    """Threads of this process; the caller's thread reads and writes."""

    workers: int

    def run(self, run: Run, batches: Iterator[Batch]) -> Iterator[Done]:
        """In the order planned."""

        def encode(batch: Batch) -> Done:
            documents = [item.document for item in batch.items]
            maker = run.writer.maker
            points, truncation, late = encode_documents(maker, documents, strict=run.strict)
            too_long = [batch.items[at] for at in late]
            return Done(batch, len(points), points, truncation, too_long)

        return overlapped(encode, batches, self.workers)


@dataclass(slots=True)
class Run:
    """One call of `index_corpus`."""

    writer: BulkWriter
    ledger: Ledger | None
    file: RejectFile
    tally: Tally
    advance: Callable[[int], None]
    strict: bool
    resume: bool
    optimize: bool = False
    _unflushed: int = 0
    _unindexed: int = 0
    _spent: list[Path] = field(default_factory=list)

    def load(
        self,
        corpus: Iterable[Document | str],
        splitter: Splitter | None,
        lane: Lane,
        *,
        budget: int,
    ) -> None:
        """Plan, encode and write; this thread plans and writes."""
        if isinstance(corpus, FileCorpus):
            corpus = replace(corpus, on_reject=self.reject)
        planner = Planner(
            self.writer, self.ledger, splitter, self.resume, budget, self.tally, self.reject,
            self.advance,
        )  # fmt: skip
        # Closed at once on an error or Ctrl-C, which ends the encoding after its batch.
        results = lane.run(self, planner.batches(corpus))
        with closing(cast("Generator[Done]", results)):
            for done in results:
                self._write(done, planner.surplus(done.batch))
                planner.written(done.batch)

    def reject(self, rejected: Rejected) -> None:
        """Note a record that is no document.

        Raises:
            InvalidDocument: under ``strict``.
        """
        if self.strict:
            raise InvalidDocument(f"{rejected.where}: {rejected.reason}")
        self._count(rejected)
        self.advance(1)

    def intend(self, items: Iterable[Item]) -> None:
        """Note in the ledger what is about to be written."""
        if self.ledger is not None:
            self.ledger.intend([item.entry for item in items])

    def wrote(self, count: int, spent: Path | None = None) -> None:
        """Count points written, flush now and then, and remove what is of no use then."""
        self._unflushed += count
        if spent is not None:
            self._spent.append(spent)
        self._unindexed += count * self.writer.maker.dim * _FLOAT_BYTES
        if self.optimize and self._unindexed > _BUILT_AT_ONCE:
            self.build_index()
        if self._unflushed >= _FLUSH_EVERY:
            self.flush()

    def build_index(self) -> None:
        """Build the search index of what has been written."""
        self.writer.optimize()
        self._unindexed = 0

    def flush(self) -> None:
        """Bring everything to the disk."""
        self.writer.flush()
        self._unflushed = 0
        while self._spent:
            self._spent.pop().unlink(missing_ok=True)

    def delete_what_left(self) -> bool:
        """Delete what the ledger knows and the source no longer has; False if nobody can tell."""
        if self.tally.unreadable or self.ledger is None:
            return False
        for page in self.ledger.left():
            stored = self.writer.stored([point for point, content in page if content])
            contents = dict(page)
            # Another hand may have written there since.
            gone = [p for p, found in stored.items() if content_hash(found) == contents[p]]
            self.writer.delete(gone)
            self.ledger.forget(contents)
            self.tally.deleted += len(gone)
        return True

    def _count(self, rejected: Rejected) -> None:
        self.tally.reject(rejected)
        self.file.add(rejected)
        if self.ledger is not None and rejected.id is not None:
            # Its older self is not gone from the source, it only cannot be read now.
            self.ledger.keep(rejected.id)

    def _write(self, done: Done, surplus: list[PointId]) -> None:
        refused = {item.entry.point for item in done.too_long}
        for item in done.too_long:
            limit = self.writer.encoder.max_tokens
            reason = f"it is longer than the {limit} tokens that the model takes"
            record = {"text": item.document.text, "metadata": item.document.metadata}
            where = f"document {item.document.id}"
            self._count(Rejected(where, reason, record, item.document.id))
        if not done.intended:
            self.intend(item for item in done.batch.items if item.entry.point not in refused)
        if done.points:
            self.writer.write(done.points)
        if surplus:
            self.writer.delete(surplus)
            if self.ledger is not None:
                self.ledger.forget(surplus)
            self.tally.deleted += len(surplus)
        self.tally.wrote(done.count, done.batch.tokens, done.truncation)
        self.wrote(done.count, done.spent)
