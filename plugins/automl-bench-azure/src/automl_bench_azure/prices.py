"""The dated price table: hours of virtual machines. An unknown size has an unknown price."""

from __future__ import annotations

import tomllib
from dataclasses import replace
from functools import cache
from importlib.resources import files
from typing import Any

from automl_bench.contract import Counted, Modality, Price, Variant
from automl_bench_azure.options import Options

SAMPLE = {Modality.IMAGE: "image", Modality.TEXT: "text", Modality.TABULAR: "row"}

OVERHEAD_HOURS = 0.25
"""What a node may run beyond the job's time limit: starting, and the two minutes until the cluster lets go of it."""


@cache
def _table() -> dict[str, Any]:
    return tomllib.loads(files("automl_bench_azure").joinpath("prices.toml").read_text(encoding="utf-8"))


def vm_hour_usd(size: str) -> float | None:
    """Return what a machine of a size costs per hour, or None if the table does not say."""
    known = {name.lower(): float(usd) for name, usd in _table()["vm"].items()}
    return known.get(size.lower())


def serving_usd(size: str, instances: int) -> float | None:
    """Return what a deployment costs per hour, or None if that is unknown."""
    usd = vm_hour_usd(size)
    return None if usd is None else usd * instances


def all_prices(variant: Variant, modality: Modality | None) -> tuple[Price, ...]:
    """Return the price table of a variant for samples of a kind; without one, tables have a line of their own."""
    if modality is not None:
        return prices(Options.of(variant, modality), modality)
    of_tables = prices(Options.of(variant, Modality.TABULAR), Modality.TABULAR)
    return (*prices(Options.of(variant)), *(replace(each, item=f"tabular_{each.item}") for each in of_tables[:1]))


def prices(options: Options, modality: Modality = Modality.IMAGE) -> tuple[Price, ...]:
    """Return the price table of a variant's settings for samples of a kind."""
    as_of, source = str(_table()["as_of"]), str(_table()["source"])
    train = None if options.low_priority else vm_hour_usd(options.compute_size)
    return (
        Price(
            "train_hour",
            train,
            f"hour of one {options.compute_size}{' of low priority' if options.low_priority else ''} while it trains",
            as_of,
            source if train is not None else "not in the table",
            per_trial=options.timeout_minutes / 60 + OVERHEAD_HOURS,
        ),
        Price(
            "endpoint_hour",
            serving_usd(options.instance_type, options.instances),
            f"hour of {options.instances} {options.instance_type}, from deployment to teardown, idle or not",
            as_of,
            source if vm_hour_usd(options.instance_type) is not None else "not in the table",
            counted=Counted.SERVING_HOURS,
        ),
        Price("call", 0.0, "1 call; what is billed is the machine's hour", as_of, "Azure ML has no fee of its own"),
        Price(
            "sample_month",
            None,
            f"1 {SAMPLE[modality]} kept in Blob storage for a month, and the requests that brought it there",
            as_of,
            "Blob storage's price depends on region and redundancy",
        ),
    )
