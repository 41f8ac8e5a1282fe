"""Scores beside accuracy: the true label among the first few, and training samples, by which over-fitting is seen."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from statistics import fmean
from typing import Any

from automl_bench.report.labels import in_order, labelled, shots_label
from automl_bench.report.tables import Table, percent
from automl_bench.statistics.means import shots_order

MEASURES = {
    "accuracy": "accuracy %",
    "top3_accuracy": "top 3 %",
    "top5_accuracy": "top 5 %",
    "balanced_accuracy": "balanced %",
    "training_accuracy": "training samples %",
}
"""Scores and the heads of their columns."""


def further_table(rows: Iterable[Mapping[str, Any]]) -> Table:
    """Return the means over trials at each point where the true label was ranked or training samples were asked for."""
    named = [one for one in labelled(rows) if one.counts]
    points = in_order((one.dataset, one.series, one.shots) for one in named)
    order = {name: place for place, name in enumerate(in_order(one.dataset for one in named))}
    records: list[dict[str, Any]] = []
    for dataset, series, shots in sorted(points, key=lambda one: (order[one[0]], one[1], shots_order(one[2]))):
        own = [one.row for one in named if (one.dataset, one.series, one.shots) == (dataset, series, shots)]
        means = {name: _mean(own, name) for name in MEASURES}
        if any(means[name] is not None for name in ("top3_accuracy", "top5_accuracy", "training_accuracy")):
            head = {"dataset": dataset, "variant": series, "shots": shots_label(shots)}
            records.append({**head, "n": len(own), **means})
    notes = []
    if any(one["top3_accuracy"] is not None for one in records):
        notes.append("top 3, top 5: the true label is among so many with the highest scores that came with the answer.")
    if any(one["training_accuracy"] is not None for one in records):
        notes.append(
            "training samples: asked for after the accuracy pass (`[invoke] also`); right there and wrong on the test"
            " samples is over-fitting. They are in no other score."
        )
    shown = [name for name in MEASURES if any(one[name] is not None for one in records)]
    heads = ("dataset", "variant", "shots", "trials", *(MEASURES[name] for name in shown))
    cells = [
        (one["dataset"], one["variant"], one["shots"], str(one["n"]), *(percent(one[name]) for name in shown))
        for one in records
    ]
    return Table("Further scores", heads, tuple(cells), tuple(records), tuple(notes))


def _mean(rows: list[Mapping[str, Any]], name: str) -> float | None:
    values = [row[name] for row in rows]
    return None if any(value is None for value in values) else fmean(values)
