import threading

import numpy as np
import pytest

from rolevec.encoders.alone import Alone
from rolevec.errors import ModelNotAvailable

FEED = {"input_ids": np.ones((1, 3), dtype=np.int64)}
SHARED, WHOLE = np.zeros((1, 2), np.float32), np.ones((1, 2), np.float32)


@pytest.fixture
def opened():
    """How often the graph was opened a second time, and what opens it."""
    times = []

    def opens():
        times.append(1)
        return lambda feed: WHOLE

    opens.times = times
    return opens


def test_the_third_lone_text_opens_the_graph_and_is_run_there(opened):
    alone = Alone(lambda feed: SHARED, opened)
    assert [alone(FEED, 1) is WHOLE for _ in range(4)] == [False, False, True, True]
    assert (len(opened.times), alone.is_open) == (1, True)


def test_several_texts_are_not_alone(opened):
    alone = Alone(lambda feed: SHARED, opened)
    assert all(alone(FEED, 2) is SHARED for _ in range(5))
    assert not alone.is_open


def test_a_text_beside_another_call_is_not_alone(opened):
    entered, go_on = threading.Event(), threading.Event()

    def shared(feed):
        if not entered.is_set():
            entered.set()
            assert go_on.wait(10)
        return SHARED

    alone = Alone(shared, opened)
    thread = threading.Thread(target=alone, args=(FEED, 8))
    thread.start()
    assert entered.wait(10)
    assert all(alone(FEED, 1) is SHARED for _ in range(5))
    go_on.set()
    thread.join()
    assert [alone(FEED, 1) is WHOLE for _ in range(3)] == [False, False, True]


def test_an_error_leaves_nothing_under_way(opened):
    def broken(feed):
        raise RuntimeError("no memory")

    alone = Alone(broken, opened)
    for _ in range(2):
        with pytest.raises(RuntimeError, match="no memory"):
            alone(FEED, 1)
    assert alone(FEED, 1) is WHOLE


def test_many_threads_open_it_once(opened):
    alone = Alone(lambda feed: SHARED, opened)
    threads = [
        threading.Thread(target=lambda: [alone(FEED, 1) for _ in range(200)]) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    alone(FEED, 1)
    assert len(opened.times) <= 1
    assert all(alone(FEED, 1) is WHOLE for _ in range(3))


def test_without_a_second_opening_nothing_changes():
    alone = Alone(lambda feed: SHARED, None)
    assert all(alone(FEED, 1) is SHARED for _ in range(5))


@pytest.mark.parametrize("error", [ModelNotAvailable("the file has moved"), MemoryError()])
def test_where_it_cannot_be_opened_again_all_goes_on(error):
    tried = []

    def opens():
        tried.append(1)
        raise error

    alone = Alone(lambda feed: SHARED, opens)
    assert all(alone(FEED, 1) is SHARED for _ in range(6))
    assert (len(tried), alone.is_open) == (1, False)
