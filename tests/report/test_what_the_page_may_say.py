"""Faults of pages that users met: each says now what the data allow, and no more."""

from __future__ import annotations

import re

import pytest
from answered_trials import answer, right

from automl_bench.report.accuracy_figures import ShotsAxis, _sideways
from automl_bench.report.curve_words import curve_notes
from automl_bench.report.drawing import LONGEST_NAME, short
from automl_bench.report.fields import COMPARISON_FIELDS
from automl_bench.report.labels import labelled
from automl_bench.report.quality_tables import quality_tables
from automl_bench.report.rows import result_rows
from automl_bench.report.summary import ALL_DATASETS, accuracy_table
from automl_bench.report.support import comparisons
from automl_bench.report.support_tables import record, support_table
from automl_bench.report.tables import percent, plus_minus
from automl_bench.report.verdicts import Question
from automl_bench.store.records import ImportedResult


def support(store, **options):
    return comparisons(store, labelled(result_rows(store)), **options)


def test_two_draws_settle_the_trained_models_and_leave_the_method_open(store):
    for fold, lost in enumerate((20, 12)):
        answer(store, "a", [True] * 95 + [False] * 5, fold=fold)
        answer(store, "b", [True] * (95 - lost) + [False] * lost + [True] * 2 + [False] * 3, fold=fold)
    found = support(store)
    (one,) = found.compared
    assert one.question is Question.MODELS
    assert one.separated
    assert one.words == "local:a is ahead of local:b, as trained here."
    assert -1 <= one.low < one.value < one.high <= 1
    (note,) = [note for note in found.notes if "another draw" in note]
    assert "with 2 draws" in note
    assert "at least 3" in note


def test_three_datasets_always_one_image_ahead_are_not_settled(store):
    for dataset in ("x", "y", "z"):
        answer(store, "a", right(19, 20), dataset=dataset)
        answer(store, "b", right(18, 20), dataset=dataset)
    over = [one for one in support(store).compared if one.question is Question.DATASETS]
    (one,) = over
    assert one.value == pytest.approx(0.05)
    assert one.low < 0 < one.high
    assert not one.separated
    assert one.words == "3 datasets cannot show who is ahead over datasets."
    assert "datasets are needed" in one.advice


def test_the_leader_of_many_is_corrected_for_all_pairs(store):
    for place in range(6):
        answer(store, f"v{place}", right(60 + place))
    found = support(store)
    assert len(found.compared) == 5
    assert found.family.single == 15


def test_all_samples_are_one_draw_however_many_folds(store):
    for fold in range(3):
        answer(store, "a", right(90), shots=None, fold=fold)
        answer(store, "b", right(60), shots=None, fold=fold)
    found = support(store)
    assert {one.question for one in found.compared} == {Question.MODELS}
    assert any("every draw is the same" in note for note in found.notes)


def test_a_dataset_that_was_replaced_counts_once_over_datasets(store):
    for variant, score in (("a", 90), ("b", 80)):
        answer(store, variant, right(score), content="1", at="2026-01-01")
        answer(store, variant, right(score), content="2", at="2026-02-01")
    named = labelled(result_rows(store))
    assert {one.superseded for one in named if one.dataset == "pets [1111]"} == {True}
    table = accuracy_table(result_rows(store))
    assert ALL_DATASETS not in {row[0] for row in table.rows}
    assert (
        "pets [1111] is an earlier content of a dataset that was replaced; it is in no mean over datasets."
        in table.notes
    )
    assert not [one for one in support(store).compared if one.question is Question.DATASETS]


def test_answers_off_the_list_are_named_with_what_is_wrong_about_them(store):
    answer(store, "prompted", ["Cat", "DOG "] * 10 + ["", "null"] * 2 + ["tabby", "puppy"] + [True] * 74)
    (row,) = result_rows(store)
    assert (row["off_list"], row["off_list_near"], row["off_list_empty"], row["abstained"]) == (26, 20, 4, 0)
    assert row["accuracy"] == 0.74
    assert row["classes"] == 2
    (note,) = [note for note in accuracy_table([row]).notes if "no label of the dataset" in note]
    assert "26 of 100" in note
    assert "20 differ from a label only in case, blanks or Unicode form" in note
    assert "4 are empty or say that there is no answer" in note
    assert "'Cat' × 10" in note


def test_a_label_that_another_trial_saw_as_true_is_a_class(store):
    answer(store, "all", right(90), labels=("cat", "dog", "fox"))
    answer(store, "few", ["fox", *right(9, 9)], labels=("cat", "dog"))
    assert [row["off_list"] for row in result_rows(store)] == [0, 0]


def test_the_most_frequent_label_and_guessing_stand_beside_the_score(store):
    answer(store, "a", right(70), labels=("cell",) * 69 + ("other",) * 31)
    (row,) = result_rows(store)
    assert (row["majority"], row["chance"]) == (0.69, 0.5)
    assert "pets: always the most frequent label scores 69.0 %, guessing scores 50.0 %." in accuracy_table([row]).notes


