"""How long to wait before a request is repeated: the endpoint's own word, else back-off."""

from __future__ import annotations

import math
import random
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime

_PARTS = re.compile(r"(\d+(?:\.\d+)?)(ms|h|m|s|d)")
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
# Larger plain numbers are points in time, in seconds or milliseconds since 1970.
_EPOCH, _EPOCH_MS = 1e9, 1e12
_RESETS = ("x-ratelimit-reset", "x-ratelimit-reset-requests", "x-ratelimit-reset-tokens")


@dataclass(frozen=True, slots=True)
class Backoff:
    """Waits that double from ``base`` to ``cap`` seconds, each shortened at random by up to half.

    Attributes:
        base: seconds before the first repetition.
        cap: most seconds between two tries.
        patience: an endpoint that asks for a longer wait than this is taken at its word: the call
            fails at once, rather than hang for an hour.
    """

    base: float = 0.5
    cap: float = 60.0
    patience: float = 120.0

    def wait(self, attempt: int, asked: float | None) -> float:
        """Seconds before repetition number ``attempt``, counted from 0.

        Never less than was asked, and a little more at random: clients that were refused together
        should not come back together.
        """
        step: float = min(self.cap, self.base * 2.0 ** min(attempt, 60))
        if asked is None:
            return step * random.uniform(0.5, 1.0)
        return asked + random.uniform(0.0, 0.1) * max(asked, self.base)


def asked_wait(headers: Mapping[str, str], *, now: float | None = None) -> float | None:
    """Seconds that an answer asks to wait, or None.

    In order: ``retry-after-ms``; ``retry-after`` in seconds or as an HTTP date; the forms of
    ``x-ratelimit-reset`` ("1s", "6m0s", "250ms", seconds, or a point in time). Of several resets
    those count whose ``x-ratelimit-remaining`` is 0, else the longest; as they tell when the whole
    allowance is back, none counts for more than a minute.

    Args:
        headers: with names in lower case.
        now: seconds since 1970; None asks the clock.
    """
    now = time.time() if now is None else now
    exact = _number(headers.get("retry-after-ms"))
    if exact is not None:
        return max(0.0, exact / 1000)
    if "retry-after" in headers:
        wait = _duration(headers["retry-after"], now)
        wait = _until(headers["retry-after"], now) if wait is None else wait
        if wait is not None:
            return wait
    found = {name: _duration(headers[name], now) for name in _RESETS if name in headers}
    waits = {name: wait for name, wait in found.items() if wait is not None}
    spent = [wait for name, wait in waits.items() if _is_spent(headers, name)]
    return min(60.0, max(spent or waits.values())) if waits else None


def _is_spent(headers: Mapping[str, str], reset: str) -> bool:
    return headers.get(reset.replace("reset", "remaining"), "").strip() == "0"


def _duration(value: str, now: float) -> float | None:
    number = _number(value)
    if number is None:
        text = value.strip().lower()
        parts = _PARTS.findall(text)
        if not parts or "".join(amount + unit for amount, unit in parts) != text:
            return None
        return sum(float(amount) * _SECONDS[unit] for amount, unit in parts)
    if number >= _EPOCH_MS:
        number /= 1000
    return max(0.0, number - now if number >= _EPOCH else number)


def _until(value: str, now: float) -> float | None:
    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - now)
    except (ValueError, TypeError, OverflowError):
        return None


def _number(value: str | None) -> float | None:
    try:
        number = float(value or "")
    except ValueError:
        return None
    return number if math.isfinite(number) else None
