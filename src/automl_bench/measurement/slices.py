"""A load run cut into slices of time: throughput with an interval, first half against second, a timeline to draw."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from automl_bench.measurement.clock import NS_PER_MS, NS_PER_SECOND
from automl_bench.measurement.quantiles import estimate

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from automl_bench.contract import Json
    from automl_bench.measurement.call_log import Columns

MOST_SLICES = 20
CALLS_A_SLICE = 20
"""Fewer answers than this in a slice make its count too rough for an interval."""

FEWEST_SLICES = 5
FEWEST_IN_HALF = 30
TIMELINE_SLICES = 100


def throughput(received_ns: NDArray[np.int64], begin_ns: int, end_ns: int) -> dict[str, Json]:
    """Return answers per second with a 95 % Student interval over slices of equal time.

    Args:
        received_ns: When the good answers came.
        begin_ns: Start of the run.
        end_ns: End of the run.

    Returns:
        {"value", "low", "high", "n", "slices"}: requests per second; low and high are None where there are too few
        answers for five slices.
    """
    n, seconds = int(received_ns.size), (end_ns - begin_ns) / NS_PER_SECOND
    value = n / seconds if seconds > 0 else None
    slices = min(MOST_SLICES, n // CALLS_A_SLICE)
    if value is None or slices < FEWEST_SLICES:
        return {"value": value, "low": None, "high": None, "n": n, "slices": 0}
    from scipy.special import stdtrit  # scipy.stats takes half a second to import

    counts, _ = np.histogram(received_ns, bins=slices, range=(begin_ns, end_ns))
    rates = counts / (seconds / slices)
    half = float(stdtrit(slices - 1, 0.975) * rates.std(ddof=1) / math.sqrt(slices))
    return {"value": value, "low": max(0.0, value - half), "high": value + half, "n": n, "slices": slices}


def drift(service_ms: NDArray[np.float64]) -> dict[str, Json]:
    """Compare the median of the first half of the calls with that of the second.

    Args:
        service_ms: Service times in the order of sending.

    Returns:
        {"first_ms", "second_ms", "change", "clear", "n"}: the change relative to the first half, and whether the two
        medians' 95 % intervals do not overlap; None below 30 calls a half.
    """
    middle = service_ms.size // 2
    if middle < FEWEST_IN_HALF:
        return {"first_ms": None, "second_ms": None, "change": None, "clear": None, "n": int(service_ms.size)}
    first, second = estimate(service_ms[:middle], 0.5), estimate(service_ms[middle:], 0.5)
    assert first is not None
    assert second is not None
    clear = first.high < (second.low or 0.0) or second.high < (first.low or 0.0)
    return {
        "first_ms": first.value,
        "second_ms": second.value,
        "change": second.value / first.value - 1 if first.value else None,
        "clear": clear,
        "n": int(service_ms.size),
    }


def timeline(columns: Columns, begin_ns: int, end_ns: int) -> list[dict[str, Json]]:
    """Return at most 100 slices for a plot: seconds from the start, answers, errors, median and slowest in ms.

    A call belongs to the slice in which it was to be sent.
    """
    count = max(1, min(TIMELINE_SLICES, len(columns) // 10))
    width = max(1, (end_ns - begin_ns)) / count
    place = np.clip(((columns.scheduled_ns - begin_ns) / width).astype(np.int64), 0, count - 1)
    response = (columns.received_ns - columns.scheduled_ns) / NS_PER_MS
    answered = columns.answered
    result: list[dict[str, Json]] = []
    for number in range(count):
        here = place == number
        good = response[here & answered]
        result.append(
            {
                "second": number * width / NS_PER_SECOND,
                "answered": int(good.size),
                "errors": int(np.count_nonzero(here & ~answered)),
                "median_ms": float(np.median(good)) if good.size else None,
                "slowest_ms": float(good.max()) if good.size else None,
            }
        )
    return result
