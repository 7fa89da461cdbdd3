"""Giving up a call gives up its requests; many calls at once share one loop and its bounds."""

import asyncio
import os
import threading
import time

import numpy as np
import pytest
from remote_faulty import Fault

from rolevec.errors import RemoteError, RolevecError
from rolevec.roles import Role

TEXTS = [f"text {n}" for n in range(40)]


@pytest.mark.parametrize("dialect", ["cohere", "openai", "tei", "cohere, cached"])
async def test_cancelling_stops_what_is_under_way_and_begins_nothing(
    load, server, dialect, tmp_path, until
):
    dialect, _, cached = dialect.partition(", ")
    encoder = load(dialect, concurrency=4, cache=tmp_path / "c.sqlite" if cached else None)
    server.requests.clear()
    server.fault_for = lambda text: Fault("hang")
    task = asyncio.create_task(encoder.aencode(TEXTS, Role.DOCUMENT, batch_size=2))
    await asyncio.to_thread(until, lambda: len(server.sent()) == 4)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await asyncio.to_thread(until, lambda: server.disconnected == 4)
    assert len(server.sent()) == 4
    server.fault_for = None
    assert (await encoder.aencode_documents(TEXTS)).shape == (40, 16)


async def test_a_timeout_of_the_caller_ends_the_back_off(load, server):
    encoder = load("cohere", backoff=30)
    server.requests.clear()
    server.fault_for = lambda text: Fault("status", 503)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(encoder.aencode_documents(TEXTS), 0.3)
    assert len(server.requests) == 1


async def test_the_callers_loop_goes_on(load, server):
    encoder = load("cohere", timeout=0.2, max_retries=0)
    server.fault_for = lambda text: Fault("hang")
    ticks = 0

    async def tick():
        nonlocal ticks
        while True:
            ticks += 1
            await asyncio.sleep(0.001)

    ticking = asyncio.create_task(tick())
    with pytest.raises(RemoteError, match=r"no whole answer in 0\.2 seconds"):
        await encoder.aencode_documents(TEXTS)
    ticking.cancel()
    assert ticks > 10


def test_no_more_requests_at_once_than_allowed(load, server, until):
    encoder = load("cohere", concurrency=3, timeout=30)
    server.requests.clear()
    server.fault_for = lambda text: Fault("hang")
    failures = []

    def call():
        try:
            encoder.encode(TEXTS, Role.QUERY, batch_size=5)
        except RolevecError as error:
            failures.append(str(error))

    calls = [threading.Thread(target=call) for _ in range(3)]
    for thread in calls:
        thread.start()
    until(lambda: len(server.requests) == 3)
    time.sleep(0.1)
    assert len(server.requests) == 3
    server.fault_for = None
    encoder.close()
    for thread in calls:
        thread.join(timeout=20)
    assert len(failures) == 3
    assert all("the encoder was closed" in failure for failure in failures)


def test_threads_and_loops_may_share_an_encoder(load):
    encoder = load("cohere")
    whole = encoder.encode_documents(TEXTS)
    found = {}

    def work(name):
        if name % 2:
            found[name] = asyncio.run(encoder.aencode(TEXTS, Role.DOCUMENT, batch_size=7))
        else:
            found[name] = encoder.encode(TEXTS, Role.DOCUMENT, batch_size=7)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)
    assert len(found) == 8
    assert all(np.array_equal(rows, whole) for rows in found.values())


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")
def test_a_forked_child_gets_a_loop_of_its_own(load):
    encoder = load("cohere")
    whole = encoder.encode_documents(TEXTS)
    child = os.fork()
    if not child:
        same = np.array_equal(encoder.encode_documents(TEXTS), whole)
        os._exit(0 if same else 1)
    deadline = time.monotonic() + 20
    while not (done := os.waitpid(child, os.WNOHANG))[0]:
        if time.monotonic() > deadline:
            os.kill(child, 9)
            pytest.fail("the child hangs")
        time.sleep(0.01)
    assert done[1] == 0
    assert np.array_equal(encoder.encode_documents(TEXTS), whole)


def test_calling_back_into_the_loop_is_refused_rather_than_hung():
    from rolevec.encoders.remote import running

    async def inner():
        return running.run(asyncio.sleep(0))

    with pytest.raises(RuntimeError, match="own event loop"):
        running.run(inner())
