"""The price table that is kept beside a trial, so that later prices do not rewrite what it cost."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from automl_bench.contract import TOKENS_A_UNIT, Counted, Price, Usage
from automl_bench.store.records import StageRecord

PRICES = "prices"
"""Key of the first stage's stored result under which the price table of that day stands."""


TOLD_USD = "told_usd"
"""Key of a stage's stored result under which stands what its operation says that it cost."""


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


def usd_of_usage(table: Iterable[Price], usage: Usage) -> float | None:
    """Return what one answer costs by its tokens, images and itself; None if that cannot be told.

    Cached tokens are told apart where the table has a price for them.
    """
    by_count = {price.counted: price for price in table if price.counted is not None}
    if not by_count.keys() & {Counted.INPUT_TOKENS, Counted.OUTPUT_TOKENS, Counted.IMAGES}:
        return None
    cached = usage.cached_tokens or 0 if Counted.CACHED_TOKENS in by_count else 0
    amounts = {
        Counted.INPUT_TOKENS: None if usage.input_tokens is None else max(0, usage.input_tokens - cached),
        Counted.CACHED_TOKENS: cached,
        Counted.OUTPUT_TOKENS: usage.output_tokens,
        Counted.IMAGES: usage.images,
    }
    usd = 0.0
    for counted, price in by_count.items():
        amount = price.units_each if counted is Counted.CALLS else amounts.get(counted, 0)
        if price.usd == 0 or amount == 0:
            continue
        if price.usd is None or amount is None:
            return None
        usd += price.usd * amount / (1 if counted in (Counted.CALLS, Counted.IMAGES) else TOKENS_A_UNIT)
    return usd


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
