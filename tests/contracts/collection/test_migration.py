"""A collection moves to another encoder while it is in use."""

import asyncio
import threading

import pytest

from rolevec import Document
from rolevec.encoders.foreign import VectorsOnly
from rolevec.errors import CollectionMismatch, InputTooLong, RolevecError
from rolevec.indexing.bulk import index_corpus
from rolevec.qdrant import Fusion, list_collections
from rolevec.testing import FakeEncoder

OLD = FakeEncoder()
NEW = FakeEncoder(name="new", dim=48)


def documents(count, start=0):
    return [
        Document(f"document number {i}", f"id-{i}", {"n": i, "flag": i % 2 == 0, "x": 0.1 + i / 3})
        for i in range(start, start + count)
    ]


def exact(collection, encoder, query):
    """The nearest ids, computed here from the stored texts."""
    found = list(collection.scroll())
    scores = encoder.encode_documents([d.text for d in found]) @ encoder.encode_queries([query])[0]
    return [found[i].id for i in sorted(range(len(found)), key=lambda i: -scores[i])]


class Interrupting(FakeEncoder):
    """Calls a function before it encodes its nth batch of documents."""

    def __init__(self, then, nth=1, **options):
        super().__init__(name="new", dim=48, **options)
        self.then, self.left = then, nth

    def encode_with_report(self, texts, role, **options):
        if role == "document":
            self.left -= 1
            if self.left == 0:
                self.then()
        return super().encode_with_report(texts, role, **options)


class Stopped(Exception):
    pass


def stop():
    raise Stopped


def test_it_uses_the_new_encoder_and_keeps_everything_else(engine):
    collection = engine.open(indexed_fields={"n": "integer"})
    collection.add(documents(300))
    before = {d.id: d for d in collection.scroll()}
    report = collection.migrate(NEW)
    assert (report.points, report.encoded, report.switched, report.withheld) == (300, 300, True, "")
    assert (report.old, report.new) == (OLD.fingerprint.describe(), NEW.fingerprint.describe())
    assert (collection.encoder, collection.dim) == (NEW, 48)
    assert {d.id: d for d in collection.scroll()} == before
    assert collection.fingerprint == NEW.fingerprint
    assert collection._opened.about().indexed_fields == {"n": "integer"}
    assert collection.count({"n": {"lt": 10}, "flag": True}) == 5
    hit = collection.search("document number 7", k=1)[0]
    assert hit.id == exact(collection, NEW, "document number 7")[0]
    again = engine.open(NEW, create=False)
    assert again.get_vectors(["id-7"])["id-7"] == pytest.approx(
        NEW.encode_documents(["document number 7"])[0], abs=1e-6
    )
    with pytest.raises(CollectionMismatch, match="rolevec migrate"):
        engine.open(OLD)


def test_while_it_runs_the_old_one_answers_and_changes_are_carried_over(engine):
    collection = engine.open()
    collection.add(documents(600))
    expected = exact(collection, OLD, "document number 9")[:3]
    seen = []

    def meanwhile():
        seen.append(([h.id for h in collection.search("document number 9", k=3)], collection.dim))
        collection.add([Document("a newcomer", "newcomer"), Document("rewritten", "id-1")])
        collection.delete(["id-0", "id-599"])
        collection.delete(where={"n": {"gte": 290, "lt": 300}})

    collection.migrate(Interrupting(meanwhile, nth=2))
    assert seen == [(expected, 64)]
    ids = {d.id for d in collection.scroll()}
    gone = {"id-0", "id-599", *(f"id-{i}" for i in range(290, 300))}
    assert ids == {f"id-{i}" for i in range(600)} - gone | {"newcomer"}
    assert collection.get("id-1")[0].text == "rewritten"
    vector = collection.get_vectors(["id-1"])["id-1"]
    assert vector == pytest.approx(NEW.encode_documents(["rewritten"])[0], abs=1e-6)


def test_stopped_it_goes_on(engine):
    collection = engine.open()
    collection.add(documents(600))
    with pytest.raises(Stopped):
        collection.migrate(Interrupting(stop, nth=3))
    assert (collection.encoder.name, collection.count()) == (OLD.name, 600)
    collection.add(documents(1, start=600))
    collection.delete(["id-5"])
    report = collection.migrate(NEW)
    assert report.switched
    assert report.encoded < 600 - 256
    assert {d.id for d in collection.scroll()} == {f"id-{i}" for i in range(601)} - {"id-5"}


def test_what_another_encoder_left_is_not_taken_over(engine):
    collection = engine.open()
    collection.add(documents(300))
    with pytest.raises(Stopped):
        collection.migrate(Interrupting(stop, nth=2))
    other = FakeEncoder(name="other", dim=48)
    assert collection.migrate(other).encoded == 300
    assert collection.fingerprint == other.fingerprint


