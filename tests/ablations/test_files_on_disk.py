"""What `ablate` writes, and that nothing half-written is ever seen."""

from __future__ import annotations

import csv
import errno
import json
from pathlib import Path

import pytest

from automl_bench.ablations import files
from automl_bench.ablations.plan import plan_subsets
from automl_bench.contract import ProviderManifest
from automl_bench.errors import DatasetError, DatasetNotFound, NotEnoughShots, UsageError, WorkspaceError


def rows_in(path: Path) -> list[list[str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.reader(file))


def test_each_size_gets_a_training_and_a_validation_file(place, numbered):
    manifest = place(numbered(cat=12, dog=10), name="pets")
    written = files.write(manifest, shots=[5, 10, None], seed=3)
    assert written.files == tuple(
        sorted(f"pets_{half}_{size}.csv" for half in ("train", "val") for size in ("5", "10", "all"))
    )
    header, *rows = rows_in(manifest.folder / "ablations" / "pets_train_5.csv")
    assert header == ["path", "label", "sample_id"]
    subset = plan_subsets(manifest, shots=[5], fold=0, seed=3).subset(5)
    expected = manifest.table.select(["path", "label", "sample_id"]).take(subset.train_rows).to_pylist()
    assert rows == [list(row.values()) for row in expected]
    assert len(rows) == 8


def test_more_folds_are_named_in_the_files(place, numbered):
    written = files.write(place(numbered(cat=10)), shots=[5], folds=3)
    assert written.files == (
        "toy_train_5.csv",
        "toy_train_5_fold1.csv",
        "toy_train_5_fold2.csv",
        "toy_val_5.csv",
        "toy_val_5_fold1.csv",
        "toy_val_5_fold2.csv",
    )
    drawn = {tuple(map(tuple, rows_in(written.folder / name))) for name in written.files[:3]}
    assert len(drawn) == 3


def test_the_index_says_how_to_make_the_files_again(place, numbered):
    manifest = place({**numbered(cat=30, dog=30), "eel": [f"eel {n}" for n in range(7)]})
    written = files.write(manifest, seed=11, folds=2)
    index = json.loads((written.folder / "ablations.json").read_text(encoding="utf-8"))
    assert index["fingerprint"] == manifest.fingerprint
    assert (index["dataset"], index["seed"], index["folds"], index["shots"]) == ("toy", 11, 2, ["5"])
    assert index["counts"] == [
        {"fold": 0, "shots": "5", "train": 12, "validation": 3},
        {"fold": 1, "shots": "5", "train": 12, "validation": 3},
    ]
    assert any("Stopped at 5 shots" in note and "'eel'" in note for note in index["notes"])
    assert files.read_index(written.folder).shots == (5,)


def test_labels_and_paths_of_any_spelling_come_back_as_they_were(place):
    labels = ['a, "quoted" one', " spaces ", "日本語 é", "semi;colon", "Case", "case"]
    folders = {label: f"folder {number}" for number, label in enumerate(labels)}
    manifest = place({label: [f"{label} {n}" for n in range(5)] for label in labels}, class_folders=folders)
    written = files.write(manifest, shots=[5])
    found = files.read_rows(written.folder / "toy_train_5.csv")
    assert sorted({label for _, label, _ in found}) == sorted(labels)
    assert all((manifest.folder / path).is_file() for path, _, _ in found)


def test_writing_twice_gives_the_same_bytes(place, numbered):
    manifest = place(numbered(cat=10, dog=10))
    folder = files.write(manifest, shots=[5, None], folds=2).folder
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    files.write(manifest, shots=[5, None], folds=2)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_files_of_an_older_run_go_and_other_files_stay(place, numbered):
    manifest = place(numbered(cat=20))
    folder = files.write(manifest, shots=[5, 10, 20]).folder
    (folder / "my notes.txt").write_text("mine")
    written = files.write(manifest, shots=[5])
    assert sorted(path.name for path in folder.iterdir()) == sorted([*written.files, "ablations.json", "my notes.txt"])


def test_a_full_disk_leaves_the_old_files(place, numbered, monkeypatch):
    manifest = place(numbered(cat=20))
    folder = files.write(manifest, shots=[5], seed=1).folder
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    real = files._write_rows
    calls: list[Path] = []

    def full(manifest, rows, path):
        calls.append(path)
        if len(calls) == 3:
            raise OSError(errno.ENOSPC, "No space left on device", str(path))
        real(manifest, rows, path)

    monkeypatch.setattr(files, "_write_rows", full)
    with pytest.raises(WorkspaceError, match="No space left on device") as caught:
        files.write(manifest, shots=[5, 10], seed=2)
    assert "Free some space" in caught.value.remedy
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    assert sorted(path.name for path in manifest.folder.iterdir() if path.name.startswith(".")) == []


def test_a_file_in_the_place_of_the_folder_is_named(place, numbered):
    manifest = place(numbered(cat=20))
    (manifest.folder / "ablations").write_text("in the way")
    with pytest.raises(WorkspaceError, match="ablations"):
        files.write(manifest, shots=[5])
    assert (manifest.folder / "ablations").read_text() == "in the way"


def test_nothing_is_written_where_a_class_is_too_small(place, numbered):
    manifest = place(numbered(cat=20, dog=4))
    with pytest.raises(NotEnoughShots):
        files.write(manifest, shots=[5])
    assert not (manifest.folder / "ablations").exists()


def test_no_fold_at_all_is_refused(place, numbered):
    with pytest.raises(UsageError):
        files.write(place(numbered(cat=20)), shots=[5], folds=0)


def test_reading_before_writing_names_the_command(place, numbered):
    with pytest.raises(DatasetNotFound) as caught:
        files.read_index(place(numbered(cat=5)).folder / "ablations")
    assert "automl-bench ablate toy" in caught.value.remedy


@pytest.mark.parametrize(
    "text",
    [
        "not json",
        "[]",
        "{}",
        '{"format": 2}',
        '{"format": 1, "dataset": "toy", "seed": "x", "folds": 1, "shots": ["5"], "fingerprint": "", "files": []}',
        '{"format": 1, "dataset": "toy", "seed": 1, "folds": 1, "shots": [5], "fingerprint": "", "files": []}',
        '{"format": 1, "dataset": "toy", "seed": 1, "folds": 1, "shots": ["0"], "fingerprint": "", "files": []}',
        '{"format": 1, "dataset": "toy", "seed": 1, "folds": 1, "shots": ["5"], "fingerprint": "", "files": ["../x"]}',
    ],
)
def test_a_damaged_index_is_named(tmp_path, text):
    (tmp_path / "ablations.json").write_text(text)
    with pytest.raises(DatasetError, match=r"ablations\.json is damaged"):
        files.read_index(tmp_path)


def test_an_index_never_makes_us_delete_a_file_outside_its_folder(place, numbered):
    manifest = place(numbered(cat=10))
    folder = files.write(manifest, shots=[5]).folder
    index = json.loads((folder / "ablations.json").read_text())
    index["files"].append("../classes.txt")
    (folder / "ablations.json").write_text(json.dumps(index))
    files.write(manifest, shots=[5])
    assert (manifest.folder / "classes.txt").is_file()


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (b"", "does not begin with the columns"),
        (b"path,label\na,b\n", "does not begin with the columns"),
        (b"path,label,sample_id\na,b\n", "line 2"),
        (b'path,label,sample_id\n"a,b,c\n', "not a readable CSV"),
        (b"path,label,sample_id\n\xff\xfe,b,c\n", "not a readable CSV"),
    ],
)
def test_a_damaged_subset_file_is_named(tmp_path, content, fault):
    path = tmp_path / "toy_train_5.csv"
    path.write_bytes(content)
    with pytest.raises(DatasetError, match=fault):
        files.read_rows(path)


