"""Reads CSV and its kin as columns of strings: what separates cells is found, what does not fit is refused."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from automl_bench.datasets.columnar.encodings import Encoding, encoding_of
from automl_bench.datasets.columnar.options import ColumnOptions
from automl_bench.datasets.columnar.source_table import SourceTable, unique_names
from automl_bench.datasets.tables import one_line
from automl_bench.errors import DatasetError, UsageError
from automl_bench.numbers_in_words import number_of
from automl_bench.toolkit.whole_files import cannot

if TYPE_CHECKING:
    import pyarrow as pa

DELIMITERS = (",", ";", "\t", "|")
_SPELLED = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "vertical bars"}
_WORDS = {"tab": "\t", "\\t": "\t", "comma": ",", "semicolon": ";"}
_HEAD = 1 << 18
_BLOCKS = (1 << 23, 1 << 28)
"""Bytes that are parsed at a time; the second where a row is longer than the first."""


def read_delimited(path: Path, options: ColumnOptions) -> SourceTable:
    """Read a CSV, TSV or the like.

    Raises:
        UsageError: If an option makes no sense.
        DatasetError: If the file is empty, has one column, rows of different lengths, wrong quoting or a wrong
            encoding; names the row.
        WorkspaceError: If it cannot be read.
    """
    encoding = encoding_of(path, options.encoding)
    head = _head(path, encoding.name)
    told_inside, head = _separator_line(head)
    if not head.strip():
        raise DatasetError(f"{path} is empty.", remedy="Give a file with a header line and rows.")
    delimiter = _told(options.delimiter) or told_inside or _found_delimiter(head, path)
    header = _first_record(head, delimiter, path)
    if len(header) < 2:
        raise DatasetError(
            f"{path} has one column only, if cells are separated by {_spelled(delimiter)}.",
            remedy="Texts and tables need a column with labels; say what separates cells with --delimiter.",
        )
    names, notes = unique_names(header, options.ignore, path)
    columns = _parsed(path, encoding, delimiter, len(names), skip=1 if told_inside else 0)
    names, columns = _without_empty_tail(header, names, columns)
    said = [encoding.note] if encoding.note else []
    if delimiter != ("\t" if path.suffix.lower() == ".tsv" else ","):
        said.append(f"{path.name}: cells are separated by {_spelled(delimiter)}.")
    kept = [note for note in notes if any(repr(name) in note for name in names)]
    return SourceTable(path, tuple(names), tuple(columns), (*said, *kept), comma_decimals=delimiter != ",")


def _told(delimiter: str) -> str:
    found = _WORDS.get(delimiter.lower(), delimiter)
    if len(found) > 1 or found in ('"', "\n", "\r"):
        raise UsageError(f"{delimiter!r} cannot separate cells.", remedy="Give one character, or tab.")
    return found


def _spelled(delimiter: str) -> str:
    return _SPELLED.get(delimiter, repr(delimiter))


def _head(path: Path, encoding: str) -> str:
    try:
        with path.open("rb") as file:
            raw = file.read(_HEAD)
    except OSError as error:
        raise cannot("read", path, error) from error
    return raw.decode(encoding, "ignore").removeprefix("\ufeff")


def _separator_line(head: str) -> tuple[str, str]:
    """Return what Excel's line `sep=;` says and the rest, or nothing and all."""
    first, _, rest = head.partition("\n")
    told = first.strip().lower()
    return (told[4:5], rest) if told.startswith("sep=") and len(told) == 5 else ("", head)


def _found_delimiter(head: str, path: Path) -> str:
    """Return what cuts the beginning of a file into rows of one length, the most cells first."""
    if path.suffix.lower() == ".tsv":
        return "\t"

    def fit(delimiter: str) -> tuple[float, int, bool]:
        lengths = [len(row) for row in _records(head, delimiter, 50)]
        if not lengths or lengths[0] < 2:
            return 0.0, 0, False
        return sum(length == lengths[0] for length in lengths) / len(lengths), lengths[0], delimiter == ","

    return max(DELIMITERS, key=fit)


