"""What a call cost: `Usage`, handed to the hook ``on_usage``, and the tally it is made from."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from rolevec.roles import Role


@dataclass(frozen=True, slots=True)
class Usage:
    """What one call asked of a provider.

    The hook gets one of these per call of `encode` (per 4096 texts of a long one), `count_tokens`
    or `score`, in the caller's thread, after a failed call too: what was sent may be billed.

    Attributes:
        provider: "cohere", "openai" or "tei".
        model: as the provider calls it.
        role: of the texts; None for scores.
        texts: distinct texts asked for; those found in a cache are not among them.
        tokens: as the provider counted; None if it does not tell.
        billed_units: as the provider names them, summed over the requests.
        requests: requests sent, repeated ones included.
        retries: of these, the repeated ones.
    """

    provider: str
    model: str
    role: Role | None
    texts: int
    tokens: int | None
    billed_units: Mapping[str, float]
    requests: int
    retries: int


UsageHook: TypeAlias = Callable[[Usage], object]


@dataclass(slots=True)
class Tally:
    """Counts the requests of one call, and tells those under way when to give up.

    Attributes:
        stop: set when one request has failed for good, so that no other is begun or repeated.
    """

    requests: int = 0
    retries: int = 0
    tokens: int | None = None
    billed: Counter[str] = field(default_factory=Counter)
    stop: asyncio.Event = field(default_factory=asyncio.Event)

    def add(self, tokens: int | None, billed: Mapping[str, float]) -> None:
        """Count what an answer says it cost."""
        if tokens is not None:
            self.tokens = (self.tokens or 0) + tokens
        for unit, amount in billed.items():
            self.billed[unit] += amount  # type: ignore[assignment]

    def usage(self, provider: str, model: str, role: Role | None, texts: int) -> Usage:
        """The sum."""
        return Usage(
            *(provider, model, role, texts, self.tokens, dict(self.billed)),
            requests=self.requests,
            retries=self.retries,
        )
