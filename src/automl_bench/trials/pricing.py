"""What one trial may cost at most: a provider's price table held against the most that a trial takes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

from automl_bench.contract import TOKENS_A_UNIT, Counted, Json, Modality, Price, Variant
from automl_bench.store.records import TrialRecord

if TYPE_CHECKING:
    from automl_bench.trials.extent import Extent
    from automl_bench.trials.trial import BoundProvider

CALL = "call"
"""Item of a price table that is counted in prediction requests."""
TRAINING = "train_hour"
EVERYTHING = "everything"
"""Stands for all items of a provider without a price table."""


class Part(StrEnum):
    """What the money is for."""

    TRAIN = "train"
    SERVE = "serve"
    """From the begin of the deployment to the end of teardown."""
    CALLS = "calls"
    STORAGE = "storage"
    OTHER = "other"


PART_OF_COUNT = {
    Counted.CALLS: Part.CALLS,
    Counted.INPUT_TOKENS: Part.CALLS,
    Counted.CACHED_TOKENS: Part.CALLS,
    Counted.OUTPUT_TOKENS: Part.CALLS,
    Counted.IMAGES: Part.CALLS,
    Counted.SAMPLES: Part.STORAGE,
    Counted.TRAINING_HOURS: Part.TRAIN,
    Counted.SERVING_HOURS: Part.SERVE,
}
PART_OF_ITEM = {CALL: Part.CALLS, TRAINING: Part.TRAIN, "endpoint_hour": Part.SERVE, "sample_month": Part.STORAGE}
"""The contract's stable keys of a price table."""


def dollars(usd: float) -> str:
    """Return an amount in words; one that would round to nothing does not look like nothing."""
    return "< $0.01" if 0 < usd < 0.005 else f"${usd:,.2f}"


@dataclass(frozen=True, slots=True)
class Cost:
    """An amount that knows what it does not know.

    Attributes:
        usd: US dollars of what is known.
        unknown: Items without a price or a quantity; with any, `usd` is a lower bound.
    """

    usd: float
    unknown: tuple[str, ...] = ()

    def __str__(self) -> str:
        """The amount for people: an unknown one never looks like 0."""
        if not self.unknown:
            return dollars(self.usd)
        return f"at least {dollars(self.usd)} + unknown" if self.usd else "unknown"

    def as_json(self) -> dict[str, Json]:
        """Return the amount for programs: `usd` is None where nothing is known of it."""
        return {"usd": self.usd if self.usd or not self.unknown else None, "unknown": list(self.unknown)}


@dataclass(frozen=True, slots=True)
class Line:
    """What one item of a price table may come to for one trial.

    Attributes:
        item: The item.
        part: What it is for.
        usd_each: Price of one unit, or None if unknown.
        units: Units at most, or None if that cannot be said.
        usd: Dollars at most, or None if unknown.
        basis: Where the units come from, in words.
    """

    item: str
    part: Part
    usd_each: float | None
    units: float | None
    usd: float | None
    basis: str = ""


@dataclass(frozen=True, slots=True)
class Reservation:
    """The most that one trial may cost.

    Attributes:
        lines: One for each item.
    """

    lines: tuple[Line, ...] = field(default=())

    @property
    def total(self) -> Cost:
        """Everything together."""
        return total_of(self.lines)

    def of(self, part: Part) -> Cost:
        """Return what one part comes to."""
        return total_of(line for line in self.lines if line.part is part)


def total_of(lines: Iterable[Line]) -> Cost:
    """Add lines up."""
    lines = list(lines)
    unknown = dict.fromkeys(line.item for line in lines if line.usd is None)
    return Cost(sum((line.usd for line in lines if line.usd is not None), 0.0), tuple(unknown))


def together(costs: Iterable[Cost]) -> Cost:
    """Add amounts up; what is unknown in one is unknown in the sum."""
    costs = list(costs)
    unknown = dict.fromkeys(item for cost in costs for item in cost.unknown)
    return Cost(sum((cost.usd for cost in costs), 0.0), tuple(unknown))


SIMULATED = ("simulated", "invented")
"""Words in the source of a price that say that nobody is billed at it."""


def is_simulated(table: Iterable[Price]) -> bool:
    """Whether prices are those of a simulation, as their source says."""
    return any(word in price.source for price in table for word in SIMULATED)


def prices(bound: BoundProvider, trial: TrialRecord, modality: Modality | None = None) -> Sequence[Price]:
    """Return the provider's price table for a trial's variant and for samples of this kind."""
    from automl_bench.trials.teardown import provider_context  # and all that it loads, which `results` has no use for

    variant = Variant(trial.provider, trial.variant, trial.variant_settings)
    return bound.provider.price(provider_context(bound, variant, modality))


def reservation(table: Sequence[Price], extent: Extent, own: Mapping[str, float] | None = None) -> Reservation:
    """Return the most that one trial may cost, item by item.

    Units are what the table says of one trial (`per_trial`), else what the host counts (`counted`). The user's own
    bounds go before both.

    Args:
        table: The provider's price table.
        extent: The most that the trial takes.
        own: Dollars a trial by item, as the provider's file says under [budget].
    """
    own = own or {}
    items = {price.item for price in table} or {EVERYTHING}
    lines = [
        Line(item, PART_OF_ITEM.get(item, Part.OTHER), None, None, usd, "your own bound")
        for item, usd in own.items()
        if item not in items
    ]
    if not table:
        usd = own.get(EVERYTHING)
        return Reservation((*lines, Line(EVERYTHING, Part.OTHER, None, None, usd, "your own bound" if own else "")))
    return Reservation((*lines, *(_line(price, extent, own) for price in table)))


def _line(price: Price, extent: Extent, own: Mapping[str, float]) -> Line:
    part = part_of(price)
    if price.item in own:
        return Line(price.item, part, price.usd, None, own[price.item], "your own bound")
    units, basis = _units(price, extent)
    usd = None if price.usd is None or units is None else price.usd * units
    if price.usd == 0 or units == 0:
        usd = 0.0
    return Line(price.item, part, price.usd, units, usd, basis)


def part_of(price: Price) -> Part:
    """Return what the money of an item is for."""
    if price.counted is not None:
        return PART_OF_COUNT[price.counted]
    return PART_OF_ITEM.get(price.item, Part.OTHER)


def _units(price: Price, extent: Extent) -> tuple[float | None, str]:
    if price.per_trial is not None:
        return price.per_trial, "as the price table says of one trial"
    counted = Counted.CALLS if price.item == CALL and price.counted is None else price.counted
    if counted is None:
        return None, ""
    amounts: dict[Counted, tuple[float, str]] = {
        Counted.CALLS: (extent.most_calls, "calls, every sample repeated as often as allowed"),
        Counted.INPUT_TOKENS: (extent.most_calls / TOKENS_A_UNIT, "calls with the most tokens that one may take in"),
        Counted.CACHED_TOKENS: (0, "nothing: cached tokens cost less than those reserved for"),
        Counted.OUTPUT_TOKENS: (extent.most_calls / TOKENS_A_UNIT, "calls with the most tokens that one may give out"),
        Counted.IMAGES: (extent.most_calls, "calls with the images of each"),
        Counted.SAMPLES: (extent.samples, "labelled samples"),
        Counted.TRAINING_HOURS: (extent.training_hours, "the training's deadline and the longest deletion"),
        Counted.SERVING_HOURS: (extent.serving_hours, "the deadlines to deploy and measure, and the longest deletion"),
    }
    amount, basis = amounts[counted]
    return amount * price.units_each, basis
