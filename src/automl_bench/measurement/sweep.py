"""A sweep: open loops at rising rates, until the knee, and what the knee most likely comes from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from automl_bench.contract import Json
from automl_bench.measurement.interference import JUDGED_OF_A_STEP, disturbed
from automl_bench.measurement.quantiles import minimum_n
from automl_bench.measurement.validity import (
    BUSIEST_CLIENT,
    LARGEST_DROPPED_SHARE,
    LARGEST_ERROR_SHARE,
    Bounds,
    judge_sweep,
)
from automl_bench.measurement.verdict import Verdict
from automl_bench.numbers_in_words import number_of

if TYPE_CHECKING:
    from automl_bench.measurement.load import LoadSession

SMALLEST_STEP = 1.4
"""Factor from one rate to the next; larger where a wide range would take more than 12 steps."""

MOST_STEPS = 12
STEP_SECONDS = 3.0
STEP_CALLS = 60
"""Calls a step should have, so that a p95 exists."""

LONGEST_STEP_SECONDS = 60.0

DRAIN_SECONDS = 10.0
"""How long a step waits for answers after its last send; what is left then is given up."""

LEAST_ACHIEVED = 0.95
"""Of the offered rate: below, answers do not keep up with requests."""

FEWEST_THROTTLES = 2
"""A single throttled call in a short step may be a matter of its neighbours in time."""

SLOWER_P95 = 3.0
"""Times the first step's p95."""

SLOWER_MEDIAN = 2.0
"""Times the first step's median, where a step is too small for a p95."""


class Cause(StrEnum):
    """Where a knee comes from."""

    NONE = "none"
    """No knee up to the last rate."""
    THROTTLED = "throttled by the provider"
    QUEUEING = "queueing at the service"
    CLIENT = "client-bound"
    FAILING = "failing under load"
    PUBLISHED_LIMIT = "published limit"
    """The sweep stopped at the provider's published rate; --ignore-limits goes on."""


@dataclass(frozen=True, slots=True)
class Knee:
    """Why a step is not good any more: its cause and one sentence with the numbers."""

    cause: Cause
    evidence: str


def rates(first: float, last: float) -> list[float]:
    """Return rising rates from first to last, in equal factors."""
    if last <= first:
        return [first]
    factor = max(SMALLEST_STEP, (last / first) ** (1 / (MOST_STEPS - 1)))
    found = [first]
    while found[-1] * factor < last * 0.999:
        found.append(found[-1] * factor)
    return [*found, last]


def run_sweep(session: LoadSession) -> tuple[bool, dict[str, Json], Verdict]:
    """Raise the rate step by step and stop at the knee.

    Returns:
        Whether it came to its end, the summary with every step, and the verdict.
    """
    settings = session.settings
    assert settings.sweep_from is not None
    assert settings.sweep_to is not None
    session.warm_up()
    steps: list[dict[str, Json]] = []
    knee = Knee(Cause.NONE, f"No knee up to {settings.sweep_to:g} requests/s.")
    finished, number = True, 0
    for place, rate in enumerate(rates(settings.sweep_from, settings.sweep_to)):
        if session.rate_limit is not None and rate > session.rate_limit:
            knee = Knee(
                Cause.PUBLISHED_LIMIT,
                f"The provider publishes {session.rate_limit:g} requests/s; --ignore-limits goes beyond.",
            )
            break
        session.note(f"{rate:.3g}/s")
        session.trips.probe_beside("during", session.url)
        seconds = settings.duration_seconds or min(LONGEST_STEP_SECONDS, max(STEP_SECONDS, STEP_CALLS / rate))
        finished, summary = session.open(rate, seconds, DRAIN_SECONDS, number, settings.seed + place)
        number += summary["schedule"]["planned"]
        found = judge(summary, steps[0] if steps else None, session.bounds) if finished else None
        steps.append({"rate": rate, **summary, "knee": None if found is None else found.cause.value})
        if found is not None:
            knee = found
        if found is not None or not finished:
            break
    session.trips.probe("after", session.url)
    good = [step for step in steps if step["knee"] is None]
    result: dict[str, Json] = {
        "steps": steps,
        "knee": {
            "cause": knee.cause.value,
            "evidence": knee.evidence,
            "last_good_rate": good[-1]["rate"] if good else None,
            "stopped_at": steps[-1]["rate"] if steps and steps[-1]["knee"] else None,
        },
        "round_trip_ms": session.trips.summary(),
        "errors": dict(session.log.errors),
        "n": sum(step["n"] for step in steps),
    }
    return finished, result, judge_sweep(steps, knee.evidence if knee.cause is Cause.CLIENT else "")


