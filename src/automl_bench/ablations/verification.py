"""Checks the invariants of the subsets on the files on disk, trusting neither their writer nor its index."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from automl_bench.ablations.content import codes_of
from automl_bench.ablations.file_names import COLUMNS, ablations_folder, stem, uploads_name
from automl_bench.ablations.files import Index, read_index, read_rows
from automl_bench.ablations.order import leading_words, ranks
from automl_bench.ablations.plan import Plan, plan_subsets
from automl_bench.ablations.shots import is_validation, spell
from automl_bench.ablations.upload_folders import inside_class_folders
from automl_bench.border.command_lines import quoted_command
from automl_bench.contract import Modality
from automl_bench.datasets.manifest import GROUP, fingerprint_of
from automl_bench.errors import DatasetError, NotEnoughShots
from automl_bench.numbers_in_words import number_of

if TYPE_CHECKING:
    from automl_bench.contract import Modality
from automl_bench.datasets.manifest import Manifest

HALVES = ("train", "val")

Row = tuple[str, str, str]
"""(path, label, sample_id)"""


@dataclass(frozen=True, slots=True)
class Check:
    """One invariant of one part of the files.

    Attributes:
        invariant: Which: "fingerprint", "files", "rows", "per class", "80/20" or "groups", "disjoint", "nested",
            "seed", "folders".
        fold: The draw, or None for what concerns all.
        shots: The size as spelt, or empty.
        violation: One sentence on what is wrong; empty if the invariant holds.
    """

    invariant: str
    fold: int | None
    shots: str
    violation: str = ""

    @property
    def holds(self) -> bool:
        """Whether the invariant holds."""
        return not self.violation


@dataclass(frozen=True, slots=True)
class _Known:
    """What the manifest says, once for all subsets."""

    manifest: Manifest
    folder: Path
    train_rows: frozenset[Row]
    test_ids: frozenset[str]


@dataclass(frozen=True, slots=True)
class _Pair:
    """The two files of one subset as read."""

    shots: int | None
    train: list[Row]
    validation: list[Row]

    @property
    def all_rows(self) -> list[Row]:
        return self.train + self.validation


def verify(manifest: Manifest) -> list[Check]:
    """Check the files of a dataset's subsets against its manifest and against each other.

    Args:
        manifest: The dataset, with all its columns.

    Returns:
        Every check made, in order; where a file cannot be read, what depends on it is not checked.

    Raises:
        DatasetNotFound: If no subsets were written.
        DatasetError: If their index is damaged.
        WorkspaceError: If a file cannot be read.
    """
    folder = ablations_folder(manifest)
    index = read_index(folder)
    checks = [_same_data(manifest, index), _listed_files_exist(folder, index)]
    columns = manifest.table.select(["split", *COLUMNS]).to_pydict()
    rows = list(zip(*columns.values(), strict=True))
    known = _Known(
        manifest=manifest,
        folder=folder,
        train_rows=frozenset(row[1:] for row in rows if row[0] == "train"),
        test_ids=frozenset(row[3] for row in rows if row[0] == "test"),
    )
    del columns, rows
    for fold in range(index.folds):
        checks += _check_fold(known, index, fold)
    return checks


def first_violation(dataset: str, checks: Iterable[Check]) -> DatasetError | None:
    """Return the error for the first invariant of a dataset's subsets that does not hold, or None if all hold."""
    for check in checks:
        if not check.holds:
            return DatasetError(
                check.violation,
                remedy=f"Write the subsets again with {quoted_command('ablate', dataset)}, or bring the data back.",
            )
    return None


def _same_data(manifest: Manifest, index: Index) -> Check:
    found = fingerprint_of(manifest.table)
    if index.fingerprint == found:
        return Check("fingerprint", None, "")
    return Check(
        "fingerprint",
        None,
        "",
        f"the dataset {manifest.name!r} has changed since its subsets were written: its fingerprint was "
        f"{index.fingerprint[:12]}… and is {found[:12]}….",
    )


def _listed_files_exist(folder: Path, index: Index) -> Check:
    expected = {
        f"{stem(index.dataset, half, size, fold)}.csv"
        for fold in range(index.folds)
        for size in index.shots
        for half in HALVES
    }
    missing = [name for name in sorted(expected | set(index.files)) if not (folder / name).is_file()]
    return Check("files", None, "", f"{folder / missing[0]} does not exist." if missing else "")


def _check_fold(known: _Known, index: Index, fold: int) -> list[Check]:
    manifest = known.manifest
    plan = plan_subsets(manifest, shots=(), fold=fold, seed=index.seed)
    checks: list[Check] = []
    smaller: _Pair | None = None
    for size in index.shots:

        def check(invariant: str, violation: str, size: int | None = size) -> bool:
            checks.append(Check(invariant, fold, spell(size), violation))
            return not violation

        try:
            pair = _Pair(
                size,
                *(read_rows(known.folder / f"{stem(index.dataset, half, size, fold)}.csv") for half in HALVES),
            )
        except DatasetError as error:
            check("files", error.message)
            continue
        where = f"subset {spell(size)} of fold {fold}"
        if not check("rows", _unknown_row(known, pair, where)):
            continue
        check("per class", _uneven_class(plan, pair, where))
        if plan.validation is None:
            check("80/20", _misplaced(manifest, pair, index.seed, fold, where))
        else:
            check("groups", _shared_group(manifest, pair, where))
        check("disjoint", _shared_content(known, pair, where))
        if smaller is not None:
            check("nested", _not_nested(smaller, pair, fold))
        check("seed", _not_reproduced(manifest, plan, pair, where))
        if any((known.folder / uploads_name(half, size, fold)).is_dir() for half in HALVES):
            check("folders", _folder_differs(known.folder, pair, fold))
        smaller = pair
    return checks


