"""Reads one file of texts or rows, whatever it is: CSV, TSV, JSON lines, Parquet, an Excel workbook."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from automl_bench.datasets.columnar.delimited import read_delimited
from automl_bench.datasets.columnar.encodings import encoding_of
from automl_bench.datasets.columnar.options import ColumnOptions
from automl_bench.datasets.columnar.source_table import SourceTable, unique_names
from automl_bench.datasets.columnar.workbooks import read_workbook
from automl_bench.datasets.tables import one_line, refuse_stand_ins
from automl_bench.errors import DatasetError
from automl_bench.toolkit.whole_files import cannot

if TYPE_CHECKING:
    import pyarrow as pa


def read_source(path: Path, options: ColumnOptions) -> SourceTable:
    """Read one file.

    Raises:
        UsageError: If an option makes no sense.
        DatasetError: If the file cannot be read as what its name says.
        WorkspaceError: If it cannot be read at all.
    """
    refuse_stand_ins(path)
    return READERS[path.suffix.lower()](path, options)


def _read_json_lines(path: Path, options: ColumnOptions) -> SourceTable:
    encoding = encoding_of(path, options.encoding)
    cells: dict[str, list[str | None]] = {}
    lists: set[str] = set()
    count = 0
    try:
        with path.open(encoding=encoding.name, newline="\n") as file:
            for number, line in enumerate(file, 1):
                if not line.strip():
                    continue
                for key, value in _object(path, number, line).items():
                    column = cells.setdefault(key, [])
                    column.extend([None] * (count - len(column)))
                    column.append(_cell(value, key, lists))
                count += 1
    except OSError as error:
        raise cannot("read", path, error) from error
    if not count:
        raise DatasetError(f"{path} is empty.", remedy="Give a file with one JSON object in each line.")
    names, notes = unique_names(list(cells), options.ignore, path)
    columns = [_column([*values, *[None] * (count - len(values))]) for values in cells.values()]
    said = [encoding.note] if encoding.note else []
    renamed = dict(zip(cells, names, strict=True))
    return SourceTable(
        path, tuple(names), tuple(columns), (*said, *notes), lists=frozenset(renamed[name] for name in lists)
    )


def _object(path: Path, number: int, line: str) -> dict[str, Any]:
    try:
        value = json.loads(line, parse_float=str, parse_int=str)
    except (ValueError, RecursionError) as error:
        whole = "begins a JSON array or a document of many lines" if number == 1 and line.strip() in "[{" else ""
        raise DatasetError(
            f"{path}, line {number}, {whole or f'is not JSON: {one_line(error)}'}.",
            remedy="Write one JSON object in each line (JSON lines).",
        ) from error
    if not isinstance(value, dict):
        raise DatasetError(
            f"{path}, line {number}, is no JSON object.", remedy='Write each row as in {"text": "…", "label": "…"}.'
        )
    return value


def _cell(value: Any, key: str, lists: set[str]) -> str | None:
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        lists.add(key)
    return json.dumps(value, ensure_ascii=False)


def _column(values: list[str | None]) -> pa.ChunkedArray:
    import pyarrow as pa

    try:
        found = pa.array(values, pa.string())
    except (UnicodeEncodeError, pa.ArrowInvalid):  # JSON may escape half of a pair of surrogates
        clean = [None if value is None else value.encode("utf-8", "replace").decode() for value in values]
        found = pa.array(clean, pa.string())
    return found if isinstance(found, pa.ChunkedArray) else pa.chunked_array([found])


def _read_parquet(path: Path, options: ColumnOptions) -> SourceTable:
    import pyarrow as pa
    from pyarrow import parquet

    try:
        table = parquet.read_table(path, partitioning=None)
    except (pa.ArrowException, OSError) as error:
        raise DatasetError(
            f"{path} cannot be read as Parquet: {one_line(error)}.", remedy="Download it again."
        ) from error
    if table.num_rows == 0:
        raise DatasetError(f"{path} has no rows.", remedy="Give a file with rows.")
    return arrow_source(path, table, options)


def arrow_source(path: Path, table: pa.Table, options: ColumnOptions) -> SourceTable:
    """Return a typed table as columns of strings; columns of bytes and structures are left out and named."""
    import pyarrow as pa

    kept = [at for at, field in enumerate(table.schema) if not _is_opaque(field.type)]
    opaque = [repr(name) for at, name in enumerate(table.column_names) if at not in set(kept)]
    found = [str(table.column_names[at]) for at in kept]
    names, notes = unique_names(found, options.ignore, path)
    said = [f"{path.name}: {', '.join(opaque)} hold bytes or structures and were left out."] if opaque else []
    columns = tuple(as_strings(table.column(at)) for at in kept)
    lists = frozenset(
        name for at, name in zip(kept, names, strict=True) if pa.types.is_nested(table.schema.field(at).type)
    )
    classes = {name: given for name, given in _class_names(table.schema).items() if name in names}
    return SourceTable(path, tuple(names), columns, (*said, *notes), lists=lists, class_names=classes)


def _is_opaque(kind: pa.DataType) -> bool:
    import pyarrow as pa

    return bool(
        pa.types.is_struct(kind)
        or pa.types.is_map(kind)
        or pa.types.is_binary(kind)
        or pa.types.is_large_binary(kind)
        or pa.types.is_fixed_size_binary(kind)
    )


def as_strings(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return a typed column as strings: numbers in the shortest form, dates as ISO 8601, lists as JSON."""
    import pyarrow as pa
    import pyarrow.compute as pc

    kind = column.type
    if pa.types.is_dictionary(kind):
        column = column.cast(kind.value_type)
        kind = kind.value_type
    if pa.types.is_string(kind):
        return column
    if pa.types.is_nested(kind):
        return _column(
            [None if v is None else json.dumps(v, ensure_ascii=False, default=str) for v in column.to_pylist()]
        )
    if pa.types.is_timestamp(kind):
        day = column.cast(pa.date32(), safe=False)
        if pc.all(pc.equal(day.cast(kind), column)).as_py() is not False:
            return day.cast(pa.string())
        return pc.replace_substring(column.cast(pa.string()), " ", "T")
    if pa.types.is_floating(kind):
        column = pc.if_else(pc.is_finite(column), column, pa.scalar(None, kind))
    return column.cast(pa.string())


def _class_names(schema: pa.Schema) -> Mapping[str, tuple[str, ...]]:
    """Return the names of the hub's ClassLabel features, from the schema's metadata."""
    try:
        features = json.loads((schema.metadata or {}).get(b"huggingface", b"{}"))["info"]["features"]
        return {
            str(name): tuple(map(str, feature["names"]))
            for name, feature in features.items()
            if isinstance(feature, dict) and feature.get("names")
        }
    except (ValueError, KeyError, TypeError, AttributeError):
        return {}


READERS: Mapping[str, Callable[[Path, ColumnOptions], SourceTable]] = {
    ".csv": read_delimited,
    ".tsv": read_delimited,
    ".tab": read_delimited,
    ".jsonl": _read_json_lines,
    ".ndjson": _read_json_lines,
    ".parquet": _read_parquet,
    ".xlsx": read_workbook,
    ".xlsm": read_workbook,
}
"""By the file's ending."""
