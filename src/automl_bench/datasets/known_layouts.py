"""Readers of a source whose layout is known: a certain file gives it away, or the user or the catalogue names it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from automl_bench.datasets.annotated import read_cars_matlab, read_food_lists, read_pets_lists
from automl_bench.datasets.class_trees import ClassTree, inner_classes, outer_classes, understand
from automl_bench.datasets.found_lists import ListGroup, find_lists, list_choice
from automl_bench.datasets.listing import Incoming, Listing
from automl_bench.datasets.manifest import MANIFEST_NAME, is_own_manifest, read_manifest
from automl_bench.datasets.parquet_shards import parquet_shards, read_parquet
from automl_bench.datasets.pixel_arrays import idx_files, is_cifar10, read_cifar10, read_idx
from automl_bench.datasets.sample_lists import understand_list
from automl_bench.datasets.source import Source, level_with, levels_of, with_rest
from automl_bench.datasets.survey import Folder
from automl_bench.datasets.tables import LIST_ENDINGS
from automl_bench.datasets.tree_listing import listing_of
from automl_bench.errors import DatasetError, UsageError

_MARKERS: tuple[tuple[str, str], ...] = (
    ("meta/train.json", "food-lists"),
    ("annotations/trainval.txt", "pets-lists"),
    ("devkit/cars_meta.mat", "cars-matlab"),
)


def read_lists(source: Source, group: ListGroup) -> Listing:
    """Return the samples of some lists, and the account of every file that they do not name."""
    listing = group.read()
    root = os.path.normpath(source.survey.root.path)
    named = {os.path.relpath(file, root) for file in group.by_file()}
    return with_rest(source, listing, {*named, *group.names})


def read_tree(tree: ClassTree, notes: tuple[str, ...] = ()) -> Listing:
    """Return the samples of a tree, with further notes."""
    listing = listing_of(tree)
    return replace(listing, notes=(*listing.notes, *notes))


def marked_listing(source: Source) -> Listing | None:
    """Return the samples of a source that a certain file gives away, or None."""
    for level in levels_of(source.survey.root):
        path = Path(level.path)
        if is_own_manifest(path / MANIFEST_NAME):
            return _read_own(source, level)
        if is_cifar10(path):
            return with_rest(source, read_cifar10(path), _array_files(level))
        if ("train", "images") in idx_files(path):
            return with_rest(source, read_idx(path, source.hints.labels), _array_files(level))
        for marker, layout in _MARKERS:
            if (path / marker).is_file():
                return READERS[layout](source)
    return None


def _array_files(level: Folder) -> set[str]:
    """Return the files without an image's or document's ending, and the PNG batches of CIFAR-10: the arrays."""
    names = {level.shown(name) for name in level.images if name.startswith(("data_batch_", "test_batch"))}
    for folder in level.walk():
        names |= {
            folder.shown(name) for name in folder.files if "ubyte" in name or "_batch" in name or "lables" in name
        }
    return names


def _read_own(source: Source, level: Folder) -> Listing:
    """Read a dataset folder of ours, for example one copied from another workspace."""
    folder = Path(level.path)
    manifest = read_manifest(folder)
    names = [name for name in ("path", "split", "label", "group") if name in manifest.table.column_names]
    rows = manifest.table.select(names)
    grouped = "group" in names
    if grouped and source.hints.group:
        raise UsageError(
            f"{folder} is a dataset of automl-bench that has groups: they stay as they were imported.",
            remedy="Leave out --group, or import its own source with it.",
        )

    def samples() -> Iterator[Incoming]:
        for batch in rows.to_batches(1000):
            for row in batch.to_pylist():
                path = folder / row["path"]
                if not path.resolve().is_relative_to(folder.resolve()):
                    raise DatasetError(
                        f"{folder / MANIFEST_NAME} names {row['path']!r}, outside it.", remedy="Remove it."
                    )
                yield Incoming(path.name, row["label"], row["split"], str(path), group=row.get("group") or "")

    has_test = any(manifest.counts()["test"].values())
    listing = Listing(
        "automl-bench dataset", manifest.labels, has_test, rows.num_rows, samples, manifest.card.notes, grouped=grouped
    )
    named = {level.shown(path) for path in manifest.table["path"].to_pylist()}
    return with_rest(source, listing, named)


def chosen_list(source: Source) -> Listing:
    """Return the samples of the list that the user chose, or of the only one.

    Raises:
        DatasetError: If it does not exist, is not the only one, or cannot be read.
    """
    hints, root = source.hints, source.survey.root
    if hints.list_file:
        names = [f.shown(name) for f in root.walk() for name in f.files if name.lower().endswith(LIST_ENDINGS)]
        wanted = hints.list_file.replace("\\", "/").removeprefix("./")
        named = [name for name in names if name == wanted] or [name for name in names if name.endswith(f"/{wanted}")]
        if len(named) != 1:
            found = ", ".join(names[:5]) or "none"
            what = "several lists" if named else "no list"
            raise DatasetError(f"{source.folder} has {what} {wanted}.", remedy=f"Its lists: {found}.")
        path = source.folder / named[0]
        folders = [folder.path for folder in root.walk() if folder.images]
        one = understand_list(path, folders, list_choice(hints, source.within))
        return read_lists(source, ListGroup([one], [named[0]]))
    lists = find_lists(root, hints, source.within)
    if len(lists.groups) == 1:
        return read_lists(source, lists.groups[0])
    if lists.groups:
        options = " or ".join(f"`{group.option}`" for group in lists.groups)
        raise DatasetError(f"{source.folder} has several lists of samples.", remedy=f"Choose with {options}.")
    raise next(
        iter([*lists.errors, *lists.unusable]),
        DatasetError(f"{source.folder} has no list of samples.", remedy="Give one with the columns path,label."),
    )


def _forced_tree(read: Callable[[Folder, Mapping[str, str]], ClassTree]) -> Callable[[Source], Listing]:
    def listing(source: Source) -> Listing:
        return read_tree(read(source.survey.root, source.hints.words))

    return listing


def _forced_folders(source: Source) -> Listing:
    hints = source.hints
    return read_tree(understand(source.survey.root, hints.words, splits_are_chosen=hints.splits_are_chosen))


def _parquet(source: Source) -> Listing:
    hints = source.hints
    return read_parquet(source.folder, test_split=hints.test_split, label_column=hints.label_column, group=hints.group)


def _published(read: Callable[[Path], Listing]) -> Callable[[Source], Listing]:
    def listing(source: Source) -> Listing:
        found = read(source.folder)
        root = os.path.normpath(source.folder)
        named = {os.path.relpath(sample.path, root) for sample in found.samples()}
        return with_rest(source, found, named)

    return listing


def _forced_idx(source: Source) -> Listing:
    folder = level_with(source, lambda level: bool(idx_files(level)))
    return with_rest(source, read_idx(folder, source.hints.labels), _array_files(source.survey.root))


def _forced_cifar10(source: Source) -> Listing:
    return with_rest(source, read_cifar10(level_with(source, is_cifar10)), _array_files(source.survey.root))


READERS: Mapping[str, Callable[[Source], Listing]] = {
    "folders": _forced_folders,
    "outer-folders": _forced_tree(outer_classes),
    "inner-folders": _forced_tree(inner_classes),
    "parquet": lambda source: with_rest(
        source, _parquet(source), {f.relative_to(source.folder).as_posix() for f in parquet_shards(source.folder)}
    ),
    "idx": _forced_idx,
    "cifar10": _forced_cifar10,
    "food-lists": _published(read_food_lists),
    "pets-lists": _published(read_pets_lists),
    "cars-matlab": _published(read_cars_matlab),
}
"""By the name of the layout, as `--layout` and the catalogue give it."""
