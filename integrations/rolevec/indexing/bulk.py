"""index_corpus: a whole source into a collection, encoded while it is written, resumable."""

from __future__ import annotations

import time
from collections.abc import Iterable
from contextlib import ExitStack
from operator import length_hint
from pathlib import Path
from typing import cast

from rolevec.documents import Document
from rolevec.encoders.progress import counter
from rolevec.indexing.ledger import Ledger, ledger_path
from rolevec.indexing.ray import RayLane, RayOptions
from rolevec.indexing.rejects import RejectFile
from rolevec.indexing.report import IndexReport, Tally
from rolevec.indexing.running import Lane, LocalLane, Run
from rolevec.indexing.shards import load_shards, shard_files
from rolevec.indexing.sources import FileCorpus
from rolevec.indexing.splitting import Splitter
from rolevec.qdrant.arguments import check_listed
from rolevec.qdrant.bulk import BulkWriter
from rolevec.qdrant.collection import Collection

REJECTS = "index-rejects.jsonl"


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
    ray: RayOptions | None = None,
) -> IndexReport:
    """Bring a collection up to date with a source, reading it as a stream.

    Only what is missing or changed is encoded, in batches of about equal length in tokens; while a
    batch is written, the next one is encoded. It may be interrupted, by Ctrl-C, an error or a kill,
    at any moment: what is written is whole, and the next run goes on from there.

    Args:
        corpus: documents or texts, or a file or folder as for `FileCorpus`; one of shards, which
            an earlier run left, is loaded without encoding.
        collection: open.
        workers: batches encoded at once; "local": more than one pays for remote encoders; "ray":
            actors, each with an encoder of its own.
        backend: "local", in this process; "ray", by actors on this machine or a cluster, which
            write to a server themselves, and for an embedded collection or one in memory hand
            their vectors to this process as Parquet files (see `rolevec.indexing.shards`).
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
        optimize: build the search index, see `Collection.optimize`: of a large embedded collection
            piece by piece as it is written, in bounded memory.
        batch_tokens: tokens in a batch.
        ray: for ``backend="ray"``; None takes the defaults.

    Raises:
        ValueError: a backend that is not there, settings that contradict each other, or ``sync``
            without a ledger.
        InvalidDocument: a corpus that is no list of documents; with ``strict``, a record that is
            none.
        CollectionMismatch: the collection is not this encoder's (any more).
        MissingExtra: ``split`` without ``semantic-text-splitter``, Parquet without ``pyarrow``,
            "ray" without ``ray``.
    """
    _check(backend, workers, batch_tokens, split, overlap, ray)
    start = time.monotonic()
    writer = BulkWriter(collection)
    digest = writer.check()
    splitter = None if split is None else Splitter(writer.encoder, split, overlap)
    corpus = FileCorpus(Path(corpus)) if isinstance(corpus, (str, Path)) else corpus
    check_listed(corpus)
    shards = _shards_of(corpus)
    if shards and (split is not None or backend != "local"):
        raise ValueError(
            f"{cast('FileCorpus', corpus).path} holds vectors of an earlier run, which are loaded"
            " as they are; leave out split= and backend="
        )
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
        run = Run(writer, book, file, tally, advance, strict, resume, optimize)
        if shards:
            load_shards(shards, run)
        else:
            lane = _lane(backend, workers, ray)
            run.load(corpus, splitter, lane, budget=batch_tokens)
        withheld = sync and not run.delete_what_left()
        if optimize:
            run.build_index()
        run.flush()
    return tally.report(time.monotonic() - start, withheld=withheld, reject_file=reject_path)


def _check(
    backend: str,
    workers: int,
    batch_tokens: int,
    split: int | None,
    overlap: int,
    ray: RayOptions | None,
) -> None:
    if backend not in {"local", "ray"}:
        raise ValueError(f"backend={backend!r} is not there; use 'local' or 'ray'")
    if ray is not None and backend != "ray":
        raise ValueError("ray= without backend='ray'; say which")
    if workers < 1 or batch_tokens < 1:
        raise ValueError(f"workers={workers}, batch_tokens={batch_tokens}; both must be at least 1")
    if split is None and overlap:
        raise ValueError(f"overlap={overlap} without split=; say how long the parts may be")


def _source_name(corpus: object) -> str:
    return str(corpus.path.resolve()) if isinstance(corpus, FileCorpus) else ""


def _shards_of(corpus: object) -> list[Path]:
    return shard_files(corpus.path) if isinstance(corpus, FileCorpus) else []


def _lane(backend: str, workers: int, options: RayOptions | None) -> Lane:
    if backend == "local":
        return LocalLane(workers)
    return RayLane(workers, options or RayOptions())
