"""Finds out which of the known layouts a path has."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from automl_bench.datasets.annotated import read_cars_matlab, read_food_lists, read_pets_lists
from automl_bench.datasets.archives import is_archive, unpack
from automl_bench.datasets.class_trees import is_hidden, read_class_tree
from automl_bench.datasets.csv_lists import LIST_ENDINGS, header_of, is_sample_list, read_csv_list
from automl_bench.datasets.listing import Incoming, Listing
from automl_bench.datasets.manifest import COLUMNS, MANIFEST_NAME, read_manifest
from automl_bench.datasets.parquet_shards import parquet_files, read_parquet
from automl_bench.datasets.pixel_arrays import idx_files, is_cifar10, read_cifar10, read_idx
from automl_bench.datasets.placing import cannot
from automl_bench.errors import DatasetError

UNDERSTOOD = (
    "a folder with one folder per class, a CSV with the columns path,label[,split], a .zip or .tar[.gz|.bz2|.xz] of "
    "either, Parquet files in the hub's layout, or IDX files"
)


@dataclass(frozen=True, slots=True)
class LayoutHints:
    """What is known of a layout beforehand, for example from the catalogue.

    Attributes:
        layout: Name of the layout, or "" to find out; see `LAYOUTS`.
        labels: Class names by number, for layouts that only have numbers.
        split_words: Further names of split folders, to "train", "validation" or "test".
        test_split: The split that is the test set.
    """

    layout: str = ""
    labels: Sequence[str] = ()
    split_words: Mapping[str, str] = field(default_factory=dict)
    test_split: str = "test"

    @property
    def words(self) -> dict[str, str]:
        """All further split names, the test split's included."""
        return {**self.split_words, **({self.test_split.lower(): "test"} if self.test_split != "test" else {})}


LAYOUTS: Mapping[str, Callable[[Path, LayoutHints], Listing]] = {
    "folders": lambda folder, hints: read_class_tree(folder, split_words=hints.words),
    "idx": lambda folder, hints: read_idx(_level(folder, lambda f: bool(idx_files(f))), hints.labels),
    "cifar10": lambda folder, hints: read_cifar10(_level(folder, is_cifar10)),
    "parquet": lambda folder, hints: read_parquet(folder, test_split=hints.test_split),
    "food-lists": lambda folder, hints: read_food_lists(folder),
    "pets-lists": lambda folder, hints: read_pets_lists(folder),
    "cars-matlab": lambda folder, hints: read_cars_matlab(folder),
}
"""Readers of a folder by the name that the catalogue uses."""


def recognise(
    path: Path,
    *,
    scratch: Path,
    hints: LayoutHints | None = None,
    progress: Callable[[int, int | None], None] = lambda done, total: None,
) -> Listing:
    """List the samples at a path, whatever layout it has.

    Args:
        path: Folder or file.
        scratch: Empty folder for unpacking an archive.
        hints: What is known beforehand.
        progress: Called with (bytes unpacked, bytes in all or None).

    Raises:
        DatasetError: If the path does not exist, or has no layout that is understood.
        UnsafeArchive: See `archives.unpack`.
        WorkspaceError: If it cannot be read.
    """
    hints = hints or LayoutHints()
    try:
        is_folder, is_file = path.is_dir(), path.is_file()
    except OSError as error:
        raise cannot("read", path, error) from error
    if is_folder:
        return recognise_folder(path, hints)
    if not is_file:
        raise DatasetError(f"{path} does not exist.", remedy=f"Give {UNDERSTOOD}.")
    if is_archive(path):
        unpack(path, scratch, progress=progress)
        return recognise_folder(scratch, hints, within=scratch)
    if path.suffix.lower() in LIST_ENDINGS:
        return read_csv_list(path)
    if path.suffix.lower() == ".parquet":
        return read_parquet(path, test_split=hints.test_split)
    raise DatasetError(f"{path} has no layout that is understood.", remedy=f"Give {UNDERSTOOD}.")


def recognise_folder(folder: Path, hints: LayoutHints, *, within: Path | None = None) -> Listing:
    """List the samples in a folder; `within` is the folder that a CSV from an archive may not leave."""
    if hints.layout:
        return LAYOUTS[hints.layout](folder, hints)
    for level in _levels(folder):
        listing = _marked(level, hints, within)
        if listing:
            return listing
    if parquet_files(folder):
        return read_parquet(folder, test_split=hints.test_split)
    for level in _levels(folder):
        lists = [file for file in _visible(level) if file.is_file() and file.suffix.lower() in LIST_ENDINGS]
        if lists and not any(entry.is_dir() for entry in _visible(level)):
            return read_csv_list(lists[0], within=within)
    inner = [entry for entry in _visible(folder) if entry.is_file() and is_archive(entry)]
    if inner and not any(entry.is_dir() for entry in _visible(folder)):
        raise DatasetError(f"{folder} holds archives only.", remedy=f"Import one of them: {inner[0]}.")
    return read_class_tree(folder, split_words=hints.words)


def _marked(folder: Path, hints: LayoutHints, within: Path | None) -> Listing | None:
    """Recognise the layouts that a certain file gives away."""
    if header_of(folder / MANIFEST_NAME) == list(COLUMNS):
        return _read_own(folder)
    if is_cifar10(folder):
        return read_cifar10(folder)
    if ("train", "images") in idx_files(folder):
        return read_idx(folder, hints.labels)
    markers = (
        ("meta/train.json", read_food_lists),
        ("annotations/trainval.txt", read_pets_lists),
        ("devkit/cars_meta.mat", read_cars_matlab),
    )
    for marker, read in markers:
        if (folder / marker).is_file():
            return read(folder)
    lists = [file for file in _visible(folder) if file.is_file() and is_sample_list(file)]
    if len(lists) > 1:
        names = " and ".join(file.name for file in lists[:2])
        raise DatasetError(f"{folder} holds several lists of samples: {names}.", remedy=f"Import one: {lists[0]}.")
    return read_csv_list(lists[0], within=within) if lists else None


def _read_own(folder: Path) -> Listing:
    """Read a dataset folder of ours, for example one copied from another workspace."""
    manifest = read_manifest(folder)
    rows = manifest.table.select(["path", "split", "label"])

    def samples() -> Iterator[Incoming]:
        for batch in rows.to_batches(1000):
            for row in batch.to_pylist():
                path = folder / row["path"]
                if not path.resolve().is_relative_to(folder.resolve()):
                    raise DatasetError(
                        f"{folder / MANIFEST_NAME} names {row['path']!r}, outside it.", remedy="Remove it."
                    )
                yield Incoming(path.name, row["label"], row["split"], path=str(path))

    has_test = any(manifest.counts()["test"].values())
    return Listing("automl-bench dataset", manifest.labels, has_test, rows.num_rows, samples, manifest.card.notes)


def _visible(folder: Path) -> list[Path]:
    try:
        return sorted(entry for entry in folder.iterdir() if not is_hidden(entry.name))
    except OSError as error:
        raise cannot("read", folder, error) from error


def _levels(folder: Path) -> list[Path]:
    """Return the folder and, as long as a folder holds nothing but one folder, the folders inside."""
    levels = [folder]
    while len(levels) < 5:
        entries = _visible(levels[-1])
        if len(entries) != 1 or not entries[0].is_dir():
            break
        levels.append(entries[0])
    return levels


def _level(folder: Path, fits: Callable[[Path], bool]) -> Path:
    return next((level for level in _levels(folder) if fits(level)), folder)
