"""Quantiles with order-statistic intervals, smallest sample sizes, and a block bootstrap against autocorrelation.

The mathematics stands in `automl_bench.measurement.quantiles`, because load runs are summed up where they are
measured and a room imports only from rooms before it; these are the same functions under the name that the rest of
the statistics goes by.
"""

from __future__ import annotations

from automl_bench.measurement.quantiles import (
    LATENCY_QUANTILES,
    LEVEL,
    QuantileEstimate,
    autocorrelated,
    block_bootstrap,
    describe,
    estimate,
    interval_ranks,
    minimum_n,
    name_of,
)

__all__ = [
    "LATENCY_QUANTILES",
    "LEVEL",
    "QuantileEstimate",
    "autocorrelated",
    "block_bootstrap",
    "describe",
    "estimate",
    "interval_ranks",
    "minimum_n",
    "name_of",
]
