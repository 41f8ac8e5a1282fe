"""Results measured elsewhere: two CSV formats that `results import` takes, and how every such CSV is read."""

from __future__ import annotations

import csv
import math
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import NoReturn, TypeVar

from automl_bench.border.cells import restored
from automl_bench.errors import UsageError
from automl_bench.store.records import ImportedResult

IMPORT_COLUMNS: Mapping[str, str] = {
    "provider": "Name of the service. Required.",
    "variant": 'Configuration of the service; "imported" if the column is absent or the cell empty.',
    "dataset": "Name of the dataset. Required.",
    "shots": 'Labelled samples per class, or "all". Required.',
    "fold": "Which draw of the training subset, from 0; 0 if absent.",
    "accuracy": "Share of right answers, 0 to 1 (not percent). Required.",
    "classes": "Number of classes.",
    "test_samples": "Number of test samples behind the accuracy.",
    "train_seconds": "Training time in seconds.",
}
"""Our own import format: column → meaning. Columns may stand in any order; others are refused."""

ANCESTOR_COLUMNS = ("dataset", "classes", "images_per_class", "service", "accuracy_pct", "train_images", "train_time_s")
"""Columns of the published figures of 2023, which are taken as they are."""

_REQUIRED = ("provider", "dataset", "shots", "accuracy")


def read_results(path: Path) -> list[ImportedResult]:
    """Read a CSV of results, all of it or nothing.

    Args:
        path: A file in our own format (`IMPORT_COLUMNS`) or with the published figures (`ANCESTOR_COLUMNS`).

    Raises:
        UsageError: If the file cannot be read, has no known header, or a line is wrong; names the line.
    """
    results: list[ImportedResult] = []
    first_seen: dict[tuple[str, str, str, int | None, int], int] = {}
    for line, cells, ancestor in csv_lines(path, _known_header):
        reader = Cells(path, line, cells)
        one = _ancestor_result(reader) if ancestor else _own_result(reader)
        key = (one.provider, one.variant, one.dataset, one.shots, one.fold)
        if key in first_seen:
            raise UsageError(
                f"{path} line {line}: repeats the result of line {first_seen[key]}"
                f" ({one.provider}:{one.variant}, {one.dataset}, {cells_words(one.shots)}, fold {one.fold}).",
                remedy="Give each draw its own fold number, or delete one of the lines.",
            )
        first_seen[key] = line
        results.append(one)
    if not results:
        raise UsageError(f"{path} has a header but no results.", remedy="Add one line for each result.")
    return results


def cells_words(shots: int | None) -> str:
    """Return the shots as they stand in a results table: "5" or "all"."""
    return "all" if shots is None else str(shots)


Header = TypeVar("Header")


