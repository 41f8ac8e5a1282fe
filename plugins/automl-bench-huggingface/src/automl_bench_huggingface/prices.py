"""The dated price table that comes with this package."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any

from automl_bench.contract import Counted, Price
from automl_bench_huggingface.recipes import Recipe


@cache
def _table() -> Mapping[str, Any]:
    return tomllib.loads((files("automl_bench_huggingface") / "prices.toml").read_text(encoding="utf-8"))


def job_hour_usd(flavor: str) -> float | None:
    """Return what an hour of a job costs, or None if that is not known."""
    usd = _table()["job"]["usd_an_hour"].get(flavor)
    return None if usd is None else float(usd)


def endpoint_hour_usd(instance: str) -> float | None:
    """Return what an hour of one replica costs, or None if that is not known."""
    usd = _table()["endpoint"]["usd_an_hour"].get(instance)
    return None if usd is None else float(usd)


def price_table(recipe: Recipe) -> tuple[Price, ...]:
    """Return the prices that a trial of this recipe meets.

    The job's time-out bounds a training, and the host's deadlines the hours of the endpoint's one replica.
    """
    table = _table()
    job, endpoint = table["job"], table["endpoint"]
    return (
        Price(
            "train_hour",
            job_hour_usd(recipe.flavor),
            f"hour of a job on {recipe.flavor}",
            job["as_of"],
            job["source"],
            per_trial=recipe.timeout_minutes / 60,
        ),
        Price(
            "endpoint_hour",
            endpoint_hour_usd(recipe.instance),
            f"hour of one replica on {recipe.instance}",
            endpoint["as_of"],
            endpoint["source"],
            counted=Counted.SERVING_HOURS,
        ),
        Price(
            "call",
            0.0,
            "1 call: the replica's time is charged, not its calls",
            endpoint["as_of"],
            endpoint["source"],
        ),
    )
