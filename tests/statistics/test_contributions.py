"""What samples contribute adds up to the score, varies as it does, and is tested at its level."""

import numpy as np
import pytest
from sklearn.metrics import balanced_accuracy_score, f1_score, top_k_accuracy_score

from automl_bench.contract import Prediction
from automl_bench.measurement.true_rank import true_rank
from automl_bench.statistics.contributions import Metric, contributions, sign_flip_p
from automl_bench.statistics.paired import compare_tables, mcnemar_exact


def answers(chance, samples, shares=(0.6, 0.3, 0.1), skill=0.7):
    truth = chance.choice(len(shares), samples, p=shares)
    told = np.where(chance.random(samples) < skill, truth, chance.integers(-1, len(shares), samples))
    return truth, told


def test_the_mean_is_the_score_of_scikit_learn():
    truth, told = answers(np.random.default_rng(1), 400)
    known = sorted({*truth, *told} - {-1})
    assert contributions(truth, told, Metric.ACCURACY).mean() == (truth == told).mean()
    assert contributions(truth, told, Metric.MACRO_F1).mean() == pytest.approx(
        f1_score(truth, told, labels=known, average="macro")
    )
    with pytest.warns(UserWarning, match="y_pred contains classes not in y_true"):
        expected = balanced_accuracy_score(truth, told)
    assert contributions(truth, told, Metric.BALANCED_ACCURACY).mean() == pytest.approx(expected)


@pytest.mark.parametrize("metric", [Metric.BALANCED_ACCURACY, Metric.MACRO_F1])
def test_the_standard_error_of_a_difference_is_that_of_a_bootstrap(metric):
    chance = np.random.default_rng(2)
    truth, a = answers(chance, 1500)
    b = np.where(chance.random(1500) < 0.8, a, chance.integers(-1, 3, 1500))
    parts = contributions(truth, a, metric) - contributions(truth, b, metric)
    again = [
        contributions(truth[one], a[one], metric).mean() - contributions(truth[one], b[one], metric).mean()
        for one in chance.integers(0, len(truth), (600, len(truth)))
    ]
    assert parts.std() / np.sqrt(len(parts)) == pytest.approx(np.std(again), rel=0.1)


def test_random_signs_of_equal_weights_are_mcnemars_test():
    differences = np.array([1.0] * 30 + [-1.0] * 14 + [0.0] * 100)
    assert sign_flip_p(differences) == pytest.approx(mcnemar_exact(30, 14), abs=0.004)
    assert sign_flip_p(np.zeros(9)) == 1.0


@pytest.mark.simulation
@pytest.mark.parametrize("metric", [Metric.BALANCED_ACCURACY, Metric.MACRO_F1])
@pytest.mark.parametrize("draws", [1, 3])
def test_equal_variants_are_told_apart_at_most_at_the_level_and_intervals_cover(metric, draws):
    chance, rounds, false, inside = np.random.default_rng(3), 400, 0, 0
    for _ in range(rounds):
        truth, _ = answers(chance, 200)
        ease = chance.random(200) * 0.8 + 0.1
        tables = []
        for _ in "ab":
            right = chance.random((draws, 200)) < ease
            told = np.where(right, truth, (truth + chance.integers(1, 3, (draws, 200))) % 3)
            tables.append(np.stack([contributions(truth, one, metric) for one in told]))
        found = compare_tables(*tables, metric=metric).models
        false += found.p < 0.05
        inside += found.low <= 0 <= found.high
    assert false <= 32  # 5 %, and three standard deviations
    assert inside >= 0.92 * rounds


def test_the_rank_of_the_true_label_gives_top_k_as_scikit_learn_has_it():
    chance = np.random.default_rng(4)
    scores, truth = chance.random((300, 6)), chance.integers(0, 6, 300)
    ranks = [
        true_rank(Prediction(str(one.argmax()), 0.5, {str(k): float(v) for k, v in enumerate(one)}), str(label))
        for one, label in zip(scores, truth, strict=True)
    ]
    for k in (1, 2, 3, 5):
        assert np.mean([rank <= k for rank in ranks]) == pytest.approx(top_k_accuracy_score(truth, scores, k=k))


def test_a_rank_flatters_nobody():
    assert true_rank(Prediction("cat", 0.9), "cat") is None, "without scores nothing is known"
    assert true_rank(Prediction("cat", 0.4, {"cat": 0.4, "dog": 0.4, "fox": 0.1}), "dog") == 2
    assert true_rank(Prediction(None, 0.0, {"cat": 0.2, "dog": 0.2, "fox": 0.2}), "dog") == 3
    assert true_rank(Prediction("cat", 0.9, {"cat": 0.9}), "dog") == 0, "not among the scores"
