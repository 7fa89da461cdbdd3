"""The ASGI application: finds the route, asks for the key, reads the body, says what went wrong.

Addresses are found in one table, before any framework: a query takes a model of this size less time
than a framework's routing, validation and response classes. What stands apart from requests, CORS,
is Starlette's.

`/v1/v1/…` and `/v1/v2/…` answer as `/v1/…` and `/v2/…`: Cohere's clients put the version behind
whatever address they are given.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from rolevec.errors import MissingExtra, RolevecError
from rolevec.server.engine import Engine
from rolevec.server.failures import Kind, Refused
from rolevec.server.http import Answer, Disconnected, Receive, Request, Scope, Send
from rolevec.server.keys import Keys, retry_after
from rolevec.server.logs import LOGGER, log
from rolevec.server.metrics import Metrics
from rolevec.server.routes import cohere, health, openai, shared, tei
from rolevec.server.routing import Route, Server, Table
from rolevec.server.settings import Settings
from rolevec.server.shapes import errors

_GONE = 499  # nobody reads it; for the log and the metrics
_DOUBLED = ("/v1/v1/", "/v1/v2/", "/v2/v1/", "/v2/v2/")
_NAMED = (shared.MODELS, shared.TOKENIZERS)


def _table() -> Table:
    table: Table = {}
    for part in (cohere.TABLE, openai.TABLE, tei.TABLE, shared.TABLE, health.TABLE):
        for path, methods in part.items():
            table.setdefault(path, {}).update(methods)
    return table


TABLE = _table()
_NOWHERE = Route("unknown", health.health, errors.shared, open=True)


class App:
    """An ASGI application.

    Args:
        settings: see `Settings`; models are loaded at once.

    Attributes:
        server: what its handlers have at hand.
    """

    def __init__(self, settings: Settings) -> None:
        metrics = Metrics()
        self.server = Server(settings, Engine(settings, metrics), Keys(settings.keys), metrics)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See the ASGI specification (asgi.readthedocs.io)."""
        if scope["type"] == "lifespan":
            await self._live(receive, send)
        elif scope["type"] == "http":
            await self._answer(scope, receive, send)
        else:
            await send({"type": "websocket.close"})

    async def _live(self, receive: Receive, send: Send) -> None:
        await receive()
        self.server.engine.start()
        self.server.ready = True
        await send({"type": "lifespan.startup.complete"})
        await receive()
        self.server.ready = False
        await asyncio.to_thread(self.server.engine.stop)
        await send({"type": "lifespan.shutdown.complete"})

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = time.perf_counter()
        request = Request(scope, receive, self.server.settings.limits.deadline)
        route, answer = await self._try(request)
        request.close()
        status = _GONE
        if answer is not None:
            status = answer.status
            await self._send(request, answer, send)
        seconds = time.perf_counter() - started
        self.server.metrics.answered(route.name, status, seconds, request.notes)
        level = logging.INFO if status < 500 else logging.ERROR
        if LOGGER.isEnabledFor(level):
            fields = {"route": route.name, "status": status, "ms": round(seconds * 1000, 2)}
            log("request", fields | {"client": request.client} | request.notes, level)

    async def _try(self, request: Request) -> tuple[Route, Answer | None]:
        """The answer, and the route that made it; None if nobody waits for it."""
        route = _NOWHERE
        try:
            route = self._find(request)
            self._let_in(request, route)
            body: dict[str, Any] = {}
            if request.method == "POST":
                await request.read(self.server.settings.limits.body_bytes)
                if request.body or route.name not in _NO_BODY:
                    body = request.json()
                if route.choose is not None:
                    route = route.choose(body)
            return route, await route.handler(self.server, request, body)
        except Disconnected:
            return route, None
        except Refused as refused:
            return route, route.error(refused)
        except RolevecError as error:  # what an encoder finds wrong with a text or a dimension
            return route, route.error(Refused(Kind.INVALID, str(error)))
        except Exception:
            LOGGER.exception("a fault in this program")
            fault = Refused(Kind.INTERNAL, "a fault in the server; its log says more")
            return route, route.error(fault)

    def _find(self, request: Request) -> Route:
        methods = TABLE.get(request.path)
        if methods is None:
            request.path = _tidied(request.path)
            methods = TABLE.get(request.path) or _named(request.path)
        if methods is None:
            raise Refused(
                Kind.NOT_FOUND, f"there is nothing at {request.path!r}; /openapi.json lists what is"
            )
        method = "GET" if request.method == "HEAD" else request.method
        route = methods.get(method)
        if route is None:
            allowed = ", ".join(methods)
            message = f"{request.path} takes {allowed}, not {request.method}"
            raise Refused(Kind.WRONG_METHOD, message, headers={"allow": allowed})
        return route

    def _let_in(self, request: Request, route: Route) -> None:
        """Ask for the key, and hold it to its rate."""
        server = self.server
        unlocked = server.settings.open_metrics and route.name == "/metrics"
        if not server.keys or route.open or unlocked:
            return
        found = server.keys.find(request.key)
        if found is None:
            given = "this one is unknown" if request.key else "none came"
            raise Refused(
                Kind.UNAUTHORIZED,
                f"a valid API key is needed, as bearer token in Authorization; {given}",
                headers={"www-authenticate": "Bearer"},
            )
        name, rate = found
        request.client = request.notes["key"] = name
        wait = rate.take()
        if wait:
            raise Refused(
                Kind.RATE_LIMITED,
                "this key's requests per minute are spent",
                headers={"retry-after": retry_after(wait)},
            )

    async def _send(self, request: Request, answer: Answer, send: Send) -> None:
        headers = [
            (b"content-type", answer.content_type.encode()),
            (b"content-length", str(len(answer.body)).encode()),
        ]
        for name, value in answer.headers.items():
            headers.append((name.encode(), value.encode()))
        if "model" in request.notes:
            headers.append((b"x-rolevec-model", str(request.notes["model"]).encode()))
        if self.server.draining:
            headers.append((b"connection", b"close"))
        await send({"type": "http.response.start", "status": answer.status, "headers": headers})
        body = b"" if request.method == "HEAD" else answer.body
        await send({"type": "http.response.body", "body": body})


# Routes whose POST may come without a body.
_NO_BODY = frozenset({"/v1/check-api-key"})

Application = Callable[[MutableMapping[str, Any], Receive, Send], Awaitable[None]]


def create_app(settings: Settings | None = None) -> Application:
    """An ASGI application with all dialects.

    Args:
        settings: None serves the bundled model with every default.

    Raises:
        RolevecError: a model cannot be loaded.
        MissingExtra: `pip install 'rolevec[server]'` is needed.
    """
    settings = settings or Settings()
    return with_cors(App(settings), settings)


def with_cors(app: App, settings: Settings) -> Application:
    """The app, and round it the answers to what browsers ask first, if any may ask at all."""
    if not settings.origins:
        return app
    try:
        from starlette.middleware.cors import CORSMiddleware
    except ImportError as error:
        raise MissingExtra("starlette", "server") from error
    return CORSMiddleware(
        app,
        allow_origins=settings.origins,
        allow_methods=("GET", "POST"),
        allow_headers=("authorization", "content-type", "x-api-key"),
    )


def _tidied(path: str) -> str:
    """Without a doubled version and without a slash at the end."""
    if path.startswith(_DOUBLED):
        path = path[3:]
    return path.rstrip("/") or "/"


def _named(path: str) -> dict[str, Route] | None:
    """The methods of an address with a name in it."""
    for prefix in _NAMED:
        if path.startswith(prefix) and len(path) > len(prefix):
            return TABLE[f"{prefix}*"]
    return None
