"""One classification: prepared before the clock starts, sent as one request, read after the clock has stopped."""

from __future__ import annotations

import time
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, NamedTuple, Self

from automl_bench.border.texts import clean
from automl_bench.contract import CallInvoker, HttpInvoker, HttpRequest, HttpResponse, Invoker, Prediction, Sample
from automl_bench.errors import (
    AutomlBenchError,
    BillingRequired,
    ContractViolation,
    Infeasible,
    PermissionDenied,
    ProviderError,
    QuotaExceeded,
    RateLimited,
    RequestRefused,
    RequestTimedOut,
    ResourceConflict,
    ResourceMissing,
    TransientProviderError,
    Unauthenticated,
    UnsupportedCapability,
    WorkspaceError,
)
from automl_bench.measurement.allowances import allowance_pause
from automl_bench.store.records import CallTiming, Outcome
from automl_bench.toolkit.retry_after import bounded_wait, retry_after
from automl_bench.transport import (
    SEEN,
    Exchange,
    HeartbeatThread,
    ProcessorWait,
    Standstills,
    Transport,
    TransportOptions,
    Unseen,
    classify_status,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

TERMINAL_ERRORS = (QuotaExceeded, BillingRequired, Unauthenticated, ContractViolation)
"""Repeating the call cannot help and every further one would fail alike: they end a pass or a load run."""

REFUSALS = (
    RequestRefused,
    Unauthenticated,
    PermissionDenied,
    QuotaExceeded,
    BillingRequired,
    ResourceMissing,
    ResourceConflict,
    UnsupportedCapability,
    Infeasible,
)

LONGEST_ERROR = 300
"""Characters kept of an error's words."""


@dataclass(frozen=True, slots=True)
class CallResult:
    """What became of one request.

    Attributes:
        outcome: OK, throttled, timeout, refused or failed.
        prediction: The answer, or None if there was none.
        timing: The clock.
        status: HTTP status, or None.
        error: One sentence if the outcome is not OK.
        retry_after: Seconds the service asked to wait, or None.
        passing: Whether asking again later may help (throttled, or a fault that passes).
        terminal: The error that ends the pass, or None.
        pause: Seconds until the service's allowance covers another call like this, as its headers say; 0 for now.
        unseen: How long this process was kept from taking the answer: a part of the timing that is its own.
    """

    outcome: Outcome
    prediction: Prediction | None
    timing: CallTiming
    status: int | None = None
    error: str = ""
    retry_after: float | None = None
    passing: bool = False
    terminal: AutomlBenchError | None = None
    unseen: Unseen = SEEN
    pause: float = 0.0


class Reading(NamedTuple):
    """What an answer says, without its clock; the fields are those of `CallResult`."""

    outcome: Outcome
    prediction: Prediction | None = None
    status: int | None = None
    error: str = ""
    retry_after: float | None = None
    passing: bool = False
    terminal: AutomlBenchError | None = None
    pause: float = 0.0

    def timed(self, timing: CallTiming, unseen: Unseen = SEEN) -> CallResult:
        """Join it with its clock."""
        return CallResult(
            self.outcome,
            self.prediction,
            timing,
            self.status,
            self.error,
            self.retry_after,
            self.passing,
            self.terminal,
            unseen,
            self.pause,
        )


def outcome_of(error: BaseException) -> Outcome:
    """Classify what a plugin raised.

    RateLimited is THROTTLED, RequestTimedOut is TIMEOUT, what repeating cannot change is REFUSED, all else is FAILED.
    """
    if isinstance(error, RateLimited):
        return Outcome.THROTTLED
    if isinstance(error, RequestTimedOut):
        return Outcome.TIMEOUT
    if isinstance(error, REFUSALS):
        return Outcome.REFUSED
    return Outcome.FAILED


def read_error(error: Exception, status: int | None = None, headers: Mapping[str, str] | None = None) -> Reading:
    """Turn what a plugin raised into a reading; an error that is not a ProviderError is the plugin's own fault."""
    words = str(error) if isinstance(error, AutomlBenchError) else f"the plugin raised {type(error).__name__}: {error}"
    asked = bounded_wait(getattr(error, "retry_after", None))
    return Reading(
        outcome=outcome_of(error),
        status=status,
        error=clean(words, longest=LONGEST_ERROR),
        retry_after=asked if asked is not None else retry_after(headers),
        passing=isinstance(error, (RateLimited, TransientProviderError)),
        terminal=error if isinstance(error, TERMINAL_ERRORS) else None,
    )


def read_answer(invoker: HttpInvoker, response: HttpResponse) -> Reading:
    """Let the plugin read an answer; the clock has stopped long ago.

    A status that is an error stays one, even if the plugin reads a prediction out of its body.
    """
    status = response.status
    try:
        prediction = invoker.parse(response)
    except Exception as error:  # noqa: BLE001  # whatever a plugin raises is one failed call, never the end of a run
        reading = read_error(error, status, response.headers)
        if reading.outcome is Outcome.FAILED and not isinstance(error, ProviderError):
            by_status = classify_status(status)
            if by_status is not Outcome.OK:
                return _by_status(by_status, status, response.headers)
        return reading
    if 200 <= status < 300:
        return Reading(Outcome.OK, prediction, status, pause=allowance_pause(response.headers, prediction.usage))
    return _by_status(classify_status(status), status, response.headers)


def read_exchange(invoker: HttpInvoker, exchange: Exchange) -> Reading:
    """Read one exchange of the transport: an answer, or the fault that left none."""
    response = exchange.response
    if response is not None and response.status:
        return read_answer(invoker, response)
    outcome = exchange.failure or Outcome.FAILED
    passing = outcome in {Outcome.TIMEOUT, Outcome.FAILED} and not exchange.final
    return Reading(outcome, error=clean(exchange.error, longest=LONGEST_ERROR), passing=passing)


def prepare(invoker: HttpInvoker, sample: Sample) -> HttpRequest:
    """Let the plugin encode and sign.

    Raises:
        WorkspaceError: If the sample's file cannot be read.
        ProviderError: What the plugin raised.
    """
    try:
        return invoker.prepare(sample)
    except OSError as error:
        raise WorkspaceError(
            f"the sample {error.filename or sample.path} cannot be read: {error.strerror or error}.",
            remedy="Check that the file exists and may be read; else import the dataset again.",
        ) from error


class CallWatch:
    """Tells how much of a call into a plugin this process stood still or waited for a processor.

    Args:
        heartbeat: Beats beside the calls.
        alone: Whether no other call is under way. Calls that compute side by side take each other's processor; that
            is the service's own load and not a disturbance.
    """

    def __init__(self, heartbeat: HeartbeatThread, *, alone: bool) -> None:
        self._heartbeat = heartbeat
        self._processor = ProcessorWait() if alone else None
        self._waited_ns = 0

    def begin(self) -> None:
        """A call begins in this thread."""
        self._waited_ns = self._processor.read_ns() if self._processor else 0

    def end(self, sent_ns: int, received_ns: int) -> Unseen:
        """It has ended: return how long it was held up."""
        waited_ns = self._processor.read_ns() - self._waited_ns if self._processor else 0
        stood_still_ns = self._heartbeat.stood_still_ns(sent_ns, received_ns)
        return Unseen(max(waited_ns, stood_still_ns), waited_ns)

    def close(self) -> None:
        """Free what it holds."""
        if self._processor:
            self._processor.close()


def timed_call(invoker: CallInvoker, sample: Sample, watch: CallWatch, scheduled_ns: int | None = None) -> CallResult:
    """Time a call in this process; its phases are unknown."""
    watch.begin()
    sent = time.monotonic_ns()
    try:
        prediction = invoker.call(sample)
    except Exception as error:  # noqa: BLE001  # whatever a plugin raises is one failed call, never the end of a run
        received = time.monotonic_ns()
        return read_error(error).timed(CallTiming(sent, received, scheduled_ns), watch.end(sent, received))
    received = time.monotonic_ns()
    reading = Reading(Outcome.OK, prediction)
    return reading.timed(CallTiming(sent, received, scheduled_ns), watch.end(sent, received))


class Caller:
    """Makes one call at a time, over one kept-alive connection where the invoker speaks HTTP.

    Args:
        invoker: The provider's invoker.
        options: How the transport connects; proxies, certificates, limits.
    """

    def __init__(self, invoker: Invoker, options: TransportOptions | None = None) -> None:
        self.invoker = invoker
        self.url: str | None = None
        """Address of the latest request, for the round-trip probe; None for a CallInvoker."""
        self._transport = Transport(options or TransportOptions()) if isinstance(invoker, HttpInvoker) else None
        self._heartbeat = None if self._transport else HeartbeatThread()
        self._watch = CallWatch(self._heartbeat, alone=True) if self._heartbeat else None

    @property
    def standstills(self) -> Standstills:
        """When this process was kept from taking answers."""
        source = self._transport or self._heartbeat
        assert source is not None
        return source.standstills

    @property
    def over_http(self) -> bool:
        """Whether the host sends the calls, so that their phases are known."""
        return self._transport is not None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def call(self, sample: Sample, *, new_connection: bool = False) -> CallResult:
        """Classify one sample.

        Args:
            sample: The sample; its label is not here to be leaked.
            new_connection: Whether to open a fresh connection on purpose.

        Raises:
            WorkspaceError: If the sample's file cannot be read.
        """
        invoker, transport = self.invoker, self._transport
        if transport is None or not isinstance(invoker, HttpInvoker):
            assert isinstance(invoker, CallInvoker)
            assert self._watch is not None
            return timed_call(invoker, sample, self._watch)
        try:
            request = prepare(invoker, sample)
        except WorkspaceError:
            raise
        except Exception as error:  # noqa: BLE001  # as in parse: one failed call
            now = time.monotonic_ns()
            return read_error(error).timed(CallTiming(now, now))
        self.url = request.url
        exchange = transport.send(request, new_connection=new_connection)
        return read_exchange(invoker, exchange).timed(exchange.timing, exchange.unseen)

    def close(self) -> None:
        """Close the connection."""
        if self._transport is not None:
            self._transport.close()
        if self._watch is not None:
            self._watch.close()
        if self._heartbeat is not None:
            self._heartbeat.close()


def _by_status(outcome: Outcome | None, status: int, headers: Mapping[str, str]) -> Reading:
    outcome = Outcome.FAILED if outcome is None or outcome is Outcome.OK else outcome
    return Reading(
        outcome,
        status=status,
        error=f"the service answered HTTP {status}.",
        retry_after=retry_after(headers),
        passing=outcome is Outcome.THROTTLED or status >= 500,
    )
