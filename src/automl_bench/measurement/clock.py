"""One monotonic clock for all timings, anchored once to the wall clock."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

NS_PER_SECOND = 1_000_000_000
NS_PER_MS = 1_000_000

SCHEDSTAT = Path("/proc/thread-self/schedstat")
"""Linux: nanoseconds this thread ran, nanoseconds it was ready to run but had no processor, how often it ran."""


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
        wait_ms: How long it waited each time, on average.
    """

    cpu_share: float
    starved_share: float | None
    wait_ms: float | None

    @property
    def added_ms(self) -> float | None:
        """About how much this adds to a latency: an answer that comes while the client waits is seen after it."""
        if self.starved_share is None or self.wait_ms is None:
            return None
        return self.starved_share * self.wait_ms


class ClientMeter:
    """Measures what a run costs this client; start it in the thread that sends."""

    def __init__(self) -> None:
        self._wall = time.monotonic_ns()
        self._cpu = time.process_time_ns()
        self._starved = _waited_for_processor()

    @property
    def cpu_ns(self) -> int:
        """Processor time of this process so far."""
        return time.process_time_ns() - self._cpu

    def read(self) -> ClientLoad:
        """Return the load since the meter was made; call it from the same thread."""
        wall = max(1, time.monotonic_ns() - self._wall)
        now = _waited_for_processor()
        if now is None or self._starved is None:
            return ClientLoad(self.cpu_ns / wall, None, None)
        waited, times = now[0] - self._starved[0], now[1] - self._starved[1]
        return ClientLoad(self.cpu_ns / wall, waited / wall, waited / NS_PER_MS / max(1, times))


def _waited_for_processor() -> tuple[int, int] | None:
    """Return (nanoseconds waited, times run) of this thread so far."""
    try:
        _, waited, times = SCHEDSTAT.read_text().split()[:3]
        return int(waited), int(times)
    except (OSError, ValueError):
        return None
