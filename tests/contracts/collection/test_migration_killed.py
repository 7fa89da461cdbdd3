"""Embedded collections whose migration is killed: at named moments, and at any."""

import json
import random
import signal
import subprocess
import sys
import textwrap
import time

import pytest

from rolevec import Document
from rolevec.qdrant import Collection
from rolevec.testing import FakeEncoder

OLD, NEW = FakeEncoder(), FakeEncoder(name="new", dim=48)
TOTAL = 3000


def fill(store, total):
    with Collection.open("c", OLD, store=store) as collection:
        collection.add(Document(f"text number {i}", f"id-{i}", {"n": i}) for i in range(total))


def run(code, *arguments):
    command = [sys.executable, "-c", textwrap.dedent(code), *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def check_all(store, total):
    """Everything is there once, with the new vectors, and nothing is left over."""
    with Collection.open("c", NEW, store=store, create=False) as collection:
        points = list(collection.scroll_points(with_vectors=True))
        texts = [point.payload["page_content"] for point in points]
        assert sorted(texts) == sorted(f"text number {i}" for i in range(total))
        rows = NEW.encode_documents(texts)
        for point, row in zip(points, rows, strict=True):
            assert point.vector == pytest.approx(row, abs=1e-6)
        collection.drop_old(unfinished=True)
    folder = store / "c"
    shards = [path.name for path in folder.iterdir() if path.name.startswith("shard")]
    assert shards == [json.loads((folder / "rolevec.json").read_text())["shard"]]
    assert not (folder / "migration.json").exists()


# What is patched to end the process, and what must be true of the collection then.
MOMENTS = {
    "before the successor's record": ("shards.write_file", 1, "old"),
    "before the successor's shard": ("shards.edge.EdgeShard.create", 1, "old"),
    "between the shard and its record": ("shards.write_file", 2, "old"),
    "before the rename that switches": ("shards.write_file", 3, "old"),
    "after the rename that switches": ("edge_successor.replace_open", 1, "new"),
}

ENDED = """
    import importlib, os, sys
    from rolevec.qdrant import Collection
    from rolevec.qdrant.backends import edge, edge_successor, shards
    from rolevec.testing import FakeEncoder

    def ended(use, left):
        def wrapped(*arguments):
            left[0] -= 1
            if left[0] == 0:
                os._exit(9)
            return use(*arguments)
        return wrapped

    collection = Collection.open("c", FakeEncoder(), store=sys.argv[1])
    *path, name = sys.argv[2].split(".")
    home = {"shards": shards, "edge_successor": edge_successor}[path[0]]
    if path[1:]:
        class Engine:
            EdgeShard = type("Shard", (), {"load": shards.edge.EdgeShard.load})
        Engine.EdgeShard.create = staticmethod(ended(shards.edge.EdgeShard.create, [1]))
        shards.edge = Engine
    else:
        setattr(home, name, ended(getattr(home, name), [int(sys.argv[3])]))
    collection.migrate(FakeEncoder(name="new", dim=48))
"""


@pytest.mark.slow
@pytest.mark.parametrize("moment", MOMENTS)
def test_killed_at_a_named_moment(tmp_path, moment):
    where, times, expected = MOMENTS[moment]
    fill(tmp_path, 20)
    process = run(ENDED, tmp_path, where, times)
    process.communicate(timeout=60)
    assert process.returncode == 9
    encoder = {"old": OLD, "new": NEW}[expected]
    with Collection.open("c", encoder, store=tmp_path, create=False) as collection:
        assert collection.count() == 20
        assert collection.search("text number 7", k=1)[0].id == "id-7"
        report = collection.migrate(NEW)
        assert report.switched is (expected == "old")
    check_all(tmp_path, 20)


def test_killed_while_the_old_one_is_dropped(tmp_path, monkeypatch):
    fill(tmp_path, 20)
    with Collection.open("c", OLD, store=tmp_path) as collection:
        collection.migrate(NEW)

        def killed(folder):
            raise KeyboardInterrupt

        with monkeypatch.context() as patch:
            patch.setattr("rolevec.qdrant.backends.edge_successor.shutil.rmtree", killed)
            with pytest.raises(KeyboardInterrupt):
                collection.drop_old()
        assert collection.drop_old() == 1
    check_all(tmp_path, 20)


def test_killed_while_an_unfinished_one_is_discarded(tmp_path, monkeypatch):
    fill(tmp_path, 20)
    with Collection.open("c", OLD, store=tmp_path) as collection:
        collection.migrate(NEW, switch=False)

        def killed(folder, **options):
            (folder / "edge_config.json").unlink()
            raise KeyboardInterrupt

        with monkeypatch.context() as patch:
            patch.setattr("rolevec.qdrant.backends.edge_successor.shutil.rmtree", killed)
            with pytest.raises(KeyboardInterrupt):
                collection.migrate(NEW, resume=False)
        assert collection.migrate(NEW).encoded == 20
    check_all(tmp_path, 20)


KILLED = """
    import sys, threading
    from rolevec.qdrant import Collection
    from rolevec.testing import FakeEncoder
    old, new = FakeEncoder(), FakeEncoder(name="new", dim=48)
    collection = Collection.open("c", old, store=sys.argv[1])
    done = threading.Event()

    def read():
        while not done.is_set():
            if collection.search("text number 77", k=1)[0].id != "id-77":
                print("wrong", flush=True)

    reader = threading.Thread(target=read)
    reader.start()
    print("open", flush=True)
    report = collection.migrate(new)
    done.set()
    reader.join()
    print("encoded", report.encoded, flush=True)
"""


@pytest.mark.slow
def test_killed_twice_it_is_finished_by_the_third_run(tmp_path):
    fill(tmp_path, TOTAL)
    said = []
    for kill in range(3):
        process = run(KILLED, tmp_path)
        said.append(process.stdout.readline())
        if kill < 2:
            time.sleep(random.uniform(0.05, 0.4))
            process.send_signal(signal.SIGKILL)
        said += process.stdout.read().splitlines()
        process.wait(timeout=120)
        process.stdout.close()
        if any(line.startswith("encoded") for line in said):
            break
        with Collection.open("c", OLD, store=tmp_path, create=False) as collection:
            assert collection.count() == TOTAL
            assert collection.search("text number 77", k=1)[0].id == "id-77"
    assert "wrong" not in said
    check_all(tmp_path, TOTAL)
