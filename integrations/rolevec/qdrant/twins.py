"""Async twins of blocking methods."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import wraps
from typing import Concatenate, ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")
C = TypeVar("C")


def threaded(method: Callable[Concatenate[C, P], R]) -> Callable[Concatenate[C, P], Awaitable[R]]:
    """The async twin of a method: the same, in a thread, so that the event loop goes on."""

    @wraps(method)
    async def twin(self: C, /, *args: P.args, **kwargs: P.kwargs) -> R:
        return await asyncio.to_thread(method, self, *args, **kwargs)

    twin.__doc__ = f"`{method.__name__}` in a thread, so that the event loop goes on."
    return twin
