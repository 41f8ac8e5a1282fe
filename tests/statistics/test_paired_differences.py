"""Two variants on the same images: exact p, intervals that cover, verdicts that do not say too much."""

import numpy as np
import pytest
from scipy import stats

from automl_bench.statistics.paired import (
    mcnemar_exact,
    ordered_pairs,
    paired_difference,
    panel_difference,
    verdict,
)


def answers(table):
    """(draws, images) → the mapping that the function takes."""
    return {draw: {f"image {i}": float(right) for i, right in enumerate(row)} for draw, row in enumerate(table)}


def strata(images, classes=4):
    return {f"image {i}": f"class {i % classes}" for i in range(images)}


@pytest.mark.parametrize(("b", "c"), [(0, 2), (6, 0), (5, 0), (11, 3), (40, 25), (0, 0)])
def test_mcnemar_is_the_exact_binomial_test_on_discordant_images(b, c):
    expected = stats.binomtest(b, b + c).pvalue if b + c else 1.0
    assert mcnemar_exact(b, c) == pytest.approx(expected)


def test_six_discordant_images_on_one_side_are_the_fewest_that_can_be_significant():
    assert mcnemar_exact(5, 0) > 0.05
    assert mcnemar_exact(6, 0) == pytest.approx(0.03125)


def test_beans_cannot_separate_123_from_125_right_answers():
    a = answers([[1] * 125 + [0] * 3])
    b = answers([[1] * 123 + [0] * 5])
    found = paired_difference(a, b, strata(128))
    assert found.p == pytest.approx(0.5)
    assert verdict("A", "B", found.low, found.high, found.p) == "The data do not separate A and B."


def test_one_draw_difference_counts_discordant_images():
    found = paired_difference(answers([[1, 1, 1, 0, 0, 1]]), answers([[1, 0, 0, 0, 1, 1]]), strata(6))
    assert found.value == pytest.approx(1 / 6)
    assert (found.only_a, found.only_b, found.images, found.draws) == (2, 1, 6, 1)
    assert found.p == mcnemar_exact(2, 1)


def test_only_images_and_draws_that_both_have_are_compared():
    a = {0: {"x": 1.0, "y": 1.0}, 1: {"x": 1.0}}
    b = {0: {"x": 0.0, "z": 1.0}}
    found = paired_difference(a, b, {"x": "c", "y": "c", "z": "c"})
    assert (found.images, found.draws, found.value) == (1, 1, 1.0)
    assert found.low is None
    assert paired_difference({0: {"x": 1.0}}, {1: {"x": 1.0}}, {"x": "c"}) is None


def test_the_bootstrap_interval_agrees_with_the_closed_form():
    generator = np.random.default_rng(3)
    a, b = generator.random(600) < 0.8, generator.random(600) < 0.75
    found = paired_difference(answers([a]), answers([b]), strata(600, 1))
    d = a.astype(float) - b
    margin = 1.96 * d.std() / np.sqrt(len(d))
    assert found.low == pytest.approx(d.mean() - margin, abs=0.003)
    assert found.high == pytest.approx(d.mean() + margin, abs=0.003)


@pytest.mark.parametrize("draws", [1, 3, 5])
def test_intervals_cover_the_true_difference_in_simulated_experiments(draws):
    generator = np.random.default_rng(draws)
    spread = 0.1 if draws > 1 else 0.0
    truth = stats.norm.cdf(1.2 / np.sqrt(2.34 + spread**2 + 0.25)) - stats.norm.cdf(
        1.0 / np.sqrt(2.34 + spread**2 + 0.25)
    )
    covered, runs = 0, 300
    for _ in range(runs):
        difficulty = generator.normal(0, 1.5, 200)

        def right(skill, difficulty=difficulty):
            own = difficulty + generator.normal(0, 0.5, 200) + generator.normal(0, spread, (draws, 1))
            return own + generator.normal(0, 0.3, (draws, 200)) + skill > 0

        found = paired_difference(answers(right(1.2)), answers(right(1.0)), strata(200, 1))
        covered += found.low <= truth <= found.high
    assert covered / runs > 0.9


def test_several_draws_widen_the_interval_when_draws_disagree():
    generator = np.random.default_rng(0)
    b = generator.random((3, 300)) < 0.7
    steady = b.copy()
    steady[:, :30] = True
    moving = b.copy()
    for draw, count in enumerate((0, 30, 90)):
        moving[draw, :count] = True
    same = paired_difference(answers(steady), answers(b), strata(300))
    different = paired_difference(answers(moving), answers(b), strata(300))
    assert different.high - different.low > 3 * (same.high - same.low)


def test_identical_answers_are_not_separated():
    table = [[1, 0, 1, 1], [1, 1, 0, 1]]
    found = paired_difference(answers(table), answers(table), strata(4))
    assert (found.value, found.p) == (0.0, 1.0)
    assert "do not separate" in verdict("A", "B", found.low, found.high, found.p)


def test_verdict_names_the_winner_only_if_interval_and_p_agree():
    assert verdict("A", "B", 0.01, 0.05, 0.001) == "A is ahead of B."
    assert verdict("A", "B", -0.05, -0.01, 0.001) == "B is ahead of A."
    assert "do not separate" in verdict("A", "B", 0.01, 0.05, 0.2)
    assert "do not separate" in verdict("A", "B", -0.01, 0.05, 0.01)
    assert verdict("A", "B", None, None, None).startswith("Too few data")
    assert "allows for 10 comparisons" in verdict("A", "B", 0.01, 0.05, 0.02, comparisons=10)


def test_the_same_seed_gives_the_same_interval():
    a, b = answers([[1, 0, 1, 1, 0] * 20]), answers([[1, 1, 0, 0, 0] * 20])
    assert paired_difference(a, b, strata(100)) == paired_difference(a, b, strata(100))


def test_over_datasets_the_difference_is_paired_by_dataset():
    found = panel_difference({"x": 0.9, "y": 0.5, "z": 0.7}, {"x": 0.8, "y": 0.5, "w": 0.1})
    assert found.datasets == ("x", "y")
    assert (found.wins, found.ties) == (1, 1)
    assert found.value == pytest.approx(0.05)
    assert panel_difference({"x": 1.0}, {"y": 1.0}) is None
    assert panel_difference({"x": 1.0}, {"x": 0.5}).low is None


def test_few_variants_are_compared_in_all_pairs_and_many_with_the_leader():
    scores = {name: place / 10 for place, name in enumerate("abcdef")}
    assert ordered_pairs("abc", scores) == [("c", "b"), ("c", "a"), ("b", "a")]
    assert ordered_pairs("abcdef", scores) == [("f", other) for other in "edcba"]
