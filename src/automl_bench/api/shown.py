"""What the Python API hands out: a run, a comparison, a report; each shows itself in a notebook."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from automl_bench.report.decision import Decision, card_text
from automl_bench.report.tables import Table

if TYPE_CHECKING:
    import pandas as pd

    from automl_bench.report.comparing import Compared

FRAME_HEIGHT = 720
"""Pixels that a report takes in a notebook."""

ALL_SHOTS = "all"
"""Stands in a column of shots for every labelled sample."""


@dataclass(frozen=True, slots=True)
class Run:
    """How a run of an experiment ended; shows the decision and the accuracies in a notebook.

    Attributes:
        experiment: Name of the experiment.
        counts: How many trials ended how: done, skipped (done before), infeasible.
        infeasible: What could not be run, and why: one sentence a trial.
        results: One row a trial, as `Project.results` returns them.
    """

    experiment: str
    counts: Mapping[str, int]
    infeasible: tuple[str, ...]
    results: pd.DataFrame
    _decision: Decision = field(repr=False)
    _tables: tuple[Table, ...] = field(repr=False)

    def __str__(self) -> str:
        counted = ", ".join(f"{number} {word}" for word, number in self.counts.items() if number)
        lines = [f"{self.experiment}: {counted or 'no trials'}", *self.infeasible, *card_text(self._decision)]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        tables = "".join(table_html(table) for table in self._tables if table.rows)
        return f"<p><strong>{escape(self.experiment)}</strong></p>{decision_html(self._decision)}{tables}"


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two variants side by side, the answer first; shows the answer and both tables in a notebook.

    Attributes:
        answer: The answer in one line, as `compare` prints it.
        comparisons: One row a paired comparison; the columns are those of `comparisons` in results.json.
        beside: Accuracy, training time, latency and cost of both, one row a dataset and variant.
        notes: What a reader has to know, one sentence each.
    """

    answer: str
    comparisons: pd.DataFrame
    beside: pd.DataFrame
    notes: tuple[str, ...]
    _tables: tuple[Table, ...] = field(repr=False)

    def __str__(self) -> str:
        return "\n".join([self.answer, *self.notes])

    def _repr_html_(self) -> str:
        return f"<p><strong>{escape(self.answer)}</strong></p>" + "".join(map(table_html, self._tables))

    @classmethod
    def of(cls, found: Compared, tables: Iterable[Table]) -> Comparison:
        """Return what `compare` found as it is handed out."""
        document = found.as_json()
        return cls(
            answer=found.answer,
            comparisons=frame(document["comparisons"]),
            beside=frame(document["beside"]),
            notes=tuple(document["notes"]),
            _tables=tuple(tables),
        )


@dataclass(frozen=True, slots=True)
class Report:
    """A report that was written; shows the whole page in a notebook.

    Attributes:
        path: The HTML file, which stands alone.
        folder: Its folder, with the figures and the numbers as CSV, JSON and Markdown beside it.
    """

    path: Path
    folder: Path

    def __str__(self) -> str:
        return str(self.path)

    def _repr_html_(self) -> str:
        page = escape(self.path.read_text(encoding="utf-8"), quote=True)
        return (
            f'<iframe srcdoc="{page}" sandbox="allow-scripts allow-downloads" title="Report"'
            f' style="width:100%;height:{FRAME_HEIGHT}px;border:1px solid #8888"></iframe>'
        )


def frame(records: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """Return records as a table: nested values as `outer_inner` columns, lists as they are, unknown as missing."""
    import pandas as pd

    return pd.DataFrame([_flat(record) for record in records])


def _flat(record: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in record.items():
        if isinstance(value, Mapping) and value:
            flat |= _flat(value, f"{prefix}{key}_")
        else:
            flat[f"{prefix}{key}"] = None if isinstance(value, Mapping) else value
    return flat


def decision_html(decision: Decision) -> str:
    """Return the decision card as HTML; nothing where nothing was measured."""
    if not decision.candidates:
        return ""
    lines = (
        f"<dt><strong>{escape(line.question)}</strong></dt>"
        + "".join(f"<dd>{escape(text)}</dd>" for text in line.answers)
        for line in decision.lines
    )
    return f"<dl>{''.join(lines)}</dl>"


def table_html(table: Table) -> str:
    """Return a table as HTML, its title above and its notes below."""
    head = "".join(f"<th>{escape(name)}</th>" for name in table.columns)
    body = "".join(f"<tr>{''.join(f'<td>{escape(str(cell))}</td>' for cell in row)}</tr>" for row in table.rows)
    notes = "".join(f"<li>{escape(note)}</li>" for note in table.notes)
    shown = f"<ul>{notes}</ul>" if notes else ""
    title = f"<caption>{escape(table.title)}</caption>" if table.title else ""
    return f"<table>{title}<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>{shown}"