def as_list(dataset, entries):
    return ProviderManifest(rows=[{"file": entry.sample.path.name} for entry in entries], label_at=("label",))


def test_provider_files_are_listed_and_stay_when_another_provider_is_written(place, numbered):
    manifest = place(numbered(cat=10), numbered("test ", cat=2))
    written = files.write(manifest, shots=[5], exporters={"acme": as_list})
    assert written.providers == {"acme": ("toy_test_acme.csv", "toy_train_5_acme.csv", "toy_val_5_acme.csv")}
    assert set(written.providers["acme"]) < set(written.files)
    before = {name: (written.folder / name).read_bytes() for name in written.providers["acme"]}
    other = files.write(manifest, shots=[5], exporters={"other": as_list})
    assert set(other.files) > {*before, *other.providers["other"]}
    assert other.notes == ()
    again = files.write(manifest, shots=[4], seed=3)
    assert any("acme and other" in note and "earlier run" in note for note in again.notes)
    assert {name: (written.folder / name).read_bytes() for name in before} == before
    assert not (written.folder / "toy_train_5.csv").exists(), "plain files of sizes that are no more go"


def test_a_file_of_a_size_that_a_provider_has_no_more_goes(place, numbered):
    manifest = place(numbered(cat=10), numbered("test ", cat=2))
    files.write(manifest, shots=[4, 5], exporters={"acme": as_list})
    written = files.write(manifest, shots=[5], exporters={"acme": as_list})
    assert {path.name for path in written.folder.glob("*acme*")} == set(written.providers["acme"])
