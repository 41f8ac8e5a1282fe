"""One border for spreadsheets: a cell of a CSV that a spreadsheet would take for a formula, made harmless.

The rule, which `results import` and `data import` undo: an apostrophe stands before a text that begins with one of
`= + - @`, a tab or a carriage return, unless it is a plain number; and before a text that begins with apostrophes and
then one of these, so that the way back is exact.
"""

from __future__ import annotations

import re
from typing import Any

_DANGEROUS = re.compile(r"'*[=+\-@\t\r\n]")
_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?")


def inert(value: Any) -> Any:
    """Return a cell that no spreadsheet runs; what is no text, or is harmless, stays as it is."""
    if isinstance(value, str) and _DANGEROUS.match(value) and not _NUMBER.fullmatch(value):
        return f"'{value}"
    return value


def restored(text: str) -> str:
    """Return the text that `inert` was given."""
    if text.startswith("'") and _DANGEROUS.match(text, 1) and not _NUMBER.fullmatch(text, 1):
        return text[1:]
    return text
