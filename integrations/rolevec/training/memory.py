"""What a run does about memory, and how much it took."""

from __future__ import annotations

import ctypes
import sys

# Of mallopt(3) in the GNU C library.
_TRIM_THRESHOLD, _TOP_PAD, _MMAP_MAX = -1, -2, -4
_KEPT = 1 << 30


def keep_freed_memory() -> None:
    """Let blocks that are freed stay with the process, for the next step to use again.

    The GNU C library gives large blocks back to the system at once and asks for new pages, all
    zeroed, a moment later: a sixth of the time of a training step on a CPU. Other systems are left
    as they are.
    """
    if not sys.platform.startswith("linux"):
        return
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):  # another C library
        return
    mallopt(_MMAP_MAX, 0)
    mallopt(_TRIM_THRESHOLD, (1 << 31) - 1)
    mallopt(_TOP_PAD, _KEPT)


def peak_memory() -> int | None:
    """Largest resident size of this process so far, in MB; None where nobody counts it."""
    try:
        import resource
    except ImportError:  # Windows
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    # Bytes on macOS, kilobytes elsewhere (getrusage(2)).
    return round(peak / (1 << 20) if sys.platform == "darwin" else peak / (1 << 10))
