"""The files of the subsets: `data/<dataset>/ablations/<dataset>_{train,val}_<k>.csv`, and `ablations.json` beside them.

All files of one run are written under temporary names first and then take their names one after the other,
`ablations.json` last; files that the run before left and this one does not make again are removed. A full disk leaves
the old files as they were.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from automl_bench.ablations.file_names import COLUMNS, INDEX_NAME, ablations_folder, stem
from automl_bench.ablations.plan import Plan, default_shots, plan_subsets
from automl_bench.ablations.provider_files import ManifestExporter, Objects, ProviderFailure, write_provider_files
from automl_bench.ablations.shots import VALIDATION_EVERY, parse_shots, spell
from automl_bench.border.cells import inert, restored
from automl_bench.border.command_lines import quoted_command
from automl_bench.datasets.placing import scratch_folder
from automl_bench.errors import DatasetError, DatasetNotFound, UsageError
from automl_bench.toolkit.whole_files import cannot

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from automl_bench.datasets.manifest import Manifest

FORMAT = 1


@dataclass(frozen=True, slots=True)
class Written:
    """What one run of `write` made.

    Attributes:
        folder: Folder of the files.
        seed: Seed of the order.
        folds: Number of draws.
        shots: Sizes, smallest first; None is all.
        counts: One row for each fold and size: fold, shots, train, validation.
        files: Names in `folder`, sorted.
        providers: Names of the files made for each provider.
        objects: What each provider that reads from a storage needs there.
        failures: Providers whose own format could not be made, and why.
        notes: What a reader should know, one sentence each.
    """

    folder: Path
    seed: int
    folds: int
    shots: tuple[int | None, ...]
    counts: tuple[Mapping[str, Any], ...]
    files: tuple[str, ...]
    providers: Mapping[str, tuple[str, ...]]
    objects: Mapping[str, Objects]
    failures: tuple[ProviderFailure, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Index:
    """What `ablations.json` says of the files beside it.

    Attributes:
        dataset: Name of the dataset.
        seed: Seed of the order.
        folds: Number of draws.
        shots: Sizes, smallest first; None is all.
        fingerprint: The dataset's, when the files were written.
        files: Names of all files.
        providers: Names of each provider's files.
    """

    dataset: str
    seed: int
    folds: int
    shots: tuple[int | None, ...]
    fingerprint: str
    files: tuple[str, ...]
    providers: Mapping[str, tuple[str, ...]]


def write(
    manifest: Manifest,
    *,
    shots: Sequence[int | None] | None = None,
    folds: int = 1,
    seed: int = 0,
    exporters: Mapping[str, ManifestExporter] | None = None,
) -> Written:
    """Write the files of all subsets, and each provider's own format of them.

    Args:
        manifest: The dataset, with all its columns.
        shots: Sizes; None takes the default sizes that every class has.
        folds: Number of draws, from fold 0.
        seed: Seed of the order.
        exporters: By provider, the function that describes samples in its format.

    Raises:
        NotEnoughShots: If a class has fewer samples than asked for.
        UsageError: If the sizes or the number of folds make no sense.
        WorkspaceError: If a file cannot be written; the old files are then still there.
    """
    if folds < 1:
        raise UsageError(f"{folds} folds were asked for.", remedy="Ask for at least 1.")
    first = plan_subsets(manifest, shots=shots or (), fold=0, seed=seed)
    notes = list(first.notes)
    sizes = first.shots
    if not sizes:
        sizes, stopped = default_shots(first)
        notes += [stopped] if stopped else []
    counts: list[dict[str, Any]] = []
    before = _index_before(ablations_folder(manifest))
    kept = {name: files for name, files in before.providers.items() if name not in (exporters or {})} if before else {}
    if before and kept and _what_files_depend_on(before) != (manifest.fingerprint, seed, folds, sizes):
        named = " and ".join(sorted(kept))
        notes.append(
            f"The files of {named} are from an earlier run with other data, sizes, folds or seed; "
            "write them again before you use them beside these."
        )
    stale = set(before.files).difference(*kept.values()) if before else set()
    with _staged(ablations_folder(manifest), stale) as draft:
        for fold in range(folds):
            plan = first if fold == 0 else plan_subsets(manifest, shots=sizes, fold=fold, seed=seed)
            counts += [_write_subset(manifest, plan, size, draft) for size in sizes]
        made = write_provider_files(manifest, draft, exporters or {}, sizes, folds=folds, seed=seed)
        files = tuple(sorted({path.name for path in draft.iterdir()}.union(*kept.values())))
        written = Written(
            folder=ablations_folder(manifest),
            seed=seed,
            folds=folds,
            shots=sizes,
            counts=tuple(counts),
            files=files,
            providers=made.names,
            objects=made.objects,
            failures=made.failures,
            notes=tuple(notes),
        )
        _write_index(manifest, written, kept, draft)
    return written


def _index_before(folder: Path) -> Index | None:
    try:
        return read_index(folder)
    except DatasetError:
        return None  # none written yet, or not readable: then nothing is known to be ours


def _what_files_depend_on(index: Index) -> tuple[str, int, int, tuple[int | None, ...]]:
    return index.fingerprint, index.seed, index.folds, index.shots


def _write_subset(manifest: Manifest, plan: Plan, shots: int | None, folder: Path) -> dict[str, Any]:
    subset = plan.subset(shots)
    for half, rows in (("train", subset.train_rows), ("val", subset.validation_rows)):
        _write_rows(manifest, rows, folder / f"{stem(manifest.name, half, shots, plan.fold)}.csv")
    return {
        "fold": plan.fold,
        "shots": spell(shots),
        "train": len(subset.train_rows),
        "validation": len(subset.validation_rows),
    }


def _write_rows(manifest: Manifest, rows: npt.NDArray[np.int64], path: Path) -> None:
    columns = manifest.table.select(list(COLUMNS)).take(rows).to_pydict()
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        writer.writerows(map(inert, cells) for cells in zip(*columns.values(), strict=True))


def _write_index(manifest: Manifest, written: Written, kept: Mapping[str, tuple[str, ...]], folder: Path) -> None:
    index = {
        "format": FORMAT,
        "dataset": manifest.name,
        "fingerprint": manifest.fingerprint,
        "seed": written.seed,
        "folds": written.folds,
        "shots": [spell(size) for size in written.shots],
        "validation_every": VALIDATION_EVERY,
        "counts": list(written.counts),
        "files": list(written.files),
        "providers": {name: list(files) for name, files in {**kept, **written.providers}.items()},
        "failures": [{"provider": failure.provider, "reason": failure.reason} for failure in written.failures],
        "notes": list(written.notes),
    }
    text = json.dumps(index, indent=2, ensure_ascii=False) + "\n"
    (folder / INDEX_NAME).write_text(text, encoding="utf-8", newline="\n")


@contextmanager
def _staged(folder: Path, stale: set[str]) -> Iterator[Path]:
    """Give an empty folder whose files take their places in `folder` if the block succeeds, the index last.

    Args:
        folder: Where the files are to be.
        stale: Names of files that go unless they are made again.
    """
    with scratch_folder(folder) as draft:
        try:
            yield draft
            folder.mkdir(exist_ok=True)
            names = sorted(path.name for path in draft.iterdir())
            for name in sorted(names, key=lambda name: name == INDEX_NAME):
                (draft / name).replace(folder / name)
            for name in stale - set(names):
                (folder / name).unlink(missing_ok=True)
        except OSError as error:
            raise cannot("write", Path(error.filename) if error.filename else folder, error) from error


def read_index(folder: Path) -> Index:
    """Read the `ablations.json` of a folder of subsets.

    Raises:
        DatasetNotFound: If it does not exist.
        DatasetError: If it is damaged.
        WorkspaceError: If it cannot be read.
    """
    path = folder / INDEX_NAME
    dataset = folder.parent.name
    try:
        text = path.read_text(encoding="utf-8")
    except (FileNotFoundError, NotADirectoryError) as error:
        raise DatasetNotFound(
            f"{dataset!r} has no subsets yet: {path} does not exist.",
            remedy=f"Write them with {quoted_command('ablate', dataset)}.",
        ) from error
    except OSError as error:
        raise cannot("read", path, error) from error
    except UnicodeDecodeError as error:
        raise _damaged(path, str(error)) from error
    try:
        values = json.loads(text)
        if values["format"] != FORMAT:
            raise _damaged(path, f"format {values['format']!r} is not known")
        files = tuple(str(name) for name in values["files"])
        if any("/" in name or "\\" in name or name in {"", ".", ".."} for name in files):
            raise _damaged(path, "a file name leaves the folder")
        return Index(
            dataset=str(values["dataset"]),
            seed=int(values["seed"]),
            folds=int(values["folds"]),
            shots=parse_shots(",".join(values["shots"])),
            fingerprint=str(values["fingerprint"]),
            files=files,
            providers={str(name): tuple(map(str, made)) for name, made in values["providers"].items()},
        )
    except (KeyError, TypeError, ValueError, AttributeError, UsageError) as error:
        raise _damaged(path, f"{type(error).__name__}: {error}") from error


def _damaged(path: Path, reason: str) -> DatasetError:
    return DatasetError(f"{path} is damaged: {reason}.", remedy=_write_again(path))


def _write_again(path: Path) -> str:
    return f"Write the subsets again with {quoted_command('ablate', path.parent.parent.name)}."


def read_rows(path: Path) -> list[tuple[str, str, str]]:
    """Read the (path, label, sample_id) rows of one subset file.

    Raises:
        DatasetError: If the file is missing or not of this form.
        WorkspaceError: If it cannot be read.
    """
    remedy = _write_again(path)
    try:
        with path.open(newline="", encoding="utf-8") as file:
            rows = csv.reader(file, strict=True)
            header = tuple(next(rows, ()))
            if header != COLUMNS:
                raise DatasetError(f"{path} does not begin with the columns {', '.join(COLUMNS)}.", remedy=remedy)
            found = []
            for row in rows:
                if len(row) != len(COLUMNS):
                    raise DatasetError(f"line {rows.line_num} of {path} has {len(row)} columns, not 3.", remedy=remedy)
                path_cell, label, sample_id = map(restored, row)
                found.append((path_cell, label, sample_id))
    except FileNotFoundError as error:
        raise DatasetError(f"{path} does not exist.", remedy=remedy) from error
    except OSError as error:
        raise cannot("read", path, error) from error
    except (csv.Error, UnicodeDecodeError) as error:
        raise DatasetError(f"{path} is not a readable CSV file: {error}.", remedy=remedy) from error
    return found
