"""A table as values and as words, and its forms: Markdown, CSV, JSON; the terminal form is the command line's."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from automl_bench.border.cells import inert

UNKNOWN = "—"
"""Shown where there is no number; never 0."""


@dataclass(frozen=True, slots=True)
class Table:
    """A table.

    Attributes:
        title: What it shows.
        columns: Headings, with units.
        rows: Cells in words, one sequence a row, each as long as `columns`.
        records: The same as values for programs; may hold more than the cells show.
        notes: What a reader has to know to read it right, one sentence each.
    """

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    records: tuple[Mapping[str, Any], ...] = ()
    notes: tuple[str, ...] = ()

    def to_markdown(self) -> str:
        """Return a GitHub-flavoured Markdown table with its title and notes."""
        lines = [f"### {markdown_text(self.title)}", ""] if self.title else []
        lines.append("| " + " | ".join(markdown_text(name) for name in self.columns) + " |")
        lines.append("|" + "|".join("---" for _ in self.columns) + "|")
        lines += ["| " + " | ".join(markdown_text(cell) for cell in row) + " |" for row in self.rows]
        if self.notes:
            lines += ["", *(f"- {markdown_text(note)}" for note in self.notes)]
        return "\n".join(lines) + "\n"

    def to_csv(self) -> str:
        """Return the records as CSV; nothing for an unknown value."""
        return records_csv(self.records)


def records_csv(records: Sequence[Mapping[str, Any]]) -> str:
    """Return records as CSV: nested values as `outer_inner` columns, lists joined by "; ", unknown as empty."""
    flat = [flatten(record) for record in records]
    columns: dict[str, None] = {}
    for record in flat:
        columns.update(dict.fromkeys(record))
    out = io.StringIO()
    writer = csv.DictWriter(out, list(columns), restval="", lineterminator="\n")
    writer.writerow({name: inert(name) for name in columns})
    writer.writerows(flat)
    return out.getvalue()


def flatten(record: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Flatten nested mappings into one level of `outer_inner` keys; a cell that a spreadsheet would run is quoted."""
    flat: dict[str, Any] = {}
    for key, value in record.items():
        name = f"{prefix}{key}"
        if isinstance(value, Mapping) and value:
            flat.update(flatten(value, f"{name}_"))
        elif isinstance(value, (list, tuple)):
            inner = [flatten(item) if isinstance(item, Mapping) else item for item in value]
            flat[name] = inert("; ".join(str(item) for item in inner))
        else:
            flat[name] = "" if value is None or value == {} else inert(value)
    return flat


def markdown_text(text: str) -> str:
    """Escape what would break a table row of Markdown or be taken for HTML."""
    escaped = text.replace("\\", "\\\\").replace("|", "\\|").replace("<", "&lt;").replace(">", "&gt;")
    return " ".join(escaped.split())


def percent(share: float | None, *, digits: int = 1) -> str:
    """Return a share of 1 as percent without the sign, or the mark for unknown.

    What is not all is never rounded to all, nor what is not none to none: 0.9999 is "99.9", 0.0001 is "0.1".
    """
    if share is None:
        return UNKNOWN
    step = 10.0**-digits
    value = 100 * share
    if 0 < share < 1:
        value = min(max(value, step), 100 - step)
    return f"{value:.{digits}f}"


def points(difference: float | None) -> str:
    """Return a spread or a difference of shares in points, or the mark for unknown."""
    return UNKNOWN if difference is None else f"{100 * difference:.1f}"


def plus_minus(mean: float, sem: float | None) -> str:
    """Return "71.9 ± 1.2" in percent; a dash where no SEM can be had, which is not the same as 0."""
    return f"{percent(mean)} ± {points(sem)}"


def p_words(p: float | None) -> str:
    """Return a p value with three digits, "< 0.001" below, or the mark for unknown."""
    if p is None:
        return UNKNOWN
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def seconds(value: float | None) -> str:
    """Return a duration in words with about three figures: "0.41 ms", "3.2 s", "16 min 7 s", "32 h 51 min"."""
    if value is None:
        return UNKNOWN
    if value < 1:
        return f"{1000 * value:.3g} ms"
    if value < 99.5:
        return f"{value:.3g} s"
    whole = round(value)
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600:,} h {whole % 3600 // 60} min"


def milliseconds(value: float | None) -> str:
    """Return milliseconds with three figures, or the mark for unknown."""
    if value is None:
        return UNKNOWN
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
