"""Reads lists of samples: a file's path, its label, and if given its split and what it belongs to."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from automl_bench.datasets.addresses import is_elsewhere, refuse_elsewhere, scheme_of
from automl_bench.datasets.class_folders import check_label
from automl_bench.datasets.image_headers import has_image_extension
from automl_bench.datasets.list_columns import (
    Columns,
    NoSampleList,
    find_columns,
    looks_like_group,
    one_hot_label,
    split_of_path,
)
from automl_bench.datasets.listing import Incoming, Listing, pooled_split, split_notes
from automl_bench.datasets.split_names import SPLIT_WORDS, settled
from automl_bench.datasets.tables import Table, read_table
from automl_bench.errors import DatasetError, UnsafeArchive

_LOOKED_AT = 50
"""So many cells of a column are looked up on disk to find out where its paths begin."""


class Row(NamedTuple):
    """One row of a list: path as written, label, kind of split or "", line, group or "", and the file."""

    cell: str
    label: str
    split: str
    line: int
    group: str
    file: str


@dataclass(frozen=True, slots=True)
class SampleList:
    """A list that was understood.

    Attributes:
        table: Its cells.
        columns: What its columns mean.
        rows: Its samples, sorted.
        split: Split of all its rows as its own name says it, or "".
        found: How many of the paths looked up are files that exist.
    """

    table: Table
    columns: Columns
    rows: list[Row]
    split: str
    found: int


@dataclass(frozen=True, slots=True)
class ListChoice:
    """What the user said about lists.

    Attributes:
        label: The label column, or "".
        group: The group column, or "".
        download: Whether web addresses are fetched.
        within: Folder that no path may leave, for a list that came in an archive.
    """

    label: str = ""
    group: str = ""
    download: bool = False
    within: Path | None = None


def understand_list(path: Path, folders: Sequence[str], choice: ListChoice, split: str = "") -> SampleList:
    """Read a list and find out what its columns mean and where its paths begin.

    Args:
        path: The file.
        folders: Further folders in which its files may lie, besides its own.
        choice: What the user said.
        split: Split of all its rows, as its name or folder says.

    Raises:
        NoSampleList: If it is no list of samples.
        DatasetError: If a row is wrong; names file and line.
        WorkspaceError: If it cannot be read.
    """
    table = read_table(path)
    places = _Places(path.parent, folders)
    columns = find_columns(table, label=choice.label, group=choice.group, found=places.hits)
    if not table.rows:
        raise NoSampleList(f"{path} lists no samples.", remedy="Add one row for each image.")
    place, found = places.choose([row[columns.path] for row in table.rows])
    rows = sorted(_rows(table, columns, place, choice))
    if choice.within is not None:
        _refuse_outsiders(rows, path, choice.within.resolve())
    if columns.split is not None:
        _refuse_empty_splits(rows, path)
    elif not split:
        rows = _with_splits_of_paths(rows)
    return SampleList(table, columns, rows, split, found)


class _Places:
    """Finds out where the files of a list lie: as written, with other slashes, in another folder, without ending."""

    def __init__(self, base: Path, folders: Sequence[str]) -> None:
        self.base = os.fspath(base)
        self.folders = folders
        self.stems: dict[str, dict[str, str]] = {}

    def hits(self, cells: Sequence[str]) -> int:
        """Return how many of some of the cells are files that exist, in the place that fits best."""
        return self.choose(cells)[1]

    def choose(self, cells: Sequence[str]) -> tuple[Callable[[str], str], int]:
        """Return what makes a path of a cell, and how many of the cells looked up it finds."""
        step = max(1, len(cells) // _LOOKED_AT)
        looked_at = [cell.strip() for cell in cells[::step][:_LOOKED_AT]]
        looked_at = [cell for cell in looked_at if cell and "\0" not in cell and not is_elsewhere(cell)]
        best, most = self._join(self.base), 0
        for place in self._candidates():
            hits = sum(os.path.isfile(place(cell)) for cell in looked_at)  # noqa: PTH113 - strings on purpose
            if hits > most:
                best, most = place, hits
            if most and most == len(looked_at):
                break
        return best, most

    def _candidates(self) -> Iterator[Callable[[str], str]]:
        for folder in (self.base, *self.folders):
            yield self._join(folder)
        for folder in (self.base, *self.folders):
            yield self._by_stem(folder)

    def _join(self, folder: str) -> Callable[[str], str]:
        def place(cell: str) -> str:
            direct = os.path.join(folder, cell)  # noqa: PTH118 - one Path a row would double the time
            if "\\" in cell and not os.path.exists(direct):  # noqa: PTH110
                return os.path.join(folder, cell.replace("\\", "/"))  # noqa: PTH118
            return direct

        return place

    def _by_stem(self, folder: str) -> Callable[[str], str]:
        def place(cell: str) -> str:
            if folder not in self.stems:
                self.stems[folder] = _stems_in(folder)
            return self.stems[folder].get(cell, f"{folder}/{cell}")

        return place


def _stems_in(folder: str) -> dict[str, str]:
    """Return the images of a folder by name without ending; a name that two have is left out."""
    try:
        names = [name for name in sorted(os.listdir(folder)) if has_image_extension(name)]  # noqa: PTH208
    except OSError:
        return {}
    number = Counter(name.rpartition(".")[0] for name in names)
    return {stem: f"{folder}/{name}" for name in names if number[stem := name.rpartition(".")[0]] == 1}


def _rows(table: Table, columns: Columns, place: Callable[[str], str], choice: ListChoice) -> Iterator[Row]:
    names = [name.strip() for name in table.header]
    for cells, line in zip(table.rows, table.lines, strict=True):
        where = f"{table.path}, line {line}"
        cell = cells[columns.path].strip()
        if not cell:
            raise DatasetError(f"{where}: the path is empty.", remedy="Name the image's file.")
        if "\0" in cell:
            raise DatasetError(f"{where}: the path holds a NUL.", remedy="Correct the row.")
        fetched = choice.download and scheme_of(cell) in ("http", "https")
        if not fetched:
            refuse_elsewhere(cell, where)
        if columns.label is None:
            label = one_hot_label(cells, columns, names, where)
        else:
            label = check_label(cells[columns.label], where)
        split = "" if columns.split is None else _split(cells[columns.split].strip(), where)
        group = "" if columns.group is None else cells[columns.group].strip()
        yield Row(cell, label, split, line, group, cell if fetched else place(cell))


def _split(word: str, where: str) -> str:
    if word and word.lower() not in SPLIT_WORDS:
        remedy = "Write one of these, or leave out the column to have a test split drawn."
        raise DatasetError(f"{where}: the split {word!r} is none of train, validation, test.", remedy=remedy)
    return SPLIT_WORDS.get(word.lower(), "")


def _refuse_empty_splits(rows: Sequence[Row], path: Path) -> None:
    if any(row.split for row in rows):
        for row in rows:
            if not row.split:
                raise DatasetError(
                    f"{path}, line {row.line}: the split is empty, where other rows have one.", remedy="Fill it in."
                )


def _with_splits_of_paths(rows: list[Row]) -> list[Row]:
    """Take the split from the folders in the paths, if every path names one and there are several."""
    kinds = [split_of_path(row.cell) for row in rows]
    if not all(kinds) or len(set(kinds)) < 2:
        return rows
    return [row._replace(split=kind) for row, kind in zip(rows, kinds, strict=True)]


def _refuse_outsiders(rows: Sequence[Row], path: Path, within: Path) -> None:
    for row in rows:
        if not scheme_of(row.cell) and not Path(row.file).resolve().is_relative_to(within):
            raise UnsafeArchive(
                f"{path}, line {row.line}, names {row.cell!r}, which lies outside its archive.",
                remedy="Unpack it yourself if you trust it, and import the list.",
            )


# --- listing ---------------------------------------------------------------------------------------------


def listing_of_lists(lists: Sequence[SampleList], kind: str) -> Listing:
    """Return the samples of one list, or of several that each name the samples of one split.

    Raises:
        DatasetError: If there is only a test split.
    """
    kinds = {row.split or one.split for one in lists for row in one.rows} - {""}
    meaning = settled(kinds)
    counts = Counter(meaning.get(row.split or one.split, "") for one in lists for row in one.rows)
    has_split, notes = split_notes({split for split in counts if split}, counts)
    if "evaluation" in kinds:
        notes += (f"The split called eval or holdout is the {meaning['evaluation']} split.",)

    def samples() -> Iterator[Incoming]:
        for one in lists:
            for row in one.rows:
                split = pooled_split(meaning[row.split or one.split]) if has_split else ""
                where = f"{row.cell!r} ({one.table.path}, line {row.line})"
                file_name = re.split(r"[/\\]", row.file)[-1]
                yield Incoming(file_name, row.label, split, row.file, where=where, group=row.group)

    unused = _unused_columns(lists)
    total = sum(len(one.rows) for one in lists)
    return Listing(
        layout=kind,
        labels=tuple(dict.fromkeys(row.label for one in lists for row in one.rows)),
        has_split=has_split,
        count=total,
        samples=samples,
        notes=notes,
        columns=unused,
        group_candidates=tuple(name for name, values in unused if looks_like_group(name, values, total)),
        grouped=all(one.columns.group is not None for one in lists),
    )


def _unused_columns(lists: Sequence[SampleList]) -> tuple[tuple[str, int], ...]:
    values: dict[str, set[str]] = {}
    for one in lists:
        for at in one.columns.unused:
            values.setdefault(one.table.header[at], set()).update(row[at] for row in one.table.rows)
    return tuple((name, len(found)) for name, found in values.items())
