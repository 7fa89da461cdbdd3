"""API keys: made here, kept as hashes, compared in constant time, each with its request rate."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import time
from collections.abc import Callable, Sequence
from math import ceil

from rolevec.server.settings import KeySettings

_PREFIX = "rv-"
# Requests that may come at once: what a key earns in this many seconds.
_BURST = 10.0


def new_key() -> str:
    """A key of 256 random bits; being random, it needs no salt and no slow hash."""
    return _PREFIX + secrets.token_urlsafe(32)


def digest(key: str) -> str:
    """SHA-256 of a key, hexadecimal."""
    return hashlib.sha256(key.encode()).hexdigest()


class Rate:
    """A bucket that fills steadily.

    Args:
        per_minute: requests it earns in a minute; 0 is no limit.
        clock: seconds.
    """

    def __init__(self, per_minute: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._per_second = per_minute / 60
        self._most = max(1.0, self._per_second * _BURST)
        self._left = self._most
        self._clock = clock
        self._seen = clock()

    def take(self) -> float:
        """Take one request: 0, or the seconds until there is one to take."""
        if not self._per_second:
            return 0.0
        now = self._clock()
        self._left = min(self._most, self._left + (now - self._seen) * self._per_second)
        self._seen = now
        if self._left >= 1:
            self._left -= 1
            return 0.0
        return (1 - self._left) / self._per_second


class Keys:
    """The keys of a server.

    Args:
        settings: none lets everybody in.
        clock: seconds, for the rates.
    """

    def __init__(
        self, settings: Sequence[KeySettings], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._keys = [
            (bytes.fromhex(key.sha256), key.name, Rate(key.requests_per_minute, clock))
            for key in settings
        ]

    def __bool__(self) -> bool:
        return bool(self._keys)

    def find(self, key: bytes) -> tuple[str, Rate] | None:
        """The name and rate of a key, or None.

        Every hash is compared whatever the others gave, so that the time tells nothing.
        """
        given = hashlib.sha256(key).digest()
        found = None
        for expected, name, rate in self._keys:
            if hmac.compare_digest(given, expected):
                found = name, rate
        return found


def retry_after(seconds: float) -> str:
    """Seconds for the header ``Retry-After``, which are whole."""
    return str(max(1, ceil(seconds)))
