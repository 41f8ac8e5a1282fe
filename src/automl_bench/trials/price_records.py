"""The price table that is kept beside a trial, so that later prices do not rewrite what it cost."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from automl_bench.contract import Counted, Price
from automl_bench.store.records import StageRecord

PRICES = "prices"
"""Key of the first stage's stored result under which the price table of that day stands."""


def table_as_json(table: Sequence[Price]) -> list[dict[str, Any]]:
    """Return a price table as it is kept."""
    return [
        {
            "item": one.item,
            "usd": one.usd,
            "unit": one.unit,
            "as_of": one.as_of,
            "source": one.source,
            "per_trial": one.per_trial,
            "counted": None if one.counted is None else one.counted.value,
            "units_each": one.units_each,
            "monthly": one.monthly,
            "plan": one.plan,
            "included": one.included,
        }
        for one in table
    ]


def table_of(stages: Iterable[StageRecord]) -> list[Price]:
    """Return the price table that was kept with a trial; empty for a trial without one."""
    for stage in stages:
        kept = stage.result.get(PRICES)
        if isinstance(kept, list):
            return [_price(one) for one in kept]
    return []


def _price(kept: Mapping[str, Any]) -> Price:
    counted = kept.get("counted")
    return Price(
        kept["item"],
        kept["usd"],
        kept["unit"],
        kept["as_of"],
        kept["source"],
        per_trial=kept.get("per_trial"),
        counted=None if counted is None else Counted(counted),
        units_each=kept.get("units_each", 1.0),
        monthly=bool(kept.get("monthly")),
        plan=str(kept.get("plan") or ""),
        included=float(kept.get("included") or 0.0),
    )