def judge(step: Mapping[str, Json], first: Mapping[str, Json] | None, bounds: Bounds) -> Knee | None:
    """Return why a step is past the knee, or None while all is well.

    What the service says itself (throttles) comes first; then whether this client kept its schedule, because a late
    client makes any service look slow; only then is slowness the service's own.

    Args:
        step: The step's summary.
        first: The first step's summary, measured at the lowest rate; None for the first step itself.
        bounds: The bounds of validity.
    """
    return _throttled(step) or _client_bound(step, bounds) or _failing(step) or _queueing(step, first, bounds)


def _throttled(step: Mapping[str, Json]) -> Knee | None:
    n, throttled = step["n"], step["outcomes"]["throttled"]
    if throttled < FEWEST_THROTTLES or throttled / n <= LARGEST_ERROR_SHARE:
        return None
    good = step["throughput"]["value"] or 0.0
    return Knee(
        Cause.THROTTLED,
        f"{throttled} of {n} requests were throttled at {step['offered_rate']:.3g}/s; {good:.3g}/s were answered.",
    )


def _client_bound(step: Mapping[str, Json], bounds: Bounds) -> Knee | None:
    # A step is short: its p99 is one or two sends, which any other process can delay. A starved client delays many.
    client, late, schedule = step["client"], step["lateness_ms"]["p90"], step["schedule"]
    offered = step["offered_rate"]
    if client["cpu_share"] > BUSIEST_CLIENT:
        return Knee(Cause.CLIENT, f"This process used {client['cpu_share']:.0%} of a core at {offered:.3g}/s.")
    if found := disturbed(step, JUDGED_OF_A_STEP):
        return Knee(Cause.CLIENT, f"At {offered:.3g}/s: {found.words}")
    if late is not None and late > bounds.late_ms:
        return Knee(Cause.CLIENT, f"Sends went out late at {offered:.3g}/s: p90 {late:.1f} ms after their moment.")
    if schedule["dropped"] / max(1, schedule["planned"]) > LARGEST_DROPPED_SHARE and not _grows(step):
        return Knee(
            Cause.CLIENT,
            f"{schedule['dropped']} sends were dropped at {offered:.3g}/s: {step['in_flight_cap']} were under way.",
        )
    return None


def _failing(step: Mapping[str, Json]) -> Knee | None:
    n, outcomes = step["n"], step["outcomes"]
    bad = n - outcomes["ok"] - outcomes["throttled"] - step["schedule"]["abandoned"]
    if not n or bad / n <= LARGEST_ERROR_SHARE:
        return None
    kinds = ", ".join(
        f"{count} {kind}" for kind, count in outcomes.items() if count and kind not in {"ok", "throttled"}
    )
    return Knee(
        Cause.FAILING,
        f"{bad} of {number_of(n, 'request')} failed at {step['offered_rate']:.3g}/s: {kinds}.",
    )


def _queueing(step: Mapping[str, Json], first: Mapping[str, Json] | None, bounds: Bounds) -> Knee | None:
    offered, achieved = step["offered_rate"], step["achieved_rate"] or 0.0
    if _grows(step) and achieved < LEAST_ACHIEVED * offered:
        return Knee(
            Cause.QUEUEING,
            f"{achieved:.3g}/s were answered of {offered:.3g}/s offered, with no error and the client at "
            f"{step['client']['cpu_share']:.0%} of a core: the rest waited at the service.",
        )
    if first is None:
        return None
    for name, times in (("p95", SLOWER_P95), ("p50", SLOWER_MEDIAN)):
        now, before = step["response_ms"][name].get("value"), first["response_ms"][name].get("value")
        if now is not None and before is not None:
            # A rise within the bound of lateness cannot be told from this client's own noise.
            if now > max(times * before, before + bounds.late_ms):
                return Knee(
                    Cause.QUEUEING,
                    f"{name} rose from {before:.3g} ms at {first['offered_rate']:.3g}/s to {now:.3g} ms at "
                    f"{offered:.3g}/s.",
                )
            if name == "p95":
                return None
    return None


def _grows(step: Mapping[str, Json]) -> bool:
    """Whether the step had answers enough, or unanswered requests enough, to speak of a queue."""
    return bool(step["n"] >= minimum_n(0.9) or step["schedule"]["abandoned"] > 0)
