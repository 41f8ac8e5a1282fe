"""The document of `plan --json`; `plan_fields` says what each field means."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import date
from typing import Any

from automl_bench.contract import Limits, Price
from automl_bench.trials.likely import Likely
from automl_bench.trials.planning import TrialPlan
from automl_bench.trials.pricing import Part, Reservation, together, total_of

STALE_MONTHS = 6
"""Age in months from which on a price is to be read again."""
DAYS_A_MONTH = 30.44


@dataclass(frozen=True, slots=True)
class Unavailable:
    """A variant whose provider cannot be loaded: nothing is known of its trials but their number.

    Attributes:
        provider: The provider.
        variant: Its variant, or None for the default one.
        reason: Why, with the remedy.
    """

    provider: str
    variant: str | None
    reason: str


@dataclass(frozen=True, slots=True)
class ProviderView:
    """What a plan says of a provider.

    Attributes:
        name: Its name.
        problems: What keeps it from being used here.
        limits: What it publishes.
        trials_at_once: Trials of it under way at once.
        tables: Price tables by variant.
    """

    name: str
    problems: tuple[str, ...] = ()
    limits: Limits = field(default_factory=Limits)
    trials_at_once: int = 0
    tables: Mapping[str, Sequence[Price]] = field(default_factory=dict)

    def old_prices(self, today: date) -> list[Price]:
        """Return the prices that count and were read too long ago; one of 0 counts, too."""
        lines = [price for table in self.tables.values() for price in table if price.per_trial != 0]
        return [price for price in lines if months_old(price.as_of, today) >= STALE_MONTHS]


def months_old(as_of: str, today: date) -> float:
    """Return the age of a price in months; one without a readable date is as old as can be."""
    try:
        return (today - date.fromisoformat(as_of)).days / DAYS_A_MONTH
    except ValueError:
        return float("inf")


def trial_row(one: TrialPlan) -> dict[str, Any]:
    """Return a trial of a plan; its fields are `plan_fields.TRIAL_FIELDS`."""
    trial, extent, reserved = one.trial, one.extent, one.reserved
    return {
        "trial_id": trial.trial_id,
        "provider": trial.provider,
        "variant": trial.variant,
        "dataset": trial.dataset,
        "shots": trial.shots,
        "fold": trial.fold,
        "repeat": trial.repeat,
        "standing": one.standing.value,
        "feasible": one.feasible,
        "reason": one.reason,
        "train_samples": extent.samples if extent else None,
        "test_samples": extent.tests if extent else None,
        "load_calls": extent.load_calls if extent else None,
        "most_calls": extent.most_calls if extent else None,
        "cost": None if reserved is None else cost_by_part([reserved]),
        "lines": [] if reserved is None else [asdict(line) for line in reserved.lines if line.usd != 0],
        "expected_hours": one.experience.hours if one.experience else None,
        "expected_from": one.experience.trials if one.experience else 0,
        "most_hours": extent.total_hours if extent else None,
        "likely": None if one.likely is None else likely_row(one.likely),
        "simulated": one.simulated,
    }


def likely_row(likely: Likely) -> dict[str, Any]:
    """Return what a trial will probably take and cost; its fields are `plan_fields.LIKELY_FIELDS`."""
    return {
        "hours": None if likely.hours is None else [likely.hours.low, likely.hours.high],
        "without": [stage.value for stage in likely.without],
        "usd": [likely.usd.low, likely.usd.high],
        "unknown": list(likely.unknown),
        "bill": [
            {
                "item": line.item,
                "usd_each": line.usd_each,
                "units": None if line.units is None else [line.units.low, line.units.high],
            }
            for line in likely.bill
        ],
        "sources": list(likely.sources),
    }


def unavailable_row(one: Unavailable, dataset: str, shots: int | None, fold: int, repeat: int) -> dict[str, Any]:
    """Return a trial whose provider cannot be loaded, with the same fields."""
    known = {"provider": one.provider, "variant": one.variant, "dataset": dataset, "shots": shots, "fold": fold}
    unknown = dict.fromkeys(("train_samples", "test_samples", "load_calls", "most_calls", "cost"))
    return {
        "trial_id": None,
        **known,
        "repeat": repeat,
        "standing": "refused",
        "feasible": False,
        "reason": one.reason,
        **unknown,
        "lines": [],
        "expected_hours": None,
        "expected_from": 0,
        "most_hours": None,
        "likely": None,
        "simulated": False,
    }


def cost_by_part(reserved: Sequence[Reservation]) -> dict[str, Any]:
    """Return what trials may cost at most together, and by part."""
    parts = {part.value: together(one.of(part) for one in reserved).as_json() for part in Part}
    return {**together(one.total for one in reserved).as_json(), **parts}


def provider_row(view: ProviderView, today: date) -> dict[str, Any]:
    """Return a provider of a plan; its fields are `plan_fields.PROVIDER_FIELDS`."""
    return {
        "name": view.name,
        "problems": list(view.problems),
        "trials_at_once": view.trials_at_once or None,
        "requests_per_second": view.limits.requests_per_second,
        "in_flight": view.limits.in_flight,
        "prices": [
            {
                "variant": variant,
                "item": price.item,
                "usd": price.usd,
                "unit": price.unit,
                "as_of": price.as_of,
                "source": price.source,
            }
            for variant, table in view.tables.items()
            for price in table
        ],
        "stale": bool(view.old_prices(today)),
    }


def total_row(plans: Sequence[TrialPlan], unavailable: int) -> dict[str, Any]:
    """Return all trials that a run would do now, together; its fields are `plan_fields.TOTAL_FIELDS`."""
    ahead = [one for one in plans if one.ahead]
    hours = [one.experience.hours for one in ahead if one.experience is not None]
    return {
        "trials": len(plans) + unavailable,
        "refused": sum(not one.feasible for one in plans) + unavailable,
        "ahead": len(ahead),
        "cost": cost_by_part([one.reserved for one in ahead if one.reserved is not None]),
        "expected_hours": sum(hours) if hours else None,
        "without_experience": len(ahead) - len(hours),
    }


def largest(plans: Sequence[TrialPlan]) -> list[TrialPlan]:
    """Return, of each variant, the trial ahead that may cost most, or of which most is unknown."""
    found: dict[tuple[str, str], TrialPlan] = {}
    for one in plans:
        if one.ahead and one.reserved is not None:
            key = (one.trial.provider, one.trial.variant)
            known = found.get(key)
            if known is None or known.reserved is None or _weight(one.reserved) > _weight(known.reserved):
                found[key] = one
    return list(found.values())


def _weight(reserved: Reservation) -> tuple[int, float]:
    cost = total_of(reserved.lines)
    return len(cost.unknown), cost.usd
