"""One monotonic clock for all timings, anchored once to the wall clock."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

NS_PER_SECOND = 1_000_000_000
NS_PER_MS = 1_000_000

SCHEDSTAT = Path("/proc/thread-self/schedstat")
"""Linux: nanoseconds this thread ran, and nanoseconds it was ready to run but had no processor."""


@dataclass(frozen=True, slots=True)
class WallAnchor:
    """Where the monotonic clock stood at one moment of the wall clock.

    Attributes:
        wall: The moment, UTC.
        monotonic_ns: `time.monotonic_ns()` at that moment.
    """

    wall: datetime
    monotonic_ns: int

    @classmethod
    def now(cls) -> WallAnchor:
        """Read both clocks."""
        return cls(datetime.now(UTC), time.monotonic_ns())

    @property
    def iso(self) -> str:
        """The anchor's wall clock, ISO 8601."""
        return self.wall.isoformat(timespec="microseconds")

    def at(self, monotonic_ns: int) -> str:
        """Return the wall clock, ISO 8601 UTC, of a moment of the monotonic clock."""
        moment = self.wall + timedelta(microseconds=(monotonic_ns - self.monotonic_ns) / 1000)
        return moment.isoformat(timespec="milliseconds")


@dataclass(frozen=True, slots=True)
class ClientLoad:
    """How busy this client was between two readings.

    Attributes:
        cpu_share: Processor time of this process per second; 1.0 is one core fully used.
        starved_share: Share of the time in which the sending thread was ready to run but had no processor, or
            None where the system does not say.
    """

    cpu_share: float
    starved_share: float | None


class ClientMeter:
    """Measures what a run costs this client; start it in the thread that sends."""

    def __init__(self) -> None:
        self._wall = time.monotonic_ns()
        self._cpu = time.process_time_ns()
        self._starved = _waited_for_processor_ns()

    @property
    def cpu_ns(self) -> int:
        """Processor time of this process so far."""
        return time.process_time_ns() - self._cpu

    def read(self) -> ClientLoad:
        """Return the load since the meter was made; call it from the same thread."""
        wall = max(1, time.monotonic_ns() - self._wall)
        starved = _waited_for_processor_ns()
        share = None if starved is None or self._starved is None else (starved - self._starved) / wall
        return ClientLoad(self.cpu_ns / wall, share)


def _waited_for_processor_ns() -> int | None:
    try:
        return int(SCHEDSTAT.read_text().split()[1])
    except (OSError, ValueError, IndexError):
        return None
