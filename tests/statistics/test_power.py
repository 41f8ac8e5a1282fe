"""What a design can show: the figures agree with the published formula, with simulation, and with the test in use."""

from __future__ import annotations

import numpy as np
import pytest

from automl_bench.statistics.paired import mcnemar_exact
from automl_bench.statistics.power import (
    LEVEL,
    another_draw_power,
    connor_samples,
    detectable,
    detectable_difference,
    detectable_for_another_draw,
    draws_needed,
    family,
    interval_around,
    mcnemar_power,
)


@pytest.mark.parametrize(
    ("disagreement", "difference", "samples"), [(0.1, 0.05, 312), (0.1, 0.03, 870), (0.1, 0.02, 1960), (0.2, 0.05, 626)]
)
def test_the_approximation_gives_the_known_sample_sizes(disagreement: float, difference: float, samples: int) -> None:
    assert np.ceil(connor_samples(disagreement, difference)) == samples


@pytest.mark.parametrize(("samples", "disagreement"), [(312, 0.1), (870, 0.1), (1960, 0.1), (626, 0.2), (20_000, 0.05)])
def test_the_exact_test_needs_a_little_more_than_the_approximation(samples: int, disagreement: float) -> None:
    found = detectable_difference(samples, disagreement)
    assert found is not None
    approximate = connor_samples(disagreement, found)
    assert approximate <= samples <= 1.12 * approximate


@pytest.mark.parametrize(
    ("samples", "disagreement", "difference", "level"),
    [(120, 0.2, 0.1, 0.05), (300, 0.1, 0.06, 0.05), (300, 0.1, 0.0, 0.05), (200, 0.3, 0.12, 0.05 / 6)],
)
def test_power_is_what_a_simulation_of_the_test_in_use_finds(
    samples: int, disagreement: float, difference: float, level: float
) -> None:
    chance = np.random.default_rng(1)
    rounds = 4000
    better = (disagreement + difference) / 2
    draws = chance.multinomial(samples, [better, disagreement - better, 1 - disagreement], size=rounds)
    rejected = np.mean([mcnemar_exact(int(a), int(b)) < level for a, b, _ in draws])
    expected = mcnemar_power(samples, disagreement, difference, level=level)
    assert rejected == pytest.approx(expected, abs=4 * np.sqrt(0.25 / rounds))


def test_without_a_difference_the_error_stays_below_its_level() -> None:
    assert all(mcnemar_power(n, 0.2, 0.0) <= LEVEL for n in (10, 30, 100, 1000, 50_000))


def test_five_discordant_samples_show_nothing_and_six_can() -> None:
    # At least six, all on one side, are needed for p < 0.05.
    assert mcnemar_power(5, 0.999, 0.999) == 0.0
    assert mcnemar_power(6, 0.999, 0.999) > 0.99
    assert detectable_difference(5, 0.4) is None
    assert detectable_difference(0, 0.4) is None


def test_more_samples_and_fewer_comparisons_find_smaller_differences() -> None:
    found = [detectable_difference(n, 0.2) for n in (100, 300, 1000, 10_000)]
    assert all(one is not None for one in found)
    assert sorted(found, key=lambda one: -(one or 0.0)) == found
    alone, among_ten = detectable_difference(300, 0.2), detectable_difference(300, 0.2, level=LEVEL / 10)
    assert alone is not None
    assert among_ten is not None
    assert alone < among_ten


def test_what_is_found_has_the_power_and_a_little_less_has_not() -> None:
    found = detectable_difference(500, 0.1)
    assert found is not None
    assert mcnemar_power(500, 0.1, found) >= 0.8 > mcnemar_power(500, 0.1, found - 0.001)


def test_one_level_is_shared_by_single_datasets_and_comparisons_over_datasets() -> None:
    one = family({"pets": 2})
    assert (one.single, one.over, one.level) == (1, 0, LEVEL)
    few = family({"pets": 4, "beans": 4, "cars": 3})
    assert (few.single, few.over, few.over_possible) == (15, 6, False)
    assert few.level == LEVEL / 15, "what cannot give a verdict costs the others nothing"
    many = family({f"d{place}": 2 for place in range(8)})
    assert (many.over_possible, many.level, many.over_share) == (True, LEVEL / 2 / 8, 0.5)
    leader = family({"pets": 6})
    assert leader.single == 15, "the leader is chosen by the same data"
    assert family({"pets": 6}, baseline=True).single == 5


def test_the_published_design_cannot_show_anything_over_datasets_and_what_would() -> None:
    published = family({f"d{place}": 4 for place in range(7)})
    assert not published.over_possible
    assert published.needed == 9
    assert family({}, panel=(4, 7)).needed == 8, "on a page of nothing but means"
    assert family({}, baseline=True, panel=(4, 7)).over_possible


def test_draws_bound_what_can_be_found_from_below() -> None:
    one, three = detectable(300, 1, LEVEL / 3), detectable(300, 3, LEVEL / 3)
    assert [row.one_draw for row in one] == [row.best for row in one] == [row.one_draw for row in three]
    assert all(row.best is not None and row.one_draw is not None and row.best < row.one_draw for row in three)


def test_the_power_for_another_draw_is_that_of_statsmodels() -> None:
    from statsmodels.stats.power import TTestPower

    for draws, spread, difference, level in ((3, 0.01, 0.03, 0.05), (5, 0.02, 0.03, 0.05), (10, 0.01, 0.01, 0.01)):
        expected = TTestPower().power(difference / spread, draws, level)
        assert another_draw_power(draws, spread, difference, level=level) == pytest.approx(expected, abs=1e-6)
    needed = draws_needed(0.01, 0.01)
    assert needed == int(np.ceil(TTestPower().solve_power(1.0, alpha=LEVEL, power=0.8)))
    assert draws_needed(0.01, 0.0001) is None


def test_two_draws_find_nothing_about_another_one() -> None:
    assert all(row.difference is None for row in detectable_for_another_draw(2, LEVEL))
    three, ten = detectable_for_another_draw(3, LEVEL), detectable_for_another_draw(10, LEVEL)
    assert all((a.difference or 1) > 2 * (b.difference or 0) for a, b in zip(three, ten, strict=True))


def test_the_interval_of_ninety_percent_is_wilsons() -> None:
    # Brown, Cai and DasGupta (2001) give the formula; 90 of 100: 0.8256 to 0.9448.
    assert interval_around(0.9, 100) == pytest.approx((0.8256, 0.9448), abs=5e-5)
