"""Any class name gets a folder that every file system takes, and the name can be read back."""

from __future__ import annotations

import random

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from automl_bench.datasets.class_folders import check_label, collision_key, folder_names, label_of_folder
from automl_bench.errors import DatasetError

LABELS = st.lists(
    st.text(st.characters(exclude_categories=("Cc", "Cs")), min_size=1, max_size=15).filter(str.strip),
    min_size=1,
    max_size=12,
    unique=True,
)


@given(LABELS)
@example(["Cat", "cat", "CAT", "cat~2"])
@example(["../x", "..", ".", "a/b", "a\\b", "con", "NUL.txt", "x.", " y", "50 %", "50%25"])
@example(["caf\u00e9", "cafe\u0301"])
def test_folders_are_safe_unique_and_reversible(labels: list[str]) -> None:
    folders = folder_names(labels)
    assert {label: label_of_folder(folder) for label, folder in folders.items()} == {label: label for label in labels}
    assert len({collision_key(folder) for folder in folders.values()}) == len(labels)
    for folder in folders.values():
        assert folder not in ("", ".", "..")
        assert not set(folder) & set('/\\:*?"<>|')
        assert not folder.startswith((".", " "))
        assert not folder.endswith((".", " "))


@given(LABELS, st.randoms(use_true_random=False))
def test_folders_do_not_depend_on_the_order_of_labels(labels: list[str], chance: random.Random) -> None:
    assert folder_names(chance.sample(labels, len(labels))) == folder_names(labels)


def test_ordinary_names_stay_as_they_are() -> None:
    for name in ("cat", "Bean leaf spot", "Röntgen", "日本", "v1.2", "Audi TT (2012)", "a,b"):
        assert folder_names([name]) == {name: name}


def test_names_that_differ_only_in_case_get_a_number() -> None:
    assert folder_names(["cat", "Cat"]) == {"Cat": "Cat", "cat": "cat~2"}


@pytest.mark.parametrize("label", ["", "  ", "a\nb", "tab\t", "nul\0", "\udcff"])
def test_labels_that_cannot_be_kept_are_refused(label: str) -> None:
    with pytest.raises(DatasetError, match="list.csv, line 3"):
        check_label(label, "list.csv, line 3")


def test_a_name_longer_than_file_systems_take_is_refused() -> None:
    with pytest.raises(DatasetError, match="longer than 240 bytes"):
        folder_names(["ä" * 130])
