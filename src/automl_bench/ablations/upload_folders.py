"""Copy folders: a subset as a tree of class folders, for consoles and tools that want one."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from automl_bench.ablations.file_names import ablations_folder, uploads_name
from automl_bench.ablations.plan import plan_subsets
from automl_bench.datasets.placing import building_folder
from automl_bench.errors import DatasetError

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from automl_bench.ablations.provider_files import Objects
    from automl_bench.datasets.manifest import Manifest


def copy_folders(
    manifest: Manifest, *, shots: Sequence[int | None], folds: int, seed: int
) -> dict[str, tuple[int, int]]:
    """Make `training_uploads_<k>` and `val_uploads_<k>` beside the subset files, one sub-folder a class.

    Files are hard links where the file system allows it, and copies elsewhere: do not edit them in place. A folder
    that exists is replaced as a whole, once its successor is complete.

    Args:
        manifest: The dataset, with all its columns.
        shots: Sizes.
        folds: Number of draws.
        seed: Seed of the order.

    Returns:
        By folder name, the number of hard links and of copies.

    Raises:
        DatasetError: If a file of the manifest does not exist.
        WorkspaceError: If a folder cannot be written.
    """
    made: dict[str, tuple[int, int]] = {}
    for fold in range(folds):
        plan = plan_subsets(manifest, shots=shots, fold=fold, seed=seed)
        for subset in plan.subsets():
            for half, rows in (("train", subset.train_rows), ("val", subset.validation_rows)):
                name = uploads_name(half, subset.shots, fold)
                made[name] = _fill_folder(manifest, rows, ablations_folder(manifest) / name)
    return made


def copy_objects(manifest: Manifest, objects: Mapping[str, Objects]) -> dict[str, tuple[int, int]]:
    """Make `uploads_<provider>` for each provider that reads from a storage: files named as its own files name objects.

    Copied as it is to the destination that the files name (`gsutil rsync -r`, `aws s3 sync`, `azcopy`), nothing in the
    files has to be edited.

    Args:
        manifest: The dataset.
        objects: By provider, as `files.write` returned them.

    Returns:
        By folder name, the number of hard links and of copies.

    Raises:
        DatasetError: If a file of the manifest does not exist.
        WorkspaceError: If a folder cannot be written.
    """
    made: dict[str, tuple[int, int]] = {}
    for provider, wanted in objects.items():
        name = f"uploads_{provider}"
        with building_folder(ablations_folder(manifest) / name, replace=True) as draft:
            made[name] = _place_all((source, draft / place) for place, source in wanted.files.items())
    return made


def _fill_folder(manifest: Manifest, rows: npt.NDArray[np.int64], target: Path) -> tuple[int, int]:
    paths = manifest.table.column("path").take(rows).to_pylist()
    with building_folder(target, replace=True) as draft:
        return _place_all((manifest.folder / path, draft / inside_class_folders(path)) for path in paths)


def _place_all(files: Iterable[tuple[Path, Path]]) -> tuple[int, int]:
    linked = copied = 0
    for source, place in files:
        place.parent.mkdir(parents=True, exist_ok=True)
        if _link_or_copy(source, place):
            linked += 1
        else:
            copied += 1
    return linked, copied


def inside_class_folders(path: str) -> str:
    """Return a manifest path without its first part, the split: its class folder is one the disk already holds."""
    return "/".join(PurePosixPath(path).parts[1:])


def _link_or_copy(source: Path, target: Path) -> bool:
    """Link a file, or copy it where links are not to be had; tell whether it was linked."""
    if not source.is_file():
        raise DatasetError(f"the file {source} of the manifest does not exist.", remedy="Import the dataset again.")
    try:
        os.link(source.resolve(), target)
    except OSError:  # another file system, one without links, or too many links to one file
        shutil.copy2(source, target)
        return False
    return True