def test_resume_false_begins_anew(engine):
    collection = engine.open()
    collection.add(documents(10))
    assert collection.migrate(NEW, switch=False).encoded == 10
    assert collection.migrate(NEW, switch=False).encoded == 0
    assert collection.migrate(NEW, resume=False).encoded == 10


def test_the_switch_can_be_withheld(engine):
    collection = engine.open()
    collection.add(documents(50))
    queries = ["document number 3", "document"]
    first = collection.migrate(NEW, switch=False, queries=queries, k=5)
    assert (first.switched, first.points, first.queries, first.k) == (False, 50, 2, 5)
    strict = collection.migrate(NEW, least_overlap=1.0, queries=queries, k=5)
    assert not strict.switched
    assert strict.overlap == first.overlap < 1
    assert "least_overlap" in strict.withheld
    assert (collection.encoder.name, collection.fingerprint) == (OLD.name, OLD.fingerprint)
    assert collection.migrate(NEW, least_overlap=0.0, queries=queries, k=5).switched


def test_the_overlap_is_that_of_the_hits(engine):
    collection = engine.open()
    collection.add(documents(60))
    queries = ["document number 3", "number 41", "document"]
    before = [{h.id for h in hits} for hits in collection.search_many(queries, k=4)]
    report = collection.migrate(NEW, queries=queries, k=4)
    after = [{h.id for h in hits} for hits in collection.search_many(queries, k=4)]
    shared = sum(len(a & b) / 4 for a, b in zip(before, after, strict=True)) / 3
    assert report.overlap == pytest.approx(shared)
    # Two encoders of one kind agree on everything.
    twin = FakeEncoder(name="twin", dim=48)
    twin_report = collection.migrate(twin, switch=False)
    assert twin_report.queries == 60
    assert collection.migrate(FakeEncoder(name="n", dim=48), samples=0).overlap is None


def test_documents_without_text_withhold_the_switch(engine):
    collection = engine.open()
    collection.add(documents(3))
    collection.add_vectors([Document("", "blank"), Document(" \n", "white")], [[1.0] * 64] * 2)
    report = collection.migrate(NEW)
    assert not report.switched
    assert (report.textless, set(report.textless_ids)) == (2, {"blank", "white"})
    assert "2 documents" in report.withheld
    assert collection.count() == 5
    left = collection.migrate(NEW, textless="leave_out")
    assert (left.switched, left.points, left.textless) == (True, 3, 2)
    assert collection.count() == 3


def test_what_the_new_encoder_cuts_is_reported_and_kept_with_the_point(engine):
    short = FakeEncoder(name="new", dim=48, max_tokens=3, truncation="end")
    collection = engine.open()
    collection.add(["one", "one two three four five"])
    with pytest.raises(InputTooLong):
        collection.migrate(FakeEncoder(name="new", dim=48, max_tokens=3, truncation="error"))
    for _ in range(2):  # the second time from what is stored
        report = collection.migrate(short, switch=False)
        assert (report.truncated, report.dropped_tokens) == (1, 3)
    collection.migrate(short)
    kept = [p.payload["_rolevec"].get("dropped_tokens") for p in collection.scroll_points()]
    assert sorted(kept, key=str) == [3, None]


def test_the_old_one_is_kept_until_it_is_dropped(engine):
    collection = engine.open()
    collection.add(documents(5))
    collection.migrate(NEW)
    assert list_collections(engine.store) == [engine.collection]
    assert (collection.drop_old(), collection.drop_old()) == (1, 0)
    assert collection.search("number 3", k=1)
    for encoder in (OLD, NEW):
        collection.migrate(encoder)
    assert collection.drop_old() == 2
    assert list_collections(engine.store) == [engine.collection]
    assert engine.open(NEW, create=False).count() == 5


def test_the_same_encoder_has_nothing_to_do(engine):
    collection = engine.open()
    collection.add(documents(5))
    report = collection.migrate(FakeEncoder())
    assert (report.switched, report.encoded, report.points) == (False, 0, 5)
    assert "already" in report.withheld


def test_a_cut_dimension_of_the_new_encoder(engine):
    collection = engine.open()
    collection.add(documents(5))
    collection.migrate(NEW, dimensions=16)
    assert collection.dim == 16
    assert engine.open(NEW, dimensions=16, create=False).search("number 3", k=1)


def test_vectors_made_elsewhere_are_replaced_by_their_texts(engine):
    collection = engine.open(VectorsOnly(64))
    collection.add_vectors(["some text"], [[1.0] * 64])
    report = collection.migrate(NEW)
    assert (report.switched, report.overlap) == (True, None)
    assert collection.search("some text", k=1)[0].text == "some text"


def test_keywords_go_along(engine):
    collection = engine.open(hybrid=True)
    collection.add(documents(20))
    collection.migrate(NEW)
    again = engine.open(NEW, hybrid=True, create=False)
    only = again.search("number 13", k=1, hybrid=Fusion(dense=0.0, sparse=1.0))
    assert [hit.id for hit in only] == ["id-13"]


