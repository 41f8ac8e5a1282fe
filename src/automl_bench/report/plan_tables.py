"""A plan for people: what runs, what it may cost, how long it may take, what it can show."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import Any

from automl_bench.border.command_lines import quoted_command
from automl_bench.report.labels import shots_label
from automl_bench.report.plan_rows import STALE_MONTHS, ProviderView, largest
from automl_bench.report.tables import UNKNOWN, Table, seconds
from automl_bench.trials.planning import TrialPlan
from automl_bench.trials.pricing import Cost, Line, Part, dollars, together

PART_HEADS = {
    Part.TRAIN: "train",
    Part.SERVE: "deploy + measure",
    Part.CALLS: "calls",
    Part.STORAGE: "storage",
    Part.OTHER: "other",
}


def trials_table(rows: Sequence[Mapping[str, Any]]) -> Table:
    """Return the trials, one line for those of one variant and dataset with which a run would do the same."""
    groups: dict[tuple[str, str, str], list[Mapping[str, Any]]] = defaultdict(list)
    for row in rows:
        groups[_name(row), row["dataset"], row["standing"]].append(row)
    cells = []
    for (name, dataset, standing), many in groups.items():
        by_shots = {row["shots"]: row for row in many}
        firsts = list(by_shots.values())
        cells.append(
            (
                name,
                dataset,
                f"{len(many)} {standing}",
                _listed(shots_label(shots) for shots in by_shots),
                _listed(_count(row["train_samples"]) for row in firsts),
                _listed(_count(row["test_samples"]) for row in firsts),
                _load_words(many),
                _listed(_experience_words(row) for row in firsts),
            )
        )
    heads = ("variant", "dataset", "trials", "shots", "samples", "tests", "load", "hours")
    notes = [
        "Of each trial. samples: labelled ones to upload. tests: calls of the accuracy pass. load: calls of the load"
        " run, where a trial gets one."
    ]
    if any(row["expected_hours"] is not None for row in rows):
        notes.append("hours: median of earlier trials of the same variant, dataset and shots here, n beside it.")
    return Table("Trials", heads, tuple(cells), tuple(rows), tuple(notes))


def _name(row: Mapping[str, Any]) -> str:
    return row["provider"] if row["variant"] is None else f"{row['provider']}:{row['variant']}"


def _listed(words: Iterable[str]) -> str:
    """Return words one after the other; only one where all are the same."""
    words = list(words)
    return words[0] if len(set(words)) == 1 else ", ".join(words)


def _count(value: int | None) -> str:
    return UNKNOWN if value is None else str(value)


def _load_words(rows: Sequence[Mapping[str, Any]]) -> str:
    known = [row for row in rows if row["train_samples"] is not None]
    if not known:
        return UNKNOWN
    if any(row["load_calls"] is None for row in known):
        return "by duration"
    return str(max(row["load_calls"] for row in known) or "none")


def _experience_words(row: Mapping[str, Any]) -> str:
    if row["expected_hours"] is None:
        return "unknown"
    return f"{seconds(row['expected_hours'] * 3600)} (n={row['expected_from']})"


def refusals(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return a line for each reason for which trials are refused: which ones, and the reason with its remedy."""
    groups: dict[tuple[str, str], list[Mapping[str, Any]]] = defaultdict(list)
    for row in rows:
        if not row["feasible"]:
            groups[_name(row), row["reason"]].append(row)
    return [f"refused: {name}, {_which(many)}: {reason}" for (name, reason), many in groups.items()]


def _which(rows: Sequence[Mapping[str, Any]]) -> str:
    shots: dict[str, dict[str, None]] = defaultdict(dict)
    for row in rows:
        shots[row["dataset"]][shots_label(row["shots"])] = None
    where = "; ".join(
        f"{dataset} at {', '.join(many)} shot{'' if list(many) == ['1'] else 's'}" for dataset, many in shots.items()
    )
    return f"{where} ({len(rows)} trial{'s' if len(rows) > 1 else ''})"


def money_table(plans: Sequence[TrialPlan]) -> Table:
    """Return what the trials ahead may cost at most, by variant and by what it is for."""
    groups: dict[str, list[TrialPlan]] = defaultdict(list)
    for one in plans:
        if one.ahead and one.reserved is not None:
            groups[f"{one.trial.provider}:{one.trial.variant}"].append(one)
    everything = [one for many in groups.values() for one in many]
    parts = [part for part in PART_HEADS if any(_counts(one, part) for one in everything)]
    cells = [(name + " (simulated)" * many[0].simulated, *_money(many, parts)) for name, many in groups.items()]
    billed = [one for one in everything if not one.simulated]
    if billed and len(groups) > 1:
        name = "together" if len(billed) == len(everything) else "together, without simulated"
        cells.append((name, *_money(billed, parts)))
    heads = ("variant", "trials", *(f"{PART_HEADS[part]} $" for part in parts), "at most $")
    notes = (
        "At most: every trial up to the deadlines, every call repeated as often as allowed. `run --max-cost` reserves"
        " this for each trial and gives back what it did not use.",
    )
    return Table("Money", heads, tuple(cells), notes=notes if cells else ())


