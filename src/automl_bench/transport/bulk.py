"""Sending many requests that need no clock, such as the uploads of a training set: N in flight, with retries.

Requests are made only when a handle is free for them, so that a signature is young and memory stays bounded by what is
in flight. What a request is for must be idempotent: one that may have reached the service is sent again.
"""

from __future__ import annotations

import heapq
import random
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from automl_bench.contract import HttpResponse, Outcome, RequestMaker, SendFailure, SendReport
from automl_bench.errors import (
    AutomlBenchError,
    ConnectionLost,
    Interrupted,
    ProviderError,
    RateLimited,
    RequestRefused,
    RequestTimedOut,
    TransientProviderError,
    WorkspaceError,
)
from automl_bench.toolkit.retry_after import bounded_wait, retry_after
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
    judge: Callable[[Any, HttpResponse], None] | None = None,
    stop: threading.Event | None = None,
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
        judge: Reads each whole answer in place of the classes above: returns to accept it; RateLimited and
            TransientProviderError send the request again. With a judge nothing is listed as failed: whatever is final
            (another error of the judge or a maker, or used-up attempts) is raised and ends the sending.
        stop: Ends the sending; what is in flight then may or may not have arrived.

    Returns:
        Counts and the list of failures. Without a judge, failures are not raised: the caller knows what a missing one
        means.

    Raises:
        Interrupted: If `stop` was set.
        ProviderError: With a judge: what ended the sending.
        WorkspaceError: With a judge: a maker could not read a file.
    """
    with MultiTransport(options or TransportOptions(), in_flight) as transport:
        bulk = _Bulk(transport, policy or RetryPolicy(), progress, on_done, requests_per_second, judge, stop)
        return bulk.run(iter(requests))


class _Bulk:
    """The state of one `send_all`."""

    def __init__(
        self,
        transport: MultiTransport,
        policy: RetryPolicy,
        progress: Callable[[int], None] | None,
        on_done: Callable[[Any, HttpResponse], None] | None,
        rate: float | None,
        judge: Callable[[Any, HttpResponse], None] | None,
        stop: threading.Event | None,
    ) -> None:
        self.transport = transport
        self.policy = policy
        self.progress = progress
        self.on_done = on_done
        self.judge = judge
        self.stop = stop
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
            if self.stop is not None and self.stop.is_set():
                raise Interrupted("stopped on request.", remedy="Run the same command again to go on.")
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
        # At most one request is caught up on after a stall: a service counts the requests of every second.
        self.next_slot = max(self.next_slot, time.monotonic() - self.spacing) + self.spacing if self.spacing else 0.0
        try:
            self.transport.start(job.make(), job)
        except (RateLimited, TransientProviderError) as error:
            job.attempts += 1
            self._again(job, error, None)
            return
        except (AutomlBenchError, OSError) as error:
            self._cannot_be_made(job, error)
            return
        job.attempts += 1
        self.report.repeated += job.attempts > 1

    def _cannot_be_made(self, job: _Job, error: AutomlBenchError | OSError) -> None:
        if self.judge is None:  # one unreadable file does not end the upload
            self._give_up(SendFailure(job.tag, Outcome.REFUSED, None, str(error), job.attempts))
            return
        if isinstance(error, OSError):
            raise WorkspaceError(
                f"{error.filename or job.tag} cannot be read: {error.strerror or error}.",
                remedy="Check that the file exists and may be read; else import the dataset again.",
            ) from error
        raise error

    def _again(self, job: _Job, error: RateLimited | TransientProviderError, response: HttpResponse | None) -> None:
        """Send a request again after a pause, or give it up for good."""
        if job.attempts < self.policy.attempts:
            self._rest(job, self._pause_seconds(job, response, getattr(error, "retry_after", None)))
        elif self.judge is not None:
            raise error
        else:
            self._give_up(SendFailure(job.tag, Outcome.FAILED, None, str(error), job.attempts))

    def _rest(self, job: _Job, seconds: float) -> None:
        self.order += 1
        heapq.heappush(self.resting, (time.monotonic() + seconds, self.order, job))

    def _settle(self, job: _Job, exchange: Exchange) -> None:
        outcome = exchange.outcome
        if self.judge is not None:
            self._judge(job, exchange)
        elif outcome is Outcome.OK and exchange.response is not None:
            self._accept(job, exchange.response)
        elif outcome in _PASSING and not exchange.final and job.attempts < self.policy.attempts:
            self._rest(job, self._pause_seconds(job, exchange.response))
        else:
            status = exchange.response.status if exchange.response else None
            error = exchange.error or f"the service answered {status}"
            self._give_up(SendFailure(job.tag, outcome, status, error, job.attempts, exchange.response))

    def _judge(self, job: _Job, exchange: Exchange) -> None:
        try:
            if exchange.response is None:
                raise _fault(job, exchange)
            assert self.judge is not None
            self.judge(job.tag, exchange.response)
        except (RateLimited, TransientProviderError) as error:
            self._again(job, error, exchange.response)
        else:
            self._accept(job, exchange.response)

    def _accept(self, job: _Job, response: HttpResponse) -> None:
        self.report.sent += 1
        if self.on_done is not None:
            self.on_done(job.tag, response)
        self._count_ended()

    def _give_up(self, failure: SendFailure) -> None:
        self.report.failures.append(failure)
        self._count_ended()

    def _count_ended(self) -> None:
        self.ended += 1
        if self.progress is not None:
            self.progress(self.ended)

    def _pause_seconds(self, job: _Job, response: HttpResponse | None, asked: float | None = None) -> float:
        asked = bounded_wait(asked)
        if asked is None and response is not None:
            asked = retry_after(response.headers)
        if asked is not None:
            return min(asked, self.policy.longest_wait_seconds)
        bound = self.policy.first_wait_seconds * 2 ** (job.attempts - 1)
        return random.uniform(0.0, min(bound, self.policy.longest_wait_seconds))


def _fault(job: _Job, exchange: Exchange) -> ProviderError:
    """Return the error of a request that got no whole answer."""
    words = f"{job.tag}: {exchange.error or 'no whole answer'}"
    if exchange.final:
        return RequestRefused(words)
    return RequestTimedOut(words) if exchange.outcome is Outcome.TIMEOUT else ConnectionLost(words)
