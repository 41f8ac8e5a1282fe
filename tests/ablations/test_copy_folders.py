"""Copy folders: the files of a subset in class folders."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from automl_bench.ablations import files, upload_folders
from automl_bench.errors import DatasetError


def tree(folder: Path) -> dict[str, str]:
    return {path.relative_to(folder).as_posix(): path.read_text() for path in folder.rglob("*") if path.is_file()}


def test_each_half_is_a_tree_of_class_folders_with_hard_links(place, numbered):
    manifest = place(numbered(**{"cat": 10, "black dog": 10}))
    made = upload_folders.copy_folders(manifest, shots=[5], folds=1, seed=0)
    assert made == {"training_uploads_5": (8, 0), "val_uploads_5": (2, 0)}
    files.write(manifest, shots=[5])
    folder = manifest.folder / "ablations"
    for half, name in (("train", "training_uploads_5"), ("val", "val_uploads_5")):
        rows = files.read_rows(folder / f"toy_{half}_5.csv")
        expected = {path.removeprefix("train/"): (manifest.folder / path).read_text() for path, _, _ in rows}
        assert tree(folder / name) == expected
    linked = next((folder / "training_uploads_5" / "black dog").iterdir())
    assert os.stat(linked).st_nlink == 2


def test_files_are_copied_where_links_are_not_to_be_had(place, numbered, monkeypatch):
    def refuse(*_, **__):
        raise OSError(18, "Invalid cross-device link")

    monkeypatch.setattr(os, "link", refuse)
    manifest = place(numbered(cat=10))
    made = upload_folders.copy_folders(manifest, shots=[5, None], folds=2, seed=0)
    assert made["training_uploads_5_fold1"] == (0, 4)
    assert made["val_uploads_all"] == (0, 2)


def test_an_older_folder_is_replaced_as_a_whole(place, numbered):
    manifest = place(numbered(cat=20))
    upload_folders.copy_folders(manifest, shots=[10], folds=1, seed=0)
    folder = manifest.folder / "ablations" / "training_uploads_10"
    before = set(tree(folder))
    upload_folders.copy_folders(manifest, shots=[10], folds=1, seed=1)
    assert len(tree(folder)) == 8
    assert set(tree(folder)) != before


def test_a_missing_file_is_named_and_the_old_folder_stays(place, numbered):
    manifest = place(numbered(cat=5))
    upload_folders.copy_folders(manifest, shots=[5], folds=1, seed=0)
    folder = manifest.folder / "ablations" / "training_uploads_5"
    before = tree(folder)
    rows = [
        path for path in (manifest.folder / "train" / "cat").iterdir() if path.name in {Path(p).name for p in before}
    ]
    rows[0].unlink()
    with pytest.raises(DatasetError, match=rows[0].name):
        upload_folders.copy_folders(manifest, shots=[5], folds=1, seed=0)
    assert tree(folder) == before
    assert not [path.name for path in folder.parent.iterdir() if path.name.startswith(".")]


def test_class_folders_that_differ_from_the_labels_are_kept(place):
    labels = {"a/b": "a_b", "Cat": "Cat", "cat": "cat~1"}
    manifest = place({label: [f"{label} {n}" for n in range(5)] for label in labels}, class_folders=labels)
    upload_folders.copy_folders(manifest, shots=[5], folds=1, seed=0)
    folder = manifest.folder / "ablations" / "training_uploads_5"
    assert sorted(path.name for path in folder.iterdir()) == ["Cat", "a_b", "cat~1"]
