"""Requests and answers, and the clock of one call."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """One request as it will go out. Headers and body stay out of `repr`: they may hold a token.

    Attributes:
        url: Absolute address.
        method: HTTP method.
        headers: Pairs; a name may repeat.
        body: Bytes to send.
        timeout_seconds: Limit for the whole exchange.
        valid_for_seconds: How long a signature in it holds; None means for ever. The host prepares such a
            request shortly before its moment.
    """

    url: str
    method: str = "POST"
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    body: bytes = field(default=b"", repr=False)
    timeout_seconds: float = 60.0
    valid_for_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class HttpResponse:
    """One whole answer. Header names are lower case; a repeated one is joined with ", "."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: bytes = field(default=b"", repr=False)


class Outcome(StrEnum):
    """What became of one request."""

    OK = "ok"
    THROTTLED = "throttled"
    """The service said "too many" (429 and its kin)."""
    TIMEOUT = "timeout"
    REFUSED = "refused"
    """The service said that the request is wrong."""
    FAILED = "failed"
    """Server error, broken connection, or an answer that cannot be read."""


class CallPhase(StrEnum):
    """Which part of a measurement a call belongs to."""

    COLD = "cold"
    """First call after deployment, or after idling on purpose."""
    WARM_UP = "warm_up"
    MEASURED = "measured"
    TRAINING = "training"
    """With a training sample, after the accuracy pass (`[invoke] also`)."""


class CallTiming(NamedTuple):
    """The clock of one request, in nanoseconds of one monotonic clock; None where a phase is unknown.

    The phases are durations that add up to `received_ns - sent_ns` but for rounding: name lookup, TCP connect, TLS
    handshake, sending (until the last byte of the request left), waiting (until the first byte of the answer),
    receiving. For a reused connection the first three are 0.
    """

    sent_ns: int
    received_ns: int
    scheduled_ns: int | None = None
    lookup_ns: int | None = None
    connect_ns: int | None = None
    tls_ns: int | None = None
    send_ns: int | None = None
    wait_ns: int | None = None
    receive_ns: int | None = None
    new_connection: bool | None = None

    @property
    def service_ns(self) -> int:
        """Service time: sent → received."""
        return self.received_ns - self.sent_ns

    @property
    def response_ns(self) -> int:
        """Response time: scheduled → received; equals the service time where nothing was scheduled."""
        return self.received_ns - (self.sent_ns if self.scheduled_ns is None else self.scheduled_ns)
