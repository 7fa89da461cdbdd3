"""index_corpus on the bundled model and Edge."""

import itertools
import json
import shutil
import threading
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rolevec import Collection, Document, index_corpus
from rolevec.errors import CollectionMismatch, InvalidDocument, RolevecError
from rolevec.indexing import running
from rolevec.indexing.ray import RayOptions
from rolevec.qdrant.backends import edge
from rolevec.testing import FakeEncoder


def run(corpus, collection, **options):
    return index_corpus(corpus, collection, progress=False, **options)


def counts(report):
    return report.added, report.unchanged, report.deleted, report.rejected


def documents(*pairs):
    return [Document(text, identifier) for identifier, text in pairs]


class Counting(FakeEncoder):
    """Notes every text it encodes."""

    def __init__(self, **options):
        super().__init__(**options)
        self.seen = Counter()

    def _rows(self, texts, *rest):
        self.seen.update(texts)
        return super()._rows(texts, *rest)


def test_only_what_is_missing_or_changed(store, contents):
    collection = store()
    corpus = documents(("a", "the fox"), ("b", "der Hund"), ("c", "le chat"))
    report = run(iter(corpus), collection)
    assert counts(report) == (3, 0, 0, 0)
    assert report.tokens > 0
    first = contents(collection)
    assert counts(run(iter(corpus), collection)) == (0, 3, 0, 0)
    assert contents(collection) == first
    changed = [*corpus[:2], Document("le chat", "c", {"year": 2020}), Document("новое", "d")]
    assert counts(run(changed, collection)) == (2, 2, 0, 0)
    assert collection.get("c")[0].metadata == {"year": 2020}
    assert counts(run(changed, collection, resume=False)) == (4, 0, 0, 0)


def test_the_result_is_that_of_add(store, contents, tmp_path):
    corpus = [Document(f"text {n} " * (n % 9 + 1), str(n), {"n": n}) for n in range(300)]
    one, two = store("one"), store("two")
    run(corpus, one, batch_tokens=100)
    two.add(corpus)
    assert contents(one) == contents(two)
    three = store("three")
    run(corpus, three, batch_tokens=100, workers=3)
    assert contents(three) == contents(two)


def test_a_wiped_store_is_filled_again(store, tmp_path):
    ledger = tmp_path / "ledger"
    corpus = documents(("a", "the fox"), ("b", "der Hund"))
    with store() as collection:
        run(corpus, collection, ledger=ledger)
        collection.delete(["a"])
        assert counts(run(corpus, collection, ledger=ledger)) == (1, 1, 0, 0)
    shutil.rmtree(tmp_path / "store")
    with store() as collection:
        assert counts(run(corpus, collection, ledger=ledger, sync=True)) == (2, 0, 0, 0)


def test_what_another_hand_wrote_since_is_seen(store):
    collection = store()
    corpus = documents(("a", "the fox"))
    run(corpus, collection)
    collection.add([Document("another text", "a")])
    assert counts(run(corpus, collection)) == (1, 0, 0, 0)
    assert collection.get("a")[0].text == "the fox"


def test_a_lost_ledger_costs_no_encoding(store, tmp_path):
    collection = store()
    corpus = documents(("a", "the fox"), ("b", "der Hund"))
    run(corpus, collection, ledger=tmp_path / "one")
    assert counts(run(corpus, collection, ledger=tmp_path / "two")) == (0, 2, 0, 0)


def test_sync_deletes_only_what_this_source_put_there(store):
    collection = store()
    collection.add(documents(("foreign", "not ours"), ("same", "equal text")))
    corpus = documents(
        ("a", "the fox"), ("b", "der Hund"), ("c", "le chat"), ("same", "equal text")
    )
    run(corpus, collection, source="first")
    run(documents(("b", "der Hund"), ("x", "other")), collection, source="second")
    collection.add([Document("edited by hand", "c")])
    run(corpus[:1], collection, source="first")
    assert collection.count() == 6
    report = run(corpus[:1], collection, source="first", sync=True)
    # "b" was there when the second source came, so it is the first one's alone.
    assert report.deleted == 1
    assert sorted(d.id for d in collection.scroll()) == ["a", "c", "foreign", "same", "x"]


def test_sync_of_many_pages(store):
    collection = store(encoder=FakeEncoder())
    corpus = [Document(f"text {n}", str(n) if n % 2 else f"id {n}") for n in range(1500)]
    run(corpus, collection)
    report = run(corpus[::3], collection, sync=True)
    assert counts(report) == (0, 500, 1000, 0)
    assert {d.id for d in collection.scroll()} == {d.id for d in corpus[::3]}


def test_a_file_that_is_no_ledger_is_named(store, tmp_path):
    collection = store()
    (tmp_path / "store" / "c" / "index-ledger.sqlite").write_bytes(b"no database" * 100)
    with pytest.raises(RolevecError, match="remove it"):
        run(["x"], collection)


