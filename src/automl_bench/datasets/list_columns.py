"""Finds out what the columns of a list mean: path, label, split, group, one column a class, or nothing that is used."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from automl_bench.datasets.addresses import refuse_elsewhere, scheme_of
from automl_bench.datasets.split_names import SPLIT_WORDS, split_of
from automl_bench.datasets.tables import Table
from automl_bench.errors import DatasetError


def _words(text: str) -> list[str]:
    return text.split()


PATH_NAMES = tuple(
    _words(
        "path file_name filename file filepath file_path image_path img_path image img image_name image_file "
        "image_filename imagename image_id id"
    )
)
"""Columns that may name the file, the likeliest first."""
LABEL_NAMES = tuple(
    _words(
        "label class category label_name class_name category_name classname labels target breed species dx diagnosis"
    )
)
SPLIT_NAMES = ("split", "ml_use", "set", "subset", "partition")
GROUP_WORDS = frozenset(
    _words(
        "patient subject person participant individual user session study series visit scene video clip "
        "sequence site hospital camera location lesion plate slide specimen product sku item plant batch "
        "group family author photographer burst encounter case"
    )
)
"""Words in the name of a column that tell what several samples have in common."""

HEADER_REMEDY = "Begin the file with the line path,label or path,label,split (tabs in a .tsv file)."
_ONE_HOT = frozenset(("0", "1", "0.0", "1.0"))
_WORD = re.compile(r"[^\W\d_]+")


class NoSampleList(DatasetError):
    """A table that is no list of samples."""


class NoLabels(NoSampleList):
    """A table that names files and has no column that is plainly their label."""


@dataclass(frozen=True, slots=True)
class Columns:
    """Places of the columns in the header.

    Attributes:
        path: The file.
        label: The class, or None if `one_hot` has it.
        split: The split, or None.
        group: What keeps samples together, or None.
        one_hot: Columns named like the classes, with 1 in that of the sample's class.
        unused: The rest.
    """

    path: int
    label: int | None
    split: int | None = None
    group: int | None = None
    one_hot: tuple[int, ...] = ()
    unused: tuple[int, ...] = ()


def find_columns(table: Table, *, label: str = "", group: str = "", found: Callable[[Sequence[str]], int]) -> Columns:
    """Say which column is which.

    Args:
        table: The list.
        label: Name of the label column, if the user chose it.
        group: Name of the group column, if the user chose one.
        found: Says how many of some cells are paths of files that exist.

    Raises:
        NoSampleList: If no column names files, or none the labels.
        DatasetError: If two columns could be the label.
    """
    header = table.header
    _refuse_doubles(table, label)
    if not header or not any(header):
        raise NoSampleList(f"{table.path} is empty.", remedy=HEADER_REMEDY)
    path = _path_column(table, found)
    split = next((at for at, name in enumerate(header) if name == "split"), None)
    if split is None:
        split = next((at for at, name in enumerate(header) if name in SPLIT_NAMES and _all_splits(table, at)), None)
    grouped = header.index(group.lower()) if group and group.lower() in header else None
    free = [at for at, name in enumerate(header) if name and at not in (path, split, grouped)]
    chosen = _label_column(table, free, label)
    one_hot: tuple[int, ...] = ()
    if chosen is None:
        one_hot = _one_hot_columns(table, free)
        if not one_hot:
            chosen = _only_other_column(table, free, path)
    used = {path, split, grouped, chosen, *one_hot}
    return Columns(path, chosen, split, grouped, one_hot, tuple(at for at in free if at not in used))


def _refuse_doubles(table: Table, label: str) -> None:
    for name in {"path", "label", "split", label.lower()} - {""}:
        if table.header.count(name) > 1:
            raise DatasetError(
                f"{table.path} has {table.header.count(name)} columns called {name!r}.",
                remedy="Keep one of them, or rename the others.",
            )


def _path_column(table: Table, found: Callable[[Sequence[str]], int]) -> int:
    header = table.header
    if "path" in header:
        return header.index("path")
    named = [header.index(name) for name in PATH_NAMES if name in header]
    best = max(named, key=lambda at: (found([row[at] for row in table.rows]), -named.index(at)), default=None)
    if best is not None:
        return best
    for cell in header:
        if scheme_of(cell):
            refuse_elsewhere(cell, f"{table.path}, line 1 (which should be a header)")
    if {"imagegcsuri", "source-ref"} & set(header):
        raise NoSampleList(
            f"{table.path} is a manifest of a cloud service, whose images lie in a bucket.",
            remedy="Copy the images to this machine, and give a list with the columns path,label.",
        )
    if "label" in header:
        is_text = "text" in header
        raise NoSampleList(
            f"{table.path} has a `label` but no `path` column, so it looks like {'texts' if is_text else 'a table'}.",
            remedy=f"Add {'--text text --label label' if is_text else '--target label'}, or a column `path` of images.",
        )
    raise NoSampleList(
        f"{table.path} has no header with `path` and `label`: it begins {', '.join(header)!r}.",
        remedy=f"{HEADER_REMEDY} For a table add --target COLUMN, for texts --text COLUMN --label COLUMN.",
    )


def _label_column(table: Table, free: Sequence[int], chosen: str) -> int | None:
    header = table.header
    if chosen:
        if chosen.lower() not in header:
            raise DatasetError(
                f"{table.path} has no column {chosen!r}: it has {', '.join(header)}.",
                remedy="Name one of these with --labels-from FILE:COLUMN.",
            )
        return header.index(chosen.lower())
    if "label" in header:
        return header.index("label")
    named = [at for at in free if header[at] in LABEL_NAMES]
    if len(named) > 1:
        options = " or ".join(f"--labels-from {table.path.name}:{header[at]}" for at in named)
        raise DatasetError(
            f"{table.path} has several columns that may be the label: {', '.join(header[at] for at in named)}.",
            remedy=f"Choose with {options}.",
        )
    return named[0] if named else None


def _all_splits(table: Table, at: int) -> bool:
    return bool(table.rows) and all(row[at].strip().lower() in SPLIT_WORDS for row in table.rows)


def _one_hot_columns(table: Table, free: Sequence[int]) -> tuple[int, ...]:
    hot = tuple(at for at in free if all(row[at].strip() in _ONE_HOT for row in table.rows))
    return hot if len(hot) >= 2 and len(hot) == len(free) and table.rows else ()


def _only_other_column(table: Table, free: Sequence[int], path: int) -> int:
    """Take the only other column for the label, if its values repeat: `id,breed`."""
    header = table.header
    if len(free) == 1:
        values = {row[free[0]] for row in table.rows}
        if len(values) * 2 <= len(table.rows):
            return free[0]
    names = [header[at] for at in free]
    if not names:
        raise NoLabels(
            f"{table.path} names files in the column {header[path]!r} and has no column with labels.",
            remedy=HEADER_REMEDY,
        )
    raise NoLabels(
        f"{table.path} has no `label` column: it has {', '.join(header)}.",
        remedy=f"Choose one with --labels-from, as in --labels-from {table.path.name}:{names[0]}.",
    )


def one_hot_label(row: Sequence[str], columns: Columns, names: Sequence[str], where: str) -> str:
    """Return the class whose column has the 1.

    Raises:
        DatasetError: If none or several have it.
    """
    hot = [names[at] for at in columns.one_hot if row[at].strip() in ("1", "1.0")]
    if len(hot) != 1:
        what = f"several labels ({', '.join(hot[:3])})" if hot else "no label"
        raise DatasetError(
            f"{where}: the image has {what}, and one label for each image is needed.",
            remedy="Keep the images with one label, or choose a column with --labels-from.",
        )
    return hot[0]


def looks_like_group(name: str, values: int, rows: int) -> bool:
    """Return whether a column that is not used may say what samples have in common.

    Args:
        name: The column's name.
        values: How many different values it has.
        rows: How many rows.
    """
    if not 1 < values < rows or not is_group_name(name):
        return False
    return _has_group_word(name) or values * 2 <= rows


def is_group_name(name: str) -> bool:
    """Return whether a column's name is one that columns of groups have: with such a word in it, or an id."""
    return _has_group_word(name) or name.endswith("id")


def _has_group_word(name: str) -> bool:
    return bool({word.lower() for word in _WORD.findall(name)} & GROUP_WORDS)


def split_of_path(cell: str) -> str:
    """Return the split that the first folder of a path with a split's name says, or ""."""
    folders = cell.replace("\\", "/").split("/")[:-1]
    return next((kind for folder in folders if (kind := split_of(folder))), "")
