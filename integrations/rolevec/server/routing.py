"""What a route is, and what its handler has at hand."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from rolevec.server.engine import Engine
from rolevec.server.http import Answer, Request
from rolevec.server.keys import Keys
from rolevec.server.metrics import Metrics
from rolevec.server.settings import Settings
from rolevec.server.shapes.errors import Shape


@dataclass(slots=True)
class Server:
    """All that a handler may need.

    Attributes:
        draining: it is shutting down; what is asked is still answered.
        ready: the workers run.
    """

    settings: Settings
    engine: Engine
    keys: Keys
    metrics: Metrics
    draining: bool = False
    ready: bool = False


Handler: TypeAlias = Callable[[Server, Request, dict[str, Any]], Awaitable[Answer]]


@dataclass(frozen=True, slots=True)
class Route:
    """One method of one address.

    Attributes:
        name: in metrics and logs.
        handler: gets the body's JSON; an empty one for GET.
        error: shape of what is refused.
        open: asks for no key.
        choose: where two dialects share an address, the route for a body.
    """

    name: str
    handler: Handler
    error: Shape
    open: bool = False
    choose: Callable[[Mapping[str, Any]], Route] | None = None


Table: TypeAlias = dict[str, dict[str, Route]]
"""Address -> method -> route; an address that ends with "/*" has a name in place of the star."""
