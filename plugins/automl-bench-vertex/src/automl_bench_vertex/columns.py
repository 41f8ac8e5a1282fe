"""Columns of a table in the service's alphabet, and cells as the service reads them from a CSV.

A column's name may have letters, digits and `_`, and no `_` first. A name that fits stays as it is. Any other, and one
that differs from an earlier one in letter case only, is `column_` and its place, counted from 1. The names depend on
the columns in their order and on nothing else, so that upload, training, prediction and an export by hand agree.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

from automl_bench.contract import Value
from automl_bench.errors import RequestRefused

TARGET = "label"
"""Column of the labels."""
SPLIT = "ml_use"
"""Column that says in which half a row is."""

_ALLOWED = re.compile(r"[A-Za-z0-9][A-Za-z0-9_]{0,127}")


def names_of(columns: Sequence[str]) -> dict[str, str]:
    """Return the service's name of each column."""
    taken = {TARGET, SPLIT}
    names: dict[str, str] = {}
    for column in columns:
        if _ALLOWED.fullmatch(column) and column.lower() not in taken:
            names[column] = column
            taken.add(column.lower())
    for place, column in enumerate(columns, start=1):
        if column not in names:
            names[column] = _free(f"column_{place}", taken)
            taken.add(names[column])
    return names


def _free(name: str, taken: Iterable[str]) -> str:
    while name in taken:
        name += "_"
    return name


def cell(value: Value) -> str | None:
    """Return a cell as text, as the service knows every column of a CSV; None where it is missing.

    Raises:
        RequestRefused: If a text has a character that no CSV of the service can hold.
    """
    if value is None:
        return None
    if isinstance(value, bool):
        return "true" if value else "false"
    text = str(value)
    if "\0" in text or any("\ud800" <= letter <= "\udfff" for letter in text):
        raise RequestRefused(
            f"A cell has a character that Vertex AI's files cannot hold: {text[:40]!r}.",
            remedy="Correct it in the source and import the dataset again.",
        )
    return text


def row_of(row: Mapping[str, Value], names: Mapping[str, str]) -> dict[str, str | None]:
    """Return a row by the service's names; columns that have none are left out."""
    return {name: cell(row.get(column)) for column, name in names.items()}
