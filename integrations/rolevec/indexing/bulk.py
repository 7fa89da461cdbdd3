"""index_corpus: a whole source into a collection, encoded while it is written, resumable."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterable
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from operator import length_hint
from pathlib import Path
from typing import cast

from rolevec.documents import Document
from rolevec.encoders.batching import overlapped
from rolevec.encoders.progress import counter
from rolevec.errors import InputTooLong, InvalidDocument
from rolevec.indexing.ledger import Ledger, content_hash, ledger_path
from rolevec.indexing.planning import Batch, Item, Planner
from rolevec.indexing.rejects import RejectFile
from rolevec.indexing.report import IndexReport, Tally
from rolevec.indexing.sources import FileCorpus, Rejected
from rolevec.indexing.splitting import Splitter
from rolevec.qdrant.arguments import check_listed
from rolevec.qdrant.backends.protocol import Point
from rolevec.qdrant.bulk import BulkWriter
from rolevec.qdrant.collection import Collection
from rolevec.qdrant.ids import PointId
from rolevec.roles import Role
from rolevec.truncation import TruncationReport

REJECTS = "index-rejects.jsonl"
# Documents between two flushes, so that a power cut costs no more than these.
_FLUSH_EVERY = 20_000


def index_corpus(
    corpus: Iterable[Document | str] | FileCorpus | Path | str,
    collection: Collection,
    *,
    workers: int = 1,
    backend: str = "local",
    resume: bool = True,
    progress: bool = True,
    sync: bool = False,
    strict: bool = False,
    split: int | None = None,
    overlap: int = 0,
    source: str | None = None,
    ledger: str | Path | None = None,
    rejects: str | Path | None = None,
    optimize: bool = False,
    batch_tokens: int = 1 << 15,
) -> IndexReport:
    """Bring a collection up to date with a source, reading it as a stream.

    Only what is missing or changed is encoded, in batches of about equal length in tokens; while a
    batch is written, the next one is encoded. It may be interrupted, by Ctrl-C, an error or a kill,
    at any moment: what is written is whole, and the next run goes on from there.

    Args:
        corpus: documents or texts, or a file or folder as for `FileCorpus`.
        collection: open.
        workers: batches encoded at once; more than one pays for remote encoders.
        backend: "local", in this process; there is no other yet.
        resume: False encodes and writes everything again.
        progress: show a bar on standard error.
        sync: delete what this source put into the collection and no longer has. What others put
            there or have changed since is never touched.
        strict: stop at the first record that is no document; otherwise it is left out, counted and
            written to the reject file.
        split: cut documents longer than this many tokens into parts, see `Splitter.parts`; parts
            that a changed document no longer has are deleted.
        overlap: tokens that a part repeats of the one before.
        source: name under which the ledger knows this source; None takes the absolute path of a
            file or folder, and "" for other iterables.
        ledger: folder of the ledger, which knows what a source put there; None puts it beside an
            embedded collection, or for a server into the user's cache. ":memory:" has none unless
            a folder is named.
        rejects: the reject file, JSON lines of where, reason and record; None puts it beside the
            ledger, as "index-rejects.jsonl".
        optimize: build the search index at the end, see `Collection.optimize`.
        batch_tokens: tokens in a batch.

    Raises:
        ValueError: a backend that is not there, settings that contradict each other, or ``sync``
            without a ledger.
        InvalidDocument: a corpus that is no list of documents; with ``strict``, a record that is
            none.
        CollectionMismatch: the collection is not this encoder's (any more).
        MissingExtra: ``split`` without ``semantic-text-splitter``, Parquet without ``pyarrow``.
    """
    _check(backend, workers, batch_tokens, split, overlap)
    start = time.monotonic()
    writer = BulkWriter(collection)
    digest = writer.check()
    splitter = None if split is None else Splitter(writer.encoder, split, overlap)
    corpus = FileCorpus(Path(corpus)) if isinstance(corpus, (str, Path)) else corpus
    check_listed(corpus)
    path = ledger_path(ledger, writer.folder, writer.address, collection.name)
    if sync and path is None:
        raise ValueError(
            "sync=True, but a collection in memory keeps no ledger of who put what there; name a"
            " folder with ledger="
        )
    reject_path = Path(rejects) if rejects else path.with_name(REJECTS) if path else None
    with ExitStack() as stack:
        book = None
        if path is not None:
            book = Ledger(path, collection.name, digest, source or _source_name(corpus))
            stack.callback(book.close)
        file = RejectFile(reject_path)
        stack.callback(file.close)
        tally = Tally()
        total = (length_hint(corpus) or None) if progress else None
        label = f"indexing into {collection.name}"
        advance = stack.enter_context(counter(total, label, show=progress, note=tally.note))
        run = _Run(writer, book, file, tally, advance, strict)
        run.load(corpus, splitter, resume=resume, budget=batch_tokens, workers=workers)
        withheld = sync and not run.delete_what_left()
        if optimize:
            writer.optimize()
        writer.flush()
    return tally.report(time.monotonic() - start, withheld=withheld, reject_file=reject_path)


def _check(backend: str, workers: int, batch_tokens: int, split: int | None, overlap: int) -> None:
    if backend != "local":
        raise ValueError(f"backend={backend!r} is not there; this version has 'local' only")
    if workers < 1 or batch_tokens < 1:
        raise ValueError(f"workers={workers}, batch_tokens={batch_tokens}; both must be at least 1")
    if split is None and overlap:
        raise ValueError(f"overlap={overlap} without split=; say how long the parts may be")


def _source_name(corpus: object) -> str:
    return str(corpus.path.resolve()) if isinstance(corpus, FileCorpus) else ""


@dataclass(slots=True)
class _Encoded:
    batch: Batch
    points: dict[PointId, Point]
    truncation: TruncationReport | None
    too_long: list[Item]


@dataclass(slots=True)
class _Run:
    """One call of `index_corpus`."""

    writer: BulkWriter
    ledger: Ledger | None
    file: RejectFile
    tally: Tally
    advance: Callable[[int], None]
    strict: bool

    def load(
        self,
        corpus: Iterable[Document | str],
        splitter: Splitter | None,
        *,
        resume: bool,
        budget: int,
        workers: int,
    ) -> None:
        """Encode and write; this thread reads and writes, another one encodes."""
        if isinstance(corpus, FileCorpus):
            corpus = replace(corpus, on_reject=self.reject)
        planner = Planner(
            self.writer, self.ledger, splitter, resume, budget, self.tally, self.reject,
            self.advance,
        )  # fmt: skip
        unflushed = 0
        # Closed at once on an error or Ctrl-C, which ends the encoding thread after its batch.
        results = overlapped(self._encode, planner.batches(corpus), workers)
        with closing(cast("Generator[_Encoded]", results)):
            for done in results:
                self._write(done, planner.surplus(done.batch))
                planner.written(done.batch)
                unflushed += len(done.points)
                if unflushed >= _FLUSH_EVERY:
                    self.writer.flush()
                    unflushed = 0

    def reject(self, rejected: Rejected) -> None:
        """Note a record that is no document.

        Raises:
            InvalidDocument: under ``strict``.
        """
        if self.strict:
            raise InvalidDocument(f"{rejected.where}: {rejected.reason}")
        self._count(rejected)
        self.advance(1)

    def _count(self, rejected: Rejected) -> None:
        self.tally.reject(rejected)
        self.file.add(rejected)
        if self.ledger is not None and rejected.id is not None:
            # Its older self is not gone from the source, it only cannot be read now.
            self.ledger.keep(rejected.id)

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

    def _encode(self, batch: Batch) -> _Encoded:
        """In the encoding thread."""
        items, too_long = batch.items, list[Item]()
        try:
            points, truncation = self._points(items)
        except InputTooLong:
            if self.strict:
                raise
            items, too_long = self._by_length(items)
            points, truncation = self._points(items)
        return _Encoded(batch, points, truncation, too_long)

    def _points(self, items: list[Item]) -> tuple[dict[PointId, Point], TruncationReport | None]:
        if not items:
            return {}, None
        points, truncation = self.writer.encode([item.document for item in items])
        # Of equal ids the last one counts, as if they had come one by one.
        return {point.id: point for point in points}, truncation

    def _by_length(self, items: list[Item]) -> tuple[list[Item], list[Item]]:
        """Those that the encoder takes, and those that are too long."""
        texts = [item.document.text for item in items]
        counts = self.writer.encoder.count_tokens(texts, Role.DOCUMENT)
        limit = self.writer.encoder.max_tokens or max(counts)
        pairs = list(zip(items, counts, strict=True))
        return [i for i, n in pairs if n <= limit], [i for i, n in pairs if n > limit]

    def _write(self, done: _Encoded, surplus: list[PointId]) -> None:
        refused = {item.entry.point for item in done.too_long}
        for item in done.too_long:
            limit = self.writer.encoder.max_tokens
            reason = f"it is longer than the {limit} tokens that the model takes"
            record = {"text": item.document.text, "metadata": item.document.metadata}
            where = f"document {item.document.id}"
            self._count(Rejected(where, reason, record, item.document.id))
        if self.ledger is not None:
            entries = [i.entry for i in done.batch.items if i.entry.point not in refused]
            self.ledger.intend(entries)
        self.writer.write(done.points)
        if surplus:
            self.writer.delete(surplus)
            if self.ledger is not None:
                self.ledger.forget(surplus)
            self.tally.deleted += len(surplus)
        self.tally.wrote(len(done.points), done.batch.tokens, done.truncation)
