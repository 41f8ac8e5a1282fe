"""SEM with n - 1, n always known, nothing made of a single value."""

import math

import numpy as np
import pytest
from scipy import stats

from automl_bench.statistics.means import (
    Observation,
    constant_panel,
    estimate,
    medians,
    over_datasets,
    over_folds,
    panel_notes,
)


def observed(series="a", dataset="pets", shots=5, draw=0, value=0.5):
    return Observation(series, dataset, shots, draw, value)


def test_sem_and_t_interval_are_those_of_scipy():
    values = [0.71, 0.74, 0.69, 0.80]
    one = estimate(values)
    assert one.sem == pytest.approx(stats.sem(values))
    low, high = stats.t.interval(0.95, len(values) - 1, loc=np.mean(values), scale=stats.sem(values))
    assert (one.low, one.high) == (pytest.approx(low), pytest.approx(high))
    assert one.sem_population == pytest.approx(np.std(values) / math.sqrt(len(values)))


def test_a_single_value_has_no_sem_and_no_interval():
    one = estimate([0.7])
    assert (one.n, one.mean, one.sem, one.low, one.high) == (1, 0.7, None, None, None)


def test_no_value_is_an_error_and_never_a_zero():
    with pytest.raises(ValueError, match="no values"):
        estimate([])


def test_the_interval_covers_the_true_mean_in_95_percent_of_simulated_experiments():
    generator = np.random.default_rng(7)
    runs = generator.normal(0.8, 0.05, size=(4000, 3))
    covered = sum(one.low <= 0.8 <= one.high for one in map(estimate, runs.tolist()))
    assert 0.935 < covered / len(runs) < 0.965


def test_repeats_are_averaged_before_folds():
    many = [observed(draw=0, value=0.6)] * 9 + [observed(draw=1, value=0.8)]
    one = over_folds(many)["a", "pets", 5]
    assert one.n == 2
    assert one.mean == pytest.approx(0.7)


def test_folds_are_averaged_before_datasets():
    many = [observed(dataset="pets", draw=fold, value=0.6) for fold in range(9)] + [observed(dataset="food", value=0.8)]
    one = over_datasets(many)["a", 5]
    assert one.datasets == ("food", "pets")
    assert one.estimate.n == 2
    assert one.estimate.mean == pytest.approx(0.7)


def test_a_panel_that_changes_with_the_shots_is_named():
    many = [observed(series=s, dataset=d, shots=k) for s in "ab" for d in ("pets", "food") for k in (5, 20)]
    assert panel_notes(many) == ()
    assert constant_panel(many) == ("food", "pets")
    gone = [one for one in many if (one.dataset, one.shots) != ("food", 20)]
    assert panel_notes(gone) == ("The mean at 20 shots lacks food.",)
    assert constant_panel(gone) == ("pets",)
    gone = [one for one in many if (one.series, one.dataset, one.shots) != ("b", "food", 20)]
    assert ("b", 20) not in over_datasets(gone), "one dataset makes no mean over datasets"
    assert panel_notes(gone) == ("b has no mean over datasets at 20 shots: it was measured on 1 of 2.",)
    three = [*many, *(observed(series=s, dataset="cars", shots=k) for s in "ab" for k in (5, 20))]
    gone = [one for one in three if (one.series, one.dataset, one.shots) != ("b", "food", 20)]
    assert over_datasets(gone)["a", 20].datasets == ("cars", "pets"), "the same datasets for all"
    assert panel_notes(gone) == ("The mean at 20 shots lacks food.",)


def test_a_series_measured_on_one_dataset_takes_no_mean_from_the_others_and_has_none():
    many = [observed(series=s, dataset=f"d{d}") for s in "abcd" for d in range(7)]
    many.append(observed(series="odd", dataset="other"))
    panel = over_datasets(many)
    assert ("odd", 5) not in panel
    assert all(panel[name, 5].estimate.n == 7 for name in "abcd")
    assert panel_notes(many) == (
        "The mean at 5 shots lacks other.",
        "odd has no mean over datasets at 5 shots: it was measured on 1 of 8.",
    )


def test_series_that_share_no_dataset_have_no_mean():
    many = [observed(series="a", dataset=d) for d in ("x", "y")] + [observed(series="b", dataset=d) for d in ("u", "v")]
    assert over_datasets(many) == {}
    assert len(panel_notes(many)) == 2


def test_medians_leave_out_what_is_unknown_and_count_what_is_known():
    found = medians([{"t": 3.0}, {"t": None}, {"t": 1.0}, {"t": 2.0}], ("t", "u"))
    assert found.values == {"t": 2.0}
    assert found.n == {"t": 3}
