"""What a plan expects, for people: likely dollars and hours beside the worst case, and one bill as an example."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

from automl_bench.report.labels import shots_label
from automl_bench.report.tables import UNKNOWN, Table, seconds
from automl_bench.trials.extent import SECONDS_PER_HOUR
from automl_bench.trials.likely import BillLine, Likely, Range
from automl_bench.trials.planning import TrialPlan
from automl_bench.trials.pricing import Cost, dollars, together

SIMULATED = "simulated"
"""Stands beside every amount that nobody bills."""


def expectations_table(plans: Sequence[TrialPlan]) -> Table:
    """Return, for each variant, what its trials ahead will probably take and cost, and the most that they can cost."""
    groups: dict[str, list[TrialPlan]] = defaultdict(list)
    for one in plans:
        if one.ahead and one.likely is not None:
            groups[f"{one.trial.provider}:{one.trial.variant}"].append(one)
    cells = []
    sources: dict[str, list[str]] = defaultdict(list)
    for name, many in groups.items():
        expected = [one.likely for one in many if one.likely is not None]
        cells.append((name, str(len(many)), *_expected(expected, many[0].simulated), _most(many)))
        sources["; ".join(_sources(expected))].append(name)
    heads = ("variant", "trials", "likely hours", "likely $", "at most $")
    where = (f"{', '.join(names)}: {text}." for text, names in sources.items())
    notes = ("Of all trials, one after another. Likely, from:", *where) if cells else ()
    return Table("What to expect", heads, tuple(cells), notes=notes)


def _sources(expected: Sequence[Likely]) -> list[str]:
    without = dict.fromkeys(stage for one in expected for stage in one.without)
    found = list(dict.fromkeys(text for one in expected for text in one.sources))
    return [*found, *([f"without the time of {' and '.join(without)}"] if without else [])]


def _expected(expected: Sequence[Likely], simulated: bool) -> tuple[str, str]:
    hours = [one.hours for one in expected if one.hours is not None]
    time = UNKNOWN if len(hours) < len(expected) else time_words(_sum(hours))
    unknown = dict.fromkeys(item for one in expected for item in one.unknown)
    money = amount_words(_sum(one.usd for one in expected)) + (f" + unknown ({', '.join(unknown)})" if unknown else "")
    return time, money + (f" {SIMULATED}" if simulated else "")


def _most(plans: Sequence[TrialPlan]) -> str:
    cost = together(one.reserved.total for one in plans if one.reserved is not None)
    return str(cost).replace("$", "") + (f" {SIMULATED}" if plans[0].simulated else "")


def _sum(ranges: Iterable[Range]) -> Range:
    return sum(ranges, Range(0.0, 0.0))


def time_words(hours: Range) -> str:
    """Return a range of hours in words."""
    low, high = (seconds(value * SECONDS_PER_HOUR) for value in (hours.low, hours.high))
    return low if low == high else f"{low} to {high}"


def amount_words(usd: Range) -> str:
    """Return a range of dollars in figures, without the sign."""
    low, high = (dollars(value).replace("$", "") for value in (usd.low, usd.high))
    return low if low == high else f"{low} to {high}"


def example_bill(plans: Sequence[TrialPlan]) -> Table:
    """Return the expected bill of one trial: the one that may be dearest, a real one where there is any."""
    ahead = [one for one in plans if one.ahead and one.likely is not None and one.likely.bill]
    if not ahead:
        return Table("", (), ())
    one = max(ahead, key=lambda plan: (not plan.simulated, plan.likely.usd.high if plan.likely else 0.0))
    assert one.likely is not None
    mark = f", {SIMULATED}" if one.simulated else ""
    cells = [(line.item, _units(line.units), f"{line.usd_each:g}", _line(line)) for line in one.likely.bill]
    cells.append(("together", "", "", amount_words(one.likely.usd)))
    where = f"{one.trial.provider}:{one.trial.variant}, {one.trial.dataset} at {shots_label(one.trial.shots)} shots"
    return Table(f"A bill, for example: one trial of {where}{mark}", ("item", "units", "$ each", "$"), tuple(cells))


def _units(units: Range | None) -> str:
    if units is None:
        return "unknown"
    low, high = (f"{value:,.3g}" if value < 1000 else f"{value:,.0f}" for value in (units.low, units.high))
    return low if low == high else f"{low} to {high}"


def _line(line: BillLine) -> str:
    return "unknown" if line.units is None else amount_words(line.units.times(line.usd_each))


def likely_words(plans: Sequence[TrialPlan]) -> str:
    """Return what all trials ahead will probably cost and take, in one sentence."""
    ahead = [one for one in plans if one.ahead and one.likely is not None]
    expected = [one.likely for one in ahead if one.likely is not None]
    billed = [one.likely for one in ahead if one.likely is not None and not one.simulated]
    unknown = any(one.unknown for one in billed)
    money = f"likely {_dollar_words(_sum(one.usd for one in billed))}{' + unknown' if unknown else ''}"
    times = _all_hours(billed)
    if len(billed) < len(expected):
        simulated = [one.likely for one in ahead if one.likely is not None and one.simulated]
        more = f"{_dollar_words(_sum(one.usd for one in simulated))} {SIMULATED}"
        money = f"{money}, and {more}" if billed else f"likely {more}"
        times = ", and ".join([*([times] if billed else []), f"{_all_hours(simulated)} {SIMULATED}"])
    return f"{money}; {times}, one trial after another"


def _all_hours(expected: Sequence[Likely]) -> str:
    known = [one.hours for one in expected if one.hours is not None]
    if not known:
        return "hours unknown"
    return time_words(_sum(known)) + (" + unknown" if len(known) < len(expected) else "")


def _dollar_words(usd: Range) -> str:
    return dollars(usd.low) if dollars(usd.low) == dollars(usd.high) else f"{dollars(usd.low)} to {dollars(usd.high)}"


def billed(plans: Sequence[TrialPlan]) -> Cost:
    """Return the most that somebody will really be billed for."""
    return together(one.reserved.total for one in plans if one.ahead and one.reserved is not None and not one.simulated)
