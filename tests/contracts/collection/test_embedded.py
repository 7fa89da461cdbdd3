"""The embedded store and its processes."""

import gc
import json
import os
import shutil
import signal
import subprocess
import sys
import textwrap

import pytest

from rolevec import Document
from rolevec.errors import CollectionNotFound, RolevecError
from rolevec.qdrant import Collection, list_collections
from rolevec.testing import FakeEncoder


def run(code, *arguments):
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code), *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_documents_survive_closing(tmp_path):
    with Collection.open("c", FakeEncoder(), store=tmp_path) as collection:
        collection.add([Document("text", "a", {"x": 1})])
    with Collection.open("c", FakeEncoder(), store=tmp_path, create=False) as collection:
        assert collection.get("a") == [Document("text", "a", {"x": 1})]


def test_one_process_may_open_it_many_times(tmp_path):
    first = Collection.open("c", FakeEncoder(), store=tmp_path)
    second = Collection.open("c", FakeEncoder(), store=tmp_path / ".." / tmp_path.name)
    first.add(["text"])
    assert second.count() == 1
    first.close()
    first.close()
    assert second.count() == 1
    second.close()
    with pytest.raises(RolevecError, match="closed"):
        second.count()


def test_a_forgotten_collection_lets_go(tmp_path):
    Collection.open("c", FakeEncoder(), store=tmp_path).add(["text"])
    gc.collect()
    done = run(OPEN_AND_COUNT, tmp_path)
    assert done.stdout.strip() == "1", done.stderr


OPEN_AND_COUNT = """
    import sys
    from rolevec.errors import CollectionBusy
    from rolevec.qdrant import Collection
    from rolevec.testing import FakeEncoder
    try:
        print(Collection.open("c", FakeEncoder(), store=sys.argv[1]).count())
    except CollectionBusy as error:
        print("busy:", error)
"""


def test_a_second_process_is_told_that_it_is_busy(tmp_path):
    with Collection.open("c", FakeEncoder(), store=tmp_path) as collection:
        collection.add(["text"])
        done = run(OPEN_AND_COUNT, tmp_path)
        assert done.stdout.startswith("busy: another process"), done.stderr
        assert list_collections(tmp_path) == ["c"]
    assert run(OPEN_AND_COUNT, tmp_path).stdout.strip() == "1"