def test_wilsons_interval_stands_where_accuracies_are(store):
    for fold in range(3):
        answer(store, "a", right(20, 20), fold=fold)
    table = accuracy_table(result_rows(store))
    assert table.rows[0][2] == "100.0 ± 0.0 (n=3) [83.9, 100.0]"
    (first, *_) = table.records
    assert (first["test_low"], first["test_high"]) == (pytest.approx(0.839, abs=0.001), 1.0)


def test_what_is_not_all_is_never_printed_as_all():
    assert [percent(share) for share in (1.0, 0.9999, 0.99951, 0.5, 0.0001, 0.0)] == [
        "100.0",
        "99.9",
        "99.9",
        "50.0",
        "0.1",
        "0.0",
    ]
    assert percent(0.9999, digits=0) == "99"
    assert plus_minus(0.9999, 0.00001) == "99.9 ± 0.0", "a spread may round to nothing, a share may not round to all"


def test_a_fall_of_the_learning_curve_is_named_and_noise_is_not(store):
    answer(store, "a", right(91), shots=320)
    answer(store, "a", right(76), shots=1280)
    answer(store, "b", right(91), shots=320)
    answer(store, "b", right(90), shots=1280)
    (words,) = support(store).falls
    assert words.startswith("local:a on pets falls from 91.0 % at 320 shots to 76.0 % at 1280 (p < 0.001)")


def test_an_imported_fall_is_named_from_three_points_on(store):
    store.add_imported(
        [
            ImportedResult("f.csv", "acme", "imported", "pets", shots, accuracy)
            for shots, accuracy in ((5, 0.80), (20, 0.79), (80, 0.70))
        ]
    )
    (words,) = support(store).falls
    assert words.startswith("acme on pets falls from 79.0 % at 20 shots to 70.0 % at 80:")


def test_records_of_comparisons_have_every_documented_field(store):
    answer(store, "a", right(90))
    answer(store, "b", right(60))
    found = support(store)
    assert [list(record(one)) for one in found.compared] == [list(COMPARISON_FIELDS)]
    table = support_table(found)
    assert table.rows[0][-1].startswith("local:a is ahead of local:b")


def test_every_class_and_confusion_is_a_record_and_the_worst_are_shown(store):
    labels = ("cat", "dog", "fox", "owl", "elk")
    told = [labels[(n + (n % 5 == 2)) % 5] if n % 3 else True for n in range(100)]
    answer(store, "a", told, labels=labels, shots=20)
    answer(store, "a", right(100), labels=labels, shots=5)
    found = quality_tables(store, labelled(result_rows(store)))
    assert {one["label"] for one in found.worst.records} == set(labels)
    assert found.worst.rows[0][2] == "fox"
    assert {one["shots"] for one in found.worst.records} == {"20"}, "the models with the most shots"
    assert sum(one["count"] for one in found.confused.records) == 100
    assert found.confused.rows[0][2:4] == ("fox", "owl")
    (confidence,) = found.confidence.records
    assert confidence["answers"] == 100
    assert confidence["ece"] is None
    assert found.confidence.rows[0][6] == "needs 300 answers"


def test_learning_curves_say_what_labels_bring_and_where_they_say_nothing(store):
    for place, shots in enumerate((5, 10, 20, 40)):
        answer(store, "good", right(1000 - round(500 * 0.62**place), 1000), shots=shots)
        answer(store, "slow", right(1000 - round(700 * 0.72**place), 1000), shots=shots)
        answer(store, "odd", right((700, 900, 650, 880)[place], 1000), shots=shots)
    notes = curve_notes(labelled(result_rows(store)))
    assert any(
        re.fullmatch(r"local:good on pets: doubling the 40 .* bring \d\.\d to \d\.\d points\.", one) for one in notes
    )
    assert any(one.startswith("local:odd on pets: a power law explains") for one in notes)
    assert not any("needs about" in one and "local:odd needs" in one for one in notes)
    assert not any("local:slow needs" in one for one in notes), "beyond twice the largest size"


def test_names_that_begin_alike_stay_apart_in_legends():
    head = "vertex:high-accuracy-with-augmentation-"
    names = [f"{head}{kind}-{number}" for kind in ("old", "new") for number in range(300)]
    names += [f"{kind}{head}tail" for kind in ("a", "b")] + ["x" * 27 + one + "x" * 27 for one in "abc"]
    cut = [short(name) for name in names]
    assert len(set(cut)) == len(names)
    assert all(len(one) <= LONGEST_NAME for one in cut)
    assert short("local:svc") == "local:svc"


@pytest.mark.parametrize("variants", [2, 5, 40, 200])
def test_points_stay_nearer_to_their_own_shots_than_to_the_next(variants):
    axis = ShotsAxis.of([5, 6, 20], None)
    for place in (5, 6, 20):
        at = [place * _sideways(number, variants, axis) for number in range(variants)]
        assert all(min((5, 6, 20), key=lambda other: abs(other - x)) == place for x in at)
        assert at == sorted(at)
