"""Quantiles with their order-statistic intervals."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom

from automl_bench.statistics.quantiles import (
    LATENCY_QUANTILES,
    autocorrelated,
    block_bootstrap,
    describe,
    estimate,
    interval_ranks,
    minimum_n,
)

RUNS = 2000


@pytest.mark.parametrize(
    ("probability", "needed"), [(0.5, 5), (0.9, 29), (0.95, 59), (0.99, 299), (0.999, 2995), (0.01, 299)]
)
def test_smallest_n_is_that_of_the_largest_value_as_upper_bound(probability: float, needed: int) -> None:
    assert minimum_n(probability) == needed


@pytest.mark.parametrize(("level", "needed"), [(0.90, 230), (0.95, 299), (0.99, 459)])
def test_smallest_n_for_p99_at_other_levels(level: float, needed: int) -> None:
    assert minimum_n(0.99, level) == needed


@pytest.mark.parametrize("value", [0.0, 1.0, -0.5, 2.0])
def test_a_probability_outside_0_to_1_is_refused(value: float) -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        minimum_n(value)


@settings(deadline=None)
@given(st.integers(1, 20_000), st.sampled_from(LATENCY_QUANTILES))
def test_ranks_exist_from_the_smallest_n_on_and_cover_what_they_say(n: int, probability: float) -> None:
    ranks = interval_ranks(n, probability)
    if n < minimum_n(probability):
        assert ranks is None
        return
    assert ranks is not None
    low, high, coverage = ranks
    assert 0 <= low < high <= n
    assert coverage >= 0.95
    below_low = binom.cdf(low - 1, n, probability) if low else 0.0
    assert coverage == pytest.approx(binom.cdf(high - 1, n, probability) - below_low)


def test_no_tighter_pair_of_ranks_covers_enough() -> None:
    n, probability = 1000, 0.99
    ranks = interval_ranks(n, probability)
    assert ranks is not None
    width = ranks[1] - ranks[0]
    below = binom.cdf(np.arange(-1, n + 1), n, probability)
    tighter = below[width - 1 :] - below[: -(width - 1)]
    assert tighter.max() < 0.95


def test_below_the_smallest_n_a_cell_says_how_many_calls_it_needs() -> None:
    cells = describe(np.arange(100.0))
    assert cells["p99"] == {"needs": 299, "n": 100}
    assert cells["p95"]["n"] == 100
    assert "value" in cells["p95"]


def test_no_quantile_of_nothing() -> None:
    assert estimate([], 0.5) is None
    assert describe([])["p50"] == {"needs": 5, "n": 0}


def test_five_values_bound_the_median_from_above_only() -> None:
    found = estimate([1.0, 2.0, 3.0, 4.0, 5.0], 0.5)
    assert found is not None
    assert (found.low, found.value, found.high) == (None, 3.0, 5.0)


def test_value_and_interval_do_not_depend_on_the_order() -> None:
    values = np.random.default_rng(0).lognormal(size=1000)
    assert describe(values) == describe(values[::-1])


def _lognormal(chance: np.random.Generator, size: tuple[int, int]) -> np.ndarray:
    return chance.lognormal(3.0, 0.5, size)


def _bimodal(chance: np.random.Generator, size: tuple[int, int]) -> np.ndarray:
    """Nine calls in ten around 20 ms, one around 200 ms, as where a tenth of them meet a cold replica."""
    slow = chance.random(size) < 0.1
    return np.where(slow, chance.normal(200.0, 20.0, size), chance.normal(20.0, 2.0, size))


def _true(draw: str, probability: float) -> float:
    from scipy.stats import lognorm, norm

    if draw == "lognormal":
        return float(lognorm(0.5, scale=np.exp(3.0)).ppf(probability))
    from scipy.optimize import brentq

    def excess(x: float) -> float:
        return float(0.9 * norm(20, 2).cdf(x) + 0.1 * norm(200, 20).cdf(x) - probability)

    return float(brentq(excess, -100, 500))


@pytest.mark.parametrize("draw", ["lognormal", "bimodal"])
@pytest.mark.parametrize("probability", [0.5, 0.95, 0.99])
@pytest.mark.parametrize("n", [1000, 3000])
def test_the_95_percent_interval_covers_the_true_quantile_in_93_to_97_5_percent_of_runs(
    draw: str, probability: float, n: int
) -> None:
    chance = np.random.default_rng(20_261_121 + n)
    values = (_lognormal if draw == "lognormal" else _bimodal)(chance, (RUNS, n))
    ranks = interval_ranks(n, probability)
    assert ranks is not None
    low, high, _ = ranks
    values = np.partition(values, [low - 1, high - 1], axis=1)
    truth = _true(draw, probability)
    covered = np.mean((values[:, low - 1] <= truth) & (truth <= values[:, high - 1]))
    assert 0.93 <= covered <= 0.975, f"{covered:.1%} of {RUNS} runs"


@pytest.mark.parametrize("draw", ["lognormal", "bimodal"])
def test_the_interval_that_users_see_is_that_of_the_simulation(draw: str) -> None:
    chance = np.random.default_rng(5)
    values = (_lognormal if draw == "lognormal" else _bimodal)(chance, (300, 1000))
    found = [estimate(row, 0.99) for row in values]
    truth = _true(draw, 0.99)
    covered = np.mean([item is not None and (item.low or 0) <= truth <= item.high for item in found])
    assert 0.92 <= covered <= 0.99


def test_block_bootstrap_agrees_with_order_statistics_where_calls_are_independent() -> None:
    values = np.random.default_rng(1).lognormal(3, 0.5, 5000)
    block, plain = block_bootstrap(values, 0.95), estimate(values, 0.95)
    assert block is not None
    assert plain is not None
    assert plain.low is not None
    assert 0.6 < (block[1] - block[0]) / (plain.high - plain.low) < 1.6
    assert block[0] <= plain.value <= block[1]


def test_block_bootstrap_is_much_wider_where_neighbours_are_alike_and_warns() -> None:
    chance = np.random.default_rng(2)
    bursts = np.repeat(chance.lognormal(3, 0.5, 50), 100)
    cells = describe(bursts + chance.normal(0, 0.1, bursts.size), in_order=True)
    assert cells["p50"]["autocorrelated"]
    assert autocorrelated(cells)
    alone = describe(chance.lognormal(3, 0.5, 5000), in_order=True)
    assert not autocorrelated(alone)


def test_block_bootstrap_covers_the_truth_of_dependent_calls_better_than_order_statistics() -> None:
    chance = np.random.default_rng(3)
    hits_block = hits_plain = 0
    runs = 200
    for _ in range(runs):
        values = np.repeat(chance.normal(0, 1, 100), 20) + chance.normal(0, 0.3, 2000)
        block, plain = block_bootstrap(values, 0.5, blocks=25, rounds=200), estimate(values, 0.5)
        assert block is not None
        assert plain is not None
        assert plain.low is not None
        hits_block += block[0] <= 0 <= block[1]
        hits_plain += plain.low <= 0 <= plain.high
    assert hits_block / runs > 0.85
    assert hits_plain / runs < 0.6


def test_block_bootstrap_needs_enough_values() -> None:
    assert block_bootstrap(np.arange(15.0), 0.5) is None
    assert block_bootstrap(np.arange(200.0), 0.99) is None


def test_a_million_values_are_described_in_seconds_at_most() -> None:
    import time

    values = np.random.default_rng(4).lognormal(size=1_000_000)
    begun = time.process_time()
    describe(values, in_order=True)
    assert time.process_time() - begun < 5
