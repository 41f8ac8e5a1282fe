"""Reads a CSV or TSV file with the columns `path,label[,split]`; paths are relative to the file."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterator
from pathlib import Path

from automl_bench.datasets.class_folders import check_label
from automl_bench.datasets.listing import SPLIT_WORDS, Incoming, Listing, pooled_split, split_notes
from automl_bench.datasets.placing import cannot
from automl_bench.errors import DatasetError, UnsafeArchive

LIST_ENDINGS = (".csv", ".tsv")
_HEADER_REMEDY = "Begin the file with the line path,label or path,label,split (tabs in a .tsv file)."


def header_of(path: Path) -> list[str]:
    """Return the first row of a CSV or TSV file in lower case, or [] if it cannot be read as one."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            return [cell.strip().lower() for cell in next(csv.reader(file, delimiter=_delimiter(path)), [])]
    except (OSError, UnicodeDecodeError, csv.Error):
        return []


def is_sample_list(path: Path) -> bool:
    """Return whether a file is a CSV or TSV whose header has `path` and `label`."""
    return path.suffix.lower() in LIST_ENDINGS and {"path", "label"} <= set(header_of(path))


def _delimiter(path: Path) -> str:
    return "\t" if path.suffix.lower() == ".tsv" else ","


def read_csv_list(path: Path, *, within: Path | None = None) -> Listing:
    """List the samples that a CSV or TSV names. Other columns are ignored.

    Args:
        path: The file.
        within: Folder that no path may leave, for a list that came in an archive. A list of the user's own may name
            files anywhere.

    Raises:
        DatasetError: If the header is missing, a row is incomplete, a file does not exist, or only some rows have a
            split; names file and line.
        WorkspaceError: If the file cannot be read.
    """
    rows = _rows(path)
    if within is not None:
        _refuse_outsiders(rows, path, within.resolve())
    found = {split for _, _, split, _ in rows if split}
    if found and any(not split for _, _, split, _ in rows):
        line = next(line for _, _, split, line in rows if not split)
        raise DatasetError(f"{path}, line {line}: the split is empty, where other rows have one.", remedy="Fill it in.")
    counts = {split: sum(row[2] == split for row in rows) for split in found}
    has_split, notes = split_notes(found, counts)
    folder = os.fspath(path.parent)

    def samples() -> Iterator[Incoming]:
        for name, label, split, line in rows:
            target = os.path.join(folder, name)  # noqa: PTH118 - one Path a row would double the time
            where = f"{name!r} ({path.name}, line {line})"
            yield Incoming(
                name.rsplit("/", 1)[-1], label, pooled_split(split) if has_split else "", target, where=where
            )

    labels = tuple(dict.fromkeys(label for _, label, _, _ in rows))
    return Listing("CSV list", labels, has_split, len(rows), samples, notes)


def _refuse_outsiders(rows: list[tuple[str, str, str, int]], path: Path, within: Path) -> None:
    for name, _, _, line in rows:
        if not (path.parent / name).resolve().is_relative_to(within):
            raise UnsafeArchive(
                f"{path.name}, line {line}, names {name!r}, which lies outside its archive.",
                remedy="Unpack it yourself if you trust it, and import the CSV file.",
            )


def _rows(path: Path) -> list[tuple[str, str, str, int]]:
    """Return (path, label, split or "", line) of each row."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file, delimiter=_delimiter(path), strict=True)
            header = [cell.strip().lower() for cell in next(reader, [])]
            _check_header(header, path)
            rows = [_row(cells, header, path, reader.line_num) for cells in reader if any(cells)]
    except csv.Error as error:
        raise DatasetError(f"{path}, line {reader.line_num}: {error}.", remedy="Correct the quoting.") from error
    except UnicodeDecodeError as error:
        raise DatasetError(f"{path} is not UTF-8 text: {error.reason}.", remedy="Save it as UTF-8.") from error
    except OSError as error:
        raise cannot("read", path, error) from error
    if not rows:
        raise DatasetError(f"{path} lists no samples.", remedy="Add one row for each image.")
    return sorted(rows)


def _check_header(header: list[str], path: Path) -> None:
    if not header:
        raise DatasetError(f"{path} is empty.", remedy=_HEADER_REMEDY)
    if {"path", "label"} <= set(header):
        return
    if "label" in header:
        kind = "a text dataset" if "text" in header else "a table"
        raise DatasetError(
            f"{path} has a `label` but no `path` column, so it looks like {kind}: this version imports images only.",
            remedy=_HEADER_REMEDY,
        )
    raise DatasetError(
        f"{path} has no header with `path` and `label`: it begins {', '.join(header)!r}.", remedy=_HEADER_REMEDY
    )


def _row(cells: list[str], header: list[str], path: Path, line: int) -> tuple[str, str, str, int]:
    where = f"{path}, line {line}"
    if len(cells) != len(header):
        raise DatasetError(
            f"{where}: {len(cells)} cells, where the header has {len(header)}.", remedy="Correct the row."
        )
    row = dict(zip(header, cells, strict=True))
    name = row["path"].strip()
    if not name:
        raise DatasetError(f"{where}: the path is empty.", remedy="Name the image's file.")
    if "\0" in name:
        raise DatasetError(f"{where}: the path holds a NUL.", remedy="Correct the row.")
    split = row.get("split", "").strip()
    if split and split.lower() not in SPLIT_WORDS:
        raise DatasetError(
            f"{where}: the split {split!r} is none of train, validation, test.", remedy="Correct the row."
        )
    return name, check_label(row["label"], where), SPLIT_WORDS.get(split.lower(), ""), line