def _records(head: str, delimiter: str, most: int) -> list[list[str]]:
    found: list[list[str]] = []
    try:
        for row in csv.reader(io.StringIO(head, newline=""), delimiter=delimiter):
            if row:
                found.append(row)
            if len(found) > most:
                break
    except csv.Error:
        return found
    return found if len(found) < 2 else found[:-1]  # the last may be cut off


def _first_record(head: str, delimiter: str, path: Path) -> list[str]:
    try:
        return next(row for row in csv.reader(io.StringIO(head, newline=""), delimiter=delimiter) if row)
    except (csv.Error, StopIteration) as error:
        raise DatasetError(f"{path}: the header cannot be read.", remedy="Correct the quoting of line 1.") from error


def _parsed(path: Path, encoding: Encoding, delimiter: str, width: int, skip: int) -> list[pa.ChunkedArray]:
    import pyarrow as pa

    failure: Exception | None = None
    for block in _BLOCKS:
        try:
            return _parse(path, encoding, delimiter, width, skip, block)
        except pa.ArrowInvalid as error:
            failure = error
            if "straddling" not in str(error):
                break
        except OSError as error:
            raise cannot("read", path, error) from error
    raise DatasetError(
        f"{path} cannot be read as rows of cells: {one_line(failure)}.",
        remedy="Look for a quotation mark that is not closed, and save the file as CSV again.",
    )


def _parse(
    path: Path, encoding: Encoding, delimiter: str, width: int, skip: int, block: int, *, threads: bool = True
) -> list[pa.ChunkedArray]:
    import pyarrow as pa
    from pyarrow import csv as arrow

    bad: list[Any] = []

    def on_bad(row: Any) -> str:
        bad.append(row)
        return "error"

    labels = [str(place) for place in range(width)]
    try:
        table = arrow.read_csv(
            path,
            read_options=arrow.ReadOptions(
                encoding=encoding.name.removesuffix("-sig"),
                column_names=labels,
                skip_rows=skip,
                skip_rows_after_names=1,
                block_size=block,
                use_threads=threads,
            ),
            parse_options=arrow.ParseOptions(delimiter=delimiter, newlines_in_values=True, invalid_row_handler=on_bad),
            convert_options=arrow.ConvertOptions(
                column_types=dict.fromkeys(labels, pa.string()), null_values=[], strings_can_be_null=False
            ),
        )
    except pa.ArrowInvalid:
        if bad and threads:  # rows are counted by one thread only
            return _parse(path, encoding, delimiter, width, skip, block, threads=False)
        if bad:
            raise _ragged(path, bad[0]) from None
        raise
    if table.num_rows == 0:
        raise DatasetError(f"{path} has a header and no rows.", remedy="Give a file with rows.")
    return list(table.columns)


def _ragged(path: Path, row: Any) -> DatasetError:
    text = str(row.text)
    shown = text if len(text) <= 60 else f"{text[:60]}…"
    where = "" if row.number is None else f", row {row.number} (the header is row 1)"
    return DatasetError(
        f"{path}{where}: {number_of(row.actual_columns, 'cell')}, where the header has {row.expected_columns}: "
        f"{shown!r}.",
        remedy="Look for a quotation mark that is not closed, in this row or before it."
        if "\n" in text
        else "Put cells that hold the separator in quotation marks, or correct the row.",
    )


def _without_empty_tail(
    header: Sequence[str], names: list[str], columns: list[pa.ChunkedArray]
) -> tuple[list[str], list[pa.ChunkedArray]]:
    """Leave out columns at the end that have neither a name nor a cell: separators at the ends of the lines."""
    import pyarrow.compute as pc

    count = len(names)
    while (
        count > 2 and not header[count - 1].strip() and (pc.max(pc.binary_length(columns[count - 1])).as_py() or 0) == 0
    ):
        count -= 1
    return names[:count], columns[:count]
