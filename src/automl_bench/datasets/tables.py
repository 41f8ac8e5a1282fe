"""Reads the rows of a list of samples: CSV with commas, semicolons or tabs, in UTF-8 or UTF-16; JSON lines; Parquet."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from automl_bench.datasets.foreign_content import foreign_content, is_git_lfs_pointer
from automl_bench.errors import DatasetError
from automl_bench.numbers_in_words import number_of
from automl_bench.toolkit.answers import read_json
from automl_bench.toolkit.whole_files import cannot

TEXT_ENDINGS = (".csv", ".tsv")
LIST_ENDINGS = (*TEXT_ENDINGS, ".jsonl", ".parquet")
_DELIMITERS = (",", ";", "\t", "|")
_UTF16_MARKS = (b"\xff\xfe", b"\xfe\xff")


@dataclass(frozen=True, slots=True)
class Table:
    """A list as read.

    Attributes:
        path: The file.
        header: Its column names, lower case, without spaces at the ends.
        rows: Cells as text, one for each column.
        lines: Line of the file (from 1) at which each row ends.
    """

    path: Path
    header: list[str]
    rows: list[list[str]]
    lines: Sequence[int]


def header_of(path: Path) -> list[str]:
    """Return the column names of a list in lower case, or [] if it cannot be read as one."""
    try:
        if path.suffix.lower() == ".parquet":
            from pyarrow.parquet import read_schema

            return [str(name).strip().lower() for name in read_schema(path).names]
        with path.open("rb") as file:
            head = file.read(1 << 16)
        if path.suffix.lower() == ".jsonl":
            values = read_json(head.split(b"\n", 1)[0])
            return [str(name).strip().lower() for name in values] if isinstance(values, dict) else []
        text = head.decode("utf-16", "ignore") if head.startswith(_UTF16_MARKS) else head.decode("utf-8-sig", "ignore")
        return _cells_of(text.splitlines()[0] if text else "", path)
    except (OSError, ValueError, csv.Error):  # pyarrow's errors are ValueErrors and OSErrors
        return []


def read_table(path: Path) -> Table:
    """Read a list.

    Raises:
        DatasetError: If it is not UTF-8 or UTF-16, its quoting is wrong, or a row has more or fewer cells than the
            header; names file and line.
        WorkspaceError: If it cannot be read.
    """
    refuse_stand_ins(path)
    ending = path.suffix.lower()
    if ending == ".parquet":
        return _from_parquet(path)
    text = _decoded(path)
    return _from_json_lines(path, text) if ending == ".jsonl" else _from_text(path, text)


def refuse_stand_ins(path: Path) -> None:
    """Refuse a file that stands in place of the real one: a Git LFS pointer, a saved web page.

    Raises:
        DatasetError: If it is one.
        WorkspaceError: If it cannot be read.
    """
    try:
        with path.open("rb") as file:
            head = file.read(512)
    except OSError as error:
        raise cannot("read", path, error) from error
    foreign = foreign_content(head)
    if foreign and (is_git_lfs_pointer(head) or foreign.reason == "web_page"):
        raise DatasetError(f"{path} {foreign.phrase}.", remedy=foreign.remedy)


def _decoded(path: Path) -> str:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise cannot("read", path, error) from error
    try:
        return content.decode("utf-16" if content.startswith(_UTF16_MARKS) else "utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise DatasetError(
            f"{path}, line {line}, is not UTF-8 text: {error.reason}.",
            remedy='Save it as UTF-8 (in Excel: "CSV UTF-8"), and import again.',
        ) from error


def _cells_of(line: str, path: Path) -> list[str]:
    return [cell.strip().lower() for cell in next(csv.reader([line], delimiter=_delimiter(line, path)), [])]


def _delimiter(line: str, path: Path) -> str:
    """Return what separates the cells of a header: a tab in a .tsv file, else what separates most of them."""
    if path.suffix.lower() == ".tsv":
        return "\t"
    return max(_DELIMITERS, key=lambda one: (line.count(one), one == ","))


def _from_text(path: Path, text: str) -> Table:
    first = text.split("\n", 1)[0]
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=_delimiter(first, path), strict=True)
    rows, lines = [], []
    try:
        header = [cell.strip().lower() for cell in next(reader, [])]
        for cells in reader:
            if any(cell.strip() for cell in cells):
                _check_width(cells, header, path, reader.line_num)
                rows.append(cells)
                lines.append(reader.line_num)
    except csv.Error as error:
        raise DatasetError(f"{path}, line {reader.line_num}: {error}.", remedy="Correct the quoting.") from error
    return Table(path, header, rows, lines)


def _check_width(cells: list[str], header: list[str], path: Path, line: int) -> None:
    if len(cells) != len(header):
        raise DatasetError(
            f"{path}, line {line}: {number_of(len(cells), 'cell')}, where the header has {len(header)}.",
            remedy="Correct the row.",
        )


def _from_json_lines(path: Path, text: str) -> Table:
    values: list[dict[str, Any]] = []
    lines = []
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        try:
            value = read_json(line)
        except ValueError as error:
            raise DatasetError(f"{path}, line {number}, is not JSON: {error}.", remedy="Correct the line.") from error
        if not isinstance(value, dict):
            raise DatasetError(f"{path}, line {number}, is no JSON object.", remedy="Correct the line.")
        values.append({str(key).strip().lower(): cell for key, cell in value.items()})
        lines.append(number)
    header = list(dict.fromkeys(key for value in values for key in value))
    return Table(path, header, [[_cell(value.get(key)) for key in header] for value in values], lines)


def _from_parquet(path: Path) -> Table:
    import pyarrow as pa
    from pyarrow import parquet

    try:
        table = parquet.read_table(path)
    except (pa.ArrowInvalid, pa.ArrowTypeError, OSError) as error:
        raise DatasetError(
            f"{path} cannot be read as Parquet: {one_line(error)}.", remedy="Download it again."
        ) from error
    names = [str(name).strip().lower() for name in table.column_names]
    rows = [[_cell(cell) for cell in row] for row in _rows_of(table)]
    return Table(path, names, rows, range(1, len(rows) + 1))


def _rows_of(table: Any) -> Iterator[tuple[Any, ...]]:
    for batch in table.to_batches(1000):
        yield from zip(*(column.to_pylist() for column in batch.columns), strict=True)


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


def one_line(error: object) -> str:
    """Return an error's text in one line without its full stop."""
    return " ".join(str(error).split()).rstrip(".")
