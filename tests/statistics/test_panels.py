"""Over datasets: exact ranks, what few datasets can show, and the answers of independent implementations."""

import warnings

import numpy as np
import pytest
from scipy import stats

from automl_bench.statistics.panels import (
    critical_difference,
    datasets_needed,
    equivalence,
    friedman,
    mean_ranks,
    panel_difference,
    smallest_p,
    studentized_range_quantile,
    wilcoxon_exact,
)


def means(values):
    return {f"d{place}": value for place, value in enumerate(values)}


@pytest.mark.parametrize("seed", range(6))
def test_wilcoxon_is_scipys_exact_test_without_ties(seed):
    values = np.random.default_rng(seed).normal(0.3, 1, size=5 + seed)
    assert wilcoxon_exact(values) == pytest.approx(stats.wilcoxon(values, method="exact").pvalue)


def test_wilcoxon_with_ties_is_the_permutation_test_of_the_ranks():
    values = np.array([0.05, 0.05, -0.02, 0.1, 0.1, 0.1, -0.05, 0.03])
    exact = stats.permutation_test(
        (np.sign(values) * stats.rankdata(np.abs(values)),),
        lambda x, axis: np.sum(x, axis=axis),
        permutation_type="samples",
        n_resamples=np.inf,
    )
    assert wilcoxon_exact(values) == pytest.approx(exact.pvalue)
    assert wilcoxon_exact([*values, 0.0, 0.0]) == wilcoxon_exact(values), "zeros are left out"
    assert wilcoxon_exact([0.0]) == 1.0


def test_the_smallest_p_and_the_datasets_that_a_correction_needs():
    for count in range(2, 11):
        assert smallest_p(count) == pytest.approx(wilcoxon_exact(np.arange(1, count + 1)))
    assert [datasets_needed(pairs) for pairs in (1, 3, 6, 10, 15)] == [6, 7, 8, 9, 10]
    assert datasets_needed(6, share=0.5) == 9


def test_three_equal_differences_are_no_certainty():
    # Three datasets of 20 images, A always one image ahead.
    a, b = means([0.95] * 3), means([0.9] * 3)
    without = panel_difference(a, b)
    assert (without.low, without.high) == (None, None)
    within = panel_difference(a, b, dict.fromkeys(a, (4 / 22) / 22))
    assert within.low < 0 < 0.15 < within.high
    assert within.p == pytest.approx(0.25)
    assert (within.wins, within.ties) == (3, 0)


def test_the_interval_is_students_where_it_is_possible_and_never_leaves_the_possible():
    values = [0.02, 0.05, -0.01, 0.04]
    found = panel_difference(means(values), means([0] * 4))
    assert (found.low, found.high) == pytest.approx(tuple(stats.ttest_1samp(values, 0).confidence_interval()))
    wild = panel_difference(means([1.0, 0.1]), means([0.0, 0.0]))
    assert -1 <= wild.low < wild.value < wild.high <= 1


def test_only_datasets_that_both_have_are_compared():
    found = panel_difference({"x": 0.9, "y": 0.5, "z": 0.7}, {"x": 0.8, "y": 0.5, "w": 0.1})
    assert found.datasets == ("x", "y")
    assert (found.wins, found.ties, found.worst) == (1, 1, 0.0)
    assert found.value == pytest.approx(0.05)
    assert panel_difference({"x": 1.0}, {"y": 1.0}) is None
    assert panel_difference({"x": 1.0}, {"x": 0.5}).low is None


def test_friedman_is_scipys_and_autoranks_with_its_critical_difference():
    import pandas as pd

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from autorank import autorank

        table = pd.DataFrame(np.random.default_rng(3).random((9, 4)), columns=list("abcd"))
        other = autorank(table, alpha=0.05, verbose=False, force_mode="nonparametric")
    found = friedman({name: dict(enumerate(table[name])) for name in table})
    assert found.p == pytest.approx(stats.friedmanchisquare(*(table[name] for name in table)).pvalue)
    assert found.p == pytest.approx(other.pvalue)
    assert found.critical_difference == pytest.approx(other.cd, abs=0.005)
    assert dict(zip(found.variants, found.mean_ranks, strict=True)) == pytest.approx(other.rankdf["meanrank"].to_dict())


def test_friedman_with_ties_is_scipys_and_needs_three_variants_and_two_datasets():
    scores = {"a": [1, 1, 3, 4, 2], "b": [1, 2, 3, 1, 2], "c": [0, 2, 3, 5, 1]}
    found = friedman({name: dict(enumerate(values)) for name, values in scores.items()})
    assert found.p == pytest.approx(stats.friedmanchisquare(*scores.values()).pvalue)
    assert friedman({"a": {"x": 1.0}, "b": {"x": 0.5}, "c": {"x": 0.2}}) is None
    assert friedman({"a": {"x": 1.0, "y": 1.0}, "b": {"x": 0.5, "y": 0.1}}) is None
    assert friedman({name: {"x": 0.5, "y": 0.5} for name in "abc"}).p == 1.0


def test_the_critical_difference_is_demsars():
    assert critical_difference(4, 7) == pytest.approx(1.77, abs=0.005)
    assert critical_difference(5, 30) == pytest.approx(2.728 * np.sqrt(5 * 6 / (6 * 30)), abs=0.001)


@pytest.mark.parametrize("seed", range(3))
def test_equivalence_is_baycomps_signed_rank_test(seed):
    import baycomp

    differences = np.random.default_rng(seed).normal(0.01, 0.02, size=8)
    found = equivalence(differences, rope=0.01)
    baycomp_chances = baycomp.SignedRankTest.probs(differences, np.zeros(8), rope=0.01, nsamples=50_000)
    assert (found.better, found.equal, found.worse) == pytest.approx(baycomp_chances, abs=0.012)


@pytest.mark.parametrize("number", [2, 3, 7, 40])
def test_the_quantile_of_the_range_is_scipys(number):
    expected = stats.studentized_range.ppf(0.95, number, np.inf)
    assert studentized_range_quantile(0.95, number) == pytest.approx(expected, abs=1e-8)


def test_mean_ranks_are_scipys():
    values = np.random.default_rng(0).integers(0, 9, 40).astype(float)
    assert mean_ranks(values).tolist() == stats.rankdata(values).tolist()
