"""Accuracy and F1 are those of scikit-learn, without depending on it."""

import random
import warnings

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, balanced_accuracy_score, f1_score

from automl_bench.statistics.scores import score, wilson_interval

EVERY = ["cat", "dog", "Dog", "ünï", "a,b", ""]
LABELS = st.sampled_from(EVERY)


@settings(deadline=None)
@given(st.lists(st.tuples(LABELS, LABELS), min_size=1, max_size=60))
def test_f1_and_accuracy_equal_sklearn_when_every_sample_has_a_label(pairs):
    truth, predicted = zip(*pairs, strict=True)
    ours = score(truth, predicted, labels=EVERY)
    assert ours.accuracy == pytest.approx(accuracy_score(truth, predicted))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # scikit-learn warns of predicted labels that are no true ones
        assert ours.balanced_accuracy == pytest.approx(balanced_accuracy_score(truth, predicted))
    assert ours.macro_f1 == pytest.approx(f1_score(truth, predicted, average="macro", zero_division=0))
    assert ours.micro_f1 == pytest.approx(f1_score(truth, predicted, average="micro"))
    assert ours.micro_f1 == pytest.approx(ours.accuracy)


@settings(deadline=None)
@given(st.lists(st.tuples(LABELS, st.none() | LABELS), min_size=1, max_size=60))
def test_a_missing_answer_is_a_miss_of_its_class_and_no_false_alarm(pairs):
    truth, predicted = zip(*pairs, strict=True)
    ours = score(truth, predicted, labels=EVERY)
    known = sorted({*truth, *(label for label in predicted if label is not None)})
    theirs = ["\0none" if label is None else label for label in predicted]
    for average, value in (("macro", ours.macro_f1), ("micro", ours.micro_f1)):
        assert value == pytest.approx(f1_score(truth, theirs, labels=known, average=average, zero_division=0))
    assert ours.accuracy == pytest.approx(accuracy_score(truth, theirs))


@settings(deadline=None)
@given(st.lists(st.tuples(st.sampled_from(EVERY[:2]), LABELS), min_size=1, max_size=60))
def test_an_answer_outside_of_the_labels_is_a_miss_and_no_class(pairs):
    truth, predicted = zip(*pairs, strict=True)
    ours, known = score(truth, predicted), sorted(set(truth))
    abstaining = score(truth, [label if label in known else None for label in predicted])
    assert (ours.macro_f1, ours.micro_f1, ours.accuracy) == (
        abstaining.macro_f1,
        abstaining.micro_f1,
        abstaining.accuracy,
    )
    assert ours.macro_f1 == pytest.approx(f1_score(truth, predicted, labels=known, average="macro", zero_division=0))
    assert ours.off_list.count == abstaining.abstained
    assert ours.abstained == 0


def test_five_inventions_among_a_hundred_answers_cost_five_misses_and_nothing_more():
    truth = [("cat", "dog")[place % 2] for place in range(100)]
    predicted = [*truth[:95], "chat", "a dog", "Katze", "unknown animal", "tabby"]
    ours = score(truth, predicted)
    assert ours.accuracy == 0.95
    assert ours.macro_f1 == pytest.approx(0.974, abs=0.001)
    assert (ours.off_list.count, ours.off_list.near) == (5, 0)


@pytest.mark.parametrize(
    ("told", "near", "empty"),
    [("Cat", 1, 0), (" cat ", 1, 0), ("CAT\u200a", 1, 0), ("", 0, 1), ("null", 0, 1), ("None", 0, 1), ("lion", 0, 0)],
)
def test_labels_in_another_form_and_empty_ones_are_told_apart(told, near, empty):
    ours = score(["cat", "dog"], [told, "dog"])
    assert (ours.off_list.count, ours.off_list.near, ours.off_list.empty) == (1, near, empty)
    assert ours.off_list.examples == ((told, 1),)
    assert ours.accuracy == 0.5


def test_a_dataset_that_has_a_class_called_none_has_it():
    assert score(["none", "dog"], ["none", "none"]).off_list.count == 0


def test_majority_and_chance_stand_beside_every_score():
    ours = score(["a"] * 69 + ["b"] * 31, ["a"] * 100)
    assert (ours.accuracy, ours.majority, ours.chance, ours.balanced_accuracy) == (0.69, 0.69, 0.5, 0.5)


def test_failed_samples_count_as_wrong_and_are_told_apart_from_abstentions():
    ours = score(["a", "a", "b", "b"], ["a", None, None, "a"], failed=1)
    assert (ours.test_samples, ours.correct, ours.failed, ours.abstained) == (4, 1, 1, 1)
    assert ours.accuracy == 0.25
    assert ours.accuracy_answered == 0.5


def test_no_samples_give_no_score_instead_of_zero():
    ours = score([], [])
    assert (ours.accuracy, ours.macro_f1, ours.micro_f1, ours.accuracy_answered) == (None, None, None, None)


def test_all_failed_gives_accuracy_zero_and_no_accuracy_of_the_answered():
    ours = score(["a", "b"], [None, None], failed=2)
    assert ours.accuracy == 0
    assert ours.macro_f1 == 0
    assert ours.accuracy_answered is None


def test_lists_of_different_length_are_refused():
    with pytest.raises(ValueError, match="2 true labels but 1 predictions"):
        score(["a", "b"], ["a"])


def test_wilson_interval_of_beans():
    low, high = wilson_interval(123, 128)
    assert (round(100 * low, 1), round(100 * high, 1)) == (91.2, 98.3)


def test_a_hundred_thousand_samples_are_scored_in_well_under_a_second():
    chance = random.Random(1)
    truth = [f"class {chance.randrange(1000)}" for _ in range(100_000)]
    predicted = [label if chance.random() < 0.8 else "class 0" for label in truth]
    ours = score(truth, predicted)
    assert ours.macro_f1 == pytest.approx(f1_score(truth, predicted, average="macro"))
