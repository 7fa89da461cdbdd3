"""index_corpus by actors of Ray on this machine."""

import os
import signal
import subprocess
import sys
import time
from functools import partial

import psutil
import pytest

from rolevec import Collection, Document, index_corpus, load_encoder
from rolevec.errors import CollectionMismatch, RolevecError
from rolevec.indexing.ray import RayOptions
from rolevec.indexing.shards import shard_files
from rolevec.qdrant import ServerOptions

pytestmark = pytest.mark.slow

# In a process of its own, which has nothing else that could take the signal.
WAITS = """
import signal
import sys
import ray
from rolevec import Collection, Document, index_corpus, load_encoder
from rolevec.indexing.ray import RayOptions

def corpus():
    for n in range(10):
        yield Document(f"text number {n}", str(n))
    print("all read", flush=True)

def run(documents, **options):
    with load_encoder("light") as encoder, Collection.open("c", encoder, store=sys.argv[1]) as c:
        return index_corpus(documents, c, backend="ray", workers=2, progress=False, **options)

# Python leaves the signal ignored if the shell that started the tests did.
signal.signal(signal.SIGINT, signal.default_int_handler)
ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
try:
    run(corpus(), ray=RayOptions(cpus=3))
except KeyboardInterrupt:
    print("stopped", flush=True)
print("added", run(Document(f"text number {n}", str(n)) for n in range(10)).added, flush=True)
"""
LIGHT = partial(load_encoder, "light", truncation="end")


def processes():
    """All below this one."""
    return set(psutil.Process().children(recursive=True))


def actors():
    return {process for process in processes() if is_actor(process)}


def is_actor(process):
    try:
        return "".join(process.cmdline()[:1]).startswith("ray::EncodingActor")
    except psutil.Error:  # gone meanwhile
        return False


@pytest.fixture
def kill_one(until):
    """Kills one actor that was not there before."""

    def kill(but):
        until(lambda: actors() - but, 60).pop().kill()

    return kill


@pytest.fixture(scope="module", autouse=True)
def cluster(until):
    """One Ray for all tests: it takes seconds to start."""
    # Without its memory watch, which ends actors whenever other tests fill the machine's memory.
    os.environ |= {"RAY_USAGE_STATS_ENABLED": "0", "RAY_memory_monitor_refresh_ms": "0"}
    ray = pytest.importorskip("ray")
    before = processes()
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
    yield
    ray.shutdown()
    assert until(lambda: processes() <= before, 20)


def corpus(count, start=0):
    for n in range(start, start + count):
        yield Document(f"text number {n} " * (n % 9 + 1), str(n), {"n": n, "lang": "de"})


def run(documents, collection, **options):
    settings = {"backend": "ray", "workers": 2, "progress": False, "batch_tokens": 2000}
    return index_corpus(documents, collection, **(settings | options))


def test_the_result_is_that_of_one_process(store, contents, tmp_path):
    """Splits, rejects, cut texts, equal ids and deletions included."""
    lines = tmp_path / "texts.txt"
    lines.write_text("One sentence here. Another one there. " * 90)

    def documents():
        yield from corpus(600)
        yield Document(" ", "blank")
        yield Document(lines.read_text(), "long")
        yield Document("first self", "same")
        yield from corpus(300, 600)
        yield Document("last self", "same")

    reports = []
    for name, backend in [("one", "local"), ("two", "ray")]:
        options = {"backend": backend, "workers": 2 if backend == "ray" else 1, "source": "s"}
        collection = store(name)
        first = run(documents(), collection, split=100, overlap=5, **options)
        again = run(documents(), collection, split=100, overlap=5, **options)
        less = run(corpus(500), collection, sync=True, **options)
        three = (first, again, less)
        reports.append([(r.added, r.unchanged, r.deleted, r.rejected, r.tokens) for r in three])
    assert reports[0] == reports[1]
    assert contents(store("one")) == contents(store("two"))


