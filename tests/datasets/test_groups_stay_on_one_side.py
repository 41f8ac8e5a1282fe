"""Patients, sessions and products: no group is divided by a split or by the halves of a subset."""

from __future__ import annotations

import random
import re
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from odd_sources import Source

from automl_bench.ablations.file_names import stem
from automl_bench.ablations.files import write
from automl_bench.ablations.plan import plan_subsets
from automl_bench.ablations.verification import verify
from automl_bench.datasets.check_report import Severity
from automl_bench.datasets.checks import check_dataset
from automl_bench.datasets.importing import Imported, ImportOptions, import_dataset
from automl_bench.datasets.layouts import LayoutHints
from automl_bench.datasets.manifest import Manifest, read_manifest
from automl_bench.datasets.pixel_arrays import png_bytes
from automl_bench.datasets.splitting import choose_test_by_group
from automl_bench.errors import DatasetError, UsageError

PATIENTS = 24


def scans(tmp_path: Path, patients: int = PATIENTS, each: int = 5) -> Path:
    """Write a list of scans: each patient has some, of one class or of both."""
    source = Source(tmp_path / "in")
    rows = []
    for patient in range(patients):
        for at, path in enumerate(source.images(f"img/patient{patient:02d}", each)):
            rows.append((path, ("ill", "well")[patient % 2 if patient % 5 else at % 2], f"p{patient}"))
    source.list_of("labels.csv", [("path", "label", "patient_id"), *rows])
    return source.root / "labels.csv"


def imported(path: Path, tmp_path: Path, group: str = "", seed: int = 0, **more: object) -> Imported:
    options = ImportOptions(hints=LayoutHints(group=group), seed=seed, replace=True, **more)  # type: ignore[arg-type]
    return import_dataset("scans", path, tmp_path / "data", options)


def sides(manifest: Manifest) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for row in manifest.table.select(["group", "split"]).to_pylist():
        found.setdefault(row["group"], set()).add(row["split"])
    return found


@pytest.mark.parametrize("group", ["patient_id", "Patient_ID", r"patient(\d+)", r"img/[^/]+"])
@pytest.mark.parametrize("seed", [0, 1])
def test_the_drawn_test_split_divides_no_group(tmp_path: Path, group: str, seed: int) -> None:
    manifest = imported(scans(tmp_path), tmp_path, group, seed).manifest
    found = sides(manifest)
    assert len(found) == PATIENTS
    assert all(len(splits) == 1 for splits in found.values())
    counts = manifest.counts()
    for label in manifest.labels:
        share = counts["test"][label] / (counts["test"][label] + counts["train"][label])
        assert 0.1 <= share <= 0.2
    assert manifest.table.equals(read_manifest(manifest.folder).table)


def test_a_regular_expression_groups_class_folders(tmp_path: Path) -> None:
    source = Source(tmp_path / "in")
    for label in ("cat", "dog"):
        for animal in range(8):
            for shot in range(3):
                source.image(f"{label}/{label}{animal}_{shot}.png")
    manifest = imported(source.root, tmp_path, r"(\w+)_\d+\.png$").manifest
    assert len(sides(manifest)) == 16
    assert all(len(splits) == 1 for splits in sides(manifest).values())
    assert manifest.card.group == r"(\w+)_\d+\.png$"


def test_without_groups_the_column_is_named(tmp_path: Path) -> None:
    done = imported(scans(tmp_path), tmp_path)
    assert any("'patient_id' is not used" in warning and "--group patient_id" in warning for warning in done.warnings)
    assert done.manifest.card.columns == {"patient_id": PATIENTS}
    report = check_dataset(done.manifest)
    assert {finding.check: finding.severity for finding in report.findings}["unused_group"] is Severity.WARNING
    assert not [w for w in imported(scans_again(tmp_path), tmp_path, "patient_id").warnings if "not used" in w]


def scans_again(tmp_path: Path) -> Path:
    return tmp_path / "in" / "labels.csv"


def test_a_given_split_that_divides_a_group_is_a_leak_and_left_out_of_subsets(tmp_path: Path) -> None:
    source = Source(tmp_path / "in")
    rows = [
        (path, "ab"[at % 2], "test" if at >= 32 else "train", f"p{at // 2 if at < 36 else at // 2 - 16}")
        for at, path in enumerate(source.images("img", 40))
    ]
    source.list_of("labels.csv", [("path", "label", "split", "who"), *rows])
    done = imported(source.root / "labels.csv", tmp_path, "who")
    assert any("2 groups have samples in both train and test" in warning for warning in done.warnings)
    assert any(finding.check == "group_leak" for finding in check_dataset(done.manifest).of(Severity.LEAK))
    plan = plan_subsets(done.manifest, shots=[None], fold=0, seed=0)
    assert plan.class_sizes == {"a": 14, "b": 14}
    assert any("4 files of the training split left out" in note for note in plan.notes)


