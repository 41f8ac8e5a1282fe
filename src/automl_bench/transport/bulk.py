"""Sending many requests that need no clock, such as the uploads of a training set: N in flight, with retries.

Requests are made only when a handle is free for them, so that a signature is young and memory stays bounded by what is
in flight. What a request is for must be idempotent: one that may have reached the service is sent again.
"""

from __future__ import annotations

import heapq
import random
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from automl_bench.contract import HttpResponse, RequestMaker, SendFailure, SendReport
from automl_bench.errors import AutomlBenchError
from automl_bench.store.records import Outcome
from automl_bench.transport.exchange import Exchange
from automl_bench.transport.multi import MultiTransport
from automl_bench.transport.options import TransportOptions

_PASSING = frozenset({Outcome.THROTTLED, Outcome.TIMEOUT, Outcome.FAILED})


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """When and how often a request is sent again.

    Attributes:
        attempts: Most sendings of one request, the first included.
        first_wait_seconds: Upper bound of the first pause; it doubles each time, and the pause is drawn below it.
        longest_wait_seconds: Upper bound of every pause, also of one that the service asks for.
    """

    attempts: int = 5
    first_wait_seconds: float = 0.5
    longest_wait_seconds: float = 60.0


@dataclass(slots=True)
class _Job:
    tag: Any
    make: RequestMaker
    attempts: int = 0


def send_all(
    requests: Iterable[tuple[Any, RequestMaker]],
    options: TransportOptions | None = None,
    *,
    in_flight: int = 32,
    policy: RetryPolicy | None = None,
    progress: Callable[[int], None] | None = None,
    on_done: Callable[[Any, HttpResponse], None] | None = None,
    requests_per_second: float | None = None,
) -> SendReport:
    """Send every request, up to `in_flight` at once, and return what came of them.

    A throttle (429), a time-out, a server error (5xx) and a broken connection are sent again after a pause, in which
    other requests go on. A pause that the service asks for (Retry-After) is kept. Other refusals are final at once.

    Args:
        requests: Tag and maker of each request; read one by one, never all at once.
        options: What holds for every request.
        in_flight: Most requests under way at once.
        policy: When and how often a request is sent again.
        progress: Called with the number of requests that have ended, well or not.
        on_done: Called with tag and answer of each accepted request, in the order in which they end.
        requests_per_second: Upper bound of the rate, for a published limit of the service.

    Returns:
        Counts and the list of failures. Failures are not raised: the caller knows what a missing one means.
    """
    with MultiTransport(options or TransportOptions(), in_flight) as transport:
        return _Bulk(transport, policy or RetryPolicy(), progress, on_done, requests_per_second).run(iter(requests))


class _Bulk:
    """The state of one `send_all`."""

    def __init__(
        self,
        transport: MultiTransport,
        policy: RetryPolicy,
        progress: Callable[[int], None] | None,
        on_done: Callable[[Any, HttpResponse], None] | None,
        rate: float | None,
    ) -> None:
        self.transport = transport
        self.policy = policy
        self.progress = progress
        self.on_done = on_done
        self.spacing = 0.0 if rate is None else 1.0 / rate
        self.next_slot = time.monotonic()
        self.report = SendReport()
        self.resting: list[tuple[float, int, _Job]] = []  # (due, order, job), a heap
        self.order = 0
        self.ended = 0
        self.most_resting = 4 * transport.free

    def run(self, requests: Iterator[tuple[Any, RequestMaker]]) -> SendReport:
        """Send until nothing is left."""
        exhausted = False
        while True:
            while self.transport.free and self.next_slot <= time.monotonic():
                job = self._due()
                if job is None and not exhausted and len(self.resting) < self.most_resting:
                    pair = next(requests, None)
                    exhausted = pair is None
                    job = None if pair is None else _Job(*pair)
                if job is None:
                    break
                self._start(job)
            if exhausted and not self.transport.in_flight and not self.resting:
                return self.report
            for job, exchange in self.transport.wait(self._seconds_to_next()):
                self._settle(job, exchange)

    def _due(self) -> _Job | None:
        if self.resting and self.resting[0][0] <= time.monotonic():
            return heapq.heappop(self.resting)[2]
        return None

    def _seconds_to_next(self) -> float:
        now = time.monotonic()
        nexts = [now + 1.0]
        if self.transport.free:
            nexts += [self.resting[0][0]] if self.resting else []
            nexts += [self.next_slot] if self.next_slot > now else []
        return max(0.0, min(nexts) - now)

    def _start(self, job: _Job) -> None:
        self.next_slot = max(self.next_slot, time.monotonic() - 1.0) + self.spacing if self.spacing else 0.0
        try:
            self.transport.start(job.make(), job)
        except (AutomlBenchError, OSError) as error:  # one unreadable file does not end the upload
            self._give_up(SendFailure(job.tag, Outcome.REFUSED, None, str(error), job.attempts))
            return
        job.attempts += 1
        self.report.repeated += job.attempts > 1

    def _settle(self, job: _Job, exchange: Exchange) -> None:
        outcome = exchange.outcome
        if outcome is Outcome.OK and exchange.response is not None:
            self.report.sent += 1
            if self.on_done is not None:
                self.on_done(job.tag, exchange.response)
            self._count_ended()
        elif outcome in _PASSING and job.attempts < self.policy.attempts:
            self.order += 1
            heapq.heappush(self.resting, (time.monotonic() + self._pause_seconds(job, exchange), self.order, job))
        else:
            status = exchange.response.status if exchange.response else None
            error = exchange.error or f"the service answered {status}"
            self._give_up(SendFailure(job.tag, outcome, status, error, job.attempts, exchange.response))

    def _give_up(self, failure: SendFailure) -> None:
        self.report.failures.append(failure)
        self._count_ended()

    def _count_ended(self) -> None:
        self.ended += 1
        if self.progress is not None:
            self.progress(self.ended)

    def _pause_seconds(self, job: _Job, exchange: Exchange) -> float:
        if exchange.response is not None:
            asked = retry_after_seconds(exchange.response)
            if asked is not None:
                return min(asked, self.policy.longest_wait_seconds)
        bound = self.policy.first_wait_seconds * 2 ** (job.attempts - 1)
        return random.uniform(0.0, min(bound, self.policy.longest_wait_seconds))


def retry_after_seconds(response: HttpResponse) -> float | None:
    """Return how long the service asks to wait (`Retry-After`: seconds or a date, RFC 9110, 10.2.3), or None."""
    value = response.headers.get("retry-after", "").strip()
    if not value:
        return None
    if value.isdigit():
        return float(value)
    try:
        moment = parsedate_to_datetime(value)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max(0.0, (moment - datetime.now(UTC)).total_seconds())
