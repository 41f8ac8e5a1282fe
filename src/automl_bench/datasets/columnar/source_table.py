"""A file of texts or rows as it was read, before anything is made of its cells."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from automl_bench.border.names import did_you_mean
from automl_bench.errors import DatasetError

if TYPE_CHECKING:
    import pyarrow as pa

MOST_NAMED = 12
"""Column names that an error message lists."""


@dataclass(frozen=True, slots=True, eq=False)
class SourceTable:
    """One file.

    Attributes:
        path: The file.
        names: Column names, unique, in order.
        columns: Each column's cells as strings; null where the file says that there is none. Chunked, of one length.
        notes: What was found and is worth saying, one sentence each.
        comma_decimals: Whether numbers may be written as in 1,5: the cells are separated by something else.
        lists: Columns whose cells are lists.
        class_names: Names of the classes of columns that hold their numbers.
        places: Where each row came from, if not from a row of the file.
    """

    path: Path
    names: tuple[str, ...]
    columns: tuple[pa.ChunkedArray, ...]
    notes: tuple[str, ...] = ()
    comma_decimals: bool = False
    lists: frozenset[str] = frozenset()
    class_names: dict[str, tuple[str, ...]] = field(default_factory=dict)
    places: pa.ChunkedArray | None = None

    @property
    def rows(self) -> int:
        """Number of rows."""
        return len(self.columns[0]) if self.columns else 0

    def place(self, name: str, option: str) -> int:
        """Return where a column stands that the user named: exactly so, or but for the case.

        Raises:
            DatasetError: If there is none.
        """
        return place_of(name, self.names, self.path, option)


def place_of(name: str, names: Sequence[str], path: Path, option: str) -> int:
    """Return where a name stands among names: exactly so, or but for the case and spaces at its ends.

    Raises:
        DatasetError: If it stands nowhere, or several are equal but for the case.
    """
    if name in names:
        return names.index(name)
    wanted = name.strip().casefold()
    found = [at for at, one in enumerate(names) if one.casefold() == wanted]
    if len(found) > 1:
        raise DatasetError(
            f"{path} has several columns called {name!r} but for the case.", remedy=f"Write {option} exactly."
        )
    if found:
        return found[0]
    listed = ", ".join(map(repr, names[:MOST_NAMED])) + (", …" if len(names) > MOST_NAMED else "")
    raise DatasetError(
        f"{path} has no column {name!r} for {option}: it has {listed}.",
        remedy=did_you_mean(name, names, "Name one of these; a file without a header line needs one."),
    )


def unique_names(found: Sequence[str], ignored: Sequence[str], path: Path) -> tuple[list[str], list[str]]:
    """Return column names that are all different, and what had to be done for that.

    A column without a name gets one by its place. Columns that are left out may share a name.

    Args:
        found: Names as in the header.
        ignored: Names of columns that are left out.
        path: The file.

    Raises:
        DatasetError: If two columns have one name.
    """
    names, notes = [], []
    left_out = {name.strip().casefold() for name in ignored}
    for place, name in enumerate(found, 1):
        own = " ".join(name.split())
        if not own:
            own = f"column_{place}"
            notes.append(f"{path.name}: the column without a name at place {place} is called {own!r}.")
        if own in names and own.casefold() in left_out:
            own = f"{own} ({place})"
        elif own in names:
            raise DatasetError(
                f"{path} has two columns called {own!r}.",
                remedy=f"Rename one of them, or leave both out with --ignore {own!r}.",
            )
        names.append(own)
    return names, notes
