"""Joins the files of a source to columns, and finds the labels, splits and groups."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from automl_bench.datasets.account import Reason, Tally
from automl_bench.datasets.columnar.cells import trimmed
from automl_bench.datasets.columnar.options import ColumnOptions
from automl_bench.datasets.columnar.source_table import SourceTable, place_of
from automl_bench.datasets.list_columns import SPLIT_NAMES
from automl_bench.datasets.listing import pooled_split, split_notes
from automl_bench.datasets.split_names import settled, split_of
from automl_bench.errors import DatasetError

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(slots=True)
class Joined:
    """The rows of all files, one column after the other.

    Attributes:
        names: Columns that are learned from: those of a table, or the one with the texts.
        columns: Their cells as strings, null where missing.
        labels: The label of each row.
        places: Where each row came from, as in "mails.csv:17".
        splits: "train" or "test" of each row, or None where a split is to be drawn.
        groups: Group of each row ("" for none), or None.
        unused: Columns of texts that are not used.
        target: Name of the column that the labels come from.
        comma_decimals: Whether numbers may have decimal commas.
        notes: What a reader should know, one sentence each.
    """

    names: list[str]
    columns: list[pa.ChunkedArray]
    labels: pa.ChunkedArray
    places: pa.ChunkedArray
    splits: pa.ChunkedArray | None
    groups: pa.ChunkedArray | None
    unused: list[tuple[str, pa.ChunkedArray]]
    target: str
    comma_decimals: bool
    notes: list[str]

    @property
    def rows(self) -> int:
        """Number of rows."""
        return len(self.labels)

    def keep(self, mask: pa.ChunkedArray | pa.Array) -> None:
        """Keep the rows of a mask."""
        self.columns = [column.filter(mask) for column in self.columns]
        self.unused = [(name, column.filter(mask)) for name, column in self.unused]
        self.labels, self.places = self.labels.filter(mask), self.places.filter(mask)
        self.splits = None if self.splits is None else self.splits.filter(mask)
        self.groups = None if self.groups is None else self.groups.filter(mask)


def join(files: list[tuple[str, SourceTable]], options: ColumnOptions, group: str, tally: Tally) -> Joined:
    """Join files.

    Args:
        files: Each with its split, "" for none. The list is emptied: a large table is held once.
        options: Which column is what.
        group: The column that says what belongs together, or "".
        tally: Is told what was left out.

    Raises:
        DatasetError: If a column is missing, a name fits several columns, or files have different ones.
    """
    files[:] = _with_labels(files, options, tally)
    first = files[0][1]
    option = "--target" if options.target else "--label"
    roles = {
        "label": first.names[first.place(options.labels_from, option)],
        "text": first.names[first.place(options.text, "--text")] if not options.target else "",
        "group": first.names[first.place(group, "--group")] if group else "",
    }
    if roles["label"] in first.lists:
        raise DatasetError(
            f"{first.path}: the column {roles['label']!r} holds lists, so samples have several labels (multi-label): "
            "only one label for each sample is compared.",
            remedy="Give a column with one label in each row.",
        )
    names = list(first.names)
    for _, other in files[1:]:
        _refuse_other_columns(first, other)
    notes = list(dict.fromkeys(note for _, table in files for note in table.notes))
    comma = any(table.comma_decimals for _, table in files)
    places = _places(files)
    named_splits = [(split, table.rows) for split, table in files]
    class_names = first.class_names.get(roles["label"], ())
    cells = _joined_columns(files, names)
    splits, split_column, more = _splits(named_splits, cells, first)
    labels = _labels(cells.pop(roles["label"]), class_names)
    groups = cells.pop(roles["group"]) if roles["group"] else None
    cells.pop(split_column, None)
    ignored = {names[place_of(one, names, first.path, "--ignore")] for one in options.ignore if _is_in(one, names)}
    _refuse_strangers(options, names, first)
    kept = [roles["text"]] if roles["text"] else [name for name in cells if name not in ignored]
    if not kept:
        raise DatasetError(f"{first.path} has no column to learn from.", remedy="Ignore fewer columns.")
    return Joined(
        names=kept,
        columns=[cells[name] for name in kept],
        labels=labels,
        places=places,
        splits=splits,
        groups=None if groups is None else _filled(trimmed(groups)),
        unused=[(name, column) for name, column in cells.items() if name not in kept and name not in ignored],
        target=roles["label"],
        comma_decimals=comma,
        notes=[*notes, *more],
    )


def _is_in(name: str, names: Sequence[str]) -> bool:
    return name.strip().casefold() in {one.casefold() for one in names}


def _refuse_strangers(options: ColumnOptions, names: Sequence[str], table: SourceTable) -> None:
    """Refuse columns that are to be ignored or to have a kind and are not there; doubles were renamed."""
    for name in options.ignore:
        if not any(one == name or one.startswith(f"{name} (") for one in names):
            place_of(name, names, table.path, "--ignore")
    for name in options.kinds:
        place_of(name, names, table.path, "--kind")


def _with_labels(
    files: list[tuple[str, SourceTable]], options: ColumnOptions, tally: Tally
) -> list[tuple[str, SourceTable]]:
    """Leave out files without the label column, if others have it: the test files of competitions."""
    having = [(split, table) for split, table in files if _is_in(options.labels_from, table.names)]
    if not having or len(having) == len(files):
        return list(files)
    for _, table in files:
        if all(table is not other for _, other in having):
            tally.add(Reason.NO_TARGET, "", table.path.name)
    return having


def _refuse_other_columns(first: SourceTable, other: SourceTable) -> None:
    lacking = [name for name in first.names if name not in other.names]
    more = [name for name in other.names if name not in first.names]
    if lacking or more:
        where, what = (other, lacking[0]) if lacking else (first, more[0])
        having = first if lacking else other
        raise DatasetError(
            f"{where.path} has no column {what!r}, and {having.path.name} has.",
            remedy=f"Give all files the same columns, or leave it out with --ignore {what!r}.",
        )


def _places(files: Sequence[tuple[str, SourceTable]]) -> pa.ChunkedArray:
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    parts = []
    for _, table in files:
        if table.places is not None:
            parts += table.places.chunks
            continue
        numbers = pa.array(np.arange(1, table.rows + 1))
        parts.append(pc.binary_join_element_wise(table.path.name, numbers.cast(pa.string()), ":"))
    return pa.chunked_array(parts)


def _joined_columns(files: list[tuple[str, SourceTable]], names: Sequence[str]) -> dict[str, pa.ChunkedArray]:
    import pyarrow as pa

    tables = [dict(zip(table.names, table.columns, strict=True)) for _, table in files]
    files.clear()
    joined = {}
    for name in names:
        chunks = [chunk for columns in tables for chunk in columns.pop(name).chunks]
        joined[name] = pa.chunked_array(chunks, pa.string())
    return joined


def _splits(
    named: Sequence[tuple[str, int]], cells: dict[str, pa.ChunkedArray], first: SourceTable
) -> tuple[pa.ChunkedArray | None, str, tuple[str, ...]]:
    """Return each row's split, the column that says it if one does, and notes."""
    import pyarrow as pa
    import pyarrow.compute as pc

    found = {split for split, _ in named if split}
    if found:
        counts: dict[str, int] = {}
        for split, rows in named:
            counts[split] = counts.get(split, 0) + rows
        has_split, notes = split_notes(found, counts)
        chunks = [pa.repeat(pooled_split(split), rows) for split, rows in named if rows]
        return (pa.chunked_array(chunks) if has_split else None), "", notes
    for name in cells:
        if name.casefold() not in SPLIT_NAMES:
            continue
        values = trimmed(cells[name])
        words = {word: split_of(word or "") for word in pc.unique(values).to_pylist()}
        if not all(words.values()):
            continue
        meaning = settled(words.values())
        pooled = {word: pooled_split(meaning[kind]) for word, kind in words.items()}
        has_split, notes = split_notes({meaning[kind] for kind in words.values()})
        coded = values.combine_chunks().dictionary_encode()
        spelled = pa.array([pooled[word] for word in coded.dictionary.to_pylist()])
        rows = pa.chunked_array([spelled.take(coded.indices)])
        said = f"{first.path.name}: the column {name!r} says the split."
        return (rows if has_split else None), name, (said, *notes)
    return None, "", ()


def _labels(cells: pa.ChunkedArray, class_names: Sequence[str]) -> pa.ChunkedArray:
    """Return labels without spaces at their ends, class numbers by their names; null where there is none."""
    import pyarrow as pa
    import pyarrow.compute as pc

    cells = trimmed(cells)
    missing = [""]
    if class_names:
        places = pc.index_in(cells, value_set=pa.array([str(at) for at in range(len(class_names))]))
        cells = pa.array(class_names, pa.string()).take(pa.chunked_array(places.chunks, pa.int32()))
        cells = cells if isinstance(cells, pa.ChunkedArray) else pa.chunked_array([cells])
        missing = ["", "-1"]
    return pc.if_else(pc.is_in(cells, pa.array(missing)), pa.scalar(None, pa.string()), cells)


def _filled(cells: pa.ChunkedArray) -> pa.ChunkedArray:
    import pyarrow.compute as pc

    return pc.fill_null(cells, "")
