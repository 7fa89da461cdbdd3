"""The queue: what is done together, who goes first, what is refused."""

import asyncio
import threading

import pytest

from rolevec.errors import InvalidText
from rolevec.server.batching import Batcher
from rolevec.server.failures import Kind, Refused


class Gate:
    """Work that waits for a word, and remembers what it was given."""

    def __init__(self):
        self.open = threading.Event()
        self.begun = threading.Semaphore(0)
        self.batches = []

    def __call__(self, key, groups):
        self.batches.append((key, groups))
        self.begun.release()
        assert self.open.wait(30)
        if any("bad" in group for group in groups):
            raise InvalidText("bad")
        return [[text.upper() for text in group] for group in groups]


@pytest.fixture
async def make():
    made = []

    def batcher(gate, **options):
        options = {"budget": 10, "queue_cost": 1000, "queue_jobs": 100} | options
        made.append((Batcher("test", gate, **options), gate))
        made[-1][0].start()
        return made[-1][0]

    yield batcher
    for one, gate in made:
        gate.open.set()
        await asyncio.to_thread(one.stop)


async def busy(batcher, gate):
    """A job that keeps the only worker until the gate opens."""
    first = batcher.submit("first", ["first"], [1], "someone")
    assert await asyncio.to_thread(gate.begun.acquire, timeout=30)
    return first


def put(batcher, texts, *, key="k", client="a", cost=1):
    return batcher.submit(key, texts, [cost] * len(texts), client)


async def test_what_waits_is_done_together(make):
    gate = Gate()
    batcher = make(gate)
    first = await busy(batcher, gate)
    jobs = [put(batcher, [f"t{i}"], client=f"c{i}") for i in range(5)]
    assert batcher.waiting_jobs == batcher.waiting_cost == 5
    gate.open.set()
    assert await first.future == [["FIRST"]]
    assert [await job.future for job in jobs] == [[[f"T{i}"]] for i in range(5)]
    assert gate.batches[1] == ("k", [[f"t{i}"] for i in range(5)])
    assert batcher.waiting_jobs == batcher.waiting_cost == 0


async def test_only_equal_keys_are_done_together_and_none_is_passed_over(make):
    gate = Gate()
    batcher = make(gate)
    await busy(batcher, gate)
    jobs = [put(batcher, [str(i)], key=i % 2, client=f"c{i}") for i in range(6)]
    gate.open.set()
    await asyncio.gather(*(job.future for job in jobs))
    assert gate.batches[1:] == [(0, [["0"], ["2"], ["4"]]), (1, [["1"], ["3"], ["5"]])]


async def test_a_batch_fits_the_budget_and_a_long_job_is_cut(make):
    gate = Gate()
    batcher = make(gate)
    await busy(batcher, gate)
    long = put(batcher, [f"l{i}" for i in range(25)])
    huge = put(batcher, ["h"], cost=50)
    gate.open.set()
    parts = await long.future
    assert [text for part in parts for text in part] == [f"L{i}" for i in range(25)]
    assert await huge.future == [["H"]]
    assert [len(part) for part in parts] == [10, 10, 5]


async def test_clients_take_turns(make):
    gate = Gate()
    batcher = make(gate, budget=4)
    await busy(batcher, gate)
    greedy = [put(batcher, [f"g{i}"], client="greedy") for i in range(8)]
    modest = put(batcher, ["m"], client="modest")
    gate.open.set()
    await asyncio.gather(modest.future, *(job.future for job in greedy))
    assert gate.batches[1][1] == [["g0"], ["m"], ["g1"], ["g2"]]


async def test_the_short_go_ahead_of_bulk_but_not_for_ever(make):
    gate = Gate()
    batcher = make(gate, budget=10)
    await busy(batcher, gate)
    bulk = put(batcher, [f"b{i}" for i in range(30)], client="bulk")
    short = [put(batcher, ["s"], cost=9, client=f"c{i}") for i in range(10)]
    assert not bulk.urgent
    assert all(job.urgent for job in short)
    gate.open.set()
    await asyncio.gather(bulk.future, *(job.future for job in short))
    order = ["bulk" if groups[0][0].startswith("b") else "short" for _, groups in gate.batches[1:]]
    assert order == [*["short"] * 4, "bulk", *["short"] * 4, "bulk", *["short"] * 2, "bulk"]


async def test_a_full_queue_refuses_and_says_when_to_come_back(make):
    gate = Gate()
    batcher = make(gate, queue_jobs=3)
    await busy(batcher, gate)
    jobs = [put(batcher, ["x"]) for _ in range(3)]
    with pytest.raises(Refused) as caught:
        put(batcher, ["x"])
    assert caught.value.kind is Kind.OVERLOADED
    assert int(caught.value.headers["retry-after"]) >= 1
    gate.open.set()
    await asyncio.gather(*(job.future for job in jobs))
    assert await put(batcher, ["x"]).future == [["X"]]


async def test_one_client_gets_half_of_the_queue(make):
    gate = Gate()
    batcher = make(gate, queue_cost=40)
    await busy(batcher, gate)
    put(batcher, ["x"] * 20, client="greedy")
    with pytest.raises(Refused):
        put(batcher, ["x"], client="greedy")
    put(batcher, ["x"] * 20, client="other")
    with pytest.raises(Refused):
        put(batcher, ["x"], client="third")


async def test_any_one_job_is_taken_when_nothing_waits(make):
    gate = Gate()
    gate.open.set()
    batcher = make(gate, queue_cost=5)
    parts = await put(batcher, ["x"] * 50).future
    assert sum(map(len, parts)) == 50


async def test_a_dropped_job_is_not_done(make):
    gate = Gate()
    batcher = make(gate)
    await busy(batcher, gate)
    gone = put(batcher, ["gone"] * 25)
    stays = put(batcher, ["stays"])
    batcher.drop(gone)
    assert batcher.waiting_cost == 1
    batcher.drop(gone)  # twice is once
    gate.open.set()
    await stays.future
    assert gate.batches[1:] == [("k", [["stays"]])]
    assert batcher.waiting_jobs == batcher.waiting_cost == 0


async def test_only_the_culprit_fails(make):
    gate = Gate()
    batcher = make(gate)
    await busy(batcher, gate)
    jobs = [put(batcher, [text], client=text) for text in ("good", "bad", "fine")]
    gate.open.set()
    assert await jobs[0].future == [["GOOD"]]
    assert await jobs[2].future == [["FINE"]]
    with pytest.raises(InvalidText):
        await jobs[1].future


async def test_stopping_finishes_what_waits_and_takes_no_more(make):
    gate = Gate()
    batcher = make(gate)
    await busy(batcher, gate)
    jobs = [put(batcher, [f"{i}"]) for i in range(30)]
    stopping = asyncio.create_task(asyncio.to_thread(batcher.stop))
    while not batcher._stopping:
        await asyncio.sleep(0.001)
    with pytest.raises(Refused) as caught:
        put(batcher, ["late"])
    assert caught.value.kind is Kind.UNAVAILABLE
    gate.open.set()
    assert [await job.future for job in jobs] == [[[f"{i}"]] for i in range(30)]
    await stopping


async def test_several_workers_share_the_work(make):
    gate = Gate()
    batcher = make(gate, workers=3)
    jobs = [put(batcher, ["x"], key=i) for i in range(3)]
    for _ in range(3):
        assert await asyncio.to_thread(gate.begun.acquire, timeout=30)
    gate.open.set()
    await asyncio.gather(*(job.future for job in jobs))