def test_the_process_may_end_without_closing(tmp_path):
    done = run(
        """
        import sys
        from rolevec.qdrant import Collection
        from rolevec.testing import FakeEncoder
        collection = Collection.open("c", FakeEncoder(), store=sys.argv[1])
        collection.add(["text"])
        """,
        tmp_path,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert Collection.open("c", FakeEncoder(), store=tmp_path, create=False).count() == 1


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_child_is_refused_instead_of_hanging(tmp_path):
    done = run(
        """
        import os, sys
        from rolevec.errors import RolevecError
        from rolevec.qdrant import Collection
        from rolevec.testing import FakeEncoder
        collection = Collection.open("c", FakeEncoder(), store=sys.argv[1])
        collection.add(["text"])
        child = os.fork()
        if child == 0:
            for use in (
                lambda: collection.search("text"),
                lambda: Collection.open("c", FakeEncoder(), store=sys.argv[1]),
            ):
                try:
                    use()
                except RolevecError as error:
                    print(type(error).__name__, error, flush=True)
            collection.close()
            os._exit(0)
        os.waitpid(child, 0)
        print(collection.count())
        """,
        tmp_path,
    )
    lines = done.stdout.splitlines()
    assert "forked" in lines[0], done.stderr
    assert lines[1].startswith("CollectionBusy"), done.stderr
    assert lines[2] == "1"


def test_another_process_can_use_another_collection(tmp_path):
    with Collection.open("parent", FakeEncoder(), store=tmp_path) as collection:
        done = run(
            """
            import sys
            from rolevec.qdrant import Collection
            from rolevec.testing import FakeEncoder
            with Collection.open("child", FakeEncoder(), store=sys.argv[1]) as collection:
                collection.add(["text"])
            """,
            tmp_path,
        )
        assert done.returncode == 0, done.stderr
        assert collection.count() == 0
    assert list_collections(tmp_path) == ["child", "parent"]


def test_making_it_can_be_killed_half_way(tmp_path):
    folder = tmp_path / "c"
    Collection.open("c", FakeEncoder(), store=tmp_path).close()
    sidecar = folder / "rolevec.json"
    sidecar.write_text(json.dumps({"unfinished": True}))
    with Collection.open("c", FakeEncoder(), store=tmp_path) as collection:
        collection.add(["text"])
        assert json.loads(sidecar.read_text())["fingerprint"]["model"] == "fake"


def test_a_shard_without_its_record_is_not_guessed_at(tmp_path):
    with Collection.open("c", FakeEncoder(), store=tmp_path) as collection:
        collection.add(["text"])
    (tmp_path / "c" / "rolevec.json").unlink()
    with pytest.raises(RolevecError, match=r"rolevec\.json"):
        Collection.open("c", FakeEncoder(), store=tmp_path)


def test_a_deleted_store_can_be_made_again(tmp_path):
    old = Collection.open("c", FakeEncoder(), store=tmp_path)
    old.add(["text"])
    shutil.rmtree(tmp_path / "c")
    with Collection.open("c", FakeEncoder(), store=tmp_path) as new:
        assert new.count() == 0
        with pytest.raises(RolevecError, match="closed"):
            old.count()


def test_not_found_leaves_nothing_behind(tmp_path):
    with pytest.raises(CollectionNotFound):
        Collection.open("c", FakeEncoder(), store=tmp_path / "none", create=False)
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(CollectionNotFound):
        list_collections(tmp_path / "none")


def test_optimize_keeps_searches_right(tmp_path):
    with Collection.open("c", FakeEncoder(dim=256), store=tmp_path) as collection:
        collection.add(f"number {i}" for i in range(600))
        collection.optimize()
        assert collection.search("number 77", k=1)[0].text == "number 77"


KILLED = """
    import sys
    from rolevec import Document
    from rolevec.qdrant import Collection
    from rolevec.testing import FakeEncoder
    size, total = 250, int(sys.argv[2])
    collection = Collection.open("c", FakeEncoder(dim=16), store=sys.argv[1])
    done = collection.count()
    for start in range(0, total, size):
        collection.add(
            [Document(f"text {i}", f"id-{i}", {"i": i}) for i in range(start, start + size)]
        )
        print(start + size, flush=True)
"""


@pytest.mark.slow
def test_kill_at_any_moment_loses_nothing_acknowledged(tmp_path):
    total, kills = 20_000, 20
    acknowledged = 0
    for kill in range(kills):
        store = tmp_path / f"{kill // 5}"
        if kill % 5 == 0:
            acknowledged = 0
        process = subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(KILLED), str(store), str(total)],
            stdout=subprocess.PIPE,
            text=True,
        )
        # Killed at a different point of the work each time, wherever in a batch that falls.
        for _ in range(1 + (kill * 7) % 23):
            line = process.stdout.readline()
            acknowledged = max(acknowledged, int(line))
        process.send_signal(signal.SIGKILL)
        rest = process.stdout.read()
        process.wait()
        process.stdout.close()
        acknowledged = max([acknowledged, *map(int, rest.split())])
        with Collection.open("c", FakeEncoder(dim=16), store=store, create=False) as collection:
            ids = [document.id for document in collection.scroll(batch_size=2000)]
            assert len(ids) == len(set(ids))
            assert {f"id-{i}" for i in range(acknowledged)} <= set(ids)
            assert len(ids) % 250 == 0, "a batch is written whole or not at all"
    done = run(KILLED, store, total)
    assert done.returncode == 0, done.stderr
    with Collection.open("c", FakeEncoder(dim=16), store=store) as collection:
        assert collection.count() == total
        document = collection.get(["id-12345"])[0]
        assert (document.text, document.metadata) == ("text 12345", {"i": 12345})
