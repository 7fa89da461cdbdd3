"""One event loop in a thread of its own, on which every request of this process runs.

Sync callers wait for it, async callers await it. So there is one implementation, one pool of
connections that outlives the loops of its callers (`asyncio.run` makes a new one each time), and
decoding a large answer does not hold up the caller's loop. Cancelling the await cancels the task
over there, and with it the requests under way.
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")

_lock = threading.Lock()
_loop: asyncio.AbstractEventLoop | None = None


def private_loop() -> asyncio.AbstractEventLoop:
    """The loop, started at first use."""
    global _loop  # noqa: PLW0603
    with _lock:
        if _loop is None:
            _loop = asyncio.new_event_loop()
            threading.Thread(target=_loop.run_forever, name="rolevec-remote", daemon=True).start()
        return _loop


def run(task: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine to its end; works inside a running loop too, which then waits.

    Raises:
        RuntimeError: called from the private loop itself, which would wait for itself.
    """
    loop = private_loop()
    if _running_loop() is loop:
        task.close()
        raise RuntimeError("a remote encoder was called from its own event loop")
    future = asyncio.run_coroutine_threadsafe(task, loop)
    try:
        return future.result()
    except BaseException:
        future.cancel()  # Ctrl-C stops the requests too
        raise


async def arun(task: Coroutine[Any, Any, T]) -> T:
    """Await a coroutine on the private loop; cancelling this cancels it."""
    return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(task, private_loop()))


def _running_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


def _forget() -> None:
    """After a fork: the thread stayed behind with the parent, and so may have the lock's holder."""
    global _loop, _lock
    _loop, _lock = None, threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
