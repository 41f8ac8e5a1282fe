"""What a load run's calls add up to, as JSON for the store. docs/measuring.md explains every key."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from automl_bench.measurement.call_log import OUTCOMES, PHASES, UNKNOWN, Columns
from automl_bench.measurement.clock import NS_PER_MS, NS_PER_SECOND, ClientLoad
from automl_bench.measurement.disturbance import describe_disturbance, describe_standstills
from automl_bench.measurement.quantiles import autocorrelated, describe
from automl_bench.measurement.slices import drift, throughput, timeline
from automl_bench.transport import Standstills

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from automl_bench.contract import Json
    from automl_bench.measurement.loops import LoopReport

FEWEST_PAIRS = 20
"""Pairs of a sample's first answer and its repeat that the cache check wants."""

SUSPICIOUS_RATIO = 0.8
"""A repeat that takes at most this part of the first answer's time, clearly so, speaks of a cache."""

CLEAR_P = 0.001


@dataclass(frozen=True, slots=True)
class RunFacts:
    """What the calls themselves do not say.

    Attributes:
        loop: "closed" or "open".
        report: What the loop counted.
        client: How busy this client was.
        cpu_ns: Processor time of this process during the run.
        concurrency: Requests to be under way in a closed loop; None for an open one.
        offered_rate: Requests per second of the schedule; None for a closed loop.
        in_flight_cap: Most requests that could be under way.
        latency_limit_ms: Bound of the goodput, or None.
        warmed_up: Places of the samples that warm-up calls have used.
        surroundings: What happened to the machine and the process, as `Surroundings.since` returns it.
        standstills: Moments at which the process was kept from looking for answers, from this run's on.
        held_back: Whether something other than the answers (a schedule, a published rate) decides when requests go.
    """

    loop: str
    report: LoopReport
    client: ClientLoad
    cpu_ns: int
    concurrency: int | None
    offered_rate: float | None
    in_flight_cap: int
    latency_limit_ms: float | None
    warmed_up: Collection[int] = ()
    surroundings: Mapping[str, Json] = field(default_factory=dict)
    standstills: Standstills = field(default_factory=Standstills)
    held_back: bool = False


def summarise(columns: Columns, facts: RunFacts) -> dict[str, Json]:
    """Return the summary of a run's measured calls; latencies are those of calls with a good answer."""
    good = columns.answered
    n = len(columns)
    begin, end = _window(columns, facts)
    service = (columns.received_ns - columns.sent_ns) / NS_PER_MS
    response = (columns.received_ns - columns.scheduled_ns) / NS_PER_MS
    service_quantiles = describe(service[good], in_order=True)
    response_quantiles = describe(response[good], in_order=True) if facts.loop == "open" else service_quantiles
    rate = throughput(columns.received_ns[good], begin, end)
    result: dict[str, Json] = {
        "n": n,
        "outcomes": {
            outcome.value: int(np.count_nonzero(columns.outcome == code)) for code, outcome in enumerate(OUTCOMES)
        },
        "seconds": (end - begin) / NS_PER_SECOND,
        "throughput": rate,
        "goodput": _goodput(response[good], begin, end, facts.latency_limit_ms),
        "service_ms": service_quantiles,
        "response_ms": response_quantiles,
        "mean_ms": {
            "service": float(service[good].mean()) if good.any() else None,
            "response": float(response[good].mean()) if good.any() else None,
        },
        "autocorrelated": autocorrelated(response_quantiles),
        "phases_ms": _phases(columns.phases_ns[good]),
        "connections": _connections(columns.new_connection),
        "in_flight_cap": facts.in_flight_cap,
        "client": {
            "cpu_share": facts.client.cpu_share,
            "starved_share": facts.client.starved_share,
            "cpu_us_per_call": facts.cpu_ns / 1000 / n if n else None,
            "unseen_ms": _unseen(columns.unseen_ns),
            **describe_standstills(facts.standstills, facts.report.begin_ns),
            **facts.surroundings,
        },
        "disturbance": describe_disturbance(
            service[good],
            columns.unseen_ns[good],
            columns.unseen_least_ns[good],
            throughput=None if facts.held_back else rate["value"],
        ),
        "accuracy": _accuracy(columns),
        "repeats": repeated_answers(columns, service, facts.warmed_up),
        "drift": drift(service[good]),
        "schedule": facts.report.as_json(),
        "timeline": timeline(columns, begin, end) if n else [],
    }
    if facts.concurrency is not None:
        result["little"] = _little(columns, facts.concurrency, result)
    if facts.offered_rate is not None:
        result["offered_rate"] = facts.offered_rate
        result["achieved_rate"] = _achieved(columns, response, facts)
        result["lateness_ms"] = lateness(columns)
    return result


