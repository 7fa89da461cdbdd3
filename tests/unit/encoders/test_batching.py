"""Order and errors of overlapping calls; processors of a container."""

import threading
import time

import pytest

from rolevec.encoders.batching import _quota, overlapped, processors, streams


@pytest.mark.parametrize("workers", [1, 3])
@pytest.mark.parametrize("count", [0, 1, 2, 9])
def test_results_come_in_the_order_of_the_items(workers, count):
    def late(item):
        time.sleep(0.002 * (count - item))
        return item * item

    assert list(overlapped(late, iter(range(count)), workers)) == [n * n for n in range(count)]


def test_the_next_item_is_fetched_while_calls_are_under_way():
    fetched, started = threading.Event(), threading.Event()

    def items():
        yield "first"
        yield "second"
        assert started.wait(5)
        fetched.set()
        yield "third"

    def call(item):
        if item == "second":
            started.set()
            assert fetched.wait(5)
        return item

    assert list(overlapped(call, items(), 1)) == ["first", "second", "third"]


def test_no_more_calls_at_once_than_workers():
    now, most, lock = 0, 0, threading.Lock()

    def call(item):
        nonlocal now, most
        with lock:
            now += 1
            most = max(most, now)
        time.sleep(0.002)
        with lock:
            now -= 1

    list(overlapped(call, range(12), 2))
    assert most == 2


def test_a_single_item_stays_in_the_callers_thread():
    (thread,) = overlapped(lambda _: threading.current_thread(), ["only"], 4)
    assert thread is threading.current_thread()


def test_an_error_comes_in_its_turn_and_ends_it():
    def call(item):
        if item == 3:
            raise LookupError(item)
        return item

    before = set(threading.enumerate())  # other tests' servers may still be up
    results = overlapped(call, range(1000), 2)
    assert [next(results) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(LookupError):
        next(results)
    assert not set(threading.enumerate()) - before


def test_processors_respect_the_quota_of_a_container(tmp_path):
    assert processors() >= 1
    assert _quota(tmp_path) is None
    (tmp_path / "cpu").mkdir()
    (tmp_path / "cpu" / "cpu.cfs_quota_us").write_text("-1\n")
    (tmp_path / "cpu" / "cpu.cfs_period_us").write_text("100000\n")
    assert _quota(tmp_path) is None
    (tmp_path / "cpu" / "cpu.cfs_quota_us").write_text("350000\n")
    assert _quota(tmp_path) == 3
    for content, want in (("max 100000", None), ("50000 100000", 1), ("400000 100000", 4)):
        (tmp_path / "cpu.max").write_text(content)
        assert _quota(tmp_path) == want


def test_batches_side_by_side_never_outnumber_threads():
    assert [streams(n) for n in (1, 2, 3, 4, 8, 16, 64)] == [1, 2, 3, 2, 2, 4, 16]
    assert all(1 <= streams(n) <= n for n in range(1, 200))
