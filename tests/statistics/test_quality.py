"""Classes, confusions, calibration as scikit-learn has them; thresholds are never judged by what chose them."""

from collections import Counter

import numpy as np
import pytest
from sklearn.metrics import brier_score_loss, confusion_matrix, log_loss, precision_recall_fscore_support

from automl_bench.statistics.quality import ACCEPT_N, CALIBRATION_N, acceptance, calibration, confusion, per_class


@pytest.fixture
def answers():
    chance = np.random.default_rng(2)
    truth = chance.choice(["cat", "dog", "fox"], 400, p=[0.6, 0.3, 0.1])
    told = np.where(chance.random(400) < 0.8, truth, chance.choice(["cat", "dog", "fox"], 400))
    return truth.tolist(), told.tolist()


def test_classes_are_scored_as_scikit_learn_does(answers):
    truth, told = answers
    expected = precision_recall_fscore_support(truth, told)
    ours = per_class(Counter(zip(truth, told, strict=True)))
    for place, values in enumerate(zip(*[(c.precision, c.recall, c.f1, c.support) for c in ours], strict=True)):
        assert values == pytest.approx(expected[place])
    assert [one.label for one in ours] == ["cat", "dog", "fox"]


def test_a_class_that_nobody_names_has_no_precision_and_other_words_are_no_class():
    (cat, dog) = per_class({("cat", "puppy"): 1, ("dog", "dog"): 1, ("dog", None): 1})
    assert (cat.precision, cat.recall, cat.f1, cat.claimed) == (None, 0.0, 0.0, 0)
    assert (dog.precision, dog.recall, dog.support) == (1.0, 0.5, 2)


def test_the_confusion_matrix_is_scikit_learns(answers):
    truth, told = answers
    ours, labels = confusion(Counter(zip(truth, told, strict=True))), ["cat", "dog", "fox"]
    expected = confusion_matrix(truth, told, labels=labels)
    assert [[ours.get((a, b), 0) for b in labels] for a in labels] == expected.tolist()


def test_brier_and_log_loss_are_scikit_learns_for_the_answer_given():
    chance = np.random.default_rng(3)
    confidence = chance.uniform(0.3, 1, 500)
    right = chance.random(500) < confidence
    found = calibration(confidence, right)
    assert found.brier == pytest.approx(brier_score_loss(right, confidence))
    assert found.log_loss == pytest.approx(log_loss(right, confidence))
    assert found.ece < 0.1, "these confidences are honest"
    boastful = calibration(np.full(500, 0.99), right)
    assert boastful.ece == pytest.approx(0.99 - right.mean())


def test_the_calibration_error_needs_enough_answers():
    right = np.ones(CALIBRATION_N - 1, dtype=bool)
    assert calibration(np.full(len(right), 0.9), right).ece is None
    assert calibration(np.array([]), np.array([], dtype=bool)).brier is None


def test_what_is_accepted_is_as_right_as_wanted_on_new_samples():
    chance = np.random.default_rng(4)
    rates, covered = [], 0
    for _ in range(60):
        confidence = chance.uniform(0, 1, 1500)
        right = chance.random(1500) < 0.7 + 0.3 * confidence
        found = acceptance(confidence, right, 1500, wanted=0.95)
        assert found is not None
        rates.append(found.right)
        truth = 0.7 + 0.3 * (1 + found.threshold) / 2
        covered += found.low <= truth <= found.high
    # A threshold judged by what chose it would look better than 95 % always.
    assert np.mean(rates) == pytest.approx(0.95, abs=0.006)
    assert min(rates) < 0.95
    assert covered >= 50


def test_confidence_that_says_nothing_gives_no_threshold():
    chance = np.random.default_rng(5)
    right = chance.random(1000) < 0.6
    assert acceptance(np.full(1000, 0.9), right, 1000) is None
    assert acceptance(np.ones(ACCEPT_N - 1), np.ones(ACCEPT_N - 1, dtype=bool), 200) is None


def test_the_buyers_line_reads_as_a_sentence():
    confidence = np.r_[np.full(400, 0.99), np.full(100, 0.5)]
    found = acceptance(confidence, np.r_[np.ones(400, bool), np.zeros(100, bool)], 500)
    assert found.words == "auto-accept above 0.99: 80 % of samples, 100.0 % of them right [99.0, 100.0]"
