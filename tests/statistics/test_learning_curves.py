"""Learning curves: the fit is scipy's, its bands cover, and it is not followed where it does not lead."""

import numpy as np
import pytest
import statsmodels.api as sm
from scipy import stats

from automl_bench.statistics.learning_curves import FARTHEST, fit

SIZES = np.repeat([5.0, 10.0, 20.0, 40.0, 80.0], 3)


def draws(seed, slope=-0.4, spread=0.08, at_one=0.8):
    error = at_one * SIZES**slope * np.exp(np.random.default_rng(seed).normal(0, spread, len(SIZES)))
    return 1 - error


def test_the_fit_is_scipys_regression_of_logarithms():
    accuracies = draws(1)
    ours, theirs = fit(SIZES, accuracies), stats.linregress(np.log(SIZES), np.log(1 - accuracies))
    assert (ours.slope, ours.intercept) == pytest.approx((theirs.slope, theirs.intercept))
    assert ours.explained == pytest.approx(theirs.rvalue**2)


def test_the_band_is_that_of_statsmodels():
    accuracies = draws(2)
    model = sm.OLS(np.log(1 - accuracies), sm.add_constant(np.log(SIZES))).fit()
    low, high = model.get_prediction([[1, np.log(30)]]).conf_int()[0]
    value, ours_low, ours_high = fit(SIZES, accuracies).band(30)
    assert (ours_low, ours_high) == pytest.approx((1 - np.exp(high), 1 - np.exp(low)))
    assert ours_low < value < ours_high


def test_how_many_labels_match_an_accuracy_covers_the_truth():
    # 0.8 k^-0.4 = 0.2 at k = 32.
    found = [fit(SIZES, draws(seed)).labels_for(0.8) for seed in range(400)]
    inside = [low <= 32 <= high for _, low, high in found]
    assert 0.92 <= np.mean(inside) <= 0.98
    assert all(low < value < high for value, low, high in found)


def test_what_doubling_brings_covers_the_truth():
    gains = [fit(SIZES, draws(seed)).doubling() for seed in range(400)]
    truth = 0.8 * 80**-0.4 * (1 - 2**-0.4)
    assert np.mean([low <= truth <= high for low, high in gains]) > 0.9


def test_a_poor_fit_a_flat_curve_and_a_far_goal_are_refused():
    flat = fit(SIZES, np.random.default_rng(3).normal(0.8, 0.03, len(SIZES)))
    assert (flat.usable, flat.doubling(), flat.labels_for(0.9)) == (False, None, None)
    falling = fit(SIZES, draws(4, slope=0.3, at_one=0.1))
    assert not falling.usable
    good = fit(SIZES, draws(5))
    assert good.usable
    assert good.labels_for(0.99) is None, f"far beyond {FARTHEST:g} times the largest size"
    assert fit([5, 5, 20, 20], [0.5, 0.6, 0.7, 0.7]) is None, "two sizes are no curve"


def test_a_law_that_fits_to_the_last_digit_is_no_certainty():
    exact = fit([5, 20, 80], [1 - 0.8 * k**-0.4 for k in (5, 20, 80)])
    value, low, high = exact.band(20)
    assert low < value < high
    assert exact.doubling()[0] < exact.doubling()[1]
