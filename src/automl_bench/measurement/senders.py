"""Who sends the requests of a load run: libcurl's one multi loop for HTTP, threads only for calls into a plugin."""

from __future__ import annotations

import queue
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from automl_bench.contract import CallInvoker, HttpInvoker, Lanes, Sample
from automl_bench.measurement.call import CallResult, CallWatch, Reading, read_exchange, timed_call
from automl_bench.measurement.payloads import Payloads
from automl_bench.store.records import CallTiming
from automl_bench.transport import Exchange, HeartbeatThread, MultiTransport, Standstills, TransportOptions, Unseen

Tag = tuple[int, int]
"""(number in the schedule, place of the sample in the run's list)."""

MOST_THREADS = 200
"""Most lanes of a load run over a CallInvoker: each is a thread."""


@dataclass(frozen=True, slots=True)
class LaneResult:
    """An ended call and the lane that made it."""

    result: CallResult
    worker: int


class Sender(Protocol):
    """Sends requests without waiting for them. Used by one thread only."""

    @property
    def standstills(self) -> Standstills:
        """When this process was kept from looking for answers."""
        ...

    @property
    def free(self) -> int:
        """How many more requests can be under way."""
        ...

    @property
    def in_flight(self) -> int:
        """How many requests are under way."""
        ...

    def start(self, number: int, place: int, scheduled_ns: int | None) -> None:
        """Send one request; there must be a free place."""
        ...

    def wait(self, timeout_seconds: float) -> Sequence[tuple[Tag, Exchange | LaneResult]]:
        """Return what has ended, waiting at most so long for the first."""
        ...

    def read(self, answer: Exchange | LaneResult) -> tuple[CallTiming, int, Reading | CallResult, Unseen]:
        """Read an ended request, after its clock.

        Returns:
            Its timing, its worker, what it says, and how long its answer lay unseen.
        """
        ...

    def close(self) -> None:
        """Give up what is under way and close all connections."""
        ...


class HttpSender:
    """All requests over one libcurl multi handle: no thread per connection.

    Args:
        invoker: Reads the answers.
        payloads: The prepared requests.
        connections: Most requests under way.
        options: How the transport connects.
    """

    def __init__(self, invoker: HttpInvoker, payloads: Payloads, connections: int, options: TransportOptions) -> None:
        self._invoker = invoker
        self._payloads = payloads
        self._multi = MultiTransport(options, connections)
        self.standstills = self._multi.standstills

    @property
    def free(self) -> int:
        """How many more requests can be under way."""
        return self._multi.free

    @property
    def in_flight(self) -> int:
        """How many requests are under way."""
        return self._multi.in_flight

    def start(self, number: int, place: int, scheduled_ns: int | None) -> None:
        """Send one request."""
        request = self._payloads.take(place)
        self._multi.start(request, (number, place), scheduled_ns)

    def wait(self, timeout_seconds: float) -> Sequence[tuple[Tag, Exchange | LaneResult]]:
        """Return what has ended, waiting at most so long for the first."""
        return self._multi.wait(timeout_seconds)

    def read(self, answer: Exchange | LaneResult) -> tuple[CallTiming, int, Reading | CallResult, Unseen]:
        """Let the plugin read an answer, after its clock."""
        assert isinstance(answer, Exchange)
        return answer.timing, answer.lane, read_exchange(self._invoker, answer), answer.unseen

    def close(self) -> None:
        """Give up what is under way and close all connections."""
        self._multi.close()


class LaneSender:
    """One thread a lane, each with its own CallInvoker where the plugin brings lanes.

    Threads start when they are first needed. The call is timed inside its thread; handing it over is not.

    Args:
        invoker: Used by all threads where the plugin brings no lanes.
        lanes: The plugin's own lanes, or None.
        samples: The samples of the run.
        connections: Most calls under way.
    """

    def __init__(
        self, invoker: CallInvoker | None, lanes: Lanes | None, samples: Sequence[Sample], connections: int
    ) -> None:
        self._heartbeat = HeartbeatThread()
        self.standstills = self._heartbeat.standstills
        self._samples = samples
        self._lanes = lanes
        self._connections = min(connections, MOST_THREADS)
        if lanes is not None:
            self._invokers = list(lanes.open(self._connections))
        else:
            assert invoker is not None
            self._invokers = [invoker] * self._connections
        self._jobs: queue.SimpleQueue[tuple[int, int, int | None] | None] = queue.SimpleQueue()
        self._ended: queue.SimpleQueue[tuple[Tag, LaneResult]] = queue.SimpleQueue()
        self._threads: list[threading.Thread] = []
        self._under_way = 0

    @property
    def free(self) -> int:
        """How many more calls can be under way."""
        return len(self._invokers) - self._under_way

    @property
    def in_flight(self) -> int:
        """How many calls are under way."""
        return self._under_way

    def start(self, number: int, place: int, scheduled_ns: int | None) -> None:
        """Hand one call to an idle thread."""
        if self._under_way >= len(self._threads):
            worker = len(self._threads)
            thread = threading.Thread(target=self._work, args=(worker,), name=f"lane-{worker}", daemon=True)
            self._threads.append(thread)
            thread.start()
        self._under_way += 1
        self._jobs.put((number, place, scheduled_ns))

    def wait(self, timeout_seconds: float) -> Sequence[tuple[Tag, Exchange | LaneResult]]:
        """Return what has ended, waiting at most so long for the first."""
        ended: list[tuple[Tag, Exchange | LaneResult]] = []
        try:
            ended.append(self._ended.get(timeout=max(0.0, timeout_seconds)))
            while True:
                ended.append(self._ended.get_nowait())
        except queue.Empty:
            self._under_way -= len(ended)
        return ended

    def read(self, answer: Exchange | LaneResult) -> tuple[CallTiming, int, Reading | CallResult, Unseen]:
        """Return an ended call; it was read in its thread."""
        assert isinstance(answer, LaneResult)
        return answer.result.timing, answer.worker, answer.result, answer.result.unseen

    def close(self) -> None:
        """End the threads; one that hangs in a call is left behind as a daemon."""
        for _ in self._threads:
            self._jobs.put(None)
        for thread in self._threads:
            thread.join(0.0 if self._under_way else 5.0)
        self._heartbeat.close()
        if self._lanes is not None:
            self._lanes.close()

    def _work(self, worker: int) -> None:
        invoker = self._invokers[worker]
        watch = CallWatch(self._heartbeat, alone=len(self._invokers) == 1)
        while True:
            job = self._jobs.get()
            if job is None:
                watch.close()
                return
            number, place, scheduled_ns = job
            result = timed_call(invoker, self._samples[place], watch, scheduled_ns)
            self._ended.put(((number, place), LaneResult(result, worker)))
