"""Clients that ask a server for vectors as fast as it answers, over plain sockets.

They speak OpenAI's `/v1/embeddings`, with vectors in base64 as its SDK asks, and spend little of a
processor on it.
"""

import asyncio
import base64
import itertools
import json
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import orjson

import rolevec

QUERIES, BULK, BULK_TEXTS = 64, 4, 64
demo = json.loads((Path(rolevec.__file__).parent / "cli" / "demo.json").read_text("utf-8"))
QUESTIONS = [question["text"] for question in demo["questions"]]
DOCUMENTS = [document["text"] for document in demo["documents"]]


class Connection:
    """HTTP/1.1 on one connection, made anew when the server has closed it."""

    def __init__(self, port):
        self._port = port
        self._writer = None
        self.fresh = True  # nothing has been answered on it

    async def ask(self, texts):
        """Status, headers and body of the answer."""
        body = orjson.dumps({"model": "minilm", "input": texts, "encoding_format": "base64"})
        head = b"POST /v1/embeddings HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json"
        if self._writer is None:
            self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self._port)
            self.fresh = True
        self._writer.write(b"%b\r\ncontent-length: %d\r\n\r\n%b" % (head, len(body), body))
        first, *lines = (await self._reader.readuntil(b"\r\n\r\n")).lower().split(b"\r\n")
        headers = dict(line.split(b": ", 1) for line in lines if line)
        body = await self._reader.readexactly(int(headers[b"content-length"]))
        self.fresh = False
        if headers.get(b"connection") == b"close":
            self.close()
        return int(first.split()[1]), headers, body

    def close(self):
        if self._writer is not None:
            self._writer.close()
            self._writer = None


def vectors(body):
    """float32 rows of an answer in base64."""
    rows = [item["embedding"] for item in orjson.loads(body)["data"]]
    return np.array([np.frombuffer(base64.b64decode(row), "<f4") for row in rows])


def queries():
    """Short texts, none twice."""
    for number in itertools.count():
        yield [f"{QUESTIONS[number % len(QUESTIONS)]} {number}"]


def bulks():
    """Lists of passages, none twice."""
    for number in itertools.count():
        first = number * BULK_TEXTS
        yield [f"{i} {DOCUMENTS[i % len(DOCUMENTS)]}" for i in range(first, first + BULK_TEXTS)]


@dataclass
class Window:
    """What clients saw in some seconds: answers that came in it, and waits that began in it."""

    seconds: float = 0.0
    queries: int = 0
    waits: list = field(default_factory=list)
    bulk_texts: int = 0
    outcomes: Counter = field(default_factory=Counter)

    def numbers(self):
        p50, p99 = np.percentile(self.waits or [float("nan")], [50, 99]) * 1000
        return {
            "seconds": self.seconds,
            "queries": self.queries,
            "queries_per_second": self.queries / self.seconds,
            "p50_ms": float(p50),
            "p99_ms": float(p99),
            "bulk_texts_per_second": self.bulk_texts / self.seconds,
            "outcomes": dict(self.outcomes),
        }


async def load(port, seconds, warm, numbers=(QUERIES, BULK)):
    """All clients at once; what was asked before the end is waited for."""
    window = Window()
    begin = time.perf_counter() + warm
    end = begin + seconds

    async def client(texts, bulk):
        connection = Connection(port)
        while (asked := time.perf_counter()) < end:
            wanted = next(texts)
            try:
                async with asyncio.timeout(60):
                    status, _, body = await connection.ask(wanted)
            except (OSError, EOFError, TimeoutError, ValueError) as error:
                window.outcomes[f"lost: {type(error).__name__}"] += 1
                connection.close()
                continue
            now = time.perf_counter()
            right = status == 200 and len(vectors(body)) == len(wanted)
            window.outcomes[str(status) if right or status != 200 else "200, wrong"] += 1
            if right and not bulk and asked >= begin:
                window.waits.append(now - asked)
            if right and begin <= now < end:
                window.queries += not bulk
                window.bulk_texts += len(wanted) if bulk else 0
        connection.close()

    texts, lists = queries(), bulks()
    clients = [client(texts, False) for _ in range(numbers[0])]
    clients += [client(lists, True) for _ in range(numbers[1])]
    await asyncio.gather(*clients)
    window.seconds = seconds
    return window.numbers()


async def some_vectors(port):
    connection = Connection(port)
    _, _, body = await connection.ask(QUESTIONS)
    connection.close()
    return vectors(body)


def run(coroutine):
    try:
        import uvloop
    except ImportError:
        return asyncio.run(coroutine)
    return uvloop.run(coroutine)
