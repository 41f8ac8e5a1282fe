"""`ablate --verify`: what was written passes, and every way to break it is found by name."""

from __future__ import annotations

import csv
import json

import pytest

from automl_bench.ablations import files, upload_folders
from automl_bench.ablations.verification import first_violation, verify
from automl_bench.datasets.manifest import read_manifest
from automl_bench.errors import DatasetError, DatasetNotFound, ExitCode


@pytest.fixture
def toy(place, numbered):
    manifest = place(numbered(cat=25, dog=22), numbered("test ", cat=3, dog=3))
    files.write(manifest, shots=[5, 20, None], folds=2, seed=4)
    return manifest


def read(manifest, name):
    with (manifest.folder / "ablations" / name).open(newline="") as file:
        return list(csv.reader(file))


def write(manifest, name, rows):
    with (manifest.folder / "ablations" / name).open("w", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows(rows)


def broken(manifest):
    return {check.invariant for check in verify(manifest) if not check.holds}


def test_what_was_written_holds_every_invariant(toy):
    upload_folders.copy_folders(toy, shots=[5], folds=1, seed=4)
    checks = verify(toy)
    assert first_violation("toy", checks) is None
    assert {check.invariant for check in checks} == {
        "fingerprint", "files", "rows", "per class", "80/20", "disjoint", "nested", "seed", "folders",
    }  # fmt: skip
    assert {(check.fold, check.shots) for check in checks if check.invariant == "80/20"} == {
        (fold, size) for fold in (0, 1) for size in ("5", "20", "all")
    }


def test_datasets_with_repeats_and_leaks_verify_too(place, numbered):
    train = {
        "cat": [*(f"cat {n}" for n in range(9)), "cat 1", "leak"],
        "dog": [*(f"dog {n}" for n in range(9)), "cat 2"],
    }
    manifest = place(train, {"cat": ["leak", "judge"]})
    files.write(manifest, shots=[5, 8, None])
    assert broken(manifest) == set()


def test_a_missing_file_is_found(toy):
    (toy.folder / "ablations" / "toy_val_20.csv").unlink()
    checks = verify(toy)
    error = first_violation("toy", checks)
    assert isinstance(error, DatasetError)
    assert error.exit_code is ExitCode.DATASET
    assert "toy_val_20.csv does not exist" in error.message
    assert any(check.holds and check.shots == "5" for check in checks), "the other sizes are still checked"


def test_a_missing_provider_file_is_found(toy):
    index = toy.folder / "ablations" / "ablations.json"
    values = json.loads(index.read_text())
    values["files"].append("toy_test_acme.csv")
    index.write_text(json.dumps(values))
    assert broken(toy) == {"files"}


def test_a_changed_dataset_is_found(toy):
    path = toy.folder / "manifest.csv"
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(line for line in lines if "train/cat/00003" not in line))
    (toy.folder / "train" / "cat" / "00003.txt").unlink()
    assert "fingerprint" in broken(read_manifest(toy.folder))


def test_a_sample_that_moved_between_the_halves_is_found(toy):
    train, validation = read(toy, "toy_train_20.csv"), read(toy, "toy_val_20.csv")
    train[1], validation[1] = validation[1], train[1]
    write(toy, "toy_train_20.csv", train)
    write(toy, "toy_val_20.csv", validation)
    found = broken(toy)
    assert {"80/20", "seed"} <= found
    assert "per class" not in found


def test_a_class_with_one_sample_less_is_found(toy):
    rows = read(toy, "toy_train_20.csv")
    write(toy, "toy_train_20.csv", rows[:-1])
    assert "per class" in broken(toy)


def test_a_content_in_both_halves_is_found(toy):
    train, validation = read(toy, "toy_train_20.csv"), read(toy, "toy_val_20.csv")
    write(toy, "toy_val_20.csv", [*validation, train[1]])
    assert "disjoint" in broken(toy)


def test_subsets_that_do_not_nest_are_found(toy):
    files.write(toy, shots=[5], seed=5)
    other = {half: read(toy, f"toy_{half}_5.csv") for half in ("train", "val")}
    files.write(toy, shots=[5, 20, None], seed=4)
    for half, rows in other.items():
        write(toy, f"toy_{half}_5.csv", rows)
    assert {"nested", "80/20", "seed"} & broken(toy) >= {"nested", "seed"}


def test_another_seed_than_the_index_says_is_found(toy):
    index = toy.folder / "ablations" / "ablations.json"
    values = json.loads(index.read_text())
    values["seed"] = 5
    index.write_text(json.dumps(values))
    assert "seed" in broken(toy)


@pytest.mark.parametrize("column", [0, 1, 2])
def test_a_row_that_the_manifest_does_not_have_is_found(toy, column):
    rows = read(toy, "toy_train_5.csv")
    rows[1][column] = "dog" if column == 1 else "elsewhere"
    write(toy, "toy_train_5.csv", rows)
    assert "rows" in broken(toy)


def test_a_content_of_the_test_set_is_found(toy):
    path = toy.folder / "manifest.csv"
    rows = read(toy, "toy_train_20.csv")
    leaked = rows[1][2]
    lines = path.read_text().splitlines()
    lines.append(f"{leaked},test/cat/leak.txt,test,cat,5,,,text/plain")
    path.write_text("\n".join(lines) + "\n")
    assert {"fingerprint", "disjoint"} <= broken(read_manifest(toy.folder))


def test_a_sample_file_that_is_gone_is_found(toy):
    path = read(toy, "toy_val_5.csv")[1][0]
    (toy.folder / path).unlink()
    error = first_violation("toy", verify(toy))
    assert error is not None
    assert path in error.message


def test_a_copy_folder_of_another_seed_is_found(toy):
    upload_folders.copy_folders(toy, shots=[5], folds=1, seed=99)
    assert broken(toy) == {"folders"}


def test_a_damaged_file_is_named_and_the_rest_is_checked(toy):
    (toy.folder / "ablations" / "toy_train_5.csv").write_text("nonsense\n")
    checks = verify(toy)
    assert "toy_train_5.csv" in str(first_violation("toy", checks))
    assert sum(check.holds for check in checks) > 10


def test_nothing_written_yet_is_said_so(place, numbered):
    with pytest.raises(DatasetNotFound):
        verify(place(numbered(cat=5)))
