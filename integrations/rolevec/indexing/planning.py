"""From a source to batches of what has to be encoded, and what has to go."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from rolevec.documents import Document
from rolevec.errors import RolevecError
from rolevec.indexing.ledger import Entry, Ledger, content_hash
from rolevec.indexing.report import Tally
from rolevec.indexing.sources import Rejected
from rolevec.indexing.splitting import PARENT, Splitter, part_id
from rolevec.qdrant.adding import identify_all
from rolevec.qdrant.bulk import BulkWriter
from rolevec.qdrant.ids import PointId, point_id
from rolevec.roles import Role

# Documents looked up in the collection at a time.
_LUMP = 256
_LUMP_CHARACTERS = 4_000_000
# Of these, every so many is tokenized to learn how many tokens a byte makes.
_SAMPLED = 32
# A batch also ends at this many documents: more in one request gains nothing.
_BATCH_DOCUMENTS = 1024
# Of which documents it is known how many parts are on their way: more than can be in three batches.
_REMEMBERED = 1 << 14
_GONE = b""


@dataclass(frozen=True, slots=True)
class Item:
    """A document to encode and write.

    Attributes:
        closes: source documents that are done once this one is written.
    """

    document: Document
    entry: Entry
    tokens: float
    closes: int = 0


@dataclass(slots=True)
class Batch:
    """What is encoded and written together; then ``surplus`` goes."""

    items: list[Item] = field(default_factory=list)
    surplus: list[PointId] = field(default_factory=list)
    tokens: float = 0.0

    def full(self, budget: int) -> bool:
        """True if it is time to encode it."""
        return self.tokens >= budget or len(self.items) >= _BATCH_DOCUMENTS


@dataclass(slots=True)
class Planner:
    """Compares a source with the collection.

    The collection itself tells what is there: what a ledger says may be older than the store.

    Args:
        writer: of the collection.
        ledger: told which points the source has; None for a collection in memory.
        splitter: None keeps documents whole.
        resume: False takes everything as changed.
        budget: tokens in a batch.
        tally: counts of the run.
        reject: told of documents that are none.
        advance: told of source documents that are done.
    """

    writer: BulkWriter
    ledger: Ledger | None
    splitter: Splitter | None
    resume: bool
    budget: int
    tally: Tally
    reject: Callable[[Rejected], None]
    advance: Callable[[int], None]
    # Content of points that are planned and not yet written, or `_GONE`.
    _in_flight: dict[PointId, bytes] = field(default_factory=dict)
    # Parts of the documents that were last to change, 0 for one that is whole.
    _earlier: dict[str, int] = field(default_factory=dict)

    def batches(self, corpus: Iterable[Document | str]) -> Iterator[Batch]:
        """What has to be done, batch by batch; `written` is to be told of each."""
        batch = Batch()
        for lump in self._lumps(corpus):
            for items, surplus in self._changed(lump):
                for item in items:
                    batch.items.append(item)
                    batch.tokens += item.tokens
                    if batch.full(self.budget):
                        yield batch
                        batch = Batch()
                batch.surplus += surplus
        if batch.items or batch.surplus:
            yield batch

    def surplus(self, batch: Batch) -> list[PointId]:
        """What of a batch's surplus has not been claimed again by a later document."""
        return [p for p in dict.fromkeys(batch.surplus) if self._in_flight.get(p) == _GONE]

    def written(self, batch: Batch) -> None:
        """A batch is in the collection, and its surplus is not."""
        done = {item.entry.point: item.entry.content for item in batch.items}
        done |= dict.fromkeys(self.surplus(batch), _GONE)
        for point, content in done.items():
            if self._in_flight.get(point) == content:
                del self._in_flight[point]
        self.advance(sum(item.closes for item in batch.items))

    def _lumps(self, corpus: Iterable[Document | str]) -> Iterator[list[list[Document]]]:
        lump: list[list[Document]] = []
        characters = 0
        for number, given in enumerate(corpus, 1):
            parts = self._parts(given, number)
            if not parts:
                continue
            lump.append(parts)
            characters += sum(len(part.text) for part in parts)
            if len(lump) >= _LUMP or characters >= _LUMP_CHARACTERS:
                yield lump
                lump, characters = [], 0
        if lump:
            yield lump

    def _parts(self, given: Document | str, number: int) -> list[Document]:
        """A document's parts, the document itself first if it is whole; empty if rejected."""
        try:
            document = identify_all([given])[0]
            return self.splitter.parts(document) if self.splitter else [document]
        except RolevecError as error:
            reason = str(error).removeprefix("document 0: ")
            self.reject(_rejected(given, f"document {number}", reason))
            return []

    def _changed(
        self, lump: Sequence[Sequence[Document]]
    ) -> Iterator[tuple[list[Item], list[PointId]]]:
        """What to write of each document, and what to delete afterwards."""
        wanted = [point_id(part.id or "") for parts in lump for part in parts]
        stored = self.writer.stored(wanted) if self.resume else {}
        hashes = {point: content_hash(document) for point, document in stored.items()}
        # What is on its way to the collection comes after what is in it.
        hashes |= self._in_flight
        rate = self._tokens_per_byte([part.text for parts in lump for part in parts])
        left_over = self._left_over(lump) if self.splitter else {}
        same: list[PointId] = []
        for position, parts in enumerate(lump):
            items = []
            for part in parts:
                item = _item(part, rate)
                if hashes.get(item.entry.point) == item.entry.content:
                    same.append(item.entry.point)
                else:
                    items.append(item)
            surplus = left_over.get(position, [])
            if self.splitter and items:
                surplus = surplus + self._replaced(parts)
            coming = {i.entry.point: i.entry.content for i in items} | dict.fromkeys(surplus, _GONE)
            hashes |= coming
            self._in_flight |= coming
            self.tally.unchanged += len(parts) - len(items)
            if items:
                items[-1] = replace(items[-1], closes=1)
            else:
                self.advance(1)
            yield items, surplus
        if self.ledger is not None and same:
            self.ledger.seen(same)

    def _replaced(self, parts: Sequence[Document]) -> list[PointId]:
        """Parts of the same document as it came earlier in this run, which may be on their way."""
        parent = _parent(parts)
        count = 0 if parts[0].id == parent else len(parts)
        earlier = self._earlier.pop(parent, count)
        self._earlier[parent] = count
        if len(self._earlier) > _REMEMBERED:
            del self._earlier[next(iter(self._earlier))]
        replaced = [point_id(part_id(parent, n)) for n in range(count, earlier)]
        return [*replaced, point_id(parent)] if count and not earlier else replaced

    def _tokens_per_byte(self, texts: Sequence[str]) -> float:
        sample = texts[::_SAMPLED]
        size = sum(len(text.encode()) for text in sample)
        return sum(self.writer.encoder.count_tokens(sample, Role.DOCUMENT)) / size

    def _left_over(self, lump: Sequence[Sequence[Document]]) -> dict[int, list[PointId]]:
        """Stored points of each document that its present parts do not replace.

        These are parts after the last one, and a document that was whole and is now in parts.
        """
        parents = [_parent(parts) for parts in lump]
        next_ids: dict[PointId, int] = {}
        for position, (parent, parts) in enumerate(zip(parents, lump, strict=True)):
            is_whole = parts[0].id == parent
            next_ids[point_id(part_id(parent, 0 if is_whole else len(parts)))] = position
            if not is_whole:
                next_ids[point_id(parent)] = position
        surplus: dict[int, list[PointId]] = {}
        for point, document in self.writer.stored(list(next_ids)).items():
            position = next_ids[point]
            parent = parents[position]
            if document.id == parent:
                found = self._ours([point])
            else:
                start = 0 if lump[position][0].id == parent else len(lump[position])
                found = self._parts_from(parent, start)
            surplus.setdefault(position, []).extend(found)
        return surplus

    def _ours(self, points: list[PointId]) -> list[PointId]:
        return points if self.ledger is None else list(self.ledger.owned(points))

    def _parts_from(self, parent: str, start: int) -> list[PointId]:
        found: list[PointId] = []
        while True:
            ids = [point_id(part_id(parent, n)) for n in range(start, start + _LUMP)]
            stored = self.writer.stored(ids)
            found += [p for p in ids if p in stored and stored[p].metadata.get(PARENT) == parent]
            if len(stored) < len(ids):
                return found
            start += _LUMP


def _item(document: Document, rate: float) -> Item:
    identifier = document.id or ""
    entry = Entry(point_id(identifier), identifier, content_hash(document))
    return Item(document, entry, len(document.text.encode()) * rate)


def _parent(parts: Sequence[Document]) -> str:
    first = parts[0]
    if len(parts) == 1:
        return first.id or ""
    return str(first.metadata[PARENT])


def _rejected(given: object, where: str, reason: str) -> Rejected:
    if not isinstance(given, Document):
        return Rejected(where, reason, given)
    record = {"text": given.text, "id": given.id, "metadata": given.metadata}
    identifier = given.id if isinstance(given.id, str) and given.id else None
    return Rejected(where, reason, record, identifier)
