"""What a service costs by the month in use: calls, hours, monthly fees, from the price table kept with a trial."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from automl_bench.contract import Counted, Price
from automl_bench.trials.pricing import CALL, EVERYTHING, Cost, Part, is_simulated, part_of

DAYS_A_MONTH = 30.4375
"""365.25 / 12."""

BY_ANSWER = frozenset({Counted.INPUT_TOKENS, Counted.CACHED_TOKENS, Counted.OUTPUT_TOKENS, Counted.IMAGES})
"""What only an answer can tell the amount of."""

ASSUMPTIONS = (
    "One endpoint of the kind that was measured, for as many hours of each day as stated; one call is one sample.",
    "Training, labelling and the storage of training samples are not in the monthly amount. Taxes, discounts and free"
    " allowances other than those of a plan are left out: the provider's bill is what counts.",
)
"""What stands beside every monthly amount."""


@dataclass(frozen=True, slots=True)
class Use:
    """How the service will be used.

    Attributes:
        calls_per_month: Samples classified a month.
        hours_per_day: Hours a day for which it has to answer.
        label_usd: Price of one label in US dollars, or None if it is not known.
        stated: Whether the user said so; otherwise these are examples.
    """

    calls_per_month: float = 100_000
    hours_per_day: float = 24.0
    label_usd: float | None = None
    stated: bool = False

    @property
    def words(self) -> str:
        """The use in words, as "100,000 calls a month, 24 h a day"."""
        return f"{self.calls_per_month:,.0f} calls a month, {self.hours_per_day:g} h a day"


@dataclass(frozen=True, slots=True)
class Plan:
    """One way to pay for calls.

    Attributes:
        name: The provider's name for it; empty where there is but one.
        month: Fee a month in US dollars, or None if unknown.
        call: Price of a call beyond the included ones, or None if unknown.
        included: Calls a month that the fee covers.
    """

    name: str
    month: float | None
    call: float | None
    included: float = 0.0


@dataclass(frozen=True, slots=True)
class RunningCosts:
    """What one variant costs in use.

    Attributes:
        hour: US dollars an hour of service, or None if unknown.
        plans: Ways to pay for calls, at least one.
        unknown: Items that nobody here can count, by their names in the price table.
        as_of: Oldest date of the prices above 0, or "".
        sources: Where the prices above 0 were read.
        invented: Whether they are those of a simulation.
    """

    hour: float | None
    plans: tuple[Plan, ...]
    unknown: tuple[str, ...] = ()
    as_of: str = ""
    sources: tuple[str, ...] = ()
    invented: bool = False

    def month(self, use: Use) -> Cost:
        """Return what a month comes to, by the cheapest plan whose price is known."""
        return self.chosen(use)[1]

    def chosen(self, use: Use) -> tuple[Plan | None, Cost]:
        """Return the cheapest plan whose price is known, and what a month comes to with it."""
        hours = None if self.hour is None else self.hour * use.hours_per_day * DAYS_A_MONTH
        unknown = [*self.unknown, *(["endpoint_hour"] if hours is None and use.hours_per_day else [])]
        known = [
            (one.month + max(0.0, use.calls_per_month - one.included) * one.call, place)
            for place, one in enumerate(self.plans)
            if one.month is not None and one.call is not None
        ]
        if not known:
            return None, Cost(hours or 0.0, (*unknown, CALL))
        usd, place = min(known)
        return self.plans[place], Cost(usd + (hours or 0.0), tuple(unknown))

    def as_json(self) -> dict[str, Any]:
        """Return what the page's sliders compute with."""
        return {
            "hour": self.hour,
            "plans": [
                {"name": one.name, "month": one.month, "call": one.call, "included": one.included} for one in self.plans
            ],
            "unknown": list(self.unknown),
            "as_of": self.as_of,
            "sources": list(self.sources),
            "invented": self.invented,
        }


def running_costs(table: Sequence[Price], told: float | None = None) -> RunningCosts:
    """Read the costs of use from a provider's price table; without a table everything is unknown.

    Args:
        table: The price table.
        told: Mean dollars of the answers that were measured, where they said what they used: then that is a call's
            price, and no other is known of a call that is priced by its tokens.
    """
    if not table:
        return RunningCosts(None, (Plan("", None, None),), (EVERYTHING,))
    hours = [_each(one) for one in table if part_of(one) is Part.SERVE and not one.monthly]
    months: dict[str, list[Price]] = defaultdict(list)
    calls: dict[str, list[Price]] = defaultdict(list)
    unknown = []
    for one in table:
        if one.monthly:
            months[one.plan].append(one)
        elif part_of(one) is Part.CALLS or one.plan:
            calls[one.plan].append(one)
        elif part_of(one) is Part.OTHER and one.usd != 0:
            unknown.append(one.item)
    named = list(dict.fromkeys((*months, *calls)))
    plans = tuple(_plan(name, months[name], calls[name]) for name in named) or (Plan("", 0.0, 0.0),)
    if told is not None:
        plans = tuple(replace(plan, call=told) for plan in plans)
    paid = [one for one in table if one.usd]
    return RunningCosts(
        hour=None if None in hours else sum(one for one in hours if one is not None),
        plans=plans,
        unknown=tuple(unknown),
        as_of=min((one.as_of for one in paid), default=""),
        sources=tuple(dict.fromkeys(one.source for one in paid)),
        invented=is_simulated(table),
    )


def _plan(name: str, months: Sequence[Price], calls: Sequence[Price]) -> Plan:
    fees, each = [one.usd for one in months], [_each(one) for one in calls]
    return Plan(
        name,
        None if None in fees else sum(one for one in fees if one is not None),
        # A plan that is named, and whose price of a call nobody tells, is not free.
        None if None in each or (name and not calls) else sum(one for one in each if one is not None),
        max((one.included for one in calls), default=0.0),
    )


def _each(price: Price) -> float | None:
    """Return the price of one call or hour; several units may go into one."""
    if price.usd is None or (price.counted in BY_ANSWER and price.usd):
        return None
    counted = price.counted in (Counted.CALLS, Counted.SERVING_HOURS) or price.item == CALL
    return price.usd * (price.units_each if counted else 1.0)
