"""What this client's own waits did to the numbers: the latencies as measured, and as they would have been.

Of each answer the transport knows how long at most, and how long at least, it lay in the kernel before this process
looked. So its true arrival lies in a known span: the service time is interval-censored. The distribution without the
client's waits is found by self-consistency (Turnbull 1976; Efron's "redistribute to the right" is its special case):
each such call is given a value drawn from all calls' values within its span, over and over. Nothing is assumed of the
shape. Where no other call says more, the middle of the span counts: an answer meets a wait w at a moment of its own
choice, and meets a long wait more often, so the mean wait is E[w²] / 2E[w] and not half the mean.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from automl_bench.measurement.clock import NS_PER_MS
from automl_bench.measurement.quantiles import LATENCY_QUANTILES, minimum_n, name_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from automl_bench.contract import Json
    from automl_bench.transport import Standstills

SHORTEST_MS = 0.02
"""An answer that lay unseen for less is taken as exact."""

ROUNDS = 8
SEED = 1976


def without_waits(
    service_ms: NDArray[np.float64], most_ms: NDArray[np.float64], least_ms: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the service times as they would have been had this process always looked at once.

    Args:
        service_ms: As measured; shape (n,).
        most_ms: How long each answer lay unseen at most; shape (n,).
        least_ms: How long at least; shape (n,).
    """
    most = np.clip(most_ms, 0.0, service_ms)
    least = np.clip(least_ms, 0.0, most)
    late = most > SHORTEST_MS
    found = service_ms.copy()
    if not late.any():
        return found
    low, high = (service_ms - most)[late], (service_ms - least)[late]
    found[late] = (low + high) / 2
    chance = np.random.default_rng(SEED)
    exact = np.sort(service_ms[~late])
    # Calls whose span holds a call that is known exactly begin there; the others stay in the middle of theirs.
    values = _draw(exact, low, high, found[late], chance)
    for _ in range(ROUNDS):
        values = _draw(np.sort(np.concatenate([exact, values])), low, high, values, chance)
    found[late] = values
    return found


def _draw(
    pool: NDArray[np.float64],
    low: NDArray[np.float64],
    high: NDArray[np.float64],
    otherwise: NDArray[np.float64],
    chance: np.random.Generator,
) -> NDArray[np.float64]:
    """Draw for each span one of the pool's values within it; `pool` is sorted."""
    first, last = np.searchsorted(pool, low, "left"), np.searchsorted(pool, high, "right")
    if not pool.size:
        return otherwise
    place = first + (chance.random(low.size) * (last - first)).astype(np.int64)
    return np.where(last > first, pool[np.minimum(place, pool.size - 1)], otherwise)


def describe_disturbance(
    service_ms: NDArray[np.float64],
    most_ns: NDArray[np.int64],
    least_ns: NDArray[np.int64],
    *,
    throughput: float | None = None,
) -> dict[str, Json]:
    """Return what the waits did to the numbers.

    Args:
        service_ms: Of the calls with a good answer; shape (n,).
        most_ns: How long each answer lay unseen at most, nanoseconds; shape (n,).
        least_ns: How long at least; shape (n,).
        throughput: Answers per second of a closed loop that nothing else holds back, where a slower look lets fewer
            requests go; None for all else.

    Returns:
        {"n", "late", "longest_ms", "with", "without"}: calls, how many of them were looked at late, the longest that
        one may have lain, and the mean, the quantiles that n allows, and the throughput, each as measured and as
        without the waits; both empty without calls.
    """
    n = int(service_ms.size)
    if not n:
        return {"n": 0, "late": 0, "longest_ms": 0.0, "with": {}, "without": {}}
    most, least = most_ns / NS_PER_MS, least_ns / NS_PER_MS
    without = without_waits(service_ms, most, least)
    measured, estimated = _numbers(service_ms), _numbers(without)
    if throughput is not None and estimated["mean"]:
        # Little's law: as many are under way in both cases, so the throughput goes with the inverse of the mean.
        measured["throughput"] = throughput
        estimated["throughput"] = throughput * measured["mean"] / estimated["mean"]
    return {
        "n": n,
        "late": int(np.count_nonzero(np.minimum(most, service_ms) > SHORTEST_MS)),
        "longest_ms": float(np.minimum(most, service_ms).max()),
        "with": measured,
        "without": estimated,
    }


def describe_standstills(standstills: Standstills, begin_ns: int) -> dict[str, Json]:
    """Return {"standstills": {"count", "ms"}}: how often and how long this process stood still since a moment."""
    lengths = [
        end - begin
        for begin, end in zip(standstills.begin_ns, standstills.end_ns, strict=True)
        if end > begin_ns and end > begin
    ]
    return {"standstills": {"count": len(lengths), "ms": sum(lengths) / NS_PER_MS}}


def _numbers(values_ms: NDArray[np.float64]) -> dict[str, float]:
    shown: Sequence[float] = [one for one in LATENCY_QUANTILES if values_ms.size >= minimum_n(one)]
    quantiles = np.quantile(values_ms, shown).tolist() if shown else []
    return {
        "mean": float(values_ms.mean()),
        **{name_of(one): float(value) for one, value in zip(shown, quantiles, strict=True)},
    }
