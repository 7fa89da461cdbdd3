"""Progress on standard error with rate and time left: a bar, or lines where nobody watches."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

if TYPE_CHECKING:
    from rich.console import Console

Advance: TypeAlias = Callable[[int], None]
T = TypeVar("T")

# Seconds between two lines in a log file.
_EVERY = 30.0
# Items of `counted` between two looks at the clock.
_STEP = 1000


@contextmanager
def counter(
    total: int | None,
    label: str,
    *,
    show: bool,
    note: Callable[[], str] = str,
    done: int = 0,
) -> Iterator[Advance]:
    """Yield a function that counts items done.

    Args:
        total: how many there are; None if that is not known.
        label: what is being done.
        show: False counts in silence.
        note: gives a few words to stand beside the rate.
        done: items that were done before, which are no part of the rate.
    """
    if not show:
        yield lambda _: None
        return
    from rich.console import Console

    console = Console(stderr=True)
    if console.is_terminal:
        with _bar(console, total, label, note, done) as advance:
            yield advance
        return
    lines = _Lines(console, total, label, note, done)
    try:
        yield lines.advance
    finally:
        lines.write()


def counted(items: Iterable[T], label: str, *, show: bool) -> Iterator[T]:
    """The items, counted as they are taken; how many there are is not known."""
    number = 0
    with counter(None, label, show=show) as advance:
        for number, item in enumerate(items, 1):
            yield item
            if number % _STEP == 0:
                advance(_STEP)
        advance(number % _STEP)


@contextmanager
def stage(label: str, *, show: bool) -> Iterator[None]:
    """Say what goes on where nothing can be counted, and how long it took."""
    if not show:
        yield
        return
    from rich.console import Console

    console = Console(stderr=True)
    start = time.monotonic()
    if console.is_terminal:
        with console.status(label):
            yield
    else:
        _say(console, f"{label} ...")
        yield
    _say(console, f"{label}: {_clock(time.monotonic() - start)}")


@contextmanager
def _bar(
    console: Console, total: int | None, label: str, note: Callable[[], str], done: int
) -> Iterator[Advance]:
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        ProgressColumn,
        Task,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )
    from rich.text import Text

    class Rate(ProgressColumn):
        def render(self, task: Task) -> Text:
            speed = task.finished_speed or task.speed
            return Text(f"{speed:,.0f}/s" if speed else "")

    class Note(ProgressColumn):
        def render(self, task: Task) -> Text:
            return Text(note())

    columns: tuple[Any, ...] = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        Rate(),
        Note(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console) as bar:
        task = bar.add_task(label, total=total, completed=done)
        yield lambda count: bar.advance(task, count)


class _Lines:
    """A line now and then, and one at the end."""

    def __init__(
        self, console: Console, total: int | None, label: str, note: Callable[[], str], done: int
    ) -> None:
        self._console = console
        self._total = total
        self._label = label
        self._note = note
        self._done = self._before = done
        self._start = self._last = time.monotonic()

    def advance(self, count: int) -> None:
        """Count, and write if it is time to."""
        self._done += count
        if time.monotonic() - self._last >= _EVERY:
            self.write()

    def write(self) -> None:
        """Write how far it is."""
        self._last = time.monotonic()
        took = self._last - self._start
        rate = (self._done - self._before) / took if took > 0 else 0.0
        words = [f"{self._label}: {self._done:,}"]
        if self._total is not None:
            words[0] += f" of {self._total:,} ({self._done / max(1, self._total):.0%})"
        words += [f"{rate:,.0f}/s", f"{_clock(took)} elapsed"]
        if self._total is not None and rate and self._done < self._total:
            words.append(f"{_clock((self._total - self._done) / rate)} left")
        words += [note] if (note := self._note()) else []
        _say(self._console, ", ".join(words))


def _say(console: Console, line: str) -> None:
    console.print(line, highlight=False, markup=False, soft_wrap=True)


def _clock(seconds: float) -> str:
    return str(timedelta(seconds=round(seconds)))
