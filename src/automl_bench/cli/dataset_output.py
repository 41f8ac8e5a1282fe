"""What `data` commands print of imports and checks, and the exit that a check ends with."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from automl_bench.border.command_lines import command_line
from automl_bench.cli.output import console, print_json, print_table
from automl_bench.errors import DatasetError, LeakyDataset, NotEnoughShots
from automl_bench.numbers_in_words import number_of

if TYPE_CHECKING:
    from automl_bench.datasets.check_report import CheckReport
    from automl_bench.datasets.importing import Imported


def print_imported(imported: Imported, as_json: bool) -> None:
    """Print what an import made, with warnings on stderr."""
    manifest = imported.manifest
    counts = {split: sum(row.values()) for split, row in manifest.counts().items()}
    errors = console(stderr=True)
    for warning in imported.warnings:
        errors.print(f"[yellow]Warning:[/] {_escaped(warning)}")
    if imported.warnings:
        errors.print(f"Look closer: {command_line('data', 'check', manifest.name)}", markup=False)
    if as_json:
        print_json(
            {
                "name": manifest.name,
                "folder": str(manifest.folder),
                "layout": imported.layout,
                "classes": len(manifest.labels),
                **counts,
                "fingerprint": manifest.fingerprint,
                "account": imported.account.as_values(),
                "notes": list(manifest.card.notes),
                "warnings": list(imported.warnings),
            }
        )
        return
    for note in manifest.card.notes:
        if note not in imported.warnings:
            errors.print(_escaped(note))
    console().print(
        f"{manifest.name}: {number_of(len(manifest.labels), 'class', 'classes')}, {counts['train']:,} train + "
        f"{number_of(counts['test'], 'test sample')} ({imported.layout}) in {manifest.folder}",
        markup=False,
    )
    console().print(imported.account.line(), markup=False)


def _escaped(text: str) -> str:
    from rich.markup import escape

    return escape(text)


def print_report(report: CheckReport) -> None:
    """Print the findings of a check as a table."""
    if not report.findings:
        console().print(f"{report.dataset}: {number_of(report.samples, 'sample')}, nothing found.")
        return
    print_table(
        ("severity", "finding", "for example"),
        [(str(finding.severity), finding.summary, "\n".join(finding.examples)) for finding in report.findings],
        title=f"{report.dataset}: {number_of(report.samples, 'sample')}",
    )


def raise_for(report: CheckReport) -> None:
    """End a check with the error that fits its worst finding.

    Raises:
        LeakyDataset: If train and test share something.
        NotEnoughShots: If classes are too small for the shots asked about, and nothing else is wrong.
        DatasetError: If there is any other error.
    """
    from automl_bench.datasets.check_report import Severity

    leaks, errors = report.of(Severity.LEAK), report.of(Severity.ERROR)
    if leaks:
        raise LeakyDataset(
            f"{report.dataset}: {_sentence(leaks)}.",
            remedy="Remove the copies from one side and import again; scores of this dataset would be too good.",
        )
    if errors and all(finding.check.startswith("too_few") for finding in errors):
        raise NotEnoughShots(f"{report.dataset}: {_sentence(errors)}.", remedy="Ask for fewer shots or add samples.")
    if errors:
        raise DatasetError(
            f"{report.dataset}: {_sentence(errors)}.", remedy="Replace or remove these samples and import again."
        )


def _sentence(findings: Sequence[Any]) -> str:
    return "; ".join(finding.summary for finding in findings)
