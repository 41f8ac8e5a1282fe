"""Reads a sheet of an Excel workbook, through pandas and openpyxl."""

from __future__ import annotations

import zipfile
from datetime import date, datetime
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from automl_bench.datasets.columnar.options import ColumnOptions
from automl_bench.datasets.columnar.source_table import SourceTable, unique_names
from automl_bench.datasets.tables import one_line
from automl_bench.errors import DatasetError, UsageError


def read_workbook(path: Path, options: ColumnOptions) -> SourceTable:
    """Read one sheet.

    Raises:
        UsageError: If openpyxl is not installed.
        DatasetError: If the workbook cannot be read, is empty, lacks the sheet that was named, or has several and none
            was.
    """
    if find_spec("openpyxl") is None:
        raise UsageError(
            f"{path} is an Excel workbook, and openpyxl, which reads them, is not installed.",
            remedy="Run pip install 'automl-bench[excel]', or save the sheet as CSV (UTF-8).",
        )
    import pandas as pd

    try:
        sheets = pd.read_excel(path, sheet_name=None, header=None, dtype=object, keep_default_na=False)
    except (ValueError, KeyError, OSError, zipfile.BadZipFile) as error:
        raise DatasetError(
            f"{path} cannot be read as an Excel workbook: {one_line(error)}.", remedy="Save the sheet as CSV (UTF-8)."
        ) from error
    name, sheet = _chosen(path, {str(name): sheet for name, sheet in sheets.items() if not sheet.empty}, options.sheet)
    rows = [[_cell(value) for value in row] for row in sheet.itertuples(index=False)]
    rows = [row for row in rows if any(row)]
    if len(rows) < 2:
        raise DatasetError(f"{path} has no rows below a header in sheet {name!r}.", remedy="Give a sheet with rows.")
    names, notes = unique_names(rows[0], options.ignore, path)
    import pyarrow as pa

    columns = tuple(pa.chunked_array([pa.array(list(cells), pa.string())]) for cells in zip(*rows[1:], strict=True))
    return SourceTable(path, tuple(names), columns, (f"{path.name}: sheet {name!r}.", *notes))


def _chosen(path: Path, sheets: dict[str, Any], told: str) -> tuple[str, Any]:
    if told:
        if told not in sheets:
            raise DatasetError(
                f"{path} has no sheet {told!r} with cells.", remedy=f"Choose one of {', '.join(map(repr, sheets))}."
            )
        return told, sheets[told]
    if not sheets:
        raise DatasetError(f"{path} has no sheet with cells.", remedy="Give a workbook with a table.")
    if len(sheets) > 1:
        raise DatasetError(
            f"{path} has several sheets: {', '.join(map(repr, sheets))}.",
            remedy=f"Choose one, as in --sheet {next(iter(sheets))!r}.",
        )
    return next(iter(sheets.items()))


def _cell(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() else repr(value)
    if isinstance(value, datetime):
        midnight = (value.hour, value.minute, value.second, value.microsecond) == (0, 0, 0, 0)
        return value.date().isoformat() if midnight else value.isoformat()
    if isinstance(value, date):
        return value.isoformat()
    return str(value)
