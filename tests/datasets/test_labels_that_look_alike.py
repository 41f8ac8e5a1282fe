"""Labels that people take for one and a program for two."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import pytest
from odd_sources import Source

from automl_bench.datasets.checks import check_dataset
from automl_bench.datasets.importing import ImportOptions, import_dataset
from automl_bench.datasets.layouts import LayoutHints
from automl_bench.datasets.similar_labels import similar_labels


@pytest.mark.parametrize(
    ("plain", "other"),
    [
        ("cat", " cat"),
        ("cat", "cat "),
        ("big cat", "big  cat"),
        ("Cat", "cat"),
        ("1", "1.0"),
        ("1", "1."),
        (unicodedata.normalize("NFC", "Café"), unicodedata.normalize("NFD", "Café")),
        ("cat", "c\u200bat"),
        ("cat", "c\u0430t"),
        ("a-b", "a\u2010b"),
        ("cat", "\uff43at"),
    ],
)
def test_they_are_found_and_the_plain_spelling_comes_first(plain: str, other: str) -> None:
    assert similar_labels([other, "dog", plain]) == [(plain, other)]


@pytest.mark.parametrize(
    ("one", "other"), [("cat", "cats"), ("007", "7"), ("1", "1.5"), ("1e5", "100000"), ("a", "á"), ("o", "0")]
)
def test_other_labels_are_left_alone(one: str, other: str) -> None:
    assert similar_labels([one, other]) == []


def test_they_are_a_finding_with_counts_and_are_merged_on_request(tmp_path: Path) -> None:
    source = Source(tmp_path / "in")
    rows = [(path, ("cat", " cat", "dog")[at % 3]) for at, path in enumerate(source.images("img", 30))]
    source.list_of("labels.csv", [("path", "label"), *rows])
    done = import_dataset("ds", source.root, tmp_path / "data")
    assert done.manifest.labels == (" cat", "cat", "dog")
    (finding,) = [finding for finding in check_dataset(done.manifest).findings if finding.check == "similar_labels"]
    assert finding.items == ("'cat' (10) ~ ' cat' (10)",)
    assert "--merge-labels" in finding.summary
    options = ImportOptions(merge_labels=True, replace=True, hints=LayoutHints())
    merged = import_dataset("ds", source.root, tmp_path / "data", options).manifest
    assert merged.labels == ("cat", "dog")
    assert merged.counts() == {"train": {"cat": 16, "dog": 8}, "test": {"cat": 4, "dog": 2}}
    assert any("Merged ' cat' into the class 'cat'" in note for note in merged.card.notes)
