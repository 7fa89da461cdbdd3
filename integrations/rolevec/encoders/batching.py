"""Calls that overlap, and how many of them this machine can carry."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import chain, islice
from pathlib import Path
from typing import TypeVar

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


def overlapped(
    function: Callable[[_Item], _Result], items: Iterable[_Item], workers: int
) -> Iterator[_Result]:
    """Results in the order of the items, ``workers`` calls at once and one more item at hand.

    The next item is fetched while calls are under way, so two of these in a row make a pipeline. A
    single item is done in the caller's thread. An error ends it when its turn comes.

    Args:
        function: releases the interpreter for most of its time, else nothing is gained.
        items: taken one by one, as they are needed.
        workers: most calls at once.
    """
    source = iter(items)
    first = list(islice(source, 2))
    if len(first) < 2:
        yield from map(function, first)
        return
    pool = ThreadPoolExecutor(workers, thread_name_prefix="rolevec")
    try:
        waiting: deque[Future[_Result]] = deque()
        for item in chain(first, source):
            waiting.append(pool.submit(function, item))
            if len(waiting) > workers:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)


def token_batches(
    ids: Sequence[Sequence[int]], budget: int, batch_size: int | None = None
) -> list[list[int]]:
    """Positions grouped by length, longest first, each group within a token budget.

    Args:
        ids: token ids of each text.
        budget: most tokens in a group, padding included; one text may be longer.
        batch_size: most texts in a group; None sets no limit.
    """
    order = sorted(range(len(ids)), key=lambda i: len(ids[i]), reverse=True)
    batches: list[list[int]] = []
    start = 0
    while start < len(order):
        size = max(1, budget // max(1, len(ids[order[start]])))
        if batch_size is not None:
            size = min(size, max(1, batch_size))
        batches.append(order[start : start + size])
        start += size
    return batches


def processors() -> int:
    """Processors this process may use: of its affinity, or fewer by its control group's quota."""
    count = os.cpu_count() or 1
    if hasattr(os, "sched_getaffinity"):
        count = len(os.sched_getaffinity(0))
    return max(1, min(count, _quota(Path("/sys/fs/cgroup")) or count))


def streams(threads: int) -> int:
    """Batches to compute side by side: each on one thread of a few, on several of many.

    Threads that share a batch wait for each other, spinning; batches side by side share the caches.
    """
    return threads if threads < 4 else max(2, threads // 4)


def _quota(root: Path) -> int | None:
    """Whole processors that a container is given; None if there is no limit.

    Args:
        root: where control groups are mounted, version 2 (cpu.max) or 1 (cpu/cpu.cfs_*).
    """
    try:
        if (root / "cpu.max").is_file():
            quota, period = (root / "cpu.max").read_text(encoding="ascii").split()
        else:
            quota, period = (
                (root / "cpu" / f"cpu.cfs_{name}_us").read_text(encoding="ascii")
                for name in ("quota", "period")
            )
        share = int(quota) / int(period)
    except (OSError, ValueError, ZeroDivisionError):  # "max" is no number
        return None
    return max(1, int(share)) if share > 0 else None


def nvidia_present() -> bool:
    """True if the driver of an NVIDIA device is loaded; asks no library, which takes seconds."""
    return Path("/proc/driver/nvidia/version").exists() or Path("/dev/nvidiactl").exists()
