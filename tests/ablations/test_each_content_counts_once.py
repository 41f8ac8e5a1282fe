"""Repeated contents, contents under two labels, and contents shared with the test set."""

from __future__ import annotations

from automl_bench.ablations import selection
from automl_bench.ablations.plan import plan_subsets


def learnt_paths(manifest):
    plan = plan_subsets(manifest, shots=(), fold=0, seed=0)
    return sorted(manifest.table.column("path")[int(row)].as_py() for row in plan.rows), plan


def test_a_content_that_repeats_inside_a_class_counts_once_under_its_first_path(build):
    paths, plan = learnt_paths(build({"cat": ["a", "b", "a", "a"]}))
    assert paths == ["train/cat/00000.txt", "train/cat/00001.txt"]
    assert plan.class_sizes == {"cat": 2}
    assert plan.notes == ("2 files of the training split repeat a content of their class and count once.",)


def test_a_content_under_two_labels_stays_under_the_first(build):
    paths, plan = learnt_paths(build({"dog": ["same", "x"], "cat": ["y", "same"]}))
    assert paths == ["train/cat/00000.txt", "train/cat/00001.txt", "train/dog/00001.txt"]
    assert plan.class_sizes == {"cat": 2, "dog": 1}
    (note,) = plan.notes
    assert "1 file of the training split left out" in note
    assert "'cat'" in note
    assert "'dog'" in note


def test_a_content_of_the_test_set_is_never_learnt_from(build):
    manifest = build({"cat": ["a", "leak", "b"], "dog": ["c", "leak"]}, {"cat": ["leak", "d"]})
    paths, plan = learnt_paths(manifest)
    assert paths == ["train/cat/00000.txt", "train/cat/00002.txt", "train/dog/00000.txt"]
    (note,) = plan.notes
    assert "2 files of the training split left out, as the test set has the same content" in note


def test_test_samples_are_distinct_contents_mixed_over_the_classes(build, numbered):
    test = {**numbered("test ", cat=30, dog=30), "eel": ["twice", "twice"]}
    pairs = selection.test_samples(build({}, test))
    ids = [sample.sample_id for sample, _ in pairs]
    assert len(ids) == 61
    assert ids == sorted(set(ids))
    assert len({label for _, label in pairs[:20]}) > 1


def test_a_test_content_under_two_labels_scores_under_the_first(build):
    manifest = build({"cat": ["a"]}, {"dog": ["same"], "cat": ["same", "other"]})
    assert [label for _, label in selection.test_samples(manifest)] == ["cat", "cat"]
    assert any("test split" in note for note in plan_subsets(manifest, shots=(), fold=0, seed=0).notes)
