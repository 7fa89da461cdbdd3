"""One request and its answer, as the routes see them: plain values over ASGI."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any, TypeVar
from urllib.parse import parse_qsl

import orjson

from rolevec.server.batching import Batcher, Job
from rolevec.server.failures import Kind, Refused

R = TypeVar("R")
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

JSON = "application/json"
# Most answers are there sooner; only for the others it pays to look out for a lost client.
_PATIENCE = 0.05


class Disconnected(Exception):
    """The client is gone; nobody waits for an answer."""


class Answer:
    """A response.

    Args:
        body: as sent.
        status: HTTP status code.
        content_type: of the body.
        headers: further ones, in lower case.
    """

    __slots__ = ("body", "content_type", "headers", "status")

    def __init__(
        self,
        body: bytes,
        status: int = 200,
        content_type: str = JSON,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self.body = body
        self.status = status
        self.content_type = content_type
        self.headers = headers or {}


def json_answer(value: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Answer:
    """A response of JSON; numpy arrays are written as lists."""
    return Answer(orjson.dumps(value, option=orjson.OPT_SERIALIZE_NUMPY), status, JSON, headers)


class Request:
    """A request, and what is done for it.

    Attributes:
        method: in capitals.
        path: under the address at which the app is mounted.
        client: whose turn it is: the name of the key, else the connection.
        notes: what the log and the metrics say of it: model, role, texts, tokens, …
    """

    __slots__ = (
        "_deadline",
        "_headers",
        "_jobs",
        "_receive",
        "_timer",
        "_watcher",
        "body",
        "client",
        "method",
        "notes",
        "path",
        "scope",
    )

    def __init__(self, scope: Scope, receive: Receive, deadline: float) -> None:
        self.scope = scope
        self.method: str = scope["method"]
        self.path: str = scope["path"].removeprefix(scope.get("root_path", "")) or "/"
        peer = scope.get("client") or ("", 0)
        self.client = f"{peer[0]}:{peer[1]}"
        self.notes: dict[str, Any] = {}
        self.body = b""
        self._headers: dict[bytes, bytes] | None = None
        self._receive = receive
        self._deadline = asyncio.get_running_loop().time() + deadline
        self._jobs: list[tuple[Batcher[Any], Job[Any]]] = []
        self._timer: asyncio.TimerHandle | None = None
        self._watcher: asyncio.Task[None] | None = None

    def header(self, name: bytes) -> str:
        """A header by its name in lower case, or ""."""
        if self._headers is None:
            self._headers = dict(self.scope["headers"])
        return self._headers.get(name, b"").decode("latin-1")

    @property
    def key(self) -> bytes:
        """The API key that came with it, or b""."""
        given = self.header(b"authorization")
        scheme, _, key = given.partition(" ")
        if scheme.lower() == "bearer":
            return key.strip().encode("latin-1")
        return (self.header(b"x-api-key") or self.header(b"api-key")).encode("latin-1")

    @property
    def query(self) -> dict[str, str]:
        """Parameters behind the "?" of the address."""
        return dict(parse_qsl(self.scope.get("query_string", b"").decode("latin-1")))

    async def read(self, most: int) -> None:
        """Read the body.

        Raises:
            Refused: it is longer than ``most`` bytes, or slower than the deadline.
            Disconnected: it did not come to its end.
        """
        announced = self.header(b"content-length")
        if announced.isdecimal() and int(announced) > most:
            raise _too_large(most)
        message = await self._message()
        self.body = message.get("body", b"")
        if message.get("more_body"):
            try:
                async with asyncio.timeout_at(self._deadline):
                    await self._read_on(most)
            except TimeoutError:
                raise Refused(Kind.TIMEOUT, "the request's body did not come in time") from None
        if len(self.body) > most:
            raise _too_large(most)

    async def _read_on(self, most: int) -> None:
        parts = [self.body]
        size = len(self.body)
        more = True
        while more and size <= most:
            message = await self._message()
            parts.append(message.get("body", b""))
            size += len(parts[-1])
            more = message.get("more_body", False)
        self.body = b"".join(parts)

    async def _message(self) -> MutableMapping[str, Any]:
        message = await self._receive()
        if message["type"] == "http.disconnect":
            raise Disconnected
        return message

    def json(self) -> dict[str, Any]:
        """The body as a JSON object.

        Raises:
            Refused: it is something else.
        """
        try:
            value = orjson.loads(self.body)
        except ValueError as error:
            raise Refused(Kind.MALFORMED, f"the body is no JSON: {error}") from None
        if not isinstance(value, dict):
            raise Refused(Kind.MALFORMED, "the body is no JSON object")
        return value

    async def wait(self, batcher: Batcher[R], job: Job[R]) -> list[R]:
        """The results of a job; it is dropped if they come too late or the client goes.

        Raises:
            Refused: at the deadline.
            Disconnected: nobody waits any more.
        """
        self._jobs.append((batcher, job))
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(_PATIENCE, self._watch)
        return await job.future

    def close(self) -> None:
        """Stop watching, and drop what was not waited for to the end."""
        if self._timer is not None:
            self._timer.cancel()
        if self._watcher is not None:
            self._watcher.cancel()
        self._fail(Disconnected())

    def _watch(self) -> None:
        loop = asyncio.get_running_loop()
        self._watcher = loop.create_task(self._until_gone())
        late = Refused(Kind.TIMEOUT, "the answer was not ready before the deadline; try again")
        self._timer = loop.call_at(self._deadline, self._fail, late)

    async def _until_gone(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self._fail(Disconnected())

    def _fail(self, error: Exception) -> None:
        for batcher, job in self._jobs:
            if not job.future.done():
                batcher.drop(job)
                job.future.set_exception(error)
                job.future.exception()  # seen, also if nobody waits for this one any more


def _too_large(most: int) -> Refused:
    return Refused(Kind.TOO_LARGE, f"the request's body is longer than {most} bytes")
