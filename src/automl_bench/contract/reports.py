"""What observers add to a report."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ReportSection:
    """A section that an observer adds to the report; `html` is inserted as it is."""

    title: str
    html: str
