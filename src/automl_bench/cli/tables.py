"""Tables on a terminal of any width: lines break between words, and never inside a name."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING

from automl_bench.border.command_lines import NO_BREAK, in_one_piece, with_spaces

if TYPE_CHECKING:
    from rich.table import Table

Row = Sequence[str]

FRAMED = 3
"""Characters that frame and padding take from each column of a framed table, and one more for the table."""
GAP = 2
"""Characters between the columns of a table without a frame."""
_QUANTITY = re.compile(r"\[[^\[\]\n]{1,24}\]|\d (?:d|h|min) \d+ (?:h|min|s)\b|\d (?:d|h|min|s|ms)\b")
"""An interval in brackets, or a number with its unit of time: what is read as one."""


def fitting(columns: Row, rows: Sequence[Row], numeric: Sequence[bool], width: int, title: str) -> Table | list[str]:
    """Return a table that fits into a width: with a frame, else without, else each row as lines of its own.

    Args:
        columns: Heads.
        rows: Cells, as many a row as there are heads.
        numeric: Whether a column is aligned to the right.
        width: Characters of a line.
        title: Title of the table.

    Returns:
        A table of rich, or lines of plain text.
    """
    rows = [[_QUANTITY.sub(lambda found: found[0].replace(" ", NO_BREAK), cell) for cell in row] for row in rows]
    least = [max(map(_longest_word, (head, *(row[index] for row in rows)))) for index, head in enumerate(columns)]
    wanted = [max(map(_longest_line, (head, *(row[index] for row in rows)))) for index, head in enumerate(columns)]
    for framed, taken in ((True, FRAMED * len(columns) + 1), (False, GAP * (len(columns) - 1))):
        if sum(least) + taken <= width:
            return _table(columns, rows, numeric, _shared(wanted, least, width - taken), title, framed=framed)
    return _records(columns, rows, width, title)


def _longest_word(text: str) -> int:
    return max(map(len, re.split("[ \n]", text)), default=0)


def _longest_line(text: str) -> int:
    return max(map(len, text.splitlines()), default=0)


def _shared(wanted: Sequence[int], least: Sequence[int], room: int) -> list[int]:
    """Return the width of each column: what it wants, the widest cut down until all fit."""
    widths = list(wanted)
    while sum(widths) > room:
        index = max(range(len(widths)), key=lambda place: (widths[place] > least[place], widths[place]))
        widths[index] -= 1
    return widths


def _table(
    columns: Row, rows: Sequence[Row], numeric: Sequence[bool], widths: Sequence[int], title: str, *, framed: bool
) -> Table:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(
        title=title or None,
        title_justify="left",
        header_style="bold",
        box=box.HEAVY_HEAD if framed else None,
        pad_edge=framed,
        padding=(0, 1) if framed else (0, GAP, 0, 0),
    )
    for index, name in enumerate(columns):
        table.add_column(
            Text(name), justify="right" if numeric[index] else "left", overflow="fold", min_width=widths[index],
            max_width=widths[index],
        )  # fmt: skip
    for row in rows:
        table.add_row(*(Text(_folded(cell, width)) for cell, width in zip(row, widths, strict=True)))
    return table


def _folded(cell: str, width: int) -> str:
    """Return a cell in lines of a width; rich would break at a no-break space, too."""
    lines = [part for line in cell.split("\n") for part in _wrapped(line, width, "") or [""]]
    return "\n".join(lines)


def _records(columns: Row, rows: Sequence[Row], width: int, title: str) -> list[str]:
    """Return each row as lines: its first cell, and below it the others with their heads."""
    room = max(width, 20)
    lines = [title] if title else []
    for row in rows:
        lines += ["", *_wrapped(row[0] or columns[0], room, "")]
        for head, cell in zip(columns[1:], row[1:], strict=True):
            if cell:
                lines += _wrapped(f"{' '.join(head.split())}: {cell.replace(chr(10), ' ')}", room, "  ")
    return lines


def _wrapped(text: str, width: int, indent: str) -> list[str]:
    lines = textwrap.wrap(
        in_one_piece(text),
        width,
        initial_indent=indent,
        subsequent_indent=indent * 2,
        break_long_words=False,
        break_on_hyphens=False,
    )
    return list(map(with_spaces, lines))