def test_the_ledger_of_a_source_goes_along(engine, tmp_path):
    source, ledger = tmp_path / "source", tmp_path / "ledger"
    source.mkdir()
    for name in ("a", "b"):
        (source / f"{name}.txt").write_text(f"the text of {name}", "utf-8")
    collection = engine.open()
    index_corpus(source, collection, ledger=ledger, progress=False)
    for encoder in (NEW, FakeEncoder(name="newer")):
        collection.migrate(encoder)
    (source / "a.txt").unlink()
    report = index_corpus(source, collection, ledger=ledger, progress=False, sync=True)
    assert (report.added, report.unchanged, report.deleted) == (0, 1, 1)
    assert [d.id for d in collection.scroll()] == ["b.txt"]


def test_others_who_have_it_open_are_told(engine):
    first, second = engine.open(), engine.open()
    first.add(documents(5))
    first.migrate(NEW)
    for use in (
        lambda: second.search("number 3"),
        lambda: second.add(["more"]),
        lambda: second.delete(["id-1"]),
        second.count,
        lambda: second.get("id-1"),
    ):
        with pytest.raises(CollectionMismatch, match="open it again"):
            use()
    assert first.count() == 5


def test_what_others_write_through_the_same_store_is_carried_over(engine):
    first, second = engine.open(), engine.open()
    first.add(documents(300))
    first.migrate(Interrupting(lambda: second.add([Document("theirs", "theirs")]), nth=2))
    assert first.get("theirs")[0].text == "theirs"


def test_only_one_at_a_time(engine):
    collection = engine.open()
    collection.add(documents(5))

    def again():
        with pytest.raises(RolevecError, match="running already"):
            collection.migrate(NEW)

    assert collection.migrate(Interrupting(again)).switched


def test_an_abandoned_one_can_be_removed(engine):
    collection = engine.open()
    collection.add(documents(5))
    collection.migrate(NEW, switch=False)
    assert collection.drop_old(unfinished=True) == 0
    assert collection.migrate(NEW).encoded == 5


@pytest.mark.parametrize(
    "wrong",
    [
        {"k": 0},
        {"samples": -1},
        {"least_overlap": 1.5},
        {"textless": "keep"},
        {"queries": [" "]},
        {"dimensions": 49},
    ],
)
def test_what_makes_no_sense_is_refused_before_anything_is_done(engine, wrong):
    collection = engine.open()
    with pytest.raises(ValueError, match=next(iter(wrong)).replace("queries", "text 0")):
        collection.migrate(NEW, **wrong)


def test_its_async_twin(engine):
    collection = engine.open()
    collection.add(documents(5))
    assert asyncio.run(collection.amigrate(NEW)).switched
    assert asyncio.run(collection.adrop_old()) == 1


class Traffic:
    """Threads that read and write until the block ends; what went wrong is in ``faults``."""

    def __init__(self, collection, query, answers):
        self.collection, self.query, self.answers = collection, query, answers
        self.done, self.faults, self.added, self.number = threading.Event(), [], [], 1000
        works = (self.read, self.read, self.write)
        self.threads = [threading.Thread(target=self.repeat, args=(work,)) for work in works]

    def repeat(self, work):
        while not self.done.is_set():
            try:
                work()
            except Exception as error:
                self.faults.append(error)

    def read(self):
        found = self.collection.search(self.query, k=1)[0].id
        if found not in self.answers or not self.collection.get("id-123"):
            self.faults.append(found)

    def write(self):
        self.number += 1
        self.collection.add([Document(f"other {self.number}", f"w-{self.number}")])
        self.added.append(f"w-{self.number}")
        if self.number % 3 == 0:
            self.collection.delete([self.added.pop(0)])

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *exc):
        self.done.set()
        for thread in self.threads:
            thread.join()


def test_readers_and_writers_never_notice(engine):
    """Every answer is right for one of the two encoders, and every write is there afterwards."""
    collection = engine.open()
    collection.add(documents(400))
    query = "document number 123"
    answers = {exact(collection, encoder, query)[0] for encoder in (OLD, NEW)}
    with Traffic(collection, query, answers) as traffic:
        report = collection.migrate(NEW)
    assert traffic.faults == []
    assert report.switched
    kept = {f"id-{i}" for i in range(400)} | set(traffic.added)
    assert {d.id for d in collection.scroll()} == kept
    some = traffic.added[-1]
    row = NEW.encode_documents([collection.get(some)[0].text])[0]
    assert collection.get_vectors([some])[some] == pytest.approx(row, abs=1e-6)


@pytest.fixture(autouse=True)
def successors_are_cleaned_up(engine):
    yield
    if engine.name == "server":
        for name in [c.name for c in engine.store.get_collections().collections]:
            if name.startswith(f"{engine.collection}~"):
                engine.store.delete_collection(name)
