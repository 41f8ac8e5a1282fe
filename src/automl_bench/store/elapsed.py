"""How long something took, though the wall clock may be set and the process may end in between.

Beside each ISO time stands a stamp of the clock that counts from the machine's start and that nobody sets, together
with the id of that start. Two stamps of one start give a true duration in any process; times of two starts, or of a
machine without such a clock, can only be compared by the wall clock, and a negative result then means "not known".
"""

from __future__ import annotations

import time
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
"""Linux (random(4)): made anew at each start of the machine."""


class Instant(NamedTuple):
    """A moment on both clocks.

    Attributes:
        iso: ISO 8601 time with its offset, or "" if there was no such moment.
        stamp: `clock_stamp()` of the same moment, or "".
    """

    iso: str
    stamp: str = ""


def clock_stamp() -> str:
    """Return the present moment as `<id of the machine's start>:<seconds since then>`; "" where there is no such id."""
    boot = _boot_id()
    return f"{boot}:{_since_boot():.6f}" if boot else ""


def seconds_between(begin: Instant, end: Instant) -> float | None:
    """Return how long it was from one moment to a later one, in seconds; None if that cannot be told."""
    boot_of_begin, _, first = begin.stamp.partition(":")
    boot_of_end, _, last = end.stamp.partition(":")
    if boot_of_begin and boot_of_begin == boot_of_end:
        return max(0.0, float(last) - float(first))
    try:
        by_wall = (datetime.fromisoformat(end.iso) - datetime.fromisoformat(begin.iso)).total_seconds()
    except ValueError:
        return None
    return by_wall if by_wall >= 0 else None


def _since_boot() -> float:
    # Time that the machine slept is billed, too: CLOCK_BOOTTIME counts it.
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


@lru_cache(maxsize=1)
def _boot_id() -> str:
    try:
        return BOOT_ID.read_text(encoding="ascii").strip()
    except OSError:
        return ""
