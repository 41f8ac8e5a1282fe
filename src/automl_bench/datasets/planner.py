"""Finds out in which ways a source can be read, and reads it if there is exactly one.

The whole source is looked at first. Every way in which it makes sense is a `Reading` with its evidence; why a way makes
no sense is an objection. One reading is read. Of several, the error names each and the option that chooses it; of none,
it is the objection that says most.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Collection
from dataclasses import dataclass
from enum import Enum
from functools import partial
from pathlib import Path

from automl_bench.datasets.addresses import refuse_elsewhere
from automl_bench.datasets.archives import is_archive, other_container, unpack
from automl_bench.datasets.class_trees import ClassTree, EmptiedClass, Objection, understand
from automl_bench.datasets.found_lists import FoundLists, ListGroup, find_lists, read_named_list
from automl_bench.datasets.groups import grouped_by_path
from automl_bench.datasets.known_layouts import READERS, chosen_list, marked_listing, read_lists, read_tree
from automl_bench.datasets.layouts import CHOICES, LayoutHints
from automl_bench.datasets.listing import Listing, pooled_split
from automl_bench.datasets.other_exports import other_export
from automl_bench.datasets.parquet_shards import parquet_shards, read_parquet
from automl_bench.datasets.source import Source
from automl_bench.datasets.survey import Folder, survey
from automl_bench.datasets.tables import LIST_ENDINGS
from automl_bench.errors import DatasetError, UsageError
from automl_bench.toolkit.whole_files import cannot

UNDERSTOOD = (
    "a folder with one folder per class, a list with the columns path,label[,split], a .zip or .tar[.gz|.bz2|.xz] of "
    "either, Parquet files in the hub's layout, or IDX files"
)


@dataclass(frozen=True, slots=True)
class Reading:
    """One way to read a source that makes sense.

    Attributes:
        summary: What it would read, for people.
        option: What chooses it on the command line.
        read: Reads it.
    """

    summary: str
    option: str
    read: Callable[[], Listing]


def recognise(
    path: Path,
    *,
    scratch: Path,
    hints: LayoutHints | None = None,
    own: Collection[Path] = (),
    progress: Callable[[int, int | None], None] = lambda done, total: None,
) -> Listing:
    """List the samples at a path, whatever layout it has.

    Args:
        path: Folder or file.
        scratch: Empty folder for unpacking an archive.
        hints: What is known beforehand.
        own: Folders of the workspace, which are no source.
        progress: Called with (bytes unpacked, bytes in all or None).

    Raises:
        DatasetError: If the path does not exist, has no layout that is understood, or can be read in several ways.
        UnsafeArchive: See `archives.unpack`.
        WorkspaceError: If it cannot be read.
    """
    hints = hints or LayoutHints()
    listing = _recognised(path, scratch, hints, own, progress)
    if not hints.group or listing.grouped:
        return listing
    root = scratch if any(scratch.iterdir()) else path if path.is_dir() else path.parent
    return grouped_by_path(listing, hints.group, os.fspath(root))


def _recognised(
    path: Path,
    scratch: Path,
    hints: LayoutHints,
    own: Collection[Path],
    progress: Callable[[int, int | None], None],
) -> Listing:
    try:
        is_folder, is_file = path.is_dir(), path.is_file()
    except OSError as error:
        raise cannot("read", path, error) from error
    if is_folder:
        return recognise_folder(path, hints, own=own)
    if not is_file:
        refuse_elsewhere(re.sub(r"^(\w+):/", r"\1://", str(path)), "the source")  # a Path has one slash
        where = "is a link to a file that does not exist" if path.is_symlink() else "does not exist"
        raise DatasetError(f"{path} {where}.", remedy=f"Give {UNDERSTOOD}.")
    ending = path.suffix.lower()
    if ending == ".parquet" and parquet_shards(path):
        return read_parquet(path, test_split=hints.test_split, label_column=hints.label_column, group=hints.group)
    if ending in LIST_ENDINGS:
        return read_named_list(path, hints)
    if is_archive(path):
        if not any(scratch.iterdir()):
            unpack(path, scratch, progress=progress)
        return recognise_folder(scratch, hints, within=scratch)
    what, remedy = other_container(path) or ("has no layout that is understood", f"Give {UNDERSTOOD}.")
    raise DatasetError(f"{path} {what}.", remedy=remedy)


def recognise_folder(
    folder: Path, hints: LayoutHints, *, within: Path | None = None, own: Collection[Path] = ()
) -> Listing:
    """List the samples in a folder; `within` is the folder that a list from an archive may not leave."""
    if hints.layout and hints.layout not in CHOICES:
        raise UsageError(f"there is no layout {hints.layout!r}.", remedy=f"Choose one of {', '.join(CHOICES)}.")
    source = Source(folder, survey(folder, own), hints, within)
    if hints.list_file or hints.layout == "list":
        return chosen_list(source)
    if hints.layout:
        return READERS[hints.layout](source)
    marked = marked_listing(source)
    if marked:
        return marked
    objections: list[DatasetError] = []
    readings = [*_shard_readings(source), *_image_readings(source, objections)]
    if len(readings) == 1:
        return readings[0].read()
    if readings:
        ways = "; or ".join(reading.summary for reading in readings)
        options = " or ".join(f"`{reading.option}`" for reading in readings)
        raise DatasetError(f"{folder} can be read in {len(readings)} ways: {ways}.", remedy=f"Choose with {options}.")
    raise objections[0]


# --- readings --------------------------------------------------------------------------------------------


def _shard_readings(source: Source) -> list[Reading]:
    shards = parquet_shards(source.folder)
    if not shards:
        return []
    return [Reading(f"{len(shards)} Parquet files with images", "--layout parquet", lambda: READERS["parquet"](source))]


def _image_readings(source: Source, objections: list[DatasetError]) -> list[Reading]:
    root, hints = source.survey.root, source.hints
    export = other_export(root)
    if export:
        objections.append(DatasetError(f"{source.folder} {export[0]}.", remedy=export[1]))
        return []
    lists = find_lists(root, hints, source.within)
    tree: ClassTree | None = None
    try:
        tree = understand(root, hints.words, splits_are_chosen=hints.splits_are_chosen)
    except Objection as error:
        objections += [*_set_aside_parts(lists, root, error), *lists.errors, *_archives_only(source)]
        objections += [error, *lists.unusable]
    readings = []
    if hints.splits_are_chosen:  # then the folders are the reading that the user wants
        lists.unread += [name for group in lists.groups for name in group.names]
        lists.groups = []
    elif hints.label_column and lists.groups:
        tree = None
    for group in lists.groups:
        agreement = _agreement(group, tree)
        if agreement is Agreement.PART:
            lists.unread += group.names
            continue
        if agreement is Agreement.WHOLE:
            tree = None
        readings.append(Reading(group.summary, group.option, partial(read_lists, source, group)))
    if tree is not None:
        classes = ", ".join(repr(label) for label in tree.labels[:3]) + (", …" if len(tree.labels) > 3 else "")
        read = partial(read_tree, tree, lists.unread_note())
        readings.append(Reading(f"class folders ({classes})", "--layout folders", read))
    return readings


def _set_aside_parts(lists: FoundLists, root: Folder, objection: Objection) -> list[DatasetError]:
    """Set aside the lists that repeat the names of unclear folders and leave a part out, and return why.

    A list that says more than the folders, or names all images of the folders that it names, decides what they mean.
    """
    refusals: list[DatasetError] = []
    for group in list(lists.groups):
        left_out = group.left_out_beside(root)
        if not group.repeats_folders(root) or not (left_out or isinstance(objection, EmptiedClass)):
            continue
        lists.groups.remove(group)
        lists.unread += group.names
        if left_out:
            refusals.append(_part_of_unclear_folders(group, left_out, objection))
    return refusals


def _part_of_unclear_folders(group: ListGroup, left_out: str, objection: Objection) -> DatasetError:
    names = " and ".join(group.names)
    return DatasetError(
        f"{objection.message.rstrip('.')}, and {names} leaves out images such as {left_out}.",
        remedy=f"{objection.remedy.rstrip('.')}; or complete {names}; or add {group.option} for what it names alone.",
    )


class Agreement(Enum):
    """How a list agrees with class folders."""

    NONE = "the list says something else"
    PART = "the list says nothing that the folders do not say"
    WHOLE = "the list says of every file what its folder says, and perhaps more"


def _agreement(group: ListGroup, tree: ClassTree | None) -> Agreement:
    if tree is None:
        return Agreement.NONE
    by_list = group.by_file()
    by_folder = {os.path.normpath(path): (label, split) for label, split, path in tree.files()}
    for path, (label, split) in by_list.items():
        own_label, own_split = by_folder.get(path, ("", ""))
        if own_label != label or (split and own_split and pooled_split(split) != pooled_split(own_split)):
            return Agreement.NONE
    has_splits = not tree.has_splits or all(split for _, split in by_list.values())
    return Agreement.WHOLE if len(by_list) == len(by_folder) and has_splits else Agreement.PART


def _archives_only(source: Source) -> list[DatasetError]:
    root = source.survey.root
    archives = [folder.shown(name) for folder in root.walk() for name in folder.files if is_archive(Path(name))]
    if not archives or root.below:
        return []
    named = ", ".join(archives[:3]) + (", …" if len(archives) > 3 else "")
    remedy = (
        f"Import {archives[0]} by itself."
        if len(archives) == 1
        else ("Unpack each into a folder of its name, for example train and test, and import the folder around them.")
    )
    return [DatasetError(f"{source.folder} holds archives only: {named}.", remedy=remedy)]