def lateness(columns: Columns) -> dict[str, Json]:
    """Return how late sends were: sent − scheduled in ms; these describe the run's own sends, they estimate nothing."""
    late = (columns.sent_ns - columns.scheduled_ns) / NS_PER_MS
    if not late.size:
        return {"p50": None, "p90": None, "p99": None, "max": None, "n": 0}
    p50, p90, p99 = (float(value) for value in np.quantile(late, [0.5, 0.9, 0.99]))
    return {"p50": p50, "p90": p90, "p99": p99, "max": float(late.max()), "n": int(late.size)}


def repeated_answers(columns: Columns, service_ms: NDArray[np.float64], warmed_up: Collection[int]) -> dict[str, Json]:
    """Compare the first answer for a sample with the answer for its repeat: a much faster repeat comes from a cache.

    Pairs of one sample are compared by a sign test, so that samples of different sizes do not matter.

    Returns:
        {"pairs", "first_ms", "repeat_ms", "ratio", "p_value", "suspicious"}: medians, and the two-sided p-value of
        the sign test; {"pairs", "needs": 20} where there are too few.
    """
    first, repeat = _pairs(columns, service_ms, warmed_up)
    if first.size < FEWEST_PAIRS:
        return {"pairs": int(first.size), "needs": FEWEST_PAIRS}
    from scipy.special import bdtr  # scipy.stats takes half a second to import

    faster, slower = int(np.count_nonzero(repeat < first)), int(np.count_nonzero(repeat > first))
    p_value = min(1.0, 2 * float(bdtr(min(faster, slower), faster + slower, 0.5)))
    ratio = float(np.median(repeat / np.maximum(first, 1e-9)))
    return {
        "pairs": int(first.size),
        "first_ms": float(np.median(first)),
        "repeat_ms": float(np.median(repeat)),
        "ratio": ratio,
        "p_value": p_value,
        "suspicious": ratio <= SUSPICIOUS_RATIO and p_value < CLEAR_P,
    }


