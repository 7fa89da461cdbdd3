"""A run that is killed or stopped at any moment is finished by the next one."""

import random
import signal
import subprocess
import sys
import time
from collections import Counter

import pytest

from rolevec import Document, index_corpus

SCRIPT = """
import signal
import sys
from rolevec import Collection, Document, index_corpus, load_encoder
from rolevec.encoders.protocol import encode_with_report
from rolevec.indexing import running
import rolevec.qdrant.bulk as bulk

def corpus(count):
    for n in range(count):
        yield Document(f"text {n}: " + "the quick brown fox " * (n % 7), str(n), {"n": n})

def told(encoder, texts, role):
    # Before the vectors are written, so that the parent counts too much rather than too little.
    print(" ".join(text.split()[1].rstrip(":") for text in texts), flush=True)
    return encode_with_report(encoder, texts, role)

bulk.encode_with_report = told
# Python leaves the signal ignored if the shell that started the tests did.
signal.signal(signal.SIGINT, signal.default_int_handler)
store, count, piece = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
build = bulk.BulkWriter.optimize

def told_build(writer):
    print("build", flush=True)
    return build(writer)

running._BUILT_AT_ONCE = piece
bulk.BulkWriter.optimize = told_build
with load_encoder("light", truncation="end") as encoder:
    with Collection.open("c", encoder, store=store) as collection:
        try:
            report = index_corpus(
                corpus(count), collection, progress=False, batch_tokens=1500, optimize=piece > 0
            )
            print("report", report.added, report.unchanged, flush=True)
        except KeyboardInterrupt:
            import threading
            left = [t.name for t in threading.enumerate() if t.name.startswith("rolevec_")]
            print("stopped", len(left), flush=True)
"""
COUNT = 3000


def start(store, count=COUNT, piece=0):
    arguments = [str(store), str(count), str(piece)]
    return subprocess.Popen(
        [sys.executable, "-c", SCRIPT, *arguments], stdout=subprocess.PIPE, text=True
    )


def batches(process, most):
    """The texts of up to ``most`` batches that the process tells of, and its other lines."""
    told, rest = [], []
    for line in process.stdout:
        if line[0].isdigit():
            told.append(line.split())
        else:
            rest.append(line.split())
        if len(told) >= most:
            break
    return told, rest


def undisturbed(store, light, count=COUNT):
    expected = store("u", encoder=light)
    expected.add(
        Document(f"text {n}: " + "the quick brown fox " * (n % 7), str(n), {"n": n})
        for n in range(count)
    )
    return expected


@pytest.mark.slow
def test_killed_at_random_moments(store, contents, light, tmp_path):
    chance = random.Random(7)
    encoded = Counter()
    kills = 0
    while True:
        process = start(tmp_path / "store")
        told, rest = batches(process, 1 + chance.randrange(6) if kills < 6 else 10**9)
        if not rest:
            # Anywhere from the encoding of this batch to the writing of the next.
            time.sleep(chance.uniform(0, 0.02))
        process.kill()
        told_late, rest_late = batches(process, 10**9)
        process.wait()
        largest = max(map(len, told + told_late), default=0)
        encoded.update(n for texts in told + told_late for n in texts)
        kills += 1
        if rest or rest_late:
            break
    assert kills > 3
    assert contents(store()) == contents(undisturbed(store, light))
    # What is under way when the process dies: a batch that is written, one that is encoded.
    again = sum(times - 1 for times in encoded.values())
    assert len(encoded) == COUNT
    assert again <= (kills - 1) * 3 * largest
    assert max(encoded.values()) <= kills


@pytest.mark.slow
def test_killed_while_a_piece_of_the_index_is_built(store, contents, light, tmp_path):
    count, piece = 12_000, 11 << 20
    chance = random.Random(7)
    for _ in range(2):
        process = start(tmp_path / "store", count, piece)
        assert any(line == "build\n" for line in process.stdout)
        time.sleep(chance.uniform(0, 2))
        process.kill()
        process.wait()
    process = start(tmp_path / "store", count, piece)
    _, rest = batches(process, 10**9)
    assert process.wait() == 0
    added, unchanged = map(int, rest[-1][1:])
    assert added + unchanged == count
    assert unchanged > 0
    finished = store()
    assert contents(finished) == contents(undisturbed(store, light, count))
    assert finished._backend._shard.call(lambda shard: shard.info()).indexed_vectors_count > 10_000


def test_ctrl_c_stops_cleanly(store, contents, light, tmp_path):
    process = start(tmp_path / "store")
    batches(process, 4)
    process.send_signal(signal.SIGINT)
    _, rest = batches(process, 10**9)
    assert process.wait() == 0
    assert rest == [["stopped", "0"]]
    with store() as collection:
        there = collection.count()
        assert 0 < there < COUNT
    finish = start(tmp_path / "store")
    _, rest = batches(finish, 10**9)
    assert finish.wait() == 0
    assert rest == [["report", str(COUNT - there), str(there)]]
    assert contents(store()) == contents(undisturbed(store, light))


def test_killed_between_the_ledger_and_the_store(store, monkeypatch):
    """The ledger says what was about to be written; only the store says what is there."""
    collection = store()
    corpus = [Document("the fox", "a"), Document("der Hund", "b")]
    with monkeypatch.context() as patch:
        patch.setattr(type(collection._backend), "upsert", _killed)
        with pytest.raises(SystemExit):
            index_corpus(corpus, collection, progress=False)
    assert collection.count() == 0
    report = index_corpus(corpus, collection, progress=False)
    assert (report.added, report.unchanged) == (2, 0)


def _killed(*_):
    raise SystemExit("killed")