def test_two_sources_with_one_document(store):
    collection = store()
    run(documents(("a", "old")), collection, source="first")
    run(documents(("a", "new")), collection, source="second")
    assert run([], collection, source="first", sync=True).deleted == 0
    assert run([], collection, source="second", sync=True).deleted == 1


def test_sync_keeps_what_could_not_be_read(store, tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_text('{"id": "a", "text": "one"}\n{"id": "b", "text": "two"}\n{"text": "three"}\n')
    collection = store()
    run(path, collection)
    path.write_text('{"id": "a", "text": " "}\n')
    report = run(path, collection, sync=True)
    assert counts(report) == (0, 0, 2, 1)
    assert [d.id for d in collection.scroll()] == ["a"]
    path.write_text("{\n")
    report = run(path, collection, sync=True)
    assert report.sync_withheld
    assert collection.count() == 1
    path.write_text("\n")
    assert run(path, collection, sync=True).deleted == 1


def test_rejects_are_written_with_reason_and_record(store, tmp_path):
    def corpus():
        yield "good"
        yield Document(" ", "blank")
        yield 7
        yield Document("bad metadata", "m", {"when": object()})
        yield Document("lone \ud800", "s")
        yield "last"

    collection = store()
    report = run(corpus(), collection)
    assert counts(report) == (2, 0, 0, 4)
    assert report.reject_file == tmp_path / "store" / "c" / "index-rejects.jsonl"
    lines = [json.loads(line) for line in report.reject_file.read_text().splitlines()]
    assert [line["where"] for line in lines] == [f"document {n}" for n in (2, 3, 4, 5)]
    assert "blank" in lines[0]["reason"]
    assert lines[0]["record"]["id"] == "blank"
    assert lines[1]["record"] == 7
    assert report.rejects[0].reason == lines[0]["reason"]
    clean = run(["good"], collection)
    assert clean.reject_file is None
    assert not report.reject_file.exists()
    with pytest.raises(InvalidDocument, match=r"document 2: .*blank"):
        run(corpus(), collection, strict=True)


def test_too_long_under_error_is_rejected_alone(store):
    encoder = FakeEncoder(max_tokens=8, truncation="error")
    collection = store(encoder=encoder)
    corpus = documents(("a", "short"), ("b", "far too long " * 9), ("c", "short too"))
    report = run(corpus, collection)
    assert counts(report) == (2, 0, 0, 1)
    assert report.rejects[0].where == "document b"
    assert collection.count() == 2


def test_truncation_is_counted(store):
    collection = store(encoder=FakeEncoder(max_tokens=8, truncation="end"))
    report = run(["word " * 20, "short"], collection)
    assert report.truncated == 1
    assert report.dropped_tokens > 0


def test_memory_has_no_ledger(store, tmp_path):
    collection = store(place=":memory:")
    corpus = documents(("a", "the fox"), ("b", "der Hund"))
    assert counts(run(corpus, collection)) == (2, 0, 0, 0)
    assert counts(run(corpus, collection)) == (0, 2, 0, 0)
    with pytest.raises(ValueError, match="ledger="):
        run(corpus, collection, sync=True)
    run(corpus, collection, ledger=tmp_path / "books", resume=False)
    assert run([], collection, ledger=tmp_path / "books", sync=True).deleted == 2


def test_what_is_not_there_is_refused_by_name(store):
    collection = store()
    for options, word in [
        ({"backend": "spark"}, "spark"),
        ({"ray": RayOptions()}, "ray"),
        ({"workers": 0}, "workers=0"),
        ({"overlap": 3}, "overlap=3"),
    ]:
        with pytest.raises(ValueError, match=word):
            run(["x"], collection, **options)


def test_another_encoder_is_refused(store):
    collection = store()
    collection.encoder = FakeEncoder(dim=collection.dim)
    with pytest.raises(CollectionMismatch):
        run(["x"], collection)


def test_the_stream_is_never_far_ahead(store):
    read = 0
    behind = []

    class Slow(FakeEncoder):
        def _rows(self, texts, *rest):
            behind.append(read)
            return super()._rows(texts, *rest)

    def corpus():
        nonlocal read
        for read in range(20_000):
            yield f"text {read}"

    report = run(corpus(), store(encoder=Slow()), batch_tokens=1000)
    assert report.added == 20_000
    steps = [after - before for before, after in itertools.pairwise(behind)]
    assert max(steps) < 2_000
    assert behind[0] < 3_000


def test_encoding_has_a_thread_of_its_own(store):
    names = set()

    class Named(FakeEncoder):
        def _rows(self, texts, *rest):
            names.add(threading.current_thread().name)
            return super()._rows(texts, *rest)

    run([f"text {n}" for n in range(500)], store(encoder=Named()), batch_tokens=500)
    assert threading.current_thread().name not in names
    assert not [t for t in threading.enumerate() if t.name in names]


@pytest.mark.parametrize("error", [RuntimeError("lost"), KeyboardInterrupt()])
@pytest.mark.parametrize("where", ["source", "encoder"])
def test_an_error_stops_both_threads_and_the_next_run_finishes(store, contents, error, where):
    corpus = [Document(f"text number {n}", str(n)) for n in range(3000)]
    broken = True

    class Failing(Counting):
        def _rows(self, texts, *rest):
            if broken and where == "encoder" and "text number 2000" in texts:
                raise error
            return super()._rows(texts, *rest)

    def source():
        for number, document in enumerate(corpus):
            if broken and where == "source" and number == 2000:
                raise error
            yield document

    encoder = Failing()
    collection = store(encoder=encoder)
    with pytest.raises(type(error)):
        run(source(), collection, batch_tokens=1000)
    assert not [t for t in threading.enumerate() if t.name.startswith("rolevec_")]
    there = collection.count()
    assert 0 < there < 2000
    broken = False
    report = run(source(), collection, batch_tokens=1000)
    assert (report.added, report.unchanged) == (3000 - there, there)
    undisturbed = store("u", encoder=FakeEncoder())
    undisturbed.add(corpus)
    assert contents(collection) == contents(undisturbed)


def test_equal_ids_in_one_run_leave_the_last(store):
    collection = store()
    corpus = documents(*[("a", f"version {n}") for n in range(4)], ("b", "other"))
    for tokens in (1, 5, 1 << 15):
        for _ in range(2):
            run(corpus, collection, batch_tokens=tokens)
            assert collection.get("a")[0].text == "version 3"


def test_equal_ids_far_apart_leave_the_last(store):
    """Also where a batch is written while the documents looked up with it are still planned."""
    collection = store(encoder=FakeEncoder())
    middle = [Document(f"middle {n}", str(n)) for n in range(100)]
    corpus = [Document("first", "a"), *middle, Document("last", "a")]
    for _ in range(2):
        run(corpus, collection, batch_tokens=1, resume=False)
        run(corpus, collection, batch_tokens=1)
        assert collection.get("a")[0].text == "last"


def test_progress_and_the_index_at_the_end(store, capsys):
    collection = store()
    corpus = [f"text {n}" for n in range(50)] + ["", "text 1"]
    report = index_corpus(corpus, collection, optimize=True)
    assert counts(report) == (50, 1, 0, 1)
    err = capsys.readouterr().err
    assert "indexing into c: 52 of 52 (100%)" in err
    assert "/s" in err
    assert f"{report.tokens:,} tokens, 1 unchanged, 1 rejected" in err


def test_a_large_index_is_built_in_pieces(store, monkeypatch):
    monkeypatch.setattr(running, "_BUILT_AT_ONCE", 12 << 20)
    monkeypatch.setattr(edge, "_SEGMENT", 15_000)
    collection = store(encoder=FakeEncoder(dim=2048))
    corpus = [f"text number {n}" for n in range(3500)]
    run(corpus, collection, optimize=True)
    info = collection._backend._shard.call(lambda shard: shard.info())
    # Two pieces of 1,537 or more, what is left, and the segment that is written to.
    assert info.segments_count >= 3
    assert info.indexed_vectors_count >= 2 * 1537
    found = [collection.search(text, k=1)[0].text for text in corpus[::100]]
    assert found == corpus[::100]


@pytest.mark.parametrize("corpus", [Document("one"), b"bytes", {"text": "x"}, 5])
def test_what_is_no_corpus(store, corpus):
    collection = store()
    with pytest.raises(InvalidDocument):
        run(corpus, collection)
    assert collection.count() == 0


IDS = st.sampled_from(["1", "2", "a", "b", "ü", "00000000-0000-0000-0000-00000000000a"])
TEXTS = st.sampled_from(["fox", "Hund", "狐狸", "лиса", "long " * 40])
CORPORA = st.lists(st.tuples(IDS, TEXTS, st.integers(0, 1)), max_size=8)


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(st.tuples(CORPORA, st.booleans(), st.integers(1, 60)), min_size=1, max_size=4))
def test_any_history_ends_in_the_last_corpus(tmp_path_factory, runs):
    """Whatever the runs before: after a sync, the source's points are those of its last state."""
    encoder = Counting()
    folder = tmp_path_factory.mktemp("history")
    expected = {"foreign": ("kept", {})}
    with Collection.open("c", encoder, store=folder) as collection:
        collection.add([Document("kept", "foreign")])
        for rows, sync, tokens in runs:
            corpus = [Document(text, i, {"n": n}) for i, text, n in rows]
            latest = {d.id: (d.text, dict(d.metadata)) for d in corpus}
            before = dict(expected)
            encoder.seen.clear()
            run(corpus, collection, sync=sync, batch_tokens=tokens)
            if sync:
                expected = {"foreign": expected["foreign"]}
            expected |= latest
            found = {d.id: (d.text, dict(d.metadata)) for d in collection.scroll()}
            assert found == expected
            if len(latest) == len(corpus):
                changed = {t for i, (t, m) in latest.items() if before.get(i) != (t, m)}
                assert set(encoder.seen) == changed
    shutil.rmtree(Path(folder))
