"""When the numbers of a load run may be compared. A run is VALID, or it lists its reasons.

Every bound is a named constant here with its reason, and docs/measuring.md lists them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from automl_bench.contract import Json
from automl_bench.measurement.quantiles import minimum_n

WANTED_QUANTILE = 0.99
"""A run that cannot bound its p99 is too short: at least 299 answered calls."""

SHORTEST_CLOSED_SECONDS = 1.0
"""A closed loop ends when its calls are made; under a second it has seen no garbage collection, no second slice."""

SHORTEST_OPEN_SECONDS = 5.0
"""An open loop's length is chosen; under five seconds a queue has no time to build up."""

LATEST_SEND_MS = 5.0
"""p99 of sent − scheduled. An idle machine keeps it under 2 ms; beyond 5 ms it shows in the latencies themselves."""

LARGEST_DROPPED_SHARE = 0.001
"""Sends left out in a thousand scheduled ones: a dropped send is a slow answer that was never seen."""

BUSIEST_CLIENT = 0.85
"""Processor time of this process per second: above, its own queueing stands in the latencies. One Python process
cannot use much more than one core."""

LARGEST_ADDED_SHARE = 0.05
"""What waiting for a processor adds to a latency, over the median: other processes then stand in the numbers. It is
the share of the time in which the sending thread was ready to run without a processor, times the length of a wait."""

SMALLEST_ADDED_MS = 0.1
"""Waits that add less are of no account, however quick the service."""

LARGEST_ERROR_SHARE = 0.01
"""Calls without an OK answer. Their latencies are unknown, so beyond 1 % even p99 says little."""

LARGEST_DRIFT = 0.25
"""Relative change of the median from the first half to the second, if the two intervals do not overlap."""

FEWEST_KEPT_IN_FLIGHT = 0.9
"""Mean of requests under way over the concurrency asked for, in a closed loop without a rate limit."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """The bounds that a user may set.

    Attributes:
        late_ms: Bound for the p99 of the lateness.
        over_http: Whether the host sent the calls itself.
        paced: Whether a published rate held the loop back.
    """

    late_ms: float = LATEST_SEND_MS
    over_http: bool = True
    paced: bool = False


def reasons_against(loop: str, summary: Mapping[str, Json], bounds: Bounds) -> tuple[str, ...]:
    """Return why a run may not be compared, one sentence each; empty for a VALID run.

    Args:
        loop: "closed" or "open".
        summary: The run's summary as `summary.summarise` makes it.
        bounds: The bounds that the user may set.
    """
    found = [
        _too_few(summary),
        _too_short(loop, summary),
        _errors(summary),
        _late(summary, bounds) if loop == "open" else "",
        _dropped(summary),
        _client(summary, bounds),
        _not_kept_in_flight(summary, bounds) if loop == "closed" else "",
        _drift(summary),
    ]
    return tuple(reason for reason in found if reason)


def _too_few(summary: Mapping[str, Json]) -> str:
    needed, answered = minimum_n(WANTED_QUANTILE), summary["outcomes"]["ok"]
    if answered >= needed:
        return ""
    return f"Too few answered calls: {answered}, and a p99 needs {needed}."


def _too_short(loop: str, summary: Mapping[str, Json]) -> str:
    least = SHORTEST_CLOSED_SECONDS if loop == "closed" else SHORTEST_OPEN_SECONDS
    seconds = summary["seconds"]
    return "" if seconds >= least else f"Too short: {seconds:.2f} s, at least {least:g} s are needed."


def _errors(summary: Mapping[str, Json]) -> str:
    n, ok = summary["n"], summary["outcomes"]["ok"]
    if not n or (n - ok) / n <= LARGEST_ERROR_SHARE:
        return ""
    kinds = ", ".join(f"{count} {kind}" for kind, count in summary["outcomes"].items() if count and kind != "ok")
    return f"{(n - ok) / n:.1%} of {n} calls had no good answer ({kinds}); at most {LARGEST_ERROR_SHARE:.0%} may."


def _late(summary: Mapping[str, Json], bounds: Bounds) -> str:
    late = (summary.get("lateness_ms") or {}).get("p99")
    if late is None or late <= bounds.late_ms:
        return ""
    return f"Sends were late: p99 {late:.1f} ms after their moment, at most {bounds.late_ms:g} ms may pass."


def _dropped(summary: Mapping[str, Json]) -> str:
    schedule = summary.get("schedule") or {}
    planned, dropped = schedule.get("planned", 0), schedule.get("dropped", 0)
    if not planned or dropped / planned <= LARGEST_DROPPED_SHARE:
        return ""
    return f"{dropped} of {planned} scheduled sends were dropped because {summary['in_flight_cap']} were under way."


def _client(summary: Mapping[str, Json], bounds: Bounds) -> str:
    client = summary["client"]
    share = client["cpu_share"]
    if share > BUSIEST_CLIENT:
        owner = "This client" if bounds.over_http else "This process, in which the service also runs,"
        return f"{owner} used {share:.0%} of a core; above {BUSIEST_CLIENT:.0%} it measures itself."
    # A call into a plugin is timed in a thread of its own: the sending thread's waits make it late, not slow.
    return starvation(summary) if bounds.over_http else ""


def starvation(summary: Mapping[str, Json]) -> str:
    """Return a sentence if other processes kept this client from its processor so long that it shows; else ""."""
    client, median = summary["client"], summary["service_ms"]["p50"].get("value")
    added = client.get("added_ms")
    if added is None or not median or added <= max(SMALLEST_ADDED_MS, LARGEST_ADDED_SHARE * median):
        return ""
    return (
        f"This client waited for a processor {client['starved_share']:.0%} of the time, {client['wait_ms']:.2g} ms "
        f"each time: about {added / median:.0%} of the median latency is its own."
    )


def _not_kept_in_flight(summary: Mapping[str, Json], bounds: Bounds) -> str:
    little = summary.get("little") or {}
    kept, asked = little.get("mean_in_flight"), little.get("concurrency")
    if bounds.paced or not kept or not asked or kept >= FEWEST_KEPT_IN_FLIGHT * asked:
        return ""
    return f"Only {kept:.1f} of {asked} requests were under way on average: the client did not keep up."


def _drift(summary: Mapping[str, Json]) -> str:
    drift = summary.get("drift") or {}
    change = drift.get("change")
    if change is None or abs(change) <= LARGEST_DRIFT or not drift.get("clear"):
        return ""
    return f"The median moved by {change:+.0%} from the first half to the second."
