"""Two variants on the same images: exact p, intervals that stay possible and are never certain, two questions apart."""

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.contingency_tables import mcnemar

from automl_bench.report.verdicts import Question, verdict
from automl_bench.statistics.paired import (
    FEWEST_DRAWS,
    compare_tables,
    mcnemar_exact,
    ordered_pairs,
    stratified_mcnemar,
)


def table(*rows):
    return np.array(rows, dtype=float)


@pytest.mark.parametrize(("b", "c"), [(0, 2), (6, 0), (5, 0), (11, 3), (40, 25), (0, 0)])
def test_mcnemar_is_the_exact_test_of_statsmodels(b, c):
    expected = mcnemar([[10, b], [c, 10]], exact=True).pvalue if b + c else 1.0
    assert mcnemar_exact(b, c) == pytest.approx(expected)


def test_six_discordant_images_on_one_side_are_the_fewest_that_can_be_significant():
    assert mcnemar_exact(5, 0) > 0.05
    assert mcnemar_exact(6, 0) == pytest.approx(0.03125)


@pytest.mark.parametrize("seed", range(4))
def test_the_stratified_test_is_the_exact_sign_flip_test(seed):
    chance = np.random.default_rng(seed)
    differences = chance.integers(-3, 4, size=11).astype(float)
    exact = stats.permutation_test(
        (differences,), lambda x, axis: np.sum(x, axis=axis), permutation_type="samples", n_resamples=np.inf
    )
    assert stratified_mcnemar(differences) == pytest.approx(exact.pvalue)


def test_the_stratified_test_agrees_with_its_normal_approximation_where_images_are_many():
    differences = np.random.default_rng(1).choice(
        [-3, -2, -1, 0, 1, 2, 3], size=4000, p=[0.05, 0, 0.1, 0.7, 0.11, 0, 0.04]
    )
    score = abs(differences.sum()) / np.sqrt((differences**2).sum())
    assert stratified_mcnemar(differences.astype(float)) == pytest.approx(2 * stats.norm.sf(score), abs=0.01)


def test_draws_that_repeat_each_other_are_no_more_images():
    a, b = np.ones(100), np.ones(100)
    b[:7] = 0
    one, five = compare_tables(table(a), table(b)), compare_tables(table(*[a] * 5), table(*[b] * 5))
    assert five.models.p == one.models.p == mcnemar_exact(7, 0)
    assert (five.models.low, five.models.high) == pytest.approx((one.models.low, one.models.high))


def test_beans_cannot_separate_123_from_125_right_answers():
    found = compare_tables(table([1] * 125 + [0] * 3), table([1] * 123 + [0] * 5)).models
    assert found.p == pytest.approx(0.5)
    words, separated = verdict(Question.MODELS, "A", "B", found.low, found.high, found.p, found.p)
    assert (words, separated) == ("The data do not separate A and B, as trained here.", False)


def test_one_draw_difference_counts_discordant_images():
    found = compare_tables(table([1, 1, 1, 0, 0, 1]), table([1, 0, 0, 0, 1, 1]))
    assert found.value == pytest.approx(1 / 6)
    assert (found.only_a, found.only_b, found.images, found.draws) == (2, 1, 6, 1)
    assert found.models.p == mcnemar_exact(2, 1)


@pytest.mark.parametrize(("b", "c", "n"), [(6, 0, 40), (14, 5, 120), (0, 0, 30), (30, 30, 200)])
def test_the_interval_of_one_draw_is_that_of_bonett_and_price(b, c, n):
    found = compare_tables(table([1] * b + [0] * c + [1] * (n - b - c)), table([0] * b + [1] * c + [1] * (n - b - c)))
    p12, p21 = (b + 1) / (n + 2), (c + 1) / (n + 2)
    margin = 1.959964 * np.sqrt((p12 + p21 - (p12 - p21) ** 2) / (n + 2))
    assert (found.models.low, found.models.high) == pytest.approx((p12 - p21 - margin, p12 - p21 + margin))


def test_two_draws_settle_what_these_models_do_and_say_nothing_about_another_draw():
    # The field case: McNemar p = 0.0002 in one draw and 0.023 in the other, on the same 100 images.
    first = table([1] * 20 + [0] * 3 + [1] * 77), table([0] * 20 + [1] * 3 + [1] * 77)
    second = table([1] * 12 + [0] * 3 + [1] * 85), table([0] * 12 + [1] * 3 + [1] * 85)
    found = compare_tables(np.concatenate([first[0], second[0]]), np.concatenate([first[1], second[1]]))
    assert mcnemar_exact(20, 3) < 0.001
    assert 0.02 < mcnemar_exact(12, 3) < 0.04
    assert found.models.p < 0.001
    assert 0.0 < found.models.low < found.value < found.models.high < 0.25
    assert found.another_draw is None


