"""What `data check` found: findings of several severities, for people and as JSON."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from automl_bench.numbers_in_words import counted

if TYPE_CHECKING:
    from automl_bench.datasets.label_suspects import Suspect


class Severity(StrEnum):
    """How much a finding matters."""

    LEAK = "leak"
    """Scores would be too good: exit code 4."""
    ERROR = "error"
    """Samples cannot be used, or too few are there for what was asked: exit code 4."""
    WARNING = "warning"
    """Worth a look."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One kind of trouble.

    Attributes:
        check: Stable key, as in `--json`.
        severity: How much it matters.
        count: How many images, pairs, contents or classes.
        summary: One sentence.
        examples: The first few, for the table.
        items: All of them, up to `MOST_ITEMS`.
    """

    check: str
    severity: Severity
    count: int
    summary: str
    examples: tuple[str, ...] = ()
    items: tuple[Any, ...] = ()


MOST_ITEMS = 10_000


@dataclass(frozen=True, slots=True)
class CheckReport:
    """Everything `data check` found.

    Attributes:
        dataset: Dataset's name.
        fingerprint: Of the manifest that was checked.
        samples: Number of rows.
        near_checked: Number of images that took part in the look-alike check: those that decode and are not blank.
        findings: The troubles, worst first; empty if there are none.
    """

    dataset: str
    fingerprint: str
    samples: int
    near_checked: int
    findings: tuple[Finding, ...] = field(default=())

    def of(self, severity: Severity) -> tuple[Finding, ...]:
        """Return the findings of one severity."""
        return tuple(finding for finding in self.findings if finding.severity is severity)


def findings_of(
    check: str, severity: Severity, summary: str, items: Sequence[Any], show: Callable[[Any], str] = str
) -> list[Finding]:
    """Return one finding for items that are in trouble, or nothing if there are none.

    Args:
        check: Its key.
        severity: How much it matters.
        summary: One sentence, a pattern of `counted`.
        items: What is in trouble.
        show: What makes an example of an item.
    """
    if not items:
        return []
    text = counted(summary, len(items))
    return [Finding(check, severity, len(items), text, tuple(show(i) for i in items[:3]), tuple(items[:MOST_ITEMS]))]


def with_suspects(report: CheckReport, paths: Sequence[str], suspects: Sequence[Suspect]) -> CheckReport:
    """Return a report with one more finding: labels that the images' looks contradict.

    Args:
        report: The report.
        paths: What was examined.
        suspects: Whose `index` is a position in `paths`.
    """
    items = [
        f"{paths[one.index]} is labelled {one.label!r} and looks like {one.looks_like!r} ({one.probability:.0%})"
        for one in suspects
    ]
    text = (
        "{n} [image looks like another class than its label says|images look like another class than their labels say]"
        "; look at [it|them], most suspicious first"
    )
    found = findings_of("label_suspects", Severity.WARNING, text, items)
    return replace(report, findings=(*report.findings, *found))


def as_json(report: CheckReport) -> dict[str, Any]:
    """Return a report as plain values: documented in docs/datasets.md."""
    return {
        "dataset": report.dataset,
        "fingerprint": report.fingerprint,
        "samples": report.samples,
        "near_checked": report.near_checked,
        "ok": not report.of(Severity.LEAK) and not report.of(Severity.ERROR),
        "leak": bool(report.of(Severity.LEAK)),
        "findings": [
            {
                "check": finding.check,
                "severity": str(finding.severity),
                "count": finding.count,
                "summary": finding.summary,
                "items": list(finding.items),
            }
            for finding in report.findings
        ],
    }