def _unknown_row(known: _Known, pair: _Pair, where: str) -> str:
    for row in pair.all_rows:
        if row not in known.train_rows:
            return f"the {where} lists {row[0]!r}, which is not so in the training split of the manifest."
        if known.manifest.modality is Modality.IMAGE and not (known.manifest.folder / row[0]).is_file():
            return f"the file {known.manifest.folder / row[0]} of the {where} does not exist."
    return ""


def _uneven_class(plan: Plan, pair: _Pair, where: str) -> str:
    found = Counter(label for label, _ in {(label, sample_id) for _, label, sample_id in pair.all_rows})
    for label in plan.labels:
        expected = plan.class_sizes[label] if pair.shots is None else pair.shots
        if found[label] != expected:
            has = number_of(found[label], "distinct sample")
            return f"the {where} has {has} of class {label!r} instead of {expected}."
    return ""


def _misplaced(manifest: Manifest, pair: _Pair, seed: int, fold: int, where: str) -> str:
    """Order the samples by the keyed hash anew and look whether exactly every fifth of a class is for validation."""
    import pyarrow as pa

    rows = pair.all_rows
    ids = pa.array([row[2] for row in rows], pa.string())
    classes = codes_of(pa.chunked_array([pa.array([row[1] for row in rows], pa.string())]), manifest.labels)
    place = ranks(leading_words(ids), classes, manifest.labels, seed=seed, fold=fold)
    order = sorted(range(len(rows)), key=lambda at: (int(classes[at]), int(place[at]), rows[at][2]))
    position, label = 0, ""
    for at in order:
        path, own, _ = rows[at]
        position, label = (position + 1, own) if own == label else (0, own)
        if is_validation(position) != (at >= len(pair.train)):
            half = "validation" if is_validation(position) else "training"
            return f"{path!r} is at place {position} of class {own!r} and belongs into the {half} half of the {where}."
    return ""


def _shared_content(known: _Known, pair: _Pair, where: str) -> str:
    train = {row[2] for row in pair.train}
    for path, _, sample_id in pair.validation:
        if sample_id in train:
            return f"the content of {path!r} is in both halves of the {where}."
    for path, _, sample_id in pair.all_rows:
        if sample_id in known.test_ids:
            return f"the content of {path!r} in the {where} is in the test set too."
    return ""


def _shared_group(manifest: Manifest, pair: _Pair, where: str) -> str:
    columns = manifest.table.select(["path", "split", GROUP]).to_pydict()
    group_of = dict(zip(columns["path"], columns[GROUP], strict=True))
    tested = {group for group, split in zip(columns[GROUP], columns["split"], strict=True) if group and split == "test"}
    train = {group_of[row[0]] for row in pair.train}
    for path, _, _ in pair.all_rows:
        if group_of[path] in tested:
            return f"the group of {path!r} in the {where} is in the test set too."
    for path, _, _ in pair.validation:
        if group_of[path] and group_of[path] in train:
            return f"the group of {path!r} is in both halves of the {where}."
    return ""


def _not_nested(smaller: _Pair, larger: _Pair, fold: int) -> str:
    for half, inner, outer in (
        ("training", smaller.train, larger.train),
        ("validation", smaller.validation, larger.validation),
    ):
        lost = set(inner) - set(outer)
        if lost:
            return (
                f"{min(lost)[0]!r} is in the {half} half of subset {spell(smaller.shots)} of fold {fold} but not of "
                f"subset {spell(larger.shots)}."
            )
    return ""


def _not_reproduced(manifest: Manifest, plan: Plan, pair: _Pair, where: str) -> str:
    try:
        subset = plan.subset(pair.shots)
    except NotEnoughShots as error:
        return error.message
    table = manifest.table.select(list(COLUMNS))
    for half, rows, found in (
        ("training", subset.train_rows, pair.train),
        ("validation", subset.validation_rows, pair.validation),
    ):
        expected = list(zip(*table.take(rows).to_pydict().values(), strict=True))
        if expected != found:
            return f"seed {plan.seed} gives another {half} half of the {where} than the file holds."
    return ""


def _folder_differs(folder: Path, pair: _Pair, fold: int) -> str:
    for half, rows in (("train", pair.train), ("val", pair.validation)):
        uploads = folder / uploads_name(half, pair.shots, fold)
        found = {path.relative_to(uploads).as_posix() for path in uploads.rglob("*") if path.is_file()}
        differing = found.symmetric_difference(inside_class_folders(row[0]) for row in rows)
        if differing:
            name = min(differing)
            state = "should not be there" if name in found else "is missing"
            return f"{uploads / name} {state}."
    return ""
