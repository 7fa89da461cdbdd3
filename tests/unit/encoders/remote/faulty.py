"""A server on 127.0.0.1 that speaks Cohere, OpenAI and TEI, and fails in every way it is told to.

Its vectors are those of a `FakeEncoder`, so that they differ by text and by role.
"""

import asyncio
import base64
import json
import struct
import threading
from collections import deque
from dataclasses import dataclass, field

from rolevec.roles import Role
from rolevec.testing import FakeEncoder

DIM = 16
KEY = "co-secret-0123456789"
MAX_TEXTS = 96
WORDS = 512  # most words of a text for the Cohere dialect


@dataclass(frozen=True, eq=False)
class Fault:
    """What happens to one request in place of an answer.

    kind: "status", "html", "reset", "reset mid-body", "drip", "hang", "count", "dimension", "nan",
    "null", "too few scores" or "shape".
    """

    kind: str
    status: int = 200
    headers: dict = field(default_factory=dict)
    body: object = None


@dataclass(frozen=True)
class Seen:
    method: str
    path: str
    headers: dict
    body: dict

    @property
    def texts(self):
        return self.body.get("texts", self.body.get("input", self.body.get("inputs")))


class FaultyServer:
    def __init__(self, dim=DIM, key=None, info=None, base64_vectors=False):
        self.dim, self.key, self.base64_vectors = dim, key, base64_vectors
        self.info = {
            "model_id": "fake/model",
            "model_sha": "0123abc",
            "model_type": {"embedding": {"pooling": "mean"}},
            "max_input_length": 40,
            "max_client_batch_size": 8,
        } | (info or {})
        self.by_role = FakeEncoder(dim)
        self.plain = FakeEncoder(dim, prompts={})
        self.requests = []
        self.faults = deque()  # for the next requests that make vectors or scores
        self.fault_for = None  # text -> Fault or None, asked when there is none in `faults`
        self.disconnected = 0
        self.embedded = []  # texts that were answered with vectors, whole answers only
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def __enter__(self):
        self._thread.start()
        start = asyncio.start_server(self._serve, "127.0.0.1", 0, limit=1 << 26)
        self._server = asyncio.run_coroutine_threadsafe(start, self._loop).result()
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    def __exit__(self, *exc):
        asyncio.run_coroutine_threadsafe(self._shut(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _shut(self):
        self._server.close()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    def sent(self, path="/embed"):
        """Requests to a route, by the end of its path; embeddings count as embed."""
        return [r for r in self.requests if r.path.replace("/embeddings", "/embed").endswith(path)]

    async def _serve(self, reader, writer):
        try:
            while await self._one(reader, writer):
                pass
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass  # cancelled only by `_shut`
        finally:
            writer.close()

    async def _one(self, reader, writer):
        line = await reader.readline()
        if not line:
            return False
        method, path, _ = line.decode().split()
        headers = {}
        while (line := await reader.readline()).strip():
            name, _, value = line.decode().partition(":")
            headers[name.lower()] = value.strip()
        raw = await reader.readexactly(int(headers.get("content-length", 0)))
        seen = Seen(method, path, headers, json.loads(raw) if raw else {})
        self.requests.append(seen)
        return await self._answer(seen, reader, writer)

    async def _answer(self, seen, reader, writer):
        makes = seen.path.rpartition("/")[2] in ("embed", "embeddings", "rerank")
        fault = self._next_fault(seen) if makes else None
        if self.key is not None and seen.headers.get("authorization") != f"Bearer {self.key}":
            said = {"message": f"invalid api token: {seen.headers.get('authorization')}"}
            fault = Fault("status", 401, body=said)
        if fault is not None and fault.kind in _BROKEN:
            return await _BROKEN[fault.kind](self, fault, reader, writer)
        status, headers, body = self._respond(seen)
        if fault is not None:
            body = _spoiled(fault.kind, body)
        elif status == 200 and makes and seen.texts:
            self.embedded.extend(seen.texts)
        writer.write(_message(status, json.dumps(body).encode(), headers))
        await writer.drain()
        return True

    def _next_fault(self, seen):
        if self.faults:
            return self.faults.popleft()
        if self.fault_for is not None:
            return next(filter(None, map(self.fault_for, seen.texts or [])), None)
        return None

    def _respond(self, seen):
        route = getattr(self, "do_" + seen.path.strip("/").replace("/", "_"), None)
        if route is None:
            return 404, {}, {"message": f"no route {seen.path}"}
        answer = route(seen.body)
        return answer if isinstance(answer, tuple) else (200, {}, answer)

    # Cohere

    def do_v2_embed(self, body):
        texts = body["texts"]
        if len(texts) > MAX_TEXTS:
            said = f"total number of texts must be at most {MAX_TEXTS} - received {len(texts)}"
            return 400, {}, {"message": f"invalid request: {said}"}
        if body["truncate"] == "NONE" and any(len(t.split()) > WORDS for t in texts):
            return 400, {}, {"message": f"too long: a text has more than {WORDS} tokens"}
        rows = self.by_role.encode(texts, Role.parse(body["input_type"]))
        rows = rows[:, : body.get("output_dimension", self.dim)]
        tokens = sum(len(t.split()) for t in texts)
        meta = {"api_version": {"version": "2"}, "billed_units": {"input_tokens": float(tokens)}}
        return {"id": "x", "embeddings": {"float": rows.tolist()}, "texts": texts, "meta": meta}

    def do_v1_tokenize(self, body):
        words = body["text"].split()
        return {"tokens": list(range(len(words))), "token_strings": words}

    def do_v2_rerank(self, body):
        scores = self._scores(body["query"], body["documents"])
        order = sorted(range(len(scores)), key=lambda i: -scores[i])
        results = [{"index": i, "relevance_score": scores[i]} for i in order]
        return {"results": results, "meta": {"billed_units": {"search_units": 1.0}}}

    # OpenAI

    def do_v1_embeddings(self, body):
        rows = self.plain.encode(body["input"], Role.DOCUMENT)[:, : body.get("dimensions")]
        coded = body.get("encoding_format") == "base64" or self.base64_vectors
        data = [
            {"object": "embedding", "index": i, "embedding": _base64(r) if coded else r.tolist()}
            for i, r in enumerate(rows)
        ]
        tokens = sum(len(t.split()) for t in body["input"])
        usage = {"prompt_tokens": tokens, "total_tokens": tokens}
        return {"object": "list", "data": data[::-1], "model": body["model"], "usage": usage}

    # TEI

    def do_info(self, body):
        return self.info

    def do_embed(self, body):
        texts, limit = body["inputs"], self.info["max_input_length"] - 2
        if len(texts) > self.info["max_client_batch_size"]:
            said = f"batch size {len(texts)} > maximum allowed batch size 8"
            return 422, {}, {"error": said, "error_type": "Validation"}
        if not body.get("truncate") and any(len(t.split()) > limit for t in texts):
            said = f"`inputs` must have less than {limit} tokens. Given: many"
            return 422, {}, {"error": said, "error_type": "Validation"}
        cut = [" ".join(t.split()[:limit]) for t in texts]
        name = body.get("prompt_name")
        encoder, role = (self.by_role, Role.parse(name)) if name else (self.plain, Role.DOCUMENT)
        tokens = str(sum(len(t.split()) + 2 for t in cut))
        return 200, {"x-compute-tokens": tokens}, encoder.encode(cut, role).tolist()

    def do_tokenize(self, body):
        prompt = self.by_role.prompts.get(body.get("prompt_name"), "")
        prompt = prompt or self.info.get("default_prompt", "")
        return [_tokens(prompt + text, body["add_special_tokens"]) for text in body["inputs"]]

    def do_rerank(self, body):
        scores = self._scores(body["query"], body["texts"])
        order = sorted(range(len(scores)), key=lambda i: -scores[i])
        return [{"index": i, "score": scores[i]} for i in order]

    def _scores(self, query, texts):
        wanted = self.by_role.encode_queries([query])[0]
        return (self.by_role.encode_documents(texts) @ wanted).tolist()


def _tokens(text, special):
    tokens, place = [], 0
    for word in text.split():
        start = text.encode().index(word.encode(), place)
        place = start + len(word.encode())
        tokens.append({"id": 5, "text": word, "special": False, "start": start, "stop": place})
    ends = [{"id": 0, "text": "[X]", "special": True, "start": None, "stop": None}]
    return ends + tokens + ends if special else tokens


def _base64(row):
    return base64.b64encode(struct.pack(f"<{len(row)}f", *row)).decode()


def _message(status, body, headers=(), kind="application/json"):
    head = {"Content-Type": kind, "Content-Length": len(body), **dict(headers)}
    lines = [f"HTTP/1.1 {status} Said", *(f"{name}: {value}" for name, value in head.items())]
    return "\r\n".join([*lines, "", ""]).encode() + body


def _rows_of(body):
    """Where the vectors of an answer are, whatever the dialect."""
    if isinstance(body, list):
        return body
    if "data" in body:
        return body["data"]
    if "results" in body:
        return body["results"]
    return body["embeddings"]["float"]


def _spoiled(kind, body):
    rows = _rows_of(body)
    if kind in ("count", "too few scores"):
        rows.pop()
    elif kind == "shape":
        return {"unexpected": True}
    else:
        row = rows[0] if isinstance(rows[0], list) else rows[0]["embedding"]
        new = row[:-1] if kind == "dimension" else [{"nan": float("nan")}.get(kind), *row[1:]]
        rows[0] = new if isinstance(rows[0], list) else rows[0] | {"embedding": new}
    return body


async def _status(server, fault, reader, writer):
    body = {"message": f"status {fault.status}"} if fault.body is None else fault.body
    writer.write(_message(fault.status, json.dumps(body).encode(), fault.headers))
    await writer.drain()
    return True


async def _html(server, fault, reader, writer):
    page = b"<!doctype html><html><body>" + b"Sign in to the proxy. " * 500 + b"</body></html>"
    writer.write(_message(fault.status, page, kind="text/html"))
    await writer.drain()
    return True


async def _reset(server, fault, reader, writer):
    writer.transport.abort()
    return False


async def _reset_mid_body(server, fault, reader, writer):
    writer.write(_message(200, b"x" * 1000)[:-900])
    await writer.drain()
    writer.transport.abort()
    return False


async def _drip(server, fault, reader, writer):
    writer.write(_message(200, b" " * 100_000)[:-100_000])
    while True:
        writer.write(b" ")
        await writer.drain()
        await asyncio.sleep(0.01)


async def _hang(server, fault, reader, writer):
    while await reader.read(1):
        pass
    server.disconnected += 1
    return False


_BROKEN = {
    "status": _status,
    "html": _html,
    "reset": _reset,
    "reset mid-body": _reset_mid_body,
    "drip": _drip,
    "hang": _hang,
}
