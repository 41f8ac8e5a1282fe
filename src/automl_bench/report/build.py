"""The report of an experiment: one HTML file that stands alone, its figures, and its numbers as CSV, JSON, Markdown."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import automl_bench
from automl_bench.contract import ReportSection
from automl_bench.report.cascades import Cascade, cascade_table, cascades_of
from automl_bench.report.decision import Decision, use_of
from automl_bench.report.drawing import Drawing
from automl_bench.report.fields import RESULT_FIELDS
from automl_bench.report.labels import labelled
from automl_bench.report.page import render_page
from automl_bench.report.rows import Row, result_rows
from automl_bench.report.sections import Findings, Section, all_drawings, find, page_sections
from automl_bench.report.suspects import Without, without
from automl_bench.report.tables import Table, markdown_text, records_csv
from automl_bench.toolkit.whole_files import replaced_file

if TYPE_CHECKING:
    from automl_bench.store import Store

EVERYTHING = "all results"
"""Title of a report that is not of one experiment."""

FIGURE_NAMES = (
    "accuracy_by_shots",
    "differences",
    "critical_difference",
    "training_time",
    "latency_and_throughput",
    "latency_distribution",
    "where_the_time_goes",
    "latency_against_rate",
    "load_timeline",
)
"""Stems of all figures a report may have; those of an earlier report that this one lacks are deleted."""


@dataclass(frozen=True, slots=True)
class Context:
    """What stands around the numbers.

    Attributes:
        name: The experiment's name, or `EVERYTHING`.
        title: Heading of the report.
        settings: The experiment's settings as resolved; empty without an experiment.
        environment: The machine and software that measured; empty if it was not recorded.
        generated_at: ISO 8601, UTC, seconds.
    """

    name: str
    title: str
    settings: Mapping[str, Any]
    environment: Mapping[str, Any]
    generated_at: str


def build_report(
    store: Store,
    *,
    experiment: str | None,
    out_dir: Path,
    sections: Sequence[ReportSection] = (),
    rows: Sequence[Row] | None = None,
    data: Path | None = None,
    suspects: Mapping[str, set[str]] | None = None,
    cascade: str = "",
) -> Path:
    """Write the report into a folder and return the path of its report.html, which is written last.

    Args:
        store: The results file.
        experiment: Name of the experiment; None for everything in the file, imported results included.
        out_dir: Folder that gets report.html, results.csv, results.json, results.md and figures/.
        sections: Sections of observers; their HTML is inserted as it is, but can load and run nothing.
        rows: Its rows, where they are at hand.
        data: Folder of the datasets, for thumbnails of samples; None for a page without any.
        suspects: Dataset → content ids of samples whose labels are doubted: the verdict is given with and without them.
        cascade: "A,B": what asking B only where A is not sure would bring; empty for none.

    Raises:
        UsageError: If there is no such experiment, or there can be no such cascade.
        WorkspaceError: If a file cannot be written.
    """
    rows = result_rows(store, experiment) if rows is None else rows
    context = _context(store, experiment)
    named = labelled(rows)
    chained = cascades_of(store, named, cascade, use_of(context.settings)) if cascade else []
    findings = find(store, named, rows, settings=context.settings, experiment=experiment, data=data)
    drawings = all_drawings(findings)
    parts = page_sections(findings, drawings, context.settings, context.environment)
    doubted = None
    if suspects:
        doubted = without(
            store,
            suspects,
            findings.decision,
            findings.verdicts,
            experiment=experiment,
            settings=context.settings,
        )
        parts.insert(0, Section("without", "Without label suspects", doubted.words, (doubted.table,)))
    if chained:
        tables = tuple(map(cascade_table, chained))
        parts.insert(2, Section("cascade", "A cascade of two", tuple(one.words for one in chained), tables))
    write_figures(out_dir / "figures", drawings)
    _write(out_dir / "results.csv", rows_csv(rows))
    _write(out_dir / "results.json", _json(context, rows, findings, doubted, chained))
    _write(out_dir / "results.md", _markdown(context, findings.decision, parts))
    path = out_dir / "report.html"
    _write(path, render_page(context.title, _subtitle(context, rows), findings.decision.lines, parts, sections))
    return path


def rows_csv(rows: Sequence[Row]) -> str:
    """Return result rows as CSV: nested fields as `outer_inner`, "all" for all shots, the number of load runs."""
    flat = [
        {**row, "shots": "all" if row["shots"] is None else row["shots"], "load_runs": len(row["load_runs"])}
        for row in rows
    ]
    return records_csv(flat) if flat else ",".join(RESULT_FIELDS) + "\n"


def write_figures(folder: Path, drawings: Sequence[Drawing]) -> list[Path]:
    """Write each figure as PNG and SVG; figures of an earlier report that are not among them are deleted.

    Raises:
        WorkspaceError: If a file cannot be written.
    """
    written = []
    for drawing in drawings:
        for ending, content in (("png", drawing.png), ("svg", drawing.svg)):
            path = folder / f"{drawing.name}.{ending}"
            with replaced_file(path) as temporary:
                temporary.write_bytes(content)
            written.append(path)
    for name in set(FIGURE_NAMES) - {drawing.name for drawing in drawings}:
        for ending in ("png", "svg"):
            (folder / f"{name}.{ending}").unlink(missing_ok=True)
    return written


def _context(store: Store, experiment: str | None) -> Context:
    now = datetime.now(UTC).isoformat(timespec="seconds")
    record = None if experiment is None else store.experiment(experiment)
    if record is None:
        return Context(EVERYTHING, "All results", {}, {}, now)
    environment = None if record.environment_id is None else store.environment(record.environment_id)
    title = str(record.settings.get("title") or record.name)
    return Context(record.name, title, record.settings, environment or {}, now)


def _subtitle(context: Context, rows: Sequence[Row]) -> str:
    # A trial that stands for all shots has a row at each of them.
    trials = len({row["trial_id"] for row in rows if row["status"] != "imported"})
    words = [f"{trials} trial{'' if trials == 1 else 's'}"] if trials else []
    imported = sum(row["status"] == "imported" for row in rows)
    if imported:
        words.append(f"{imported} imported result{'' if imported == 1 else 's'}")
    made = f"automl-bench {automl_bench.__version__}, {context.generated_at}"
    return f"{context.name}: {', '.join(words) or 'no trials'}. {made}"


def _json(
    context: Context, rows: Sequence[Row], findings: Findings, doubted: Without | None, chained: Sequence[Cascade]
) -> str:
    document = {
        "experiment": context.name,
        "title": context.title,
        "generated_at": context.generated_at,
        "automl_bench": automl_bench.__version__,
        "settings": context.settings,
        "environment": context.environment,
        "decision": findings.decision.as_json(),
        "results": rows,
        "accuracy": findings.accuracy.records,
        "macro_f1": findings.macro_f1.records,
        "confidence": findings.quality.confidence.records,
        "classes": findings.quality.worst.records,
        "confusions": findings.quality.confused.records,
        "times": findings.times.records,
        "latency": findings.latency.records,
        "load_runs": findings.loads.records,
        "cost": findings.cost.records,
        "comparisons": findings.support.records,
        "falls": list(findings.verdicts.falls),
        "cascades": [record for one in chained for record in cascade_table(one).records],
        **({} if doubted is None else {"without": doubted.as_json()}),
    }
    return json.dumps(document, indent=2, ensure_ascii=False, default=_plain) + "\n"


def _plain(value: Any) -> Any:
    return dict(value) if isinstance(value, Mapping) else str(value)


def _markdown(context: Context, decision: Decision, parts: Sequence[Section]) -> str:
    lines = [
        f"# {markdown_text(context.title)}",
        "",
        f"{markdown_text(context.name)}, automl-bench {automl_bench.__version__}, {context.generated_at}",
        "",
    ]
    for line in decision.lines:
        lines += [f"**{line.question}**", "", *(f"- {markdown_text(text)}" for text in line.answers), ""]
    for part in parts:
        lines += [f"## {part.title}", ""]
        lines += [f"- {markdown_text(text)}" for text in part.points]
        if part.points:
            lines.append("")
        for block in part.blocks:
            if isinstance(block, Table):
                lines += [block.to_markdown()]
            elif isinstance(block, Drawing):
                lines += [f"![{block.title}](figures/{block.name}.png)", "", f"*{markdown_text(block.caption)}*", ""]
    return "\n".join(lines).rstrip() + "\n"


def _write(path: Path, text: str) -> None:
    with replaced_file(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
