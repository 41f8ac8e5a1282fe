"""What kept this client from its work while it measured, and when that shows so much that the numbers may not count."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from automl_bench.contract import Json
from automl_bench.measurement.verdict import Finding
from automl_bench.numbers_in_words import counted, number_of

LARGEST_ADDED_SHARE = 0.05
"""What this client's own waits may add to the median or the mean latency, or take from the throughput."""

LARGEST_TAIL_SHARE = 0.25
"""What they may add to p90, p95 or p99."""

SMALLEST_ADDED_MS = 0.1
"""Waits that add less to the median or the mean are of no account, however quick the service."""

SMALLEST_TAIL_MS = 1.0
"""The same for p90, p95 and p99: a wake-up of an idle machine alone takes up to a millisecond."""

JUDGED = ("p50", "mean", "throughput", "p90", "p95", "p99")
JUDGED_OF_A_STEP = ("p50", "p95")
"""A step of a sweep is short: a single wait moves its mean and its p99, and a step is judged by neither."""

TAIL = frozenset({"p90", "p95", "p99"})

LONGEST_SUSPENSION_SECONDS = 0.01
"""The clock of suspension counts microseconds; any real suspension is far longer."""

LARGEST_CLOCK_MOVE_SECONDS = 1.0
LARGEST_CLOCK_DRIFT = 0.001
"""The wall clock may be slewed by half a thousandth; beyond a second and a thousandth it was set, or this machine was
stopped as a whole (a migration or a snapshot), which its own clocks do not see."""

NOTED_STANDSTILL_MS = 20.0
"""Standing still for less in all is what any machine does."""

NOTED_STARVED_SHARE = 0.001


def disturbed(summary: Mapping[str, Json], judged: Sequence[str] = JUDGED) -> Finding | None:
    """Return a finding if this client was kept from its work so that it shows in the numbers, with what it did.

    Args:
        summary: The measurement's summary.
        judged: The numbers that count.
    """
    client = summary["client"]
    causes = causes_of_disturbance(client)
    if client.get("suspended_seconds", 0.0) > LONGEST_SUSPENSION_SECONDS or _clock_moved(client):
        return Finding("disturbed", f"{_sentence(causes)} {_effects(summary, judged, all_of_them=True)}".strip())
    effects = _effects(summary, judged)
    if not effects:
        return None
    causes = causes or ["this client did not get to look for answers when they came"]
    return Finding("disturbed", f"{_sentence(causes)} {effects}")


def lesser_disturbance(summary: Mapping[str, Json]) -> Finding | None:
    """Return a note where something kept this client from its work but the numbers hardly show it."""
    client = summary["client"]
    if disturbed(summary):
        return None
    throttled = (client.get("throttled") or {}).get("ms", 0.0)
    if max(throttled, client["standstills"]["ms"]) < NOTED_STANDSTILL_MS:
        return None
    return Finding("disturbed", f"{_sentence(causes_of_disturbance(client))} The numbers hardly show it.")


def causes_of_disturbance(client: Mapping[str, Json]) -> list[str]:
    """Return what kept this client from its work, as clauses; the summary's "client"."""
    causes = []
    suspended, throttled = client.get("suspended_seconds", 0.0), client.get("throttled")
    if suspended > LONGEST_SUSPENSION_SECONDS:
        causes.append(f"this machine was suspended for {suspended:.3g} s")
    if moved := _clock_moved(client):
        causes.append(f"the wall clock moved by {moved:+.3g} s: it was set, or this machine stood still as a whole")
    if throttled and throttled["ms"] >= NOTED_STANDSTILL_MS:
        causes.append(
            "a processor quota (cgroup; docker --cpus) held this process back "
            f"{number_of(throttled['times'], 'time')}, {throttled['ms']:.0f} ms in all"
        )
    if (stopped := client["standstills"]["ms"]) > NOTED_STANDSTILL_MS:
        count = client["standstills"]["count"]
        times = "once" if count == 1 else f"{count} times"
        causes.append(f"this process stood still {times}, {stopped:.0f} ms in all (stopped, paused or moved)")
    if client["starved_share"] > NOTED_STARVED_SHARE and not (throttled and throttled["ms"] >= NOTED_STANDSTILL_MS):
        causes.append(f"other processes kept this client from a processor {client['starved_share']:.1%} of the time")
    return causes


def _clock_moved(client: Mapping[str, Json]) -> float:
    moved: float = client.get("clock_moved_seconds", 0.0)
    allowed = LARGEST_CLOCK_MOVE_SECONDS + LARGEST_CLOCK_DRIFT * client.get("seconds", 0.0)
    return moved if abs(moved) > allowed else 0.0


def _sentence(clauses: Sequence[str]) -> str:
    text = "; ".join(clauses)
    return f"{text[:1].upper()}{text[1:]}." if text else ""


def _effects(summary: Mapping[str, Json], judged: Sequence[str], *, all_of_them: bool = False) -> str:
    """Return which numbers the client's own waits have moved beyond the bounds: "p99 is 44 ms and 27 ms without"."""
    disturbance = summary["disturbance"]
    measured, without = disturbance["with"], disturbance["without"]
    shown = [name for name in judged if name in measured and (all_of_them or _moved(name, measured, without))]
    if not shown:
        return ""
    unit = {"throughput": "/s"}
    parts = [
        f"{name} {measured[name]:.3g}{unit.get(name, ' ms')} (without it {without[name]:.3g}{unit.get(name, ' ms')})"
        for name in shown
    ]
    late = disturbance["late"]
    of_all = f"{late} of {number_of(disturbance['n'], 'answer')} {counted('[was|were]', late)}"
    return f"{of_all} read late: {', '.join(parts)}."


def _moved(name: str, measured: Mapping[str, float], without: Mapping[str, float]) -> bool:
    if name == "throughput":
        return without[name] > (1 + LARGEST_ADDED_SHARE) * measured[name] and _moved("mean", measured, without)
    share, least = (LARGEST_TAIL_SHARE, SMALLEST_TAIL_MS) if name in TAIL else (LARGEST_ADDED_SHARE, SMALLEST_ADDED_MS)
    return measured[name] - without[name] > max(least, share * without[name])
