"""What the trials have cost: a table by variant and dataset, with what is not known beside what is."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from statistics import median
from typing import Any

from automl_bench.report.labels import Labelled, in_order, labelled
from automl_bench.report.tables import UNKNOWN, Table, seconds
from automl_bench.trials.pricing import Cost, dollars, together

ALL = "together"
"""Stands in the variant column of the row that adds everything up."""
PARTS = ("train_usd", "serve_usd", "calls_usd")


def cost_table(rows: Iterable[Mapping[str, Any]]) -> Table:
    """Return dollars and hours by variant and dataset: sums over trials, and the median of a trial."""
    named = [one for one in labelled(rows) if one.row["cost"] is not None and one.row["stages"]]
    groups: dict[tuple[str, str], list[Labelled]] = defaultdict(list)
    for one in named:
        groups[one.series, one.dataset].append(one)
    order = {name: place for place, name in enumerate(in_order(one.series for one in named))}
    records = [
        _record(series, dataset, [one.row["cost"] for one in many])
        for (series, dataset), many in sorted(groups.items(), key=lambda item: order[item[0][0]])
    ]
    if len(records) > 1:
        records.append(_record(ALL, "all", [one.row["cost"] for one in named]))
    heads = (
        *("variant", "dataset", "trials", "train $", "serve $", "calls $", "total $", "median $"),
        *("training", "serving", "wall"),
    )
    return Table("Cost", heads, tuple(map(_cells, records)), tuple(records), tuple(_notes(records)))


def _record(series: str, dataset: str, costs: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    total = together(_cost(cost) for cost in costs)
    known = [cost["usd"] for cost in costs if not cost["unknown"]]
    hours = [cost["train_hours"] for cost in costs]
    dates = [cost["prices_as_of"] for cost in costs if cost["prices_as_of"]]
    return {
        "variant": series,
        "dataset": dataset,
        "trials": len(costs),
        **{part: _sum(cost[part] for cost in costs) for part in PARTS},
        **total.as_json(),
        "median_usd": median(known) if known and len(known) == len(costs) else None,
        "train_hours": _sum(hours),
        "serve_hours": _sum(cost["serve_hours"] for cost in costs),
        "wall_hours": _sum(cost["wall_hours"] for cost in costs),
        "calls": sum(cost["calls"] for cost in costs),
        "prices_as_of": min(dates, default=None),
        "simulated": sum(cost.get("simulated", False) for cost in costs),
    }


def _cost(cost: Mapping[str, Any]) -> Cost:
    return Cost(cost["usd"] or 0.0, tuple(cost["unknown"]))


def _sum(values: Iterable[float | None]) -> float | None:
    """Add values up; with one unknown the sum is unknown."""
    total = 0.0
    for value in values:
        if value is None:
            return None
        total += value
    return total


def _cells(record: Mapping[str, Any]) -> tuple[str, ...]:
    return (
        record["variant"],
        record["dataset"],
        str(record["trials"]),
        *(_dollars(record[part]) for part in PARTS),
        str(_cost(record)).replace("$", "") + _mark(record),
        _dollars(record["median_usd"]),
        *(UNKNOWN if record[name] is None else _hours(record[name]) for name in ("train_hours", "serve_hours")),
        _hours(record["wall_hours"]),
    )


def _mark(record: Mapping[str, Any]) -> str:
    """Return the word beside an amount that nobody bills."""
    if not record["simulated"] or not record["usd"]:
        return ""
    return " simulated" if record["simulated"] == record["trials"] else " in part simulated"


def _dollars(usd: float | None) -> str:
    return "unknown" if usd is None else dollars(usd).replace("$", "")


def _hours(hours: float) -> str:
    return seconds(hours * 3600) if hours else "0"


def _dates(records: Sequence[Mapping[str, Any]]) -> str:
    dates = {one["variant"]: one["prices_as_of"] for one in records if one["prices_as_of"] and one["variant"] != ALL}
    if len(set(dates.values())) == 1:
        return f" (read on {next(iter(dates.values()))})"
    return f" (read on: {', '.join(f'{name} {day}' for name, day in dates.items())})" if dates else ""


def _notes(records: Sequence[Mapping[str, Any]]) -> list[str]:
    if not records:
        return []
    unknown = in_order(item for record in records for item in record["unknown"])
    notes = [
        "train: the time that the provider bills (else says it worked) × price. serve: the ledger's times from creation"
        " to deletion × hourly price, of endpoints and storage. calls: every request stored × price, load runs"
        " included. median: of a trial. training, serving, wall: times of all trials together.",
        f"At the providers' prices as they were known when each trial began{_dates(records)}. Free allowances, plans,"
        " taxes and rounding up are not taken into account: the provider's bill is what counts.",
    ]
    if unknown:
        notes.append(f"unknown, and never taken for 0: {', '.join(unknown)}.")
    if "everything" in unknown:
        notes.append("everything: no prices were kept with those trials.")
    return notes
