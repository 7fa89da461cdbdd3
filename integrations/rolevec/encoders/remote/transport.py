"""The one place that speaks HTTP: sends, repeats what may be repeated, keeps to the budget."""

from __future__ import annotations

import asyncio
import json
import ssl
import weakref
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import cache
from itertools import count
from typing import Any, TypeVar

import httpx

from rolevec.encoders.remote import running
from rolevec.encoders.remote.budget import Budget, shared_budget
from rolevec.encoders.remote.connection import Connection
from rolevec.encoders.remote.dialect import BadReply, Reply, Request
from rolevec.encoders.remote.failures import refused, unanswered, unreadable
from rolevec.encoders.remote.usage import Tally
from rolevec.encoders.remote.waiting import asked_wait
from rolevec.errors import RateLimited, RemoteError, RolevecError

_REPEATED = frozenset({408, 429})
_AGENT = "rolevec"

T = TypeVar("T")


@cache
def _certificates() -> ssl.SSLContext:
    """Read once a process: it takes longer than many a request."""
    return httpx.create_ssl_context()


class Stopped(Exception):
    """A request was not sent, or not repeated, because another of its call had failed."""


@dataclass(frozen=True, slots=True)
class _Session:
    """What belongs to one event loop."""

    loop: asyncio.AbstractEventLoop
    client: httpx.AsyncClient
    slots: asyncio.Semaphore
    budget: Budget


