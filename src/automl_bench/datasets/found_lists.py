"""Finds the lists of samples in a source, and says which of them belong together."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from automl_bench.datasets.layouts import LayoutHints
from automl_bench.datasets.list_columns import NoLabels, NoSampleList
from automl_bench.datasets.listing import Listing
from automl_bench.datasets.sample_lists import ListChoice, SampleList, listing_of_lists, understand_list
from automl_bench.datasets.split_names import settled, split_of
from automl_bench.datasets.survey import Folder, kept_out
from automl_bench.datasets.tables import LIST_ENDINGS
from automl_bench.errors import DatasetError

_MOST_LISTS = 40
_MOST_FOLDERS = 50
_PLAIN_WORD = re.compile(r"\w+")


@dataclass(frozen=True, slots=True)
class ListGroup:
    """Lists that are read together: one, or one for each split.

    Attributes:
        lists: The lists.
        names: Their paths below the source.
    """

    lists: Sequence[SampleList]
    names: Sequence[str]

    @property
    def summary(self) -> str:
        """What it would read, for people."""
        labels = list(dict.fromkeys(row.label for one in self.lists for row in one.rows))
        more = ", …" if len(labels) > 3 else ""
        return f"the list {' and '.join(self.names)} ({', '.join(map(repr, labels[:3]))}{more})"

    @property
    def option(self) -> str:
        """What chooses it on the command line."""
        return f"--list {self.names[0]}"

    def by_file(self) -> Mapping[str, tuple[str, str]]:
        """Return label and split of each file; the split is "" where none is named."""
        meaning = {"": "", **settled(row.split or one.split for one in self.lists for row in one.rows)}
        return {
            os.path.normpath(row.file): (row.label, meaning[row.split or one.split])
            for one in self.lists
            for row in one.rows
        }

    def repeats_folders(self, root: Folder) -> bool:
        """Whether the label of every file is the name of a folder that it lies in, so that the folders say no less."""
        return all(
            label in Path(os.path.relpath(path, root.path)).parts[:-1] for path, (label, _) in self.by_file().items()
        )

    def left_out_beside(self, root: Folder) -> str:
        """Return an image that it leaves out of a folder of which it names others, or ""."""
        named = self.by_file()
        for folder in root.walk():
            unnamed = [name for name in folder.images if os.path.normpath(f"{folder.path}/{name}") not in named]
            if unnamed and len(unnamed) < len(folder.images):
                return folder.shown(unnamed[0])
        return ""

    def read(self) -> Listing:
        """Return its samples."""
        return listing_of_lists(self.lists, _kind(self))


def _kind(group: ListGroup) -> str:
    first = group.lists[0]
    name = first.table.path.stem.lower()
    if first.columns.one_hot:
        return "list with one column per class"
    if name == "metadata":
        return "hub metadata"
    return {".csv": "CSV list", ".tsv": "CSV list", ".jsonl": "JSON lines list"}.get(
        first.table.path.suffix.lower(), "Parquet list"
    )


@dataclass(slots=True)
class FoundLists:
    """What a search for lists found.

    Attributes:
        groups: Lists that name files of the source and their labels.
        errors: Why a list that is meant as one cannot be read.
        unusable: Why other tables are no lists of samples.
        unread: Paths of tables that were not used.
    """

    groups: list[ListGroup] = field(default_factory=list)
    errors: list[DatasetError] = field(default_factory=list)
    unusable: list[DatasetError] = field(default_factory=list)
    unread: list[str] = field(default_factory=list)

    def unread_note(self) -> tuple[str, ...]:
        """Return a note on the tables that were not used."""
        if not self.unread:
            return ()
        more = f" and {len(self.unread) - 3} more" if len(self.unread) > 3 else ""
        return (f"Not used: {', '.join(self.unread[:3])}{more}.",)


def list_choice(hints: LayoutHints, within: Path | None) -> ListChoice:
    """Return what the user said about lists, as their reader takes it."""
    return ListChoice(hints.label_column, hints.group, hints.download, within)


def read_named_list(path: Path, hints: LayoutHints, within: Path | None = None) -> Listing:
    """Read the list that the user named.

    Raises:
        DatasetError: If it is no list of samples or a row is wrong.
    """
    one = understand_list(path, _folders_beside(path.parent), list_choice(hints, within))
    _check_group(one, hints.group)
    return ListGroup([one], [path.name]).read()


def _folders_beside(folder: Path) -> list[str]:
    """Return folders in which the files of a list may lie."""
    try:
        with os.scandir(folder) as entries:
            found = sorted(entry.path for entry in entries if not kept_out(entry.name) and entry.is_dir())
    except OSError:
        return []
    return found[:_MOST_FOLDERS]


def _check_group(one: SampleList, group: str) -> None:
    """Refuse a plain word for the groups that is no column: it was meant as one."""
    if group and one.columns.group is None and _PLAIN_WORD.fullmatch(group):
        raise DatasetError(
            f"{one.table.path} has no column {group!r}: it has {', '.join(one.table.header)}.",
            remedy="Name one of these with --group, or give a regular expression on the paths.",
        )


def find_lists(root: Folder, hints: LayoutHints, within: Path | None) -> FoundLists:
    """Look for lists at the top of a source, in folders that only wrap it, and in its split folders.

    A list counts if files that it names exist. Lists that are named like splits, or lie in split folders, belong
    together.
    """
    found = FoundLists()
    understood: list[tuple[SampleList, str]] = []
    folders = [folder.path for folder in root.walk() if folder.images][:_MOST_FOLDERS]
    for folder, name in list(_tables(root, hints.words))[:_MOST_LISTS]:
        path, shown = Path(folder.path, name), folder.shown(name)
        split = split_of(path.stem, hints.words) or (split_of(folder.name, hints.words) if folder is not root else "")
        try:
            one = understand_list(path, folders, list_choice(hints, within), split)
        except NoSampleList as error:
            (found.errors if isinstance(error, NoLabels) else found.unusable).append(error)
            found.unread.append(shown)
        except DatasetError as error:
            found.errors.append(error)
            found.unread.append(shown)
        else:
            if one.found or hints.download:
                _check_group(one, hints.group)
                understood.append((one, shown))
            else:
                found.unusable.append(_names_nothing(one))
                found.unread.append(shown)
    found.groups = _groups(understood)
    return found


def _names_nothing(one: SampleList) -> DatasetError:
    row = one.rows[0]
    return NoSampleList(
        f"{one.table.path} names files that do not exist, for example {row.cell!r} (line {row.line}).",
        remedy="Name the files by paths relative to the list.",
    )


def _tables(root: Folder, further: Mapping[str, str]) -> Iterator[tuple[Folder, str]]:
    level = root
    while True:
        yield from ((level, name) for name in level.files if name.lower().endswith(LIST_ENDINGS))
        inside = level.with_images()
        for folder in inside:
            if split_of(folder.name, further):
                yield from ((folder, name) for name in folder.files if name.lower().endswith(LIST_ENDINGS))
        if len(inside) != 1 or split_of(inside[0].name, further):
            return
        level = inside[0]


def _groups(understood: Sequence[tuple[SampleList, str]]) -> list[ListGroup]:
    by_split = [(one, name) for one, name in understood if one.split]
    alone = [(one, name) for one, name in understood if not one.split]
    groups = [ListGroup([one], [name]) for one, name in alone]
    if len({one.split for one, _ in by_split}) == len(by_split) and by_split:
        return [*groups, ListGroup([one for one, _ in by_split], [name for _, name in by_split])]
    return [*groups, *(ListGroup([one], [name]) for one, name in by_split)]
