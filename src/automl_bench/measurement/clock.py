"""One monotonic clock for all timings, anchored once to the wall clock."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from automl_bench.transport import ProcessorWait

NS_PER_SECOND = 1_000_000_000
NS_PER_MS = 1_000_000


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
        starved_share: Share of the time in which the sending thread was ready to run but had no processor; 0 where the
            system does not say.
    """

    cpu_share: float
    starved_share: float


class ClientMeter:
    """Measures what a run costs this client; start it in the thread that sends."""

    def __init__(self) -> None:
        self._wall = time.monotonic_ns()
        self._cpu = time.process_time_ns()
        self._processor = ProcessorWait()
        self._starved_ns = self._processor.read_ns()

    @property
    def cpu_ns(self) -> int:
        """Processor time of this process so far."""
        return time.process_time_ns() - self._cpu

    def read(self) -> ClientLoad:
        """Return the load since the meter was made, for the last time; call it from the same thread."""
        wall = max(1, time.monotonic_ns() - self._wall)
        starved_ns = self._processor.read_ns() - self._starved_ns
        self._processor.close()
        return ClientLoad(self.cpu_ns / wall, starved_ns / wall)
