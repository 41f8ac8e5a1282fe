"""The dated price table that comes with this package."""

from __future__ import annotations

import tomllib
from functools import lru_cache
from importlib import resources

from automl_bench.contract import Counted, Price

HOURS_A_MONTH = 730.5
"""365.25 days / 12 months × 24 hours."""


@lru_cache(maxsize=1)
def price_table() -> tuple[Price, ...]:
    """Return the lines of prices.toml."""
    text = (resources.files("automl_bench_nyckel") / "prices.toml").read_text(encoding="utf-8")
    return tuple(
        Price(
            line["item"],
            line.get("usd"),
            line["unit"],
            line["as_of"],
            line["source"],
            per_trial=line.get("per_trial"),
            counted=Counted(line["counted"]) if "counted" in line else None,
            monthly=line.get("monthly", False),
            plan=line.get("plan", ""),
            included=line.get("included", 0.0),
        )
        for line in tomllib.loads(text)["price"]
    )


def hourly_usd(samples: int) -> float | None:
    """Return what a function with this many samples costs per idle hour, or None if the price is unknown."""
    monthly = next((price.usd for price in price_table() if price.item == "sample_month"), None)
    return None if monthly is None else samples * monthly / HOURS_A_MONTH