@pytest.mark.parametrize("fold", [0, 1, 2])
@pytest.mark.parametrize("each", [1, 2, 5, 9])
def test_halves_of_a_subset_share_no_group_and_nest(tmp_path: Path, each: int, fold: int) -> None:
    manifest = imported(scans(tmp_path, each=each), tmp_path, "patient_id").manifest
    groups = manifest.table["group"].to_pylist()
    smallest = min(manifest.counts()["train"].values())
    plan = plan_subsets(manifest, shots=[*range(1, smallest + 1), None], fold=fold, seed=3)
    before: tuple[set[int], set[int]] = (set(), set())
    for shots in plan.shots:
        subset = plan.subset(shots)
        halves = (set(subset.train_rows.tolist()), set(subset.validation_rows.tolist()))
        if shots is not None:
            assert len(halves[0]) + len(halves[1]) == 2 * shots
            assert len(halves[1]) <= 2 * (shots // 5)
        assert before[0] <= halves[0]
        assert before[1] <= halves[1]
        assert not {groups[row] for row in halves[0]} & {groups[row] for row in halves[1]}
        before = halves
    assert before[1], "nothing is for validation"


def test_files_of_grouped_subsets_verify_and_a_divided_group_is_found(tmp_path: Path) -> None:
    manifest = imported(scans(tmp_path), tmp_path, "patient_id").manifest
    write(manifest, shots=[5, 20], folds=1, seed=0)
    assert all(check.holds for check in verify(manifest))
    folder = manifest.folder / "ablations"
    train, validation = (folder / f"{stem('scans', half, 20, 0)}.csv" for half in ("train", "val"))
    lines = train.read_text().splitlines(), validation.read_text().splitlines()
    lines[0].append(lines[1].pop())
    for path, text in zip((train, validation), lines, strict=True):
        path.write_text("\n".join(text) + "\n")
    assert any(check.invariant == "groups" and not check.holds for check in verify(manifest))


def test_groups_are_part_of_the_fingerprint_and_survive_a_second_import(tmp_path: Path) -> None:
    plain = imported(scans(tmp_path), tmp_path).manifest.fingerprint
    grouped = imported(scans_again(tmp_path), tmp_path, "patient_id").manifest
    assert grouped.fingerprint != plain
    again = import_dataset("again", grouped.folder, tmp_path / "data").manifest
    assert again.fingerprint == grouped.fingerprint
    assert sides(again) == sides(grouped)


def test_what_is_no_group_is_refused(tmp_path: Path) -> None:
    path = scans(tmp_path)
    with pytest.raises(DatasetError, match="no column 'patient'"):
        imported(path, tmp_path, "patient")
    with pytest.raises(DatasetError, match="finds nothing in 'img/"):
        imported(path, tmp_path, r"subject(\d+)")
    folders = Source(tmp_path / "other")
    folders.tree("cat", "dog")
    with pytest.raises(DatasetError, match="no column of the data"):
        imported(folders.root, tmp_path, "patient")
    with pytest.raises(UsageError, match="no regular expression"):
        imported(path, tmp_path, "patient(")
    own = imported(path, tmp_path, "patient_id").manifest.folder
    with pytest.raises(UsageError, match="stay as they were imported"):
        import_dataset("again", own, tmp_path / "data", ImportOptions(hints=LayoutHints(group="site")))


@pytest.mark.parametrize("chance", [random.Random(number) for number in range(40)])
def test_bundles_of_contents_and_groups_are_never_divided(chance: random.Random) -> None:
    size = chance.randint(1, 80)
    samples = [(f"{chance.randrange(size):064x}", chance.choice("abc")) for _ in range(size)]
    groups = [chance.choice(["", *(f"g{n}" for n in range(size // 3 + 1))]) for _ in samples]
    chosen = choose_test_by_group(samples, groups, test_share=0.2, seed=chance.randrange(9))
    side = {
        group: {samples[at][0] in chosen for at, own in enumerate(groups) if own == group} for group in groups if group
    }
    assert all(len(found) == 1 for found in side.values())
    for label in {label for _, label in samples}:
        assert any(own == label and sample_id not in chosen for sample_id, own in samples)


def parquet_of(path: Path, **columns: pa.Array | list[object]) -> Path:
    images = [png_bytes(np.full((9, 9), at, np.uint8)) for at in range(40)]
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table({"image": images, "label": ["a", "b"] * 20, **columns}), path)
    return path


@pytest.mark.parametrize("values", [[f"p{at // 4}" for at in range(40)], [at // 4 for at in range(40)]])
def test_a_column_of_a_parquet_file_keeps_its_samples_together(tmp_path: Path, values: list[object]) -> None:
    file = parquet_of(tmp_path / "in/train.parquet", Patient=values)
    named = imported(file, tmp_path)
    assert any("'Patient' is not used" in warning and "--group Patient" in warning for warning in named.warnings)
    done = imported(file, tmp_path, "patient")
    assert sides(done.manifest).keys() == {str(value) for value in values}
    assert all(len(splits) == 1 for splits in sides(done.manifest).values())
    assert not [warning for warning in done.warnings if "not used" in warning]


def test_a_group_that_only_some_parquet_files_have_or_that_is_a_list_is_refused(tmp_path: Path) -> None:
    parquet_of(tmp_path / "in/train-00000-of-00002.parquet", patient=[at // 4 for at in range(40)])
    odd = parquet_of(tmp_path / "in/train-00001-of-00002.parquet")
    with pytest.raises(DatasetError, match=re.escape(f"{odd} has no column 'patient', where other files do.")):
        imported(tmp_path / "in", tmp_path, "patient")
    file = parquet_of(tmp_path / "in/lists.parquet", patient=[[at] for at in range(40)])
    with pytest.raises(DatasetError, match="a group is a text or a whole number"):
        imported(file, tmp_path, "patient")