def test_an_actor_killed_in_the_middle(store, contents, kill_one):
    """Nothing is lost, nothing comes twice; the next run encodes nothing."""
    old = actors()

    def documents():
        for n, document in enumerate(corpus(3000)):
            if n in {900, 2000}:
                kill_one(but=old)
            yield document

    collection = store("killed")
    report = run(documents(), collection)
    assert (report.added, report.rejected) == (3000, 0)
    undisturbed = store("undisturbed")
    index_corpus(corpus(3000), undisturbed, progress=False, batch_tokens=2000)
    assert contents(collection) == contents(undisturbed)
    again = run(corpus(3000), collection)
    assert (again.added, again.unchanged) == (0, 3000)
    assert not (collection._backend.folder / "shards").exists()


def test_a_driver_killed_before_it_loaded_its_shards(store, contents, tmp_path, until):
    """What actors encoded is not encoded again, and what somebody wrote since stays."""
    collection = store("c")
    documents = list(corpus(300))
    given = iter([*documents, "the end"])

    class Died(BaseException):
        pass

    def dying():
        for document in given:
            if document == "the end":
                until(lambda: shard_files(shards), 60)
                raise Died
            yield document

    shards = tmp_path / "shared"
    with pytest.raises(Died):
        run(dying(), collection, ray=RayOptions(shards=shards))
    left = shard_files(shards)
    assert left
    assert collection.count() < 300
    there = collection.count()
    report = run(documents, collection, ray=RayOptions(shards=shards, encoder=LIGHT))
    assert report.unchanged > there
    assert report.added + report.unchanged == 300
    assert not shard_files(shards)
    undisturbed = store("undisturbed")
    undisturbed.add(documents)
    assert contents(collection) == contents(undisturbed)


def test_a_batch_that_ends_its_actors(store, contents, until):
    """It is an error that names it, and what others encoded is not lost."""

    def poisoned():
        encoder = load_encoder("light", truncation="end")
        encode = encoder._rows

        def rows(texts, *rest):
            if any("poison" in text for text in texts):
                os._exit(1)
            return encode(texts, *rest)

        encoder._rows = rows
        return encoder

    collection = store("c")
    documents = [*corpus(900), Document("poison", "poison", {"n": 900})]
    options = RayOptions(encoder=poisoned, attempts=2)
    with pytest.raises(RolevecError, match=r"ended its worker 2 times.*memory"):
        run(documents, collection, ray=options)
    assert until(lambda: not actors(), 20)
    report = run(documents, collection)
    assert report.unchanged > 0
    assert report.added + report.unchanged == 901
    undisturbed = store("undisturbed")
    undisturbed.add(documents)
    assert contents(collection) == contents(undisturbed)


def test_an_actor_with_another_model(store, static_folder, until):
    options = RayOptions(encoder=partial(load_encoder, f"static:{static_folder}"))
    with pytest.raises(CollectionMismatch, match="give all machines the same model"):
        run(corpus(10), store("c"), ray=options)
    assert until(lambda: not actors(), 20)


def test_a_run_that_waits_for_actors_can_be_stopped(tmp_path):
    """The cluster has two processors, and none is lent to it."""
    command = [sys.executable, "-c", WAITS, str(tmp_path / "store")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "all read\n"
        time.sleep(1)  # now it waits; had it come to an end, it would not be stopped
        process.send_signal(signal.SIGINT)
        assert process.stdout.read().split("\n") == ["stopped", "added 10", ""]
    assert process.returncode == 0


def test_actors_write_to_a_server_themselves(qdrant_server, light, contents, tmp_path, kill_one):
    """By shard keys, with one actor killed; the rest as in one process."""
    old = actors()

    def documents():
        for n, document in enumerate(corpus(1000)):
            if n == 900:
                kill_one(but=old)
            yield document

    def opened(name):
        options = ServerOptions(shard_key="lang")
        return Collection.open(name, light, store=qdrant_server.url, server=options)

    with opened("c") as collection, opened("undisturbed") as undisturbed:
        # Asked for patience once: the batch comes again.
        qdrant_server.refusals.append(("PUT", "/c/points", 503, "not now"))
        report = run(documents(), collection, ledger=tmp_path)
        assert (report.added, report.rejected) == (1000, 0)
        assert not qdrant_server.refusals
        assert {body["shard_key"] for body in qdrant_server.sent("PUT", "/c/points")} == {"de"}
        undisturbed.add(corpus(1000))
        assert contents(collection) == contents(undisturbed)
