"""Requests and tokens a minute, shared by all encoders of a process with one key and host."""

from __future__ import annotations

import hashlib
import os
import threading
import time
from collections.abc import Awaitable, Callable

# Share of a minute's allowance that may go at once.
BURST = 0.1


class _Bucket:
    """A token bucket: a share of the limit may go at once, the rest flows in over the minute.

    Together that is no more than ``limit`` in any 60 seconds, as long as nothing larger than the
    share is taken in one piece; what is larger waits until all of it has flowed in.
    """

    def __init__(self, limit: float, now: float) -> None:
        self.limit = limit
        self._capacity = max(1.0, limit * BURST)
        self._rate = (limit + 1 - self._capacity) / 60
        self._level = self._capacity
        self._last = now

    def take(self, amount: float, now: float) -> float:
        """Take, and return the seconds until what was taken is there."""
        self._level = min(self._capacity, self._level + (now - self._last) * self._rate)
        self._last = now
        self._level = min(self._capacity, self._level - amount)
        return max(0.0, -self._level / self._rate)


class Budget:
    """What may be sent; each request reserves its share and waits until it is due.

    Safe to use from any thread: the lock is held for arithmetic only, waiting is done outside it.

    Args:
        clock: gives seconds and never goes back.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._buckets: dict[str, _Bucket] = {}
        self._paused_until = float("-inf")

    def limit(self, requests: float | None, tokens: float | None) -> None:
        """Set what is allowed in a minute; None leaves a limit as it is."""
        with self._lock:
            for name, limit in (("requests", requests), ("tokens", tokens)):
                known = self._buckets.get(name)
                if limit is not None and (known is None or known.limit != limit):
                    self._buckets[name] = _Bucket(limit, self._clock())

    def reserve(self, tokens: float, requests: float = 1) -> float:
        """Take one request of so many tokens; the seconds to wait before it may be sent."""
        with self._lock:
            now = self._clock()
            amounts = {"requests": requests, "tokens": tokens}
            waits = [bucket.take(amounts[name], now) for name, bucket in self._buckets.items()]
            return max(0.0, self._paused_until - now, *waits)

    def correct(self, tokens: float) -> None:
        """Take (or with a minus sign give back) tokens that an estimate missed."""
        self.reserve(tokens, requests=0)

    def pause(self, seconds: float) -> None:
        """Let nothing go for a while: the endpoint has asked one request to wait."""
        with self._lock:
            self._paused_until = max(self._paused_until, self._clock() + seconds)

    async def wait(self, tokens: float, sleep: Callable[[float], Awaitable[None]]) -> None:
        """Reserve, and sleep until the reservation is due; given back if that is cancelled."""
        seconds = self.reserve(tokens)
        try:
            while seconds > 0:
                await sleep(seconds)
                with self._lock:  # a pause may have been asked for meanwhile
                    seconds = max(0.0, self._paused_until - self._clock())
        except BaseException:
            self.reserve(-tokens, requests=-1)
            raise


_lock = threading.Lock()
_budgets: dict[tuple[str, str], Budget] = {}


def shared_budget(
    host: str, key: str, requests_per_minute: float | None, tokens_per_minute: float | None
) -> Budget:
    """The budget of a key at a host; limits given last hold for all who share it."""
    # The key itself is kept in as few places as can be.
    owner = (host, hashlib.sha256(key.encode()).hexdigest())
    with _lock:
        budget = _budgets.setdefault(owner, Budget())
    budget.limit(requests_per_minute, tokens_per_minute)
    return budget


def estimate_tokens(texts: list[str]) -> int:
    """Rather more than the tokens of some texts: a token is some 4 bytes of English, 3 of others.

    Corrected by the provider's own count once the answer is there.
    """
    return sum(len(text.encode()) // 3 + 1 for text in texts)


def _forget() -> None:
    global _lock  # noqa: PLW0603
    _lock = threading.Lock()
    _budgets.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
