"""How an accuracy pass was measured, from its stored calls: all its sittings, whichever process made them."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from automl_bench.measurement.clock import NS_PER_MS
from automl_bench.measurement.disturbance import describe_disturbance
from automl_bench.measurement.quantiles import estimate
from automl_bench.measurement.slices import drift
from automl_bench.measurement.validity import judge_pass
from automl_bench.store.records import Outcome

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from automl_bench.contract import Json

SITTING_PAUSE_SECONDS = 300.0
"""A longer pause between two calls begins a new sitting: the service, the network and this machine may have changed.
Waits that a throttling service asks for are mostly shorter."""

PAUSES_LONGER = 20.0
"""In an interleaved pass the other lanes' calls lie between two calls of one: so many usual pauses are none."""


def summarise_pass(
    columns: Mapping[str, NDArray[Any]], client: Mapping[str, Json], began_at: str = ""
) -> dict[str, Json]:
    """Sum up the measured calls of one trial's pass and judge them.

    Args:
        columns: Of `Store.invocation_columns`: outcome, service_ns, at, unseen_ns and unseen_least_ns are read.
        client: What happened to this process during its part of the pass, as in `PassSummary`.
        began_at: ISO 8601: when this process began; a new sitting where there are earlier calls. "" for none.

    Returns:
        {"n", "drift", "disturbance", "sittings", "client", "verdict"}: answered calls; sittings are {"began_at", "n",
        "p50", "low", "high"}, the median in ms with its interval, None where there are too few calls.
    """
    good = columns["outcome"] == Outcome.OK.value
    service_ms = columns["service_ns"][good].astype(np.float64) / NS_PER_MS
    moments = [str(at) for at in columns["at"][good]]
    summary: dict[str, Json] = {
        "n": int(service_ms.size),
        "drift": drift(service_ms),
        "disturbance": describe_disturbance(
            service_ms, _known(columns["unseen_ns"][good]), _known(columns["unseen_least_ns"][good])
        ),
        "sittings": _sittings(moments, service_ms, began_at),
        "client": dict(client),
    }
    summary["verdict"] = judge_pass(summary).as_json()
    return summary


def _known(values: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return the values with 0 for unknown: rows of older versions."""
    return np.nan_to_num(values).astype(np.int64)


def _sittings(moments: Sequence[str], service_ms: NDArray[np.float64], began_at: str) -> list[dict[str, Json]]:
    if not moments:
        return []
    seconds = np.array([datetime.fromisoformat(at).timestamp() for at in moments])
    pauses = np.diff(seconds) - service_ms[:-1] / 1000
    longest = max(SITTING_PAUSE_SECONDS, PAUSES_LONGER * float(np.median(pauses)) if pauses.size else 0.0)
    starts = {0, *(int(place) + 1 for place in np.flatnonzero(pauses > longest))}
    if began_at:
        own = int(np.searchsorted(seconds, datetime.fromisoformat(began_at).timestamp()))
        starts |= {own} if own < len(moments) else set()
    edges = [*sorted(starts), len(moments)]
    found = []
    for first, last in itertools.pairwise(edges):
        median = estimate(service_ms[first:last], 0.5)
        found.append(
            {
                "began_at": moments[first],
                "n": last - first,
                "p50": None if median is None else median.value,
                "low": None if median is None else median.low,
                "high": None if median is None else median.high,
            }
        )
    return found