class Transport:
    """Requests to one endpoint. Its coroutines run on the private loop (`running`).

    Pickled without its key and its connections.
    """

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self._session: _Session | None = None

    async def send(
        self,
        request: Request,
        tally: Tally,
        cost: Callable[[Reply], int | None] = lambda _: None,
    ) -> Reply:
        """Send until there is an answer, or none is to be hoped for.

        Args:
            request: what to ask; must be safe to repeat.
            tally: counts; its ``stop`` ends waiting and repeating.
            cost: reads the tokens an answer cost, to correct the budget.

        Raises:
            RemoteError, AuthenticationError, RateLimited, InputTooLong: see `failures`.
            Stopped: ``tally.stop`` was set.
        """
        session = self._open()
        async with session.slots:
            for attempt in count():
                await session.budget.wait(request.tokens, _sleeper(tally))
                if tally.stop.is_set():
                    raise Stopped
                tally.requests += 1
                tally.retries += attempt > 0
                outcome = await self._once(session, request)
                if isinstance(outcome, Reply):
                    _correct(session.budget, request, cost(outcome))
                    return outcome
                error, asked = outcome
                _correct(session.budget, request, 0)
                if not _may_repeat(error) or attempt >= self.connection.max_retries:
                    raise error
                await self._wait(session.budget, attempt, error, asked, tally)
        raise AssertionError("count() has no end")

    async def _once(
        self, session: _Session, request: Request
    ) -> Reply | tuple[RolevecError, float | None]:
        """The answer, or the error and the seconds that the endpoint asks to wait."""
        connection = self.connection
        route = self.route(request)
        key = connection.key or ""
        try:
            # A timeout of httpx starts anew with every byte; a slow drip would never end.
            async with asyncio.timeout(connection.timeout):
                answer = await session.client.request(
                    "GET" if request.body is None else "POST",
                    connection.base_url + request.path,
                    content=_encode(request.body),
                )
        except RuntimeError:
            if session.client.is_closed:
                return RolevecError(f"{route} was given up: the encoder was closed"), None
            raise
        except (httpx.TransportError, httpx.DecodingError, TimeoutError) as error:
            # Raised later, without this one as its cause: that holds the request and so the key.
            return unanswered(error, route=route, timeout=connection.timeout, key=key), None
        if answer.is_success:
            try:
                return Reply(json.loads(answer.content), dict(answer.headers))
            except ValueError:
                what = f"{answer.headers.get('content-type', 'something')} instead of JSON"
                status, headers = answer.status_code, answer.headers
                return self._unreadable(what, request, status, answer.text, headers), None
        failed = refused(
            answer.status_code,
            answer.text,
            answer.headers,
            route=route,
            key=key,
            hint=connection.hint,
        )
        return failed, asked_wait(answer.headers)

    async def ask(
        self,
        request: Request,
        read: Callable[[Reply], T],
        tally: Tally,
        cost: Callable[[Reply], int | None] = lambda _: None,
    ) -> T:
        """`send`, and read the answer.

        Raises:
            RemoteError: as `send`, or the answer is JSON of another shape.
        """
        reply = await self.send(request, tally, cost)
        try:
            return read(reply)
        except BadReply as error:
            body = json.dumps(reply.data, ensure_ascii=False)
            raise self._unreadable(str(error), request, 200, body, reply.headers) from None

    def _unreadable(
        self, what: str, request: Request, status: int, body: str, headers: Mapping[str, str]
    ) -> RemoteError:
        key = self.connection.key or ""
        return unreadable(what, body, headers, status=status, route=self.route(request), key=key)

    def route(self, request: Request) -> str:
        """Method and address, for messages."""
        method = "GET" if request.body is None else "POST"
        name = self.connection.provider.name
        return f"{name}: {method} {self.connection.base_url}{request.path}"

    async def _wait(
        self, budget: Budget, attempt: int, error: RolevecError, asked: float | None, tally: Tally
    ) -> None:
        backoff = self.connection.backoff
        if asked is not None and asked > backoff.patience:
            raise error
        seconds = backoff.wait(attempt, asked)
        if asked is not None and isinstance(error, RateLimited):
            budget.pause(seconds)
        await _sleeper(tally)(seconds)

    def _open(self) -> _Session:
        # Another loop than before: this process is a fork, and the sockets are its parent's.
        loop = asyncio.get_running_loop()
        if self._session is None or self._session.loop is not loop:
            self._session = self._connect(loop)
        return self._session

    def _connect(self, loop: asyncio.AbstractEventLoop) -> _Session:
        connection = self.connection
        headers = {"content-type": "application/json", "user-agent": _AGENT}
        if connection.key is not None:
            headers["authorization"] = f"Bearer {connection.key}"
        limit = connection.concurrency
        client = httpx.AsyncClient(
            headers=headers,
            timeout=None,  # see `_once`
            verify=_certificates(),
            limits=httpx.Limits(max_connections=limit, max_keepalive_connections=limit),
        )
        # An encoder that is dropped rather than closed must not leave its sockets open.
        weakref.finalize(self, _close, loop, client).atexit = False
        budget = shared_budget(
            connection.host,
            connection.key or "",
            connection.requests_per_minute,
            connection.tokens_per_minute,
        )
        return _Session(loop, client, asyncio.Semaphore(limit), budget)

    def close(self) -> None:
        """Close the connections; a later request opens new ones."""
        session, self._session = self._session, None
        if session is not None:
            _close(session.loop, session.client)

    def __copy__(self) -> Transport:
        return Transport(self.connection)

    def __deepcopy__(self, memo: Any) -> Transport:
        return Transport(self.connection)

    def __reduce__(self) -> tuple[Any, ...]:
        return Transport, (self.connection,)


def _correct(budget: Budget, request: Request, cost: int | None) -> None:
    if cost is not None and request.tokens:
        budget.correct(cost - request.tokens)


def _may_repeat(error: RolevecError) -> bool:
    if not isinstance(error, RemoteError):
        return False
    return error.status in _REPEATED or error.status >= 500 or error.status == 0


def _sleeper(tally: Tally) -> Callable[[float], Awaitable[None]]:
    """Sleeps, unless the call is given up meanwhile."""

    async def sleep(seconds: float) -> None:
        try:
            await asyncio.wait_for(tally.stop.wait(), seconds)
        except TimeoutError:
            return
        raise Stopped

    return sleep


def _encode(body: Any) -> bytes | None:
    return None if body is None else json.dumps(body, ensure_ascii=False).encode()


def _close(loop: asyncio.AbstractEventLoop, client: httpx.AsyncClient) -> None:
    # After a fork the loop of the parent is never run again.
    if loop is running.private_loop():
        asyncio.run_coroutine_threadsafe(client.aclose(), loop)
