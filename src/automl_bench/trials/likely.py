"""What a trial will probably take and cost, as a range with its source: trials like it here, else reported times.

The most that it can cost stands in `pricing`. Everything here is an expectation, and says what it rests on.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from automl_bench.contract import Price, ReportedTimes, Stage
from automl_bench.trials.extent import SECONDS_PER_HOUR, Extent
from automl_bench.trials.pricing import Part, Reservation, part_of

CALL_SECONDS = (0.02, 1.0)
"""One call at a time, where nothing was measured: from a local server to a slow service on another continent."""
ASSUMED_CALLS = f"{CALL_SECONDS[0]:g} to {CALL_SECONDS[1]:g} s a call assumed"
DEPLOY_SECONDS = (120.0, 1800.0)
"""From the begin of a deployment to its first answer, where nothing was measured or reported."""
ASSUMED_DEPLOYMENT = f"{DEPLOY_SECONDS[0] / 60:g} to {DEPLOY_SECONDS[1] / 60:g} min to deploy assumed"
NEAR = 4.0
"""Reported trainings with up to so many times more or fewer samples count as like this one."""
BY_THE_HOUR = (Stage.DEPLOY, Stage.INVOKE, Stage.PARALLEL)


@dataclass(frozen=True, slots=True)
class Range:
    """From the least to the most of what is expected."""

    low: float
    high: float

    def __add__(self, other: Range) -> Range:
        """Both together."""
        return Range(self.low + other.low, self.high + other.high)

    def times(self, factor: float) -> Range:
        """So many of it."""
        return Range(self.low * factor, self.high * factor)


@dataclass(frozen=True, slots=True)
class BillLine:
    """One line of an expected bill.

    Attributes:
        item: Item of the price table.
        usd_each: Price of one unit.
        units: Units, or None if nothing tells.
    """

    item: str
    usd_each: float
    units: Range | None


@dataclass(frozen=True, slots=True)
class Likely:
    """What a trial will probably take and cost.

    Attributes:
        hours: Hours from its begin to its end; None if nothing tells how long its training takes.
        without: Stages that are not in `hours`, because nothing tells how long they take.
        bill: What it costs, item by item; items without a price are left out.
        unknown: Items without a price, or without a quantity.
        sources: What this rests on, one clause each.
    """

    hours: Range | None
    without: tuple[Stage, ...]
    bill: tuple[BillLine, ...]
    unknown: tuple[str, ...]
    sources: tuple[str, ...]

    @property
    def usd(self) -> Range:
        """Dollars of what is known."""
        total = Range(0.0, 0.0)
        for line in self.bill:
            if line.units is not None:
                total += line.units.times(line.usd_each)
        return total


StageSeconds = Mapping[Stage, Sequence[float]]
"""How long a stage of earlier trials of the same variant, dataset and shots took here."""


def expect(
    table: Iterable[Price],
    extent: Extent,
    reserved: Reservation,
    stages: Sequence[Stage],
    *,
    here: StageSeconds,
    reported: Sequence[ReportedTimes],
) -> Likely:
    """Return what a trial will probably take and cost.

    Args:
        table: The provider's price table.
        extent: What the trial takes.
        reserved: What it may cost at most; no expectation goes beyond.
        stages: The stages that it has.
        here: Earlier trials.
        reported: What the plugin knows of trainings elsewhere.
    """
    sources: list[str] = []
    seconds = {stage: _seconds(stage, extent, here, reported, sources) for stage in stages}
    hours = {stage: one.times(1 / SECONDS_PER_HOUR) for stage, one in seconds.items() if one is not None}
    most = {line.item: line.units for line in reserved.lines}
    bill, unknown = [], []
    for price in table:
        if price.monthly or price.usd == 0 or price.per_trial == 0:
            continue
        units = _units(price, extent, hours, stages)
        if price.usd is None or units is None:
            unknown.append(price.item)
        if price.usd is not None:
            limit = most.get(price.item)
            if units is not None and limit is not None:
                units = Range(min(units.low, limit), min(units.high, limit))
            bill.append(BillLine(price.item, price.usd, units))
    without = tuple(stage for stage in stages if stage not in hours)
    # Without the training nothing worth telling is known; an upload takes minutes, and that it is left out is said.
    total = sum(hours.values(), Range(0.0, 0.0)) if hours and Stage.TRAIN not in without else None
    return Likely(total, without, tuple(bill), tuple(unknown), tuple(dict.fromkeys(sources)))


def _seconds(
    stage: Stage, extent: Extent, here: StageSeconds, reported: Sequence[ReportedTimes], sources: list[str]
) -> Range | None:
    """Return how long a stage will take, and note where that comes from."""
    if found := here.get(stage):
        sources.append(f"measured here (n={len(found)})")
        return Range(min(found), max(found))
    calls = {Stage.INVOKE: extent.tests, Stage.PARALLEL: extent.load_calls}.get(stage)
    for one in reported:
        if one.stage is stage and one.points:
            times = _like(one, extent.samples if calls is None else calls)
            sources.append(f"{one.source} ({one.as_of})")
            return Range(min(times), max(times))
    if stage is Stage.DEPLOY:
        sources.append(ASSUMED_DEPLOYMENT)
        return Range(*DEPLOY_SECONDS)
    if calls is None:
        return None
    if calls:
        sources.append(ASSUMED_CALLS)
    return Range(*CALL_SECONDS).times(calls)


def _like(reported: ReportedTimes, size: int) -> list[float]:
    """Return the times of cases of about the same size; else that of the nearest one."""
    near = [seconds for count, seconds in reported.points if size / NEAR <= count <= size * NEAR]
    return near or [min(reported.points, key=lambda point: abs(point[0] - size))[1]]


def _units(price: Price, extent: Extent, hours: Mapping[Stage, Range], stages: Sequence[Stage]) -> Range | None:
    part = part_of(price)
    if part is Part.TRAIN:
        train = hours.get(Stage.TRAIN)
        return None if train is None else train.times(price.units_each)
    if part is Part.SERVE:
        known = [hours.get(stage) for stage in BY_THE_HOUR if stage in stages]
        if any(one is None for one in known):
            return None
        return sum((one for one in known if one is not None), Range(0.0, 0.0)).times(price.units_each)
    if part is Part.CALLS:
        calls = extent.tests + (extent.load_calls or 0)
        return Range(calls, calls).times(price.units_each)
    if part is Part.STORAGE and price.counted is not None:
        return Range(extent.samples, extent.samples).times(price.units_each)
    return None if price.per_trial is None else Range(price.per_trial, price.per_trial)
