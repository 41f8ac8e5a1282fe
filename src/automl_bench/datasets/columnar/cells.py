"""What a column's cells are: missing, numbers, dates. Column by column, never cell by cell.

The words that stand for a missing cell are the same for all features; of labels only the empty cell is missing, as
"None" or "NA" may be the name of a class.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pyarrow as pa

MISSING_WORDS = ("", "NA", "N/A", "#N/A", "NaN", "nan", "null", "NULL")
"""Cells that are missing in any column of features, spaces at their ends aside."""
MISSING_NUMBERS = ("?", "-", ".", "None", "none", "n/a", "na")
"""Cells that are missing as well where all others of the column are numbers."""
MOST_DIGITS = 15
"""Digits of a whole number that a float64 keeps; longer ones are keys and no quantities."""

_PROBE = 500
_GROUPED = r"^[+-]?\d{1,3}(?:,\d{3})+(?:\.\d+)?$"
_PLAIN_OR_GROUPED = r"^[+-]?(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?$"
_COMMA_DECIMAL = r"^[+-]?(?:\d{1,3}(?:\.\d{3})+|\d+)(?:,\d+)?$"
_ISO_DATE = (
    r"^\d{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01])(?:[T ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:?\d\d)?)?$"
)
_PARTED_DATE = r"^(?P<a>\d{1,2})[/.-](?P<b>\d{1,2})[/.-](?P<c>\d{4})$"


@dataclass(frozen=True, slots=True, eq=False)
class Numbers:
    """A column of numbers.

    Attributes:
        values: int64 if all are whole, else double; null where missing.
        note: How they were written, if not plainly; else empty.
    """

    values: pa.ChunkedArray
    note: str = ""


def trimmed(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return cells without spaces at their ends; chunks keep their sizes."""
    import pyarrow.compute as pc

    return pc.utf8_trim_whitespace(column)


def without(column: pa.ChunkedArray, words: tuple[str, ...]) -> pa.ChunkedArray:
    """Return a column with null in place of some words."""
    import pyarrow as pa
    import pyarrow.compute as pc

    return pc.if_else(pc.is_in(column, pa.array(words)), pa.scalar(None, pa.string()), column)


def as_numbers(column: pa.ChunkedArray, *, comma_decimals: bool) -> Numbers | None:
    """Return a column as numbers, or None if some cell is none.

    Zeros in front make a cell no number (postcodes, keys), as do more digits than a float keeps, and infinity.

    Args:
        column: Trimmed cells, null where missing.
        comma_decimals: Whether a comma may stand before decimals.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    column = without(column, MISSING_NUMBERS)
    probe = column.drop_null().slice(0, _PROBE)
    if len(probe) == 0 or _any(probe, r"[^0-9+\-.,eE]") or _any(column, r"^[+-]?0\d"):
        return None
    note = ""
    try:
        values = pc.cast(column, pa.float64())
    except pa.ArrowInvalid:
        if comma_decimals and _all(column, _COMMA_DECIMAL):
            plain = pc.replace_substring(pc.replace_substring(column, ".", ""), ",", ".")
            note = "numbers have decimal commas"
        elif not comma_decimals and _all(column, _PLAIN_OR_GROUPED) and _any(column, _GROUPED):
            plain = pc.replace_substring(column, ",", "")
            note = "commas part thousands"
        elif not comma_decimals and _all(column, _COMMA_DECIMAL) and not _any(column, r"\."):
            plain = pc.replace_substring(column, ",", ".")
            note = "numbers have decimal commas"
        else:
            return None
        values = pc.cast(plain, pa.float64())
    if pc.all(pc.is_finite(values)).as_py() is False or _any(column, rf"\d{{{MOST_DIGITS + 1},}}$"):
        return None
    if pc.all(pc.equal(pc.floor(values), values)).as_py() and (pc.max(pc.abs(values)).as_py() or 0) < 2**53:
        values = values.cast(pa.int64())
    return Numbers(values, note)


@dataclass(frozen=True, slots=True, eq=False)
class Dates:
    """A column of dates, as ISO 8601 texts; None for `values` where day and month cannot be told apart."""

    values: pa.ChunkedArray | None
    note: str = ""


def as_dates(column: pa.ChunkedArray) -> Dates | None:
    """Return a column as dates, or None if some cell is none.

    Besides ISO 8601, 31/12/2026 and 12/31/2026 (also with dots or dashes) are dates, if a cell tells which is the day.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    probe = column.drop_null().slice(0, _PROBE)
    if len(probe) == 0:
        return None
    if _all(probe, _ISO_DATE) and _all(column, _ISO_DATE):
        return Dates(column)
    if not (_all(probe, _plain(_PARTED_DATE)) and _all(column, _plain(_PARTED_DATE))):
        return None
    parts = pc.extract_regex(column, _PARTED_DATE)
    first, second, year = (pc.cast(pc.struct_field(parts, [at]), pa.int32()) for at in range(3))
    a, b = pc.max(first).as_py(), pc.max(second).as_py()
    if min(a, b) > 12 or max(a, b) > 31:
        return None
    if max(a, b) <= 12:
        return Dates(None)
    day, month = (first, second) if a > 12 else (second, first)
    cells = [pc.utf8_lpad(pc.cast(part, pa.string()), width, "0") for part, width in ((year, 4), (month, 2), (day, 2))]
    order = "day, month, year" if a > 12 else "month, day, year"
    return Dates(pc.binary_join_element_wise(*cells, "-"), f"dates are written {order} and were turned into ISO 8601")


def _plain(pattern: str) -> str:
    return re.sub(r"\?P<\w+>", "", pattern)


def _any(column: pa.ChunkedArray, pattern: str) -> bool:
    import pyarrow.compute as pc

    return bool(pc.any(pc.match_substring_regex(column, pattern)).as_py())


def _all(column: pa.ChunkedArray, pattern: str) -> bool:
    import pyarrow.compute as pc

    return pc.all(pc.match_substring_regex(column, pattern)).as_py() is not False
