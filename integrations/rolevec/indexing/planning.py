"""From a source to batches of what has to be encoded, and what has to go."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

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
_GONE = b""


@dataclass(frozen=True, slots=True)
class Item:
    """A document to encode and write.

    Attributes:
        turn: number of the source document that it is, or is a part of, in the order of the run.
    """

    document: Document
    entry: Entry
    tokens: float
    turn: int


@dataclass(slots=True)
class Batch:
    """What is encoded and written together; then ``surplus`` goes.

    Attributes:
        surplus: points to delete, with the turn of the document that no longer has them.
        ends: source documents that are done with this batch, with their turns.
    """

    items: list[Item] = field(default_factory=list)
    surplus: dict[PointId, int] = field(default_factory=dict)
    ends: list[tuple[str, int]] = field(default_factory=list)
    tokens: float = 0.0

    def full(self, budget: int) -> bool:
        """True if it is time to encode it."""
        return self.tokens >= budget or len(self.items) >= _BATCH_DOCUMENTS


@dataclass(slots=True)
class _Change:
    """What to do about one source document."""

    parent: str
    turn: int
    surplus: list[PointId]
    items: list[Item] = field(default_factory=list)

    def contents(self) -> dict[PointId, bytes]:
        """What its points are to be afterwards."""
        written = {item.entry.point: item.entry.content for item in self.items}
        return written | dict.fromkeys(self.surplus, _GONE)


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
        batches_ahead: batches that may be planned and not yet written.
    """

    writer: BulkWriter
    ledger: Ledger | None
    splitter: Splitter | None
    resume: bool
    budget: int
    tally: Tally
    reject: Callable[[Rejected], None]
    advance: Callable[[int], None]
    # What is planned and not yet written: the last turn that has a say, and what it wants. A turn
    # is told from an earlier one that wants the same, with something else between the two.
    _contents: dict[PointId, tuple[int, bytes]] = field(default_factory=dict)
    # The same for documents: how many parts they are in, 0 for one that is whole.
    _counts: dict[str, tuple[int, int]] = field(default_factory=dict)
    _turn: int = 0

    def batches(self, corpus: Iterable[Document | str]) -> Iterator[Batch]:
        """What has to be done, batch by batch; `written` is to be told of each."""
        batch = Batch()
        for lump in self._lumps(corpus):
            for change in self._changed(lump):
                for item in change.items:
                    if batch.full(self.budget):
                        yield batch
                        batch = Batch()
                    batch.items.append(item)
                    batch.tokens += item.tokens
                batch.surplus |= dict.fromkeys(change.surplus, change.turn)
                batch.ends.append((change.parent, change.turn))
        if batch.ends:
            yield batch

    def surplus(self, batch: Batch) -> list[PointId]:
        """What of a batch's surplus no later document has a say in."""
        return [p for p, turn in batch.surplus.items() if self._contents.get(p, (0,))[0] == turn]

    def written(self, batch: Batch) -> None:
        """A batch is in the collection, and its surplus is not."""
        done = [(item.entry.point, item.turn) for item in batch.items]
        for point, turn in (*done, *batch.surplus.items()):
            if self._contents.get(point, (0,))[0] == turn:
                del self._contents[point]
        for parent, turn in batch.ends:
            if self._counts.get(parent, (0,))[0] == turn:
                del self._counts[parent]
        self.advance(len(batch.ends))

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
            self.writer.check_document(document)
            return self.splitter.parts(document) if self.splitter else [document]
        except RolevecError as error:
            reason = str(error).removeprefix("document 0: ")
            self.reject(_rejected(given, f"document {number}", reason))
            return []

    def _changed(self, lump: Sequence[Sequence[Document]]) -> Iterator[_Change]:
        """What to do about each document that is not in the collection as it is."""
        wanted = [point_id(part.id or "") for parts in lump for part in parts]
        stored = self.writer.stored(wanted) if self.resume else {}
        contents = {point: content_hash(document) for point, document in stored.items()}
        # What is on its way to the collection comes after what is in it.
        contents |= {point: content for point, (_, content) in self._contents.items()}
        counts = {parent: count for parent, (_, count) in self._counts.items()}
        rate = self._tokens_per_byte([part.text for parts in lump for part in parts])
        left_over = self._left_over(lump, counts) if self.splitter else {}
        same: list[PointId] = []
        for position, parts in enumerate(lump):
            self._turn += 1
            change = _Change(_parent(parts), self._turn, left_over.get(position, []))
            for part in parts:
                item = _item(part, rate, self._turn)
                if contents.get(item.entry.point) == item.entry.content:
                    same.append(item.entry.point)
                    self.tally.unchanged += 1
                else:
                    change.items.append(item)
            count = _count(parts)
            change.surplus += _replaced(change.parent, counts.get(change.parent, count), count)
            counts[change.parent] = count
            contents |= change.contents()
            if change.items or change.surplus:
                self._contents |= {p: (self._turn, c) for p, c in change.contents().items()}
                self._counts[change.parent] = self._turn, count
                yield change
            else:
                self.advance(1)
        if self.ledger is not None and same:
            self.ledger.seen(same)

    def _tokens_per_byte(self, texts: Sequence[str]) -> float:
        sample = texts[::_SAMPLED]
        size = sum(len(text.encode()) for text in sample)
        return sum(self.writer.encoder.count_tokens(sample, Role.DOCUMENT)) / size

    def _left_over(
        self, lump: Sequence[Sequence[Document]], known: Container[str]
    ) -> dict[int, list[PointId]]:
        """Stored points of each document that its present parts do not replace.

        These are parts after the last one, and a document that was whole and is now in parts. Of a
        document that is ``known`` to have come before, the store does not tell.
        """
        parents = [_parent(parts) for parts in lump]
        first = {parent: n for n, parent in reversed(list(enumerate(parents)))}
        next_ids: dict[PointId, int] = {}
        for parent, position in first.items():
            if parent in known:
                continue
            count = _count(lump[position])
            next_ids[point_id(part_id(parent, count))] = position
            if count:
                next_ids[point_id(parent)] = position
        surplus: dict[int, list[PointId]] = {}
        for point, document in self.writer.stored(list(next_ids)).items():
            position = next_ids[point]
            parent = parents[position]
            if document.id == parent:
                found = self._ours([point])
            else:
                found = self._parts_from(parent, _count(lump[position]))
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


def _item(document: Document, rate: float, turn: int) -> Item:
    identifier = document.id or ""
    entry = Entry(point_id(identifier), identifier, content_hash(document))
    return Item(document, entry, len(document.text.encode()) * rate, turn)


def _parent(parts: Sequence[Document]) -> str:
    first = parts[0]
    if len(parts) == 1:
        return first.id or ""
    return str(first.metadata[PARENT])


def _count(parts: Sequence[Document]) -> int:
    """How many parts a document is in, 0 if it is whole."""
    return len(parts) if len(parts) > 1 else 0


def _replaced(parent: str, earlier: int, count: int) -> list[PointId]:
    """What a document was in ``earlier`` parts and is no longer, now that it is in ``count``."""
    parts = [point_id(part_id(parent, n)) for n in range(count, earlier)]
    return [*parts, point_id(parent)] if count and not earlier else parts


def _rejected(given: object, where: str, reason: str) -> Rejected:
    if not isinstance(given, Document):
        return Rejected(where, reason, given)
    record = {"text": given.text, "id": given.id, "metadata": given.metadata}
    identifier = given.id if isinstance(given.id, str) and given.id else None
    return Rejected(where, reason, record, identifier)
