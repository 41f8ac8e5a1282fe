"""From rows to the objects that plugins see."""

from __future__ import annotations

from collections import Counter

import pytest

from automl_bench.ablations import selection
from automl_bench.errors import NotEnoughShots, UsageError


def test_a_training_set_holds_the_files_and_labels_of_the_subset(place, numbered):
    manifest = place(numbered(cat=10, dog=10), numbered("test ", cat=2, eel=1, dog=2))
    manifest_labels = ("cat", "dog", "eel")
    assert manifest.labels == manifest_labels
    with pytest.raises(NotEnoughShots, match="'eel'"):
        selection.training_set(manifest, shots=5, fold=0, seed=0)


def test_train_and_validation_carry_path_size_and_type(place, numbered):
    manifest = place(numbered(cat=10, dog=10))
    drawn = selection.training_set(manifest, shots=5, fold=0, seed=0)
    assert (drawn.dataset, drawn.labels) == ("toy", ("cat", "dog"))
    assert Counter(item.label for item in drawn.train) == {"cat": 4, "dog": 4}
    assert Counter(item.label for item in drawn.validation) == {"cat": 1, "dog": 1}
    for item in (*drawn.train, *drawn.validation):
        content = item.sample.path.read_text()
        assert content.startswith(item.label)
        assert item.sample.size_bytes == len(content)
        assert item.sample.media_type == "text/plain"
        assert item.sample.width is None


def test_a_limited_test_set_keeps_the_shares_of_the_classes(build, numbered):
    manifest = build({}, numbered(cat=100, dog=50, eel=10))
    labels = Counter(label for _, label in selection.test_samples(manifest, limit=32))
    assert labels == {"cat": 20, "dog": 10, "eel": 2}


def test_a_smaller_limit_gives_a_part_of_what_a_larger_one_gives(build, numbered):
    manifest = build({}, numbered(cat=40, dog=7, eel=1))
    inner: set[str] = set()
    for limit in range(1, 49):
        ids = {sample.sample_id for sample, _ in selection.test_samples(manifest, limit=limit, seed=3)}
        assert len(ids) == limit
        assert inner < ids
        inner = ids


def test_the_seed_changes_a_limited_test_set_and_not_the_whole_one(build, numbered):
    manifest = build({}, numbered(cat=40, dog=40))
    assert selection.test_samples(manifest, 20, 1) != selection.test_samples(manifest, 20, 2)
    assert selection.test_samples(manifest, 20, 1) == selection.test_samples(manifest, 20, 1)
    assert selection.test_samples(manifest, None, 1) == selection.test_samples(manifest, 500, 2)


@pytest.mark.parametrize("limit", [0, -3])
def test_a_limit_that_makes_no_sense_is_refused(build, numbered, limit):
    with pytest.raises(UsageError):
        selection.test_samples(build({}, numbered(cat=3)), limit=limit)


def test_a_dataset_without_test_samples_has_an_empty_test_set(build, numbered):
    assert selection.test_samples(build(numbered(cat=3))) == []
