"""Whether the server lives and is ready, its metrics, its description and its page."""

from __future__ import annotations

from typing import Any

from rolevec.server import metrics, openapi
from rolevec.server.failures import Kind, Refused
from rolevec.server.http import Answer, Request, json_answer
from rolevec.server.page import ASSETS, HEADERS
from rolevec.server.routing import Route, Server, Table
from rolevec.server.shapes import errors


async def health(server: Server, request: Request, body: dict[str, Any]) -> Answer:
    """200 as long as the process answers."""
    return json_answer({"status": "ok"})


async def ready(server: Server, request: Request, body: dict[str, Any]) -> Answer:
    """200 if requests should be sent here; 503 before the start and during shutdown."""
    if not server.ready or server.draining:
        what = "shutting down" if server.draining else "starting"
        raise Refused(Kind.UNAVAILABLE, f"the server is {what}")
    return json_answer({"status": "ready", "models": [m.name for m in server.engine.models]})


async def show_metrics(server: Server, request: Request, body: dict[str, Any]) -> Answer:
    """Prometheus' text format."""
    return Answer(server.metrics.text(), content_type=metrics.CONTENT_TYPE)


async def describe(server: Server, request: Request, body: dict[str, Any]) -> Answer:
    """The OpenAPI document."""
    known = server.engine.models
    names = [name for model in known for name in (model.name, *model.aliases)]
    document = openapi.document(() if server.settings.any_name else names, keys=bool(server.keys))
    return json_answer(document)


async def asset(server: Server, request: Request, body: dict[str, Any]) -> Answer:
    """A file of the built-in page; it asks for a key itself where one is needed."""
    content, content_type = ASSETS[request.path]
    return Answer(content, content_type=content_type, headers=HEADERS)


_HEALTH = Route("/health", health, errors.shared, open=True)

TABLE: Table = {
    "/health": {"GET": _HEALTH},
    "/ping": {"GET": _HEALTH},
    "/ready": {"GET": Route("/ready", ready, errors.shared, open=True)},
    "/metrics": {"GET": Route("/metrics", show_metrics, errors.shared)},
    "/openapi.json": {"GET": Route("/openapi.json", describe, errors.shared, open=True)},
    **{path: {"GET": Route(path, asset, errors.shared, open=True)} for path in ASSETS},
}
