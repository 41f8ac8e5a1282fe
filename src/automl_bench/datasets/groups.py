"""Groups: samples that belong together (a patient, a session, a product) and stay on one side of each split."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from automl_bench.datasets.listing import Incoming, Listing
from automl_bench.errors import DatasetError, UsageError

if TYPE_CHECKING:
    import pyarrow as pa


def grouped_by_path(listing: Listing, pattern: str, root: str) -> Listing:
    """Give every sample of a listing the group that a regular expression finds in its path.

    Args:
        listing: The samples.
        pattern: See `path_pattern`.
        root: Folder that the paths are relative to.

    Raises:
        UsageError: If the pattern is no regular expression.
        DatasetError: If it could only be a column's name; while reading, if it matches nothing in a path.
    """
    compiled = path_pattern(pattern)
    return replace(listing, samples=_with_groups(listing.samples, compiled, os.path.normpath(root)), grouped=True)


def path_pattern(pattern: str) -> re.Pattern[str]:
    """Return the regular expression on paths whose first parenthesis, or else all that it matches, is the group.

    Raises:
        UsageError: If it is none.
        DatasetError: If it could only be a column's name.
    """
    if re.fullmatch(r"\w+", pattern):
        raise DatasetError(
            f"--group {pattern!r} is no column of the data, and as a regular expression it always finds the same.",
            remedy="Give a column of the list or of the Parquet files, or an expression such as 'patient(\\d+)'.",
        )
    try:
        return re.compile(pattern)
    except re.error as error:
        raise UsageError(
            f"--group {pattern!r} is no column and no regular expression: {error}.",
            remedy="Give a column of the list, or an expression such as 'patient(\\d+)'.",
        ) from error


def group_of(path: str, pattern: re.Pattern[str]) -> str:
    """Return the group that a pattern finds in a path.

    Raises:
        DatasetError: If it finds none.
    """
    match = pattern.search(path)
    group = "" if match is None else match[1] if pattern.groups else match[0]
    if not group:
        raise DatasetError(
            f"--group {pattern.pattern!r} finds nothing in {path!r}.",
            remedy="Give an expression that matches every path, or a column of the list.",
        )
    return group


def _with_groups(
    samples: Callable[[], Iterator[Incoming]], pattern: re.Pattern[str], root: str
) -> Callable[[], Iterator[Incoming]]:
    def grouped() -> Iterator[Incoming]:
        for sample in samples():
            path = os.path.relpath(sample.path, root) if sample.path else sample.name
            yield sample._replace(group=group_of(path, pattern))

    return grouped


def crossing_groups(table: pa.Table) -> list[str]:
    """Return the groups that have samples in both train and test, sorted; [] for a dataset without groups."""
    if "group" not in table.column_names:
        return []
    sides: dict[str, set[str]] = {}
    for group, split in zip(table["group"].to_pylist(), table["split"].to_pylist(), strict=True):
        if group:
            sides.setdefault(group, set()).add(split)
    return sorted(group for group, splits in sides.items() if len(splits) > 1)
