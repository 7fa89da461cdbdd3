"""A busy server: full queue, deadlines, lost clients, fairness, and its end under load."""

import asyncio
import signal
import socket
import subprocess
import sys
import threading
import time

import httpx
import pytest

from rolevec.encoders.loading import register_encoder
from rolevec.encoders.static import StaticEncoder
from rolevec.errors import InvalidText
from rolevec.models.bundled import light_folder
from rolevec.server import Limits, ModelSettings

QUERY = {"model": "gated", "input_type": "search_query"}


class Gated(StaticEncoder):
    """The model in the package; it waits for a word before it encodes."""

    def __init__(self):
        super().__init__(light_folder())
        self.open = threading.Event()
        self.begun = threading.Semaphore(0)
        self.texts = 0

    def encode_counted(self, texts, role, truncation):
        self.begun.release()
        assert self.open.wait(60)
        self.texts += len(texts)
        if any("no such word" in text for text in texts):
            raise InvalidText("a text holds nothing")
        if any("fault" in text for text in texts):
            raise ZeroDivisionError
        return super().encode_counted(texts, role, truncation)


@pytest.fixture
def gate():
    encoder = Gated()
    register_encoder("gated", lambda rest, **options: encoder)
    yield encoder
    encoder.open.set()


@pytest.fixture
def gated(gate, live):
    def start(**limits):
        models = (ModelSettings("gated:x", name="gated"),)
        return live(models=models, limits=Limits(**{"drain": 0, **limits}))

    return start


def body(*texts):
    return {**QUERY, "texts": list(texts)}


def waiting(server):
    return server.engine.models[0].batcher.waiting_jobs


async def until(condition):
    async with asyncio.timeout(60):
        while not condition():
            await asyncio.sleep(0.005)


async def fill(client, gate, server, jobs):
    """One request that is being done and some that wait."""
    tasks = [asyncio.create_task(client.post("/v2/embed", json=body("first")))]
    await asyncio.to_thread(gate.begun.acquire)
    for i in range(jobs):
        tasks.append(asyncio.create_task(client.post("/v2/embed", json=body(f"text {i}"))))
        await until(lambda i=i: waiting(server) == i + 1)
    return tasks


@pytest.fixture
async def client():
    async with httpx.AsyncClient(timeout=60, trust_env=False) as made:
        yield made


async def test_a_full_queue_is_a_429_in_every_dialect(gate, gated, client):
    with gated(queue_requests=3) as server:
        client.base_url = server.url
        tasks = await fill(client, gate, server, 3)
        for path, asked in (
            ("/v2/embed", body("x")),
            ("/v1/embeddings", {"input": "x"}),
            ("/embed", {"inputs": "x"}),
            ("/rerank", {"query": "x", "texts": ["x"]}),
            ("/v1/rerank", {"query": "x", "documents": ["x"]}),
        ):
            reply = await client.post(path, json=asked)
            assert reply.status_code == 429, path
            assert int(reply.headers["retry-after"]) >= 1
        assert (await client.get("/health")).status_code == 200
        metrics = (await client.get("/metrics")).text
        assert 'rolevec_queue_requests{model="gated"} 3.0' in metrics
        gate.open.set()
        assert {task.status_code for task in await asyncio.gather(*tasks)} == {200}
        assert (await client.post("/v2/embed", json=body("x"))).status_code == 200


async def test_what_comes_too_late_is_a_504_and_is_not_done(gate, gated, client):
    with gated(deadline=0.3) as server:
        client.base_url = server.url
        replies = await asyncio.gather(*await fill(client, gate, server, 2))
        assert {reply.status_code for reply in replies} == {504}
        assert "deadline" in replies[0].json()["message"]
        assert waiting(server) == 0
        gate.open.set()
        assert (await client.post("/v2/embed", json=body("x"))).status_code == 200
        assert gate.texts == 2  # the one that had begun, and the last


async def test_a_slow_body_is_not_waited_for(gated):
    with gated(deadline=0.3) as server:
        host, port = server.url.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port)), timeout=60) as connection:
            head = b"POST /v2/embed HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{"
            await asyncio.to_thread(connection.sendall, head)
            reply = await asyncio.to_thread(connection.recv, 1000)
        assert reply.startswith(b"HTTP/1.1 504")