def test_another_draw_is_a_matter_of_the_spread_over_draws():
    chance = np.random.default_rng(0)
    b = (chance.random((3, 300)) < 0.7).astype(float)
    steady, moving = b.copy(), b.copy()
    steady[:, :30] = 1
    for draw, count in enumerate((0, 30, 90)):
        moving[draw, :count] = 1
    same, different = compare_tables(steady, b), compare_tables(moving, b)
    assert same.models.p < 0.001
    assert different.models.p < 0.001
    assert same.another_draw.p < 0.05
    assert different.another_draw.p > 0.1
    width = different.another_draw.high - different.another_draw.low
    assert width > 4 * (same.another_draw.high - same.another_draw.low)


def test_another_draw_needs_three_and_draws_that_differ():
    right = np.random.default_rng(0).integers(0, 2, (4, 50)).astype(float)
    assert FEWEST_DRAWS == 3
    assert compare_tables(right[:2], 1 - right[:2]).another_draw is None
    assert compare_tables(right, 1 - right).another_draw is not None
    assert compare_tables(right, 1 - right, draws_differ=False).another_draw is None, (
        "all samples: one and the same draw"
    )


def test_without_any_spread_of_images_another_draw_is_students_t_over_the_draws():
    # 5,000 images, of which the draws move whole blocks: the images' own part is small beside the draws'.
    a = np.zeros((4, 5000))
    for draw, count in enumerate((250, 300, 420, 500)):
        a[draw, :count] = 1
    found = compare_tables(a, np.zeros_like(a)).another_draw
    means = a.mean(axis=1)
    t = stats.ttest_1samp(means, 0)
    assert found.p == pytest.approx(t.pvalue, rel=0.1)
    assert (found.low, found.high) == pytest.approx(tuple(t.confidence_interval()), abs=0.004)


@settings(max_examples=60, deadline=None)
@example(draws=3, images=2, seed=0, skill_a=0.0, skill_b=1.0)
@given(st.integers(1, 5), st.integers(1, 40), st.integers(0, 2**32 - 1), st.floats(0, 1), st.floats(0, 1))
def test_every_interval_is_possible_has_a_width_and_holds_the_estimate(draws, images, seed, skill_a, skill_b):
    chance = np.random.default_rng(seed)
    a, b = (chance.random((draws, images)) < skill_a), (chance.random((draws, images)) < skill_b)
    found = compare_tables(a.astype(float), b.astype(float))
    for one in (found.models, found.another_draw):
        if one is not None:
            assert -1 <= one.low < one.high <= 1
            assert one.low <= found.value <= one.high
            assert 0 < one.p <= 1


@pytest.mark.parametrize("draws", [1, 3])
def test_no_spread_is_never_certainty(draws):
    a, b = np.ones((draws, 20)), np.ones((draws, 20))
    b[:, 0] = 0
    found = compare_tables(a, b)
    assert found.value == pytest.approx(0.05)
    for one in (found.models, found.another_draw):
        if one is not None:
            assert one.low < 0 < 0.15 < one.high
            assert one.p > 0.05


def test_identical_answers_are_not_separated():
    same = table([1, 0, 1, 1], [1, 1, 0, 1])
    found = compare_tables(same, same)
    assert (found.value, found.models.p) == (0.0, 1.0)


def test_repeats_of_a_draw_are_shares_and_count_exactly():
    a, b = table([0.5, 1, 1, 1 / 3]), table([0, 0.5, 1, 0])
    doubled = np.rint(6 * (a - b))[0]
    assert compare_tables(a, b).models.p == pytest.approx(stratified_mcnemar(doubled))


def test_a_winner_is_named_only_if_interval_and_corrected_p_agree():
    models = Question.MODELS
    assert verdict(models, "A", "B", 0.01, 0.05, 0.001, 0.01) == ("A is ahead of B, as trained here.", True)
    assert verdict(models, "A", "B", -0.05, -0.01, 0.001, 0.01) == ("B is ahead of A, as trained here.", True)
    assert not verdict(models, "A", "B", 0.01, 0.05, 0.2, 0.2)[1]
    assert not verdict(models, "A", "B", -0.01, 0.05, 0.01, 0.01)[1]
    words, separated = verdict(models, "A", "B", 0.01, 0.05, 0.02, 0.2)
    assert "not if one allows for all comparisons" in words
    assert not separated
    for missing in ((None, None, 0.001, 0.001), (0.01, 0.05, None, None), (0.01, 0.05, 0.001, None)):
        assert verdict(models, "A", "B", *missing) == ("Too few data to compare A and B.", False)


def test_few_variants_are_compared_in_all_pairs_many_with_the_leader_and_all_with_a_baseline():
    scores = {name: place / 10 for place, name in enumerate("abcdef")}
    assert ordered_pairs("abc", scores) == [("c", "b"), ("c", "a"), ("b", "a")]
    assert ordered_pairs("abcdef", scores) == [("f", other) for other in "edcba"]
    assert ordered_pairs("abc", scores, baseline="b") == [("c", "b"), ("b", "a")]
