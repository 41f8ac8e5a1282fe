"""Whether this process got to look when it wanted to: the heartbeat of a measuring loop.

An answer's clock stops when this process reads it. If the process was kept from reading (another process had the
processor, a cgroup's quota was used up, it was stopped, its virtual machine stood still), that time stands in the
latency and is not the service's. Two readings tell of it, after the idea of jHiccup (Gil Tene): how much longer a
wait took than the longest it was asked to take, and how long the kernel says that the thread was ready to run but had
no processor.
"""

from __future__ import annotations

import os
import threading
import time
from array import array
from contextlib import suppress

BEAT_SECONDS = 0.01
"""Longest single wait of a measuring loop. A stop of the process is seen to this precision; a hundred wake-ups a
second cost under 0.1 % of a core."""

_BEAT_NS = int(BEAT_SECONDS * 1e9)

STANDSTILL_NS = 5_000_000
"""Overruns from here on are kept one by one, with their moments."""

SCHEDSTAT = "/proc/thread-self/schedstat"
"""Linux: nanoseconds the thread ran, nanoseconds it was ready to run but had no processor, how often it ran."""


class ProcessorWait:
    """Reads how long a thread has waited for a processor so far: the calling one. A reading takes a microsecond.

    Args:
        pinned: Stay with the thread that read first, whichever calls later.

    Attributes:
        latest_ns: The latest reading.
        ran_ns: How long the thread had run by then; the kernel brings it up to date when it takes the processor away.
        runs: How often the thread had been given a processor by then.
    """

    def __init__(self, *, pinned: bool = False) -> None:
        self._pinned = pinned
        self._thread = 0
        self._opened = False
        self._descriptor = -1
        self.latest_ns = self.ran_ns = self.runs = 0

    def read_ns(self) -> int:
        """Return the nanoseconds so far; 0 where the system does not say."""
        if threading.get_ident() != self._thread and not (self._pinned and self._opened):
            self._open()
        if self._descriptor >= 0:
            try:
                ran, waited, runs = os.pread(self._descriptor, 64, 0).split()
                self.ran_ns, self.latest_ns, self.runs = int(ran), int(waited), int(runs)
            except OSError:  # the thread has ended meanwhile
                self.close()
        return self.latest_ns

    def _open(self) -> None:
        self.close()
        self.latest_ns = 0
        self._thread, self._opened = threading.get_ident(), True
        with suppress(OSError):
            self._descriptor = os.open(SCHEDSTAT, os.O_RDONLY | os.O_CLOEXEC)

    def close(self) -> None:
        """Close the file. A later reading opens it again, unless it is pinned."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)
        self._thread = 0


class Standstills:
    """When a loop stood still without asking for a processor: begin and end of each standstill of at least
    `STANDSTILL_NS`, in the order they ended.

    Attributes:
        begin_ns: Monotonic clock.
        end_ns: Monotonic clock.
    """

    __slots__ = ("begin_ns", "end_ns")

    def __init__(self) -> None:
        self.begin_ns: array[int] = array("q")
        self.end_ns: array[int] = array("q")

    def note(self, begin_ns: int, end_ns: int) -> None:
        """Keep one if it was long enough."""
        if end_ns - begin_ns >= STANDSTILL_NS:
            self.begin_ns.append(begin_ns)
            self.end_ns.append(end_ns)

    def within(self, begin_ns: int, end_ns: int) -> int:
        """Return how many nanoseconds of a span the loop stood still."""
        total = 0
        for place in range(len(self.end_ns) - 1, -1, -1):
            if self.end_ns[place] <= begin_ns:
                break
            total += max(0, min(end_ns, self.end_ns[place]) - max(begin_ns, self.begin_ns[place]))
        return total


class HeartbeatThread:
    """A thread that beats beside calls which are made inside a plugin, where no wait of ours can overrun.

    What the process itself computed meanwhile, and what this thread waited for a processor, is taken off: a beat is
    also late when a plugin keeps the interpreter.

    Attributes:
        standstills: When the process stood still.
    """

    def __init__(self) -> None:
        self.standstills = Standstills()
        self._processor = ProcessorWait(pinned=True)
        self._begun_ns, self._used_ns, self._waited_ns = time.monotonic_ns(), time.process_time_ns(), 0
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._work, name="heartbeat", daemon=True)
        self._thread.start()

    def _work(self) -> None:
        self._waited_ns = self._processor.read_ns()
        while not self._stop.wait(BEAT_SECONDS):
            self._beat()

    def _beat(self) -> None:
        with self._lock:
            now_ns, used_ns, waited_ns = time.monotonic_ns(), time.process_time_ns(), self._processor.read_ns()
            own_ns = used_ns - self._used_ns + waited_ns - self._waited_ns
            self.standstills.note(self._begun_ns + _BEAT_NS + own_ns, now_ns)
            self._begun_ns, self._used_ns, self._waited_ns = now_ns, used_ns, waited_ns

    def stood_still_ns(self, begin_ns: int, end_ns: int) -> int:
        """Return how many nanoseconds of a call that has just ended the process stood still."""
        if end_ns - begin_ns < STANDSTILL_NS:
            return 0
        self._beat()  # after a stop this thread may be quicker than the heartbeat's
        return self.standstills.within(begin_ns, end_ns)

    def close(self) -> None:
        """End the thread."""
        self._stop.set()
        self._thread.join()
        self._processor.close()