def _counts(one: TrialPlan, part: Part) -> bool:
    cost = Cost(0.0) if one.reserved is None else one.reserved.of(part)
    return bool(cost.usd or cost.unknown)


def _money(plans: Sequence[TrialPlan], parts: Sequence[Part]) -> tuple[str, ...]:
    reserved = [one.reserved for one in plans if one.reserved is not None]
    sums = [together(one.of(part) for one in reserved) for part in parts]
    return (str(len(plans)), *(_cell(cost) for cost in sums), _cell(together(one.total for one in reserved)))


def _cell(cost: Cost) -> str:
    return str(cost).replace("$", "")


def total_words(plans: Sequence[TrialPlan]) -> str:
    """Return the sum in one sentence; with an unknown part it is a lower bound, and says of what."""
    ahead = [one for one in plans if one.ahead and one.reserved is not None]
    billed = [one for one in ahead if not one.simulated]
    words = _most_words(billed) if billed or not ahead else ""
    if len(billed) < len(ahead):
        rest = _most_words([one for one in ahead if one.simulated])
        words = f"{words}, and {rest} simulated" if words else f"{rest} simulated: nobody bills it"
    return words


def _most_words(plans: Sequence[TrialPlan]) -> str:
    cost = together(one.reserved.total for one in plans if one.reserved is not None)
    if not cost.unknown:
        return f"together at most {dollars(cost.usd)}"
    where: dict[str, dict[str, None]] = defaultdict(dict)
    for one in plans:
        if one.reserved is not None:
            where[one.trial.provider].update(dict.fromkeys(one.reserved.total.unknown))
    items = "; ".join(f"{name}: {', '.join(many)}" for name, many in where.items() if many)
    return f"together {cost} ({items})"


def basis_table(plans: Sequence[TrialPlan]) -> Table:
    """Return how the amounts come about, for the dearest trial of each variant: only what costs or is unknown."""
    cells = [
        (f"{one.trial.provider}:{one.trial.variant}" + " (simulated)" * one.simulated, *_basis(line))
        for one in largest(plans)
        if one.reserved is not None
        for line in one.reserved.lines
        if line.usd != 0
    ]
    heads = ("variant", "item", "$ each", "units at most", "$ a trial", "units come from")
    return Table("Cost breakdown per trial (the most expensive of each variant)", heads, tuple(cells))


def _basis(line: Line) -> tuple[str, ...]:
    each = "unknown" if line.usd_each is None else f"{line.usd_each:g}"
    if line.usd is None:
        why = "no bound is known" if line.usd_each is not None else line.basis or "no price is known"
        return line.item, each, "unknown" if line.units is None else _units(line.units), "unknown", why
    return line.item, each, UNKNOWN if line.units is None else _units(line.units), _cell(Cost(line.usd)), line.basis


def _units(units: float) -> str:
    return f"{units:,.4g}" if units < 1000 else f"{units:,.0f}"


def providers_table(views: Sequence[ProviderView]) -> Table:
    """Return each provider's limits on working at once, and the dates of its prices."""
    cells = tuple(
        (
            view.name,
            str(view.trials_at_once) if view.trials_at_once else UNKNOWN,
            UNKNOWN if view.limits.requests_per_second is None else f"{view.limits.requests_per_second:g}",
            UNKNOWN if view.limits.in_flight is None else str(view.limits.in_flight),
            _dates(view),
        )
        for view in views
    )
    heads = ("provider", "trials at once", "requests/s", "in flight", "prices of")
    return Table("Limits and prices", heads, cells, notes=(f"{UNKNOWN}: no limit is known.",))


def _dates(view: ProviderView) -> str:
    dates = sorted({price.as_of for table in view.tables.values() for price in table})
    if not dates:
        return "unknown"
    return dates[0] if len(dates) == 1 else f"{dates[0]} to {dates[-1]}"


def warnings(views: Sequence[ProviderView], today: date) -> list[str]:
    """Return what to look at before running, one sentence each."""
    found = [f"{view.name}: {problem}" for view in views for problem in view.problems]
    for view in views:
        old = view.old_prices(today)
        if old:
            oldest = min(price.as_of for price in old)
            found.append(
                f"{view.name}: prices are older than {STALE_MONTHS} months (the oldest of {oldest}): read them again"
                f" before you rely on them; {quoted_command('providers', 'show', view.name)} names the sources."
            )
    return found