async def test_work_of_a_client_that_is_gone_is_dropped(gate, gated, client):
    with gated() as server:
        client.base_url = server.url
        tasks = await fill(client, gate, server, 3)
        tasks[2].cancel()
        await until(lambda: waiting(server) == 2)
        gate.open.set()
        del tasks[2]
        assert {reply.status_code for reply in await asyncio.gather(*tasks)} == {200}
        assert gate.texts == 3
        await until(lambda: 'status="499"' in server.ask.get("/metrics").text)


async def test_bulk_waits_for_queries_of_others(gate, gated, client):
    with gated() as server:
        client.base_url = server.url
        tasks = await fill(client, gate, server, 0)
        order = []

        async def ask(name, texts):
            reply = await client.post("/v1/embeddings", json={"input": texts})
            order.append(name)
            return reply

        bulk = [f"a text of some length, number {i} of many" for i in range(2000)]
        tasks.append(asyncio.create_task(ask("bulk", bulk)))
        await until(lambda: waiting(server) == 1)
        tasks += [asyncio.create_task(ask("query", ["short"])) for _ in range(5)]
        await until(lambda: waiting(server) == 6)
        gate.open.set()
        assert {reply.status_code for reply in await asyncio.gather(*tasks)} == {200}
        assert order == [*["query"] * 5, "bulk"]


async def test_only_the_culprit_of_a_batch_is_refused(gate, gated, client):
    with gated() as server:
        client.base_url = server.url
        tasks = await fill(client, gate, server, 2)
        for text in ("no such word", "a fault"):
            tasks.append(asyncio.create_task(client.post("/v2/embed", json=body(text))))
        await until(lambda: waiting(server) == 4)
        gate.open.set()
        statuses = [reply.status_code for reply in await asyncio.gather(*tasks)]
        assert statuses == [200, 200, 200, 400, 500]


async def test_logs_hold_neither_texts_nor_keys(gated, gate, caplog):
    gate.open.set()
    with gated() as server, caplog.at_level("DEBUG", "rolevec.server"):
        key = {"authorization": "Bearer co-secret-key"}
        for text in ("a secret text", "a secret fault"):
            server.ask.post("/v2/embed", json=body(text), headers=key)
        server.ask.post("/v2/embed", content=b'{"texts": ["a secret te', headers=key)
    lines = [r for r in caplog.records if r.getMessage() == "request"]
    assert [line.rolevec_fields["status"] for line in lines] == [200, 500, 400]
    assert lines[0].rolevec_fields["tokens"] > 0
    assert "secret" not in caplog.text + str([r.__dict__ for r in lines])


def served(*options):
    """`rolevec serve` in a process of its own: the process and its address."""
    command = [sys.executable, "-m", "rolevec", "serve", "--port", "0", "--json"]
    process = subprocess.Popen(
        [*command, "--log-level", "error", *options], stdout=subprocess.PIPE, text=True
    )
    line = process.stdout.readline()
    return process, line.split('"')[3]


async def test_sigterm_under_load_answers_every_accepted_request():
    process, url = await asyncio.to_thread(served)
    outcomes = []
    stop = asyncio.Event()
    texts = [f"text number {i} " * 20 for i in range(90)]

    async def hammer(number):
        bulk = number % 8 == 0
        asked = {"model": "embed-light", "input_type": "search_query"}
        asked["texts"] = texts if bulk else [f"query {number}"]
        async with httpx.AsyncClient(base_url=url, timeout=60, trust_env=False) as one:
            while not stop.is_set():
                try:
                    outcomes.append((await one.post("/v2/embed", json=asked)).status_code)
                except httpx.ConnectError:
                    return  # was never accepted

    tasks = [asyncio.create_task(hammer(i)) for i in range(24)]
    await until(lambda: len(outcomes) > 100)
    process.send_signal(signal.SIGTERM)
    try:
        await asyncio.gather(*tasks)  # any other error than a refused connection fails the test
    finally:
        stop.set()
        assert await asyncio.to_thread(process.wait, 60) == 0
    assert set(outcomes) == {200}


def test_not_ready_while_it_drains():
    process, url = served()
    with httpx.Client(base_url=url, trust_env=False) as one:
        assert one.get("/ready").status_code == 200
        process.send_signal(signal.SIGTERM)
        statuses = set()
        for _ in range(20):
            try:
                reply = one.get("/ready")
            except httpx.ConnectError:
                break
            statuses.add(reply.status_code)
            if reply.status_code == 503:
                assert reply.headers["connection"] == "close"
            time.sleep(0.05)
    assert 503 in statuses
    assert process.wait(60) == 0
