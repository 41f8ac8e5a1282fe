"""When the numbers of a measurement may be compared: VALID, or the reasons why not. One judge for load runs, sweeps and
the accuracy pass.

Every bound is a named constant here with its reason, and docs/measuring.md lists them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from automl_bench.contract import Json
from automl_bench.measurement.interference import JUDGED_OF_A_STEP, disturbed, lesser_disturbance
from automl_bench.measurement.quantiles import minimum_n
from automl_bench.measurement.verdict import Finding, Verdict, collect
from automl_bench.numbers_in_words import number_of

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

FEWEST_PASS_QUANTILE = 0.5
"""An accuracy pass is as long as its test set; below the fewest calls for a median its latencies say nothing. Each
percentile says by itself how many calls it needs."""

FEWEST_STEP_QUANTILE = 0.9
"""A step of a sweep is compared with the first one by its p95, else its median, and by whether answers keep up; below
29 calls none of that is firm."""

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


def judge_run(loop: str, summary: Mapping[str, Json], bounds: Bounds) -> Verdict:
    """Judge a closed or an open loop.

    Args:
        loop: "closed" or "open".
        summary: The run's summary as `summary.summarise` makes it.
        bounds: The bounds that the user may set.
    """
    return collect(
        [
            _too_few(summary["outcomes"]["ok"], WANTED_QUANTILE),
            _too_short(loop, summary),
            _errors(summary),
            _late(summary, bounds) if loop == "open" else None,
            _dropped(summary),
            busy_client(summary, bounds),
            disturbed(summary),
            _not_kept_in_flight(summary, bounds) if loop == "closed" else None,
            _drift(summary["drift"]),
        ],
        [lesser_disturbance(summary)],
    )


def judge_sweep(steps: Sequence[Mapping[str, Json]], client_bound: str) -> Verdict:
    """Judge a sweep.

    Args:
        steps: The summaries of its steps, each with its "rate".
        client_bound: Why the knee is this client's and not the service's; "" if it is not.
    """
    found = [_small_steps(steps)]
    if client_bound:
        words = f"The knee is this client's, not the service's: {client_bound}"
        return collect([Finding("client-bound", words), *found])
    return collect([*found, *(_at_rate(step, disturbed(step, JUDGED_OF_A_STEP)) for step in steps)])


def judge_pass(summary: Mapping[str, Json]) -> Verdict:
    """Judge the latencies of an accuracy pass. Its accuracy does not depend on any of this.

    Args:
        summary: As `pass_summary.summarise_pass` makes it.
    """
    different = _sittings_differ(summary)
    return collect(
        [
            _too_few(summary["n"], FEWEST_PASS_QUANTILE),
            disturbed(summary),
            different,
            None if different else _drift(summary["drift"]),
        ],
        [lesser_disturbance(summary), None if different else _sittings_agree(summary)],
    )


def _too_few(answered: int, quantile: float) -> Finding | None:
    needed = minimum_n(quantile)
    if answered >= needed:
        return None
    return Finding("too few", f"Too few answered calls: {answered}, and a p{quantile * 100:g} needs {needed}.")


def _small_steps(steps: Sequence[Mapping[str, Json]]) -> Finding | None:
    needed = minimum_n(FEWEST_STEP_QUANTILE)
    small = [step for step in steps if step["n"] < needed]
    if not small:
        return None
    named = ", ".join(f"{step['n']} at {step['rate']:.3g}/s" for step in small)
    return Finding(
        "too few", f"Steps with too few calls: {named}; a p90 needs {needed}. Sweep at higher rates or longer."
    )


def _at_rate(step: Mapping[str, Json], finding: Finding | None) -> Finding | None:
    return None if finding is None else Finding(finding.kind, f"At {step['rate']:.3g}/s: {finding.words}")


def _too_short(loop: str, summary: Mapping[str, Json]) -> Finding | None:
    least = SHORTEST_CLOSED_SECONDS if loop == "closed" else SHORTEST_OPEN_SECONDS
    seconds = summary["seconds"]
    if seconds >= least:
        return None
    return Finding("too short", f"Too short: {seconds:.2f} s, at least {least:g} s are needed.")


def _errors(summary: Mapping[str, Json]) -> Finding | None:
    n, ok = summary["n"], summary["outcomes"]["ok"]
    if not n or (n - ok) / n <= LARGEST_ERROR_SHARE:
        return None
    kinds = ", ".join(f"{count} {kind}" for kind, count in summary["outcomes"].items() if count and kind != "ok")
    return Finding(
        "errors",
        f"{(n - ok) / n:.1%} of {number_of(n, 'call')} had no good answer ({kinds}); "
        f"at most {LARGEST_ERROR_SHARE:.0%} may.",
    )


def _late(summary: Mapping[str, Json], bounds: Bounds) -> Finding | None:
    late = (summary.get("lateness_ms") or {}).get("p99")
    if late is None or late <= bounds.late_ms:
        return None
    return Finding(
        "late", f"Sends were late: p99 {late:.1f} ms after their moment, at most {bounds.late_ms:g} ms may pass."
    )


def _dropped(summary: Mapping[str, Json]) -> Finding | None:
    schedule = summary.get("schedule") or {}
    planned, dropped = schedule.get("planned", 0), schedule.get("dropped", 0)
    if not planned or dropped / planned <= LARGEST_DROPPED_SHARE:
        return None
    under_way = summary["in_flight_cap"]
    return Finding(
        "dropped", f"{dropped} of {planned} scheduled sends were dropped because {under_way} were under way."
    )


def busy_client(summary: Mapping[str, Json], bounds: Bounds) -> Finding | None:
    """Return a finding if this process used nearly all of a core, so that its own queueing stands in the numbers."""
    share = summary["client"]["cpu_share"]
    if share <= BUSIEST_CLIENT:
        return None
    owner = "This client" if bounds.over_http else "This process, in which the service also runs,"
    words = f"{owner} used {share:.0%} of a core; above {BUSIEST_CLIENT:.0%} it measures itself."
    return Finding("busy client", words)


def _not_kept_in_flight(summary: Mapping[str, Json], bounds: Bounds) -> Finding | None:
    little = summary.get("little") or {}
    kept, asked = little.get("mean_in_flight"), little.get("concurrency")
    if bounds.paced or not kept or not asked or kept >= FEWEST_KEPT_IN_FLIGHT * asked:
        return None
    words = f"Only {kept:.1f} of {asked} requests were under way on average: the client did not keep up."
    return Finding("not kept in flight", words)


def _drift(drift: Mapping[str, Json] | None) -> Finding | None:
    change = (drift or {}).get("change")
    if drift is None or change is None or abs(change) <= LARGEST_DRIFT or not drift.get("clear"):
        return None
    return Finding(
        "drifting",
        f"The median moved by {change:+.0%} from the first half to the second, from {drift['first_ms']:.3g} ms to "
        f"{drift['second_ms']:.3g} ms.",
    )


def _sittings_differ(summary: Mapping[str, Json]) -> Finding | None:
    """Return a finding if a later sitting's median differs clearly from the first one's."""
    sittings = [one for one in summary["sittings"] if one["p50"] is not None]
    if len(sittings) < 2:
        return None
    slowest, quickest = max(sittings, key=lambda one: one["p50"]), min(sittings, key=lambda one: one["p50"])
    ratio = slowest["p50"] / quickest["p50"] if quickest["p50"] else math.inf
    if ratio <= 1 + LARGEST_DRIFT or (slowest["low"] or 0.0) <= quickest["high"]:
        return None
    medians = ", ".join(f"{one['p50']:.3g} ms (n={one['n']})" for one in sittings)
    return Finding(
        "several sittings",
        f"Measured in {_counted(summary)}, the slowest {ratio:.1f} times as slow as the quickest: medians {medians}.",
    )


def _sittings_agree(summary: Mapping[str, Json]) -> Finding | None:
    if len(summary["sittings"]) < 2:
        return None
    return Finding("several sittings", f"Measured in {_counted(summary)}; their medians do not differ clearly.")


def _counted(summary: Mapping[str, Json]) -> str:
    return f"{len(summary['sittings'])} sittings"
