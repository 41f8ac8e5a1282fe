"""Why test samples had no answer: the words of the last attempt, counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from automl_bench.report.labels import labelled, shots_label
from automl_bench.report.tables import Table

MOST_REASONS = 5
"""Reasons kept of one trial; the others are counted together."""
OTHERS = "other reasons"


def reasons_of(reasons: Iterable[str]) -> list[dict[str, Any]]:
    """Count why samples had no answer.

    Args:
        reasons: Of each sample without one, as `Store.unanswered` returns them.

    Returns:
        {"reason", "samples"} each, the most frequent first.
    """
    counted = Counter(reasons).most_common()
    rest = sum(count for _, count in counted[MOST_REASONS:])
    kept = [*counted[:MOST_REASONS], (OTHERS, rest)] if rest else counted
    return [{"reason": reason, "samples": count} for reason, count in kept]


def unanswered_table(rows: Iterable[Mapping[str, Any]]) -> Table:
    """Return how many test samples of each trial had no answer, one line a reason."""
    found = [
        (
            one.series,
            one.dataset,
            shots_label(one.shots),
            str(one.row["fold"]),
            f"{why['samples']:,}",
            str(why["reason"]),
        )
        for one in labelled(rows)
        for why in one.row.get("unanswered") or ()
    ]
    heads = ("variant", "dataset", "shots", "fold", "samples", "why there was no answer")
    records = tuple(dict(zip(heads, cells, strict=True)) for cells in found)
    return Table("Test samples without an answer", heads, tuple(found), records)
