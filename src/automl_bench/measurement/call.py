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
from automl_bench.store.records import CallTiming, Outcome
from automl_bench.transport import Exchange, Transport, TransportOptions, classify_status

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
    """

    outcome: Outcome
    prediction: Prediction | None
    timing: CallTiming
    status: int | None = None
    error: str = ""
    retry_after: float | None = None
    passing: bool = False
    terminal: AutomlBenchError | None = None


class Reading(NamedTuple):
    """What an answer says, without its clock; the fields are those of `CallResult`."""

    outcome: Outcome
    prediction: Prediction | None = None
    status: int | None = None
    error: str = ""
    retry_after: float | None = None
    passing: bool = False
    terminal: AutomlBenchError | None = None

    def timed(self, timing: CallTiming) -> CallResult:
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
        )


def outcome_of(error: BaseException) -> Outcome:
    """Classify what a plugin raised.

    RateLimited is THROTTLED, RequestTimedOut is TIMEOUT, what repeating cannot mend is REFUSED, all else is FAILED.
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
    asked = getattr(error, "retry_after", None)
    return Reading(
        outcome=outcome_of(error),
        status=status,
        error=clean(words, longest=LONGEST_ERROR),
        retry_after=asked if asked is not None else _retry_after(headers),
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
        return Reading(Outcome.OK, prediction, status)
    return _by_status(classify_status(status), status, response.headers)


def read_exchange(invoker: HttpInvoker, exchange: Exchange) -> Reading:
    """Read one exchange of the transport: an answer, or the fault that left none."""
    response = exchange.response
    if response is not None and response.status:
        return read_answer(invoker, response)
    outcome = exchange.failure or Outcome.FAILED
    passing = outcome in {Outcome.TIMEOUT, Outcome.FAILED} and not exchange.hopeless
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
            remedy="Check the dataset: automl-bench data check NAME",
        ) from error


def timed_call(invoker: CallInvoker, sample: Sample, scheduled_ns: int | None = None) -> CallResult:
    """Time a call in this process; its phases are unknown."""
    sent = time.monotonic_ns()
    try:
        prediction = invoker.call(sample)
    except Exception as error:  # noqa: BLE001  # whatever a plugin raises is one failed call, never the end of a run
        received = time.monotonic_ns()
        return read_error(error).timed(CallTiming(sent, received, scheduled_ns))
    received = time.monotonic_ns()
    return CallResult(Outcome.OK, prediction, CallTiming(sent, received, scheduled_ns))


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
            return timed_call(invoker, sample)
        try:
            request = prepare(invoker, sample)
        except WorkspaceError:
            raise
        except Exception as error:  # noqa: BLE001  # as in parse: one failed call
            now = time.monotonic_ns()
            return read_error(error).timed(CallTiming(now, now))
        self.url = request.url
        exchange = transport.send(request, new_connection=new_connection)
        return read_exchange(invoker, exchange).timed(exchange.timing)

    def close(self) -> None:
        """Close the connection."""
        if self._transport is not None:
            self._transport.close()


def _by_status(outcome: Outcome | None, status: int, headers: Mapping[str, str]) -> Reading:
    outcome = Outcome.FAILED if outcome is None or outcome is Outcome.OK else outcome
    return Reading(
        outcome,
        status=status,
        error=f"the service answered HTTP {status}.",
        retry_after=_retry_after(headers),
        passing=outcome is Outcome.THROTTLED or status >= 500,
    )


def _retry_after(headers: Mapping[str, str] | None) -> float | None:
    """Read the Retry-After header (RFC 9110, section 10.2.3), in its form of whole seconds."""
    text = (headers or {}).get("retry-after", "")
    try:
        return float(text)
    except ValueError:
        return None
