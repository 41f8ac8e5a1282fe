"""Which variant costs least at which volume: exact, from the price tables; as sentences and as data for the sliders."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import combinations, pairwise
from typing import Any

from automl_bench.report.blocks import Widget
from automl_bench.report.decision import Decision
from automl_bench.report.labels import in_order, shots_label
from automl_bench.report.running_costs import ASSUMPTIONS, RunningCosts, Use

LEAST_CALLS, MOST_CALLS = 100.0, 1e9
"""Calls a month between which break-even points are looked for; below, everything costs next to nothing."""
CENT = 0.005
"""Amounts that differ by less are the same."""


def cheapest_by_volume(costs: Mapping[str, RunningCosts], use: Use) -> list[tuple[float, tuple[str, ...]]]:
    """Return (calls a month from which on, the variants that cost least there), in rising order.

    Every plan is a line with one bend, so the least of all changes only where two lines cross or one bends.

    Args:
        costs: Variant → what its use costs; those with an unknown price are left out.
        use: Hours a day; its calls are not used.
    """
    known = {name: one for name, one in costs.items() if not one.month(use).unknown}
    if not known:
        return []

    def usd(name: str, calls: float) -> float:
        return known[name].month(replace(use, calls_per_month=calls)).usd

    bends = {plan.included for one in known.values() for plan in one.plans}
    bends |= {LEAST_CALLS, MOST_CALLS, *_crossings(known, use)}
    places = sorted(calls for calls in bends if LEAST_CALLS <= calls <= MOST_CALLS)
    found: list[tuple[float, tuple[str, ...]]] = []
    for low, high in pairwise(places):
        middle = (low + high) / 2
        least = min(usd(name, middle) for name in known)
        names = tuple(name for name in known if usd(name, middle) <= least + CENT)
        if not found or found[-1][1] != names:
            found.append((low, names))
    return found


def _crossings(known: Mapping[str, RunningCosts], use: Use) -> set[float]:
    """Return where any two straight pieces of any two plans cross."""
    lines = []
    for one in known.values():
        hours = replace(use, calls_per_month=0.0)
        for plan in one.plans:
            if plan.month is not None and plan.call is not None:
                fixed = replace(one, plans=(replace(plan, call=0.0),)).month(hours).usd
                lines += [(fixed, 0.0), (fixed - plan.included * plan.call, plan.call)]
    return {(b - a) / (m - n) for (a, m), (b, n) in combinations(set(lines), 2) if m != n}


def break_even_words(decision: Decision) -> tuple[str, ...]:
    """Say which variant costs least at which volume, of all and of those that somebody bills."""
    costs = {one.series: one.running for one in decision.candidates}
    steps = cheapest_by_volume(costs, decision.use)
    if not steps:
        return ("Which variant costs least cannot be said: no price is known in full.",)
    hours = f"{decision.use.hours_per_day:g} h a day"
    words = [f"Least cost in use, {hours}: {_steps(steps)}."]
    billed = {name: one for name, one in costs.items() if one.as_of}
    if billed and len(billed) < len(costs) and (paid := cheapest_by_volume(billed, decision.use)):
        words.append(f"Of those that somebody bills: {_steps(paid)}.")
    unknown = in_order(one.series for one in decision.candidates if one.running.month(decision.use).unknown)
    if unknown:
        words.append(f"Left out, as a price is unknown: {', '.join(unknown)}.")
    return tuple(words)


def _steps(steps: Sequence[tuple[float, tuple[str, ...]]]) -> str:
    if len(steps) == 1:
        return f"{_names(steps[0][1])} at every volume"
    parts = [f"below {rounded(steps[1][0])} calls a month {_names(steps[0][1])}"]
    for (low, names), (high, _) in pairwise(steps[1:]):
        parts.append(f"from {rounded(low)} to {rounded(high)} {_names(names)}")
    parts.append(f"above {rounded(steps[-1][0])} {_names(steps[-1][1])}")
    return ", ".join(parts)


def _names(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]} alike"


def rounded(calls: float) -> str:
    """Return calls with three figures: more would pretend to know."""
    return f"{float(f'{calls:.3g}'):,.0f}"


def break_even_widget(decision: Decision) -> Widget | None:
    """Return the sliders with what they compute from, or None without a variant."""
    if not decision.candidates:
        return None
    quality = {
        dataset: {
            name: {"tier": number, "accuracy": _tier_mean(decision, dataset, tier.names, tier.note, name)}
            for number, tier in enumerate(own, start=1)
            for name in tier.names
        }
        for dataset, own in decision.tiers.items()
    }
    data: dict[str, Any] = {
        "variants": [
            {
                "name": one.series,
                "dataset": one.dataset,
                **quality[one.dataset][one.series],
                "shots": shots_label(one.shots),
                "p95": None if one.speed is None else one.speed.p95_ms,
                "train": one.train_usd,
                "prices": one.running.as_json(),
            }
            for one in decision.candidates
        ],
        "use": {
            "calls": decision.use.calls_per_month,
            "hours": decision.use.hours_per_day,
            "label": decision.use.label_usd,
            "labels": max(((one.classes or 0) * (one.shots or 0) for one in decision.candidates), default=0),
        },
        "assumptions": list(ASSUMPTIONS),
    }
    words = "With scripts on, sliders stand here: volume, hours, labels, and the weights of quality, speed and cost."
    return Widget("break-even", "break-even", "Try your own numbers", data, words)


def _tier_mean(decision: Decision, dataset: str, names: Sequence[str], note: str, name: str) -> float:
    """Return the accuracy that counts for a ranking: of variants that are not separated, their mean."""
    means = {one.series: one.accuracy for one in decision.candidates if one.dataset == dataset}
    if not note.startswith("not separated"):
        return means[name]
    return sum(means[one] for one in names) / len(names)
