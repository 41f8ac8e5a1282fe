"""How a load run is made: the settings and what is wrong with them."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field, replace

from automl_bench.contract import Json
from automl_bench.errors import UsageError
from automl_bench.measurement.arrivals import ARRIVALS
from automl_bench.measurement.validity import LATEST_SEND_MS
from automl_bench.transport import TransportOptions

LOOPS = ("closed", "open", "sweep")

MOST_SENDS = 100_000_000
"""Requests of one loop: the schedule is made before the run begins, 8 bytes for each."""


@dataclass(frozen=True, slots=True)
class LoadSettings:
    """How a load run is made.

    Attributes:
        loop: "closed" (N requests under way), "open" (a schedule) or "sweep" (open loops at rising rates).
        calls: Calls of a closed loop; of an open one where no duration is given.
        concurrency: Requests under way in a closed loop.
        rate: Requests per second of an open loop.
        duration_seconds: Length: a closed loop then sends until it is over; a sweep takes it for each step.
        arrivals: "poisson" or "constant".
        seed: Seed of the arrivals and of the samples' order.
        sweep_from: First rate of a sweep, requests per second.
        sweep_to: Last rate of a sweep.
        warm_up_calls: Calls before the run, recorded but never counted; None for one a connection, at most 10, in a
            closed loop and three otherwise.
        respect_limits: Whether to keep to the provider's published rate and requests in flight.
        max_late_ms: Bound for the p99 of the sends' lateness.
        max_in_flight: Most requests under way in an open loop; None for as many as the system allows, up to 1,000.
        latency_limit_ms: Only answers within it count as goodput; None for all.
        options: How the transport connects.
    """

    loop: str = "closed"
    calls: int = 1000
    concurrency: int = 10
    rate: float | None = None
    duration_seconds: float | None = None
    arrivals: str = "poisson"
    seed: int = 0
    sweep_from: float | None = None
    sweep_to: float | None = None
    warm_up_calls: int | None = None
    respect_limits: bool = True
    max_late_ms: float = LATEST_SEND_MS
    max_in_flight: int | None = None
    latency_limit_ms: float | None = None
    options: TransportOptions = field(default_factory=TransportOptions)

    def as_json(self) -> dict[str, Json]:
        """Return the settings for the store; the transport's options, which may name a proxy, stay out."""
        values = asdict(replace(self, options=TransportOptions()))
        del values["options"]
        return values


def check_settings(settings: LoadSettings) -> None:
    """Refuse settings that make no run.

    Raises:
        UsageError: Naming the setting.
    """
    if settings.loop not in LOOPS:
        raise UsageError(f"there is no {settings.loop!r} loop.", remedy=f"Choose one of: {', '.join(LOOPS)}.")
    if settings.arrivals not in ARRIVALS:
        raise UsageError(
            f"there are no {settings.arrivals!r} arrivals.", remedy=f"Choose one of: {', '.join(ARRIVALS)}."
        )
    for name, value, least in (
        ("--rate", settings.rate, 0.0),
        ("--duration", settings.duration_seconds, 0.0),
        ("--sweep", settings.sweep_from, 0.0),
        ("--sweep", settings.sweep_to, 0.0),
        ("max_late_ms", settings.max_late_ms, 0.0),
        ("latency_limit_ms", settings.latency_limit_ms, 0.0),
        ("max_in_flight", settings.max_in_flight, 1.0),
        ("warm_up_calls", settings.warm_up_calls, 0.0),
    ):
        if value is not None and not (math.isfinite(value) and value >= least):
            raise UsageError(f"{name} is {value:g}.", remedy=f"Give a number from {least:g} on.")
    if settings.loop == "open" and settings.rate and settings.duration_seconds == 0:
        raise UsageError("an open loop needs a duration above 0.", remedy="Give for example --duration 60s.")
    sends = max(settings.rate or 0.0, settings.sweep_to or 0.0) * (settings.duration_seconds or 1.0)
    if max(sends, settings.calls) > MOST_SENDS:
        raise UsageError(
            f"this load run would send {max(sends, settings.calls):,.0f} requests, and at most {MOST_SENDS:,} may be.",
            remedy="Lower --calls, --rate or --duration.",
        )
    if settings.calls < 1 or settings.concurrency < 1:
        raise UsageError("a load run needs at least one call and one request in flight.", remedy="Raise --calls.")
    if settings.loop == "open" and not settings.rate:
        raise UsageError("an open loop needs a rate.", remedy="Give for example --rate 20 --duration 60s.")
    if settings.loop == "sweep":
        first, last = settings.sweep_from or 0.0, settings.sweep_to or 0.0
        if not 0 < first <= last:
            raise UsageError(
                f"a sweep needs rising rates above 0, not {first:g} to {last:g}.",
                remedy="Give for example --sweep 1..100.",
            )