def _pairs(
    columns: Columns, service_ms: NDArray[np.float64], warmed_up: Collection[int]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return service times of each sample's first and second good answer; samples used for warm-up are left out."""
    good = np.flatnonzero(columns.answered)
    order = good[np.argsort(columns.place[good], kind="stable")]
    place = columns.place[order]
    if place.size < 2:
        return np.empty(0), np.empty(0)
    starts = np.flatnonzero(np.r_[True, place[1:] != place[:-1]])
    starts = starts[starts + 1 < place.size]
    starts = starts[place[starts] == place[starts + 1]]
    starts = starts[~np.isin(place[starts], list(warmed_up))]
    return service_ms[order[starts]], service_ms[order[starts + 1]]


def _window(columns: Columns, facts: RunFacts) -> tuple[int, int]:
    """Return begin and end of the run: first send or scheduled moment to last answer."""
    if not len(columns):
        return facts.report.begin_ns, max(facts.report.end_ns, facts.report.begin_ns + 1)
    begin = int(columns.sent_ns.min()) if facts.loop == "closed" else facts.report.begin_ns
    return begin, int(columns.received_ns.max())


def _goodput(response_ms: NDArray[np.float64], begin_ns: int, end_ns: int, limit_ms: float | None) -> dict[str, Json]:
    kept = response_ms.size if limit_ms is None else int(np.count_nonzero(response_ms <= limit_ms))
    seconds = (end_ns - begin_ns) / NS_PER_SECOND
    return {"value": kept / seconds if seconds > 0 else None, "latency_limit_ms": limit_ms, "n": int(kept)}


def _unseen(unseen_ns: NDArray[np.int64]) -> dict[str, Json] | None:
    if not unseen_ns.size:
        return None
    p50, p99 = np.quantile(unseen_ns / NS_PER_MS, [0.5, 0.99])
    return {"p50": float(p50), "p99": float(p99), "n": int(unseen_ns.size)}


def _phases(phases_ns: NDArray[np.int64]) -> dict[str, Json] | None:
    """Return the mean of each phase over the calls where all are known, in ms; they add up to the mean service time."""
    known = phases_ns[(phases_ns != UNKNOWN).all(axis=1)]
    if not known.size:
        return None
    means = known.mean(axis=0) / NS_PER_MS
    return {**{name: float(mean) for name, mean in zip(PHASES, means, strict=True)}, "n": int(known.shape[0])}


def _connections(fresh: NDArray[np.int64]) -> dict[str, Json]:
    known = int(np.count_nonzero(fresh != UNKNOWN))
    return {"new": int(np.count_nonzero(fresh == 1)) if known else None, "known": known}


def _accuracy(columns: Columns) -> dict[str, Json]:
    """Return the share of right ones among good answers, with Wilson's 95 % interval."""
    judged = columns.correct[columns.answered]
    n, right = int(judged.size), int(np.count_nonzero(judged == 1))
    if not n:
        return {"value": None, "low": None, "high": None, "correct": 0, "n": 0, "distinct": 0}
    z = 1.959963984540054
    share = right / n
    centre = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    return {
        "value": share,
        "low": max(0.0, centre - half),
        "high": min(1.0, centre + half),
        "correct": right,
        "n": n,
        "distinct": int(np.unique(columns.place[columns.answered]).size),
    }


def _little(columns: Columns, concurrency: int, result: dict[str, Json]) -> dict[str, Json]:
    """Return Little's law: throughput × mean time in the system = mean number in the system.

    "mean_in_flight" is counted from the calls' own intervals, between the first and the last send, so the two sides
    are found in different ways; both should be close to the concurrency.
    """
    rate, mean = result["throughput"]["value"], result["mean_ms"]["service"]
    kept = None
    if len(columns) > 1:
        begin, last = int(columns.sent_ns.min()), int(columns.sent_ns.max())
        inside = np.minimum(columns.received_ns, last) - columns.sent_ns
        kept = float(inside.clip(0).sum() / (last - begin)) if last > begin else None
    product = rate * mean / 1000 if rate is not None and mean is not None else None
    return {
        "throughput_times_mean": product,
        "mean_in_flight": kept,
        "concurrency": concurrency,
    }


def _achieved(columns: Columns, response_ms: NDArray[np.float64], facts: RunFacts) -> float | None:
    """Return good answers per second of schedule, counted until the schedule's end plus a fast answer's time.

    A service that keeps up answers everything sent until then; a queue that has built up is answered later.
    """
    good = columns.answered
    if not good.any() or not facts.offered_rate or not facts.report.planned:
        return 0.0 if facts.offered_rate else None
    seconds = facts.report.planned / facts.offered_rate
    # The median, but where a queue has built up a multiple of the fastest answers.
    fast, median = np.quantile(response_ms[good], [0.05, 0.5])
    allowance = float(min(median, 2 * fast))
    deadline = facts.report.begin_ns + int(seconds * NS_PER_SECOND) + int(allowance * NS_PER_MS)
    return float(np.count_nonzero(columns.received_ns[good] <= deadline) / seconds)