def csv_lines(path: Path, check: Callable[[Path, list[str]], Header]) -> Iterator[tuple[int, dict[str, str], Header]]:
    """Yield (line number, stripped cells by column, what `check` made of the header) of a CSV; blank lines are skipped.

    Args:
        path: The file.
        check: Is given the path and the header, and raises if it is not as it should be.

    Raises:
        UsageError: If the file cannot be read or a line has another number of cells than the header.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file, strict=True)
            header = [name.strip() for name in next(reader, [])]
            checked = check(path, header)
            for row in reader:
                if not any(restored(cell.strip()) for cell in row):
                    continue
                if len(row) != len(header):
                    raise UsageError(
                        f"{path} line {reader.line_num}: has {len(row)} cells where the header has {len(header)}.",
                        remedy="Quote cells that hold a comma.",
                    )
                values = dict(zip(header, (restored(cell.strip()) for cell in row), strict=True))
                yield reader.line_num, values, checked
    except FileNotFoundError as error:
        raise UsageError(f"{path} does not exist.", remedy="Check the path.") from error
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}.", remedy="Give a readable CSV file.") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{path} is not UTF-8 text.", remedy="Save it as CSV in UTF-8.") from error
    except csv.Error as error:
        raise UsageError(f"{path} is not a readable CSV: {error}.", remedy="Save it as CSV in UTF-8.") from error


def _known_header(path: Path, header: list[str]) -> bool:
    """Tell the two formats apart by the header; refuse any other."""
    if set(header) == set(ANCESTOR_COLUMNS) and len(header) == len(ANCESTOR_COLUMNS):
        return True
    remedy = f"The first line must name {', '.join(_REQUIRED)} and may name the columns in docs/results-format.md."
    if not header:
        raise UsageError(f"{path} is empty.", remedy=remedy)
    if len(header) == 1 and (";" in header[0] or "\t" in header[0]):
        mark = "semicolons" if ";" in header[0] else "tabs"
        raise UsageError(
            f"{path} line 1: the columns are separated by {mark}.",
            remedy="Save it as CSV with commas between the columns and points in the numbers.",
        )
    if len(set(header)) != len(header):
        raise UsageError(f"{path} line 1: a column is named twice.", remedy=remedy)
    missing = [name for name in _REQUIRED if name not in header]
    if missing:
        raise UsageError(f"{path} line 1: the header lacks {', '.join(missing)}.", remedy=remedy)
    unknown = [name for name in header if name not in IMPORT_COLUMNS]
    if unknown:
        raise UsageError(f"{path} line 1: unknown column {unknown[0]!r}.", remedy=remedy)
    return False


def _float(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _as_share(percentage: float | None, high: float) -> str:
    """Return how a percentage is written in a column that ends at `high`."""
    if percentage is None:
        return "Write a plain number."
    return f"Write it as {percentage / 100 if high == 1 else percentage:g}."


class Cells:
    """The cells of one line, read with errors that name the line."""

    def __init__(self, path: Path, line: int, cells: Mapping[str, str]) -> None:
        self._where = f"{path} line {line}"
        self._cells = cells

    def text(self, column: str, default: str = "") -> str:
        """Return the text of a cell.

        Raises:
            UsageError: If it is empty and there is no default.
        """
        value = self._cells.get(column, "") or default
        if not value:
            raise UsageError(f"{self._where}: {column} is empty.", remedy=f"Fill in {column}.")
        return value

    def number(self, column: str, *, low: float = 0.0, high: float = math.inf) -> float:
        """Return a number within bounds.

        Raises:
            UsageError: If it is none; percentages and decimal commas are named, with the remedy.
        """
        text = self.text(column)
        value = _float(text)
        if value is None:
            plain = text.rstrip("%").strip().replace(",", ".")
            what, remedy = f"is {text!r}, not a number", f"Write it as in {min(high, 71.9):g}."
            if text.endswith("%"):
                what, remedy = f"is {text!r}, a percentage", _as_share(_float(plain), high)
            elif _float(plain) is not None:
                what = f"is {text!r}, with a decimal comma"
                remedy = f"Write it with a point: {plain}."
            raise UsageError(f"{self._where}: {column} {what}.", remedy=remedy)
        if not low <= value <= high:
            bounds = f"{low:g} to {high:g}" if math.isfinite(high) else f"{low:g} or more"
            remedy = _as_share(value, high) if high == 1 < value <= 100 else f"Write a number that is {bounds}."
            raise UsageError(f"{self._where}: {column} is {text}, it must be {bounds}.", remedy=remedy)
        return value

    def whole(self, column: str, *, low: int = 0) -> int:
        """Return a whole number."""
        value = self.number(column, low=low)
        if value != int(value):
            raise UsageError(f"{self._where}: {column} is {value:g}, not a whole number.", remedy="Write it as in 20.")
        return int(value)

    def shots(self, column: str) -> int | None:
        """Return shots, None for "all"."""
        return None if self.text(column).lower() == "all" else self.whole(column, low=1)

    def refuse(self, what: str) -> NoReturn:
        """Refuse the line.

        Raises:
            UsageError: Always.
        """
        raise UsageError(f"{self._where}: {what}.", remedy="Correct the line.")

    def optional(self, column: str) -> str:
        """Return the text of a cell, empty if there is none."""
        return self._cells.get(column, "")

    def has(self, column: str) -> bool:
        """Return whether a cell is there and not empty."""
        return bool(self._cells.get(column))

    @property
    def source(self) -> str:
        """Return the name of the file."""
        return Path(self._where.rsplit(" line ", 1)[0]).name


def _ancestor_result(cells: Cells) -> ImportedResult:
    return ImportedResult(
        source=cells.source,
        provider=cells.text("service"),
        variant="imported",
        dataset=cells.text("dataset"),
        shots=cells.shots("images_per_class"),
        accuracy=cells.number("accuracy_pct", high=100.0) / 100,
        classes=cells.whole("classes", low=1) if cells.has("classes") else None,
        train_seconds=cells.number("train_time_s") if cells.has("train_time_s") else None,
    )


def _own_result(cells: Cells) -> ImportedResult:
    return ImportedResult(
        source=cells.source,
        provider=cells.text("provider"),
        variant=cells.text("variant", "imported"),
        dataset=cells.text("dataset"),
        shots=cells.shots("shots"),
        accuracy=cells.number("accuracy", high=1.0),
        fold=cells.whole("fold") if cells.has("fold") else 0,
        classes=cells.whole("classes", low=1) if cells.has("classes") else None,
        test_samples=cells.whole("test_samples", low=1) if cells.has("test_samples") else None,
        train_seconds=cells.number("train_seconds") if cells.has("train_seconds") else None,
    )
