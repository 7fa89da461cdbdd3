"""What happens to a text that is longer than the model takes, and the report of it."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal, get_args

from rolevec.errors import InputTooLong

TruncationPolicy = Literal["warn", "end", "start", "error", "split"]
"""warn: cut the end and say so; end, start: cut there; error: refuse; split: average windows."""

_SHOWN = 5


class TruncationWarning(UserWarning):
    """Some texts were longer than the model takes."""


@dataclass(frozen=True, slots=True)
class TruncationReport:
    """How many tokens of each text did not reach the model.

    Attributes:
        dropped: one count per text, in the order given; 0 where nothing was lost.
        limit: most tokens the model takes, prompt and special tokens included; None if unlimited.
    """

    dropped: tuple[int, ...]
    limit: int | None

    @property
    def positions(self) -> tuple[int, ...]:
        """Positions of the texts that lost tokens."""
        return tuple(i for i, n in enumerate(self.dropped) if n)

    def __bool__(self) -> bool:
        return any(self.dropped)

    def describe(self) -> str:
        """One sentence with counts and the first positions."""
        positions = self.positions
        shown = ", ".join(map(str, positions[:_SHOWN])) + (", …" if positions[_SHOWN:] else "")
        return (
            f"{len(positions)} of {len(self.dropped)} texts are longer than {self.limit} tokens;"
            f" {sum(self.dropped)} tokens dropped (positions {shown})"
        )


def check_policy(policy: str) -> TruncationPolicy:
    """Return ``policy`` typed, or raise ValueError with the choices."""
    for known in get_args(TruncationPolicy):
        if policy == known:
            return known  # type: ignore[no-any-return]
    raise ValueError(f"truncation={policy!r} is not one of {', '.join(get_args(TruncationPolicy))}")


def windows(length: int, room: int, policy: TruncationPolicy) -> list[tuple[int, int]]:
    """The spans [start, end) of a text of ``length`` tokens that reach a model with ``room``.

    Only "split" gives more than one span; its spans are of nearly equal size, so that no short
    remainder is encoded out of context.
    """
    if length <= room:
        return [(0, length)]
    if policy == "start":
        return [(length - room, length)]
    if policy != "split":
        return [(0, room)]
    count = -(-length // room)
    edges = [round(i * length / count) for i in range(count + 1)]
    return list(pairwise(edges))


def enforce(
    dropped: Sequence[int], limit: int | None, policy: TruncationPolicy, *, stacklevel: int = 2
) -> TruncationReport:
    """Make the report; warn or refuse as the policy says.

    Raises:
        InputTooLong: the policy is "error" and a text would lose tokens.
    """
    report = TruncationReport(tuple(dropped), limit)
    if report and policy == "error":
        raise InputTooLong(
            f"{report.describe().replace('dropped', 'too many')};"
            ' shorten them, or choose truncation="end", "start" or "split"'
        )
    if report and policy == "warn":
        warnings.warn(
            f'{report.describe()}; choose truncation="end" to silence this, "split" to keep all',
            TruncationWarning,
            stacklevel=stacklevel + 1,
        )
    return report
