"""Splitting texts at a provider's limits, and asking for all batches at once."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from rolevec.encoders.remote.budget import estimate_tokens
from rolevec.encoders.remote.transport import Stopped
from rolevec.encoders.remote.usage import Tally

T = TypeVar("T")


def spans(
    texts: Sequence[str], most: int, *, tokens: int | None = None, size: int | None = None
) -> list[tuple[int, int]]:
    """Consecutive spans [start, end) of texts that fit into one request each.

    Args:
        texts: as they will be sent.
        most: texts in one request.
        tokens: in one request, as estimated; a text that is longer goes alone.
        size: bytes in one request, likewise.
    """
    found: list[tuple[int, int]] = []
    start, token_sum, byte_sum = 0, 0, 0
    for end, text in enumerate(texts):
        cost, length = estimate_tokens([text]), len(text.encode())
        full = (
            end - start >= most
            or (tokens is not None and token_sum + cost > tokens)
            or (size is not None and byte_sum + length > size)
        )
        if full and end > start:
            found.append((start, end))
            start, token_sum, byte_sum = end, 0, 0
        token_sum, byte_sum = token_sum + cost, byte_sum + length
    if len(texts) > start:
        found.append((start, len(texts)))
    return found


async def together(
    asks: Sequence[Callable[[], Awaitable[T]]], tally: Tally
) -> tuple[list[T | None], list[Exception]]:
    """Run all at once (the transport bounds how many are on the wire).

    The first failure stops the call: what has not been sent is not, what is under way is let
    finish. So everything that was paid for comes back.

    Returns:
        a result for each, None where there is none; and the failures, first first.
    """
    results: list[T | None] = [None] * len(asks)
    failures: list[Exception] = []

    async def one(place: int, ask: Callable[[], Awaitable[T]]) -> None:
        try:
            results[place] = await ask()
        except Stopped:
            return
        except Exception as error:
            failures.append(error)
            tally.stop.set()

    async with asyncio.TaskGroup() as group:
        for place, ask in enumerate(asks):
            group.create_task(one(place, ask))
    return results, failures


async def all_together(asks: Sequence[Callable[[], Awaitable[T]]], tally: Tally) -> list[T]:
    """As `together`, all or nothing: the first failure is raised."""
    results, failures = await together(asks, tally)
    if failures:
        raise failures[0]
    return [result for result in results if result is not None]
