"""Column kinds: number, category, text, date or identifier, inferred from all cells, or as the user says."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from automl_bench.contract import ColumnKind
from automl_bench.datasets.columnar.cells import MISSING_WORDS, as_dates, as_numbers, trimmed, without
from automl_bench.errors import DatasetError
from automl_bench.numbers_in_words import counted

if TYPE_CHECKING:
    import pyarrow as pa

NEARLY_UNIQUE = 0.9
"""Different values among all, above which a column of strings names its rows."""
FEW_ROWS = 20
"""Cells below which nothing is said of how often values repeat."""
LONG = 60.0
"""Mean characters above which strings that hardly repeat are texts, and no names or keys."""
REPEATING = 0.5
"""Different values among all, below which strings are categories in any case."""
_ID_NAME = re.compile(
    r"(?:^|[_\W])(?:id|idx|index|key|uuid|guid|row|rownum|no|nr)$|[a-z](?:Id|ID)$|^column_1$", re.ASCII
)


@dataclass(frozen=True, slots=True, eq=False)
class TypedColumn:
    """A column with its kind.

    Attributes:
        name: Its name.
        kind: What it holds.
        values: int64 or double for numbers, else strings; null where missing.
        notes: What should be said of it, one sentence each.
    """

    name: str
    kind: ColumnKind
    values: pa.ChunkedArray
    notes: tuple[str, ...] = ()


def typed_column(
    name: str, cells: pa.ChunkedArray, path: Path, *, told: ColumnKind | None, comma_decimals: bool
) -> TypedColumn:
    """Return a column of cells with its kind.

    Args:
        name: The column's name.
        cells: Strings; null where the file has none.
        path: The file, for messages.
        told: The kind that the user chose, if any.
        comma_decimals: Whether numbers may have decimal commas.

    Raises:
        DatasetError: If the user chose a kind that the cells are not of.
    """
    clean = trimmed(cells)
    values = without(clean, MISSING_WORDS)
    if told in (None, ColumnKind.NUMBER):
        numbers = as_numbers(values, comma_decimals=comma_decimals)
        if numbers is not None:
            kind = told or _kind_of_numbers(name, numbers.values)
            notes = (f"Column {name!r}: {numbers.note}.",) if numbers.note else ()
            return TypedColumn(name, kind, numbers.values, notes)
        if told:
            raise _not_of(path, name, "number", _first(values))
    if told in (None, ColumnKind.DATE):
        dates = as_dates(values)
        if dates is not None and dates.values is not None:
            notes = (f"Column {name!r}: {dates.note}.",) if dates.note else ()
            return TypedColumn(name, ColumnKind.DATE, dates.values, notes)
        if told:
            raise _not_of(path, name, "date", _first(values))
        if dates is not None:
            note = (
                f"Column {name!r} looks like dates in which day and month cannot be told apart: write them as "
                "2026-12-31 if they are."
            )
            return TypedColumn(name, _kind_of_strings(values), values, (note,))
    kept = without(cells, ("",)) if told is ColumnKind.TEXT else values
    return TypedColumn(name, told or _kind_of_strings(values), kept)


def _first(values: pa.ChunkedArray) -> str:
    found = values.drop_null()
    return str(found[0].as_py()) if len(found) else ""


def _not_of(path: Path, name: str, kind: str, example: str) -> DatasetError:
    return DatasetError(
        f"{path}: the column {name!r} was called a {kind} and holds other cells, for example {example!r}.",
        remedy=f"Correct its cells, or give it another kind, as in --kind {name}=category.",
    )


def _kind_of_numbers(name: str, values: pa.ChunkedArray) -> ColumnKind:
    """Tell keys from quantities: whole numbers that never repeat and run on, or whose name says so."""
    import pyarrow as pa
    import pyarrow.compute as pc

    present = values.drop_null()
    if not pa.types.is_integer(values.type) or len(present) < FEW_ROWS:
        return ColumnKind.NUMBER
    span = pc.max(present).as_py() - pc.min(present).as_py() + 1
    if span < len(present):
        return ColumnKind.NUMBER
    if span > len(present) and not _ID_NAME.search(name):
        return ColumnKind.NUMBER
    return ColumnKind.IDENTIFIER if pc.count_distinct(present).as_py() == len(present) else ColumnKind.NUMBER


def _kind_of_strings(values: pa.ChunkedArray) -> ColumnKind:
    import pyarrow.compute as pc

    count = len(values) - values.null_count
    if count < FEW_ROWS:
        return ColumnKind.CATEGORY
    different = pc.count_distinct(values, mode="only_valid").as_py()
    if different <= REPEATING * count:
        return ColumnKind.CATEGORY
    mean = pc.mean(pc.utf8_length(values)).as_py()
    if mean > LONG:
        return ColumnKind.TEXT
    return ColumnKind.IDENTIFIER if different >= NEARLY_UNIQUE * count else ColumnKind.CATEGORY


def summary_of(columns: Mapping[str, ColumnKind]) -> str:
    """Return one sentence on the kinds of a table's columns."""
    parts = []
    for kind in ColumnKind:
        own = [name for name, found in columns.items() if found is kind]
        if own:
            named = ", ".join(own[:8]) + (", …" if len(own) > 8 else "")
            parts.append(f"{kind} ({named})")
    return counted("{n} [column|columns]: ", len(columns)) + "; ".join(parts) + "."
