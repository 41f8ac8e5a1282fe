"""What a design can and cannot show: the part of a plan that is about statistics, as values and as a table."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from automl_bench.report.tables import UNKNOWN, Table, percent
from automl_bench.statistics.families import LEVEL, pairs_among
from automl_bench.statistics.paired import FEWEST_DRAWS
from automl_bench.statistics.panels import datasets_needed, smallest_p
from automl_bench.statistics.power import (
    Family,
    detectable,
    detectable_for_another_draw,
    family,
    interval_around,
)
from automl_bench.statistics.quantiles import LATENCY_QUANTILES, minimum_n, name_of
from automl_bench.trials.planning import TrialPlan

SHOWN_QUANTILES = ("p95", "p99")
"""Columns of the table that say whether there are enough calls."""


def statistics_rows(plans: Sequence[TrialPlan], *, baseline: bool = False) -> list[dict[str, Any]]:
    """Return what the design can show on each dataset; its fields are `plan_fields.STATISTICS_FIELDS`.

    Args:
        plans: The trials.
        baseline: Whether all are compared with one baseline only.
    """
    by_dataset: dict[str, list[TrialPlan]] = defaultdict(list)
    for one in plans:
        if one.feasible and one.extent is not None:
            by_dataset[one.trial.dataset].append(one)
    variants = {name: _comparable(many) for name, many in by_dataset.items()}
    shared = family_of(variants, baseline=baseline)
    rows = []
    for name, many in by_dataset.items():
        tests = max(one.extent.tests for one in many if one.extent)
        loads = [one.extent.load_calls for one in many if one.extent]
        load: int | None = None if any(calls is None for calls in loads) else max(calls or 0 for calls in loads)
        draws = len({one.trial.fold for one in many})
        rows.append(
            {
                "dataset": name,
                "test_samples": tests,
                "variants": variants[name],
                "draws": draws,
                "comparisons": shared.single,
                "level": shared.level if shared.single else None,
                "interval_at_90": list(interval_around(0.9, tests)) if tests else None,
                "detectable": [asdict(one) for one in detectable(tests, draws, shared.level)] if shared.single else [],
                "another_draw": [asdict(one) for one in detectable_for_another_draw(draws, shared.level)]
                if shared.single
                else [],
                "latency_calls": tests,
                "load_calls": load,
                "quantiles": {
                    name_of(p): {
                        "needs": minimum_n(p),
                        "accuracy_pass": tests >= minimum_n(p),
                        "load_run": None if load is None else load >= minimum_n(p),
                    }
                    for p in LATENCY_QUANTILES
                },
            }
        )
    return rows


def family_of(variants: Mapping[str, Sequence[str]], *, baseline: bool = False) -> Family:
    """Return how the report will share its level among the verdicts of these datasets."""
    return family({name: len(many) for name, many in variants.items()}, baseline=baseline)


def panel_row(statistics: Sequence[Mapping[str, Any]], *, baseline: bool = False) -> dict[str, Any] | None:
    """Return what the design can show over datasets; its fields are `plan_fields.PANEL_FIELDS`.

    Args:
        statistics: As `statistics_rows` returns them.
        baseline: Whether all are compared with one baseline only.

    Returns:
        None where nothing is compared over datasets: fewer than two datasets with variants in common.
    """
    variants = {row["dataset"]: row["variants"] for row in statistics if row["variants"]}
    shared = family_of(variants, baseline=baseline)
    if not shared.over:
        return None
    most = max(len(many) for many in variants.values())
    with_baseline = pairs_among(most, baseline=True)
    return {
        "datasets": shared.datasets,
        "variants": most,
        "comparisons": shared.over,
        "smallest_p": smallest_p(shared.datasets),
        "level": LEVEL * shared.over_share / shared.over,
        "possible": shared.over_possible,
        "datasets_needed": shared.needed,
        "datasets_needed_with_baseline": datasets_needed(with_baseline, share=shared.over_share),
    }


def _comparable(plans: Sequence[TrialPlan]) -> list[str]:
    """Return the variants of one dataset, in the order planned; those without common shots are compared by nobody."""
    shots: dict[str, set[int | None]] = defaultdict(set)
    everywhere = {one.trial.shots for one in plans}
    for one in plans:
        own = shots[f"{one.trial.provider}:{one.trial.variant}"]
        own |= everywhere if one.shared else {one.trial.shots}
    return [name for name, own in shots.items() if any(own & other for key, other in shots.items() if key != name)]


def power_table(rows: Sequence[Mapping[str, Any]], panel: Mapping[str, Any] | None) -> Table:
    """Return the smallest difference that the design finds, by dataset and assumed disagreement.

    Args:
        rows: As `statistics_rows` returns them.
        panel: As `panel_row` returns it.
    """
    shares = list(dict.fromkeys(one["disagreement"] for row in rows for one in row["detectable"]))
    cells = tuple(
        (
            row["dataset"],
            str(row["test_samples"]),
            UNKNOWN if row["interval_at_90"] is None else _interval(row["interval_at_90"]),
            *(_difference(row, one) for one in row["detectable"]),
            *(_quantile(row, name) for name in SHOWN_QUANTILES),
        )
        for row in rows
    )
    columns = tuple(f"if {percent(share, digits=0)} % differ" for share in shares)
    heads = ("dataset", "test samples", "95 % at 90 % right", *columns, *SHOWN_QUANTILES)
    title = "What the design can show: the smallest difference in accuracy that it finds, in points"
    return Table(title if shares else "What the design can show", heads, cells, tuple(rows), tuple(_notes(rows, panel)))


def _notes(rows: Sequence[Mapping[str, Any]], panel: Mapping[str, Any] | None) -> list[str]:
    notes = ["95 % at 90 % right: the 95 % interval that an accuracy of 90 % will have, from the test samples alone."]
    comparisons = rows[0]["comparisons"] if rows else 0
    if comparisons:
        allowing = f", the corrected level for {comparisons} comparisons" if comparisons > 1 else ""
        if panel and panel["possible"]:
            allowing += " beside those over datasets"
        notes.append(
            "if N % differ: of two trained models, only one is right on N % of the test samples. Found with 80 % power"
            f" (two-sided, p < {rows[0]['level']:.2g}{allowing}) by the exact McNemar test on one draw."
        )
        if any(row["draws"] > 1 for row in rows):
            notes.append(
                "After the arrow: at the very best with all folds. They share the test samples, so the truth lies"
                " between the two."
            )
        if any(one["one_draw"] is None for row in rows for one in row["detectable"]):
            notes.append("none: not even a variant that is right wherever the two differ would be found.")
        notes.append(_draws_note(rows))
    else:
        notes.append("Nothing will be compared: that takes two variants with shots in common.")
    notes.append(panel_words(panel) if panel else "One dataset says nothing about datasets in general.")
    notes.append("p95, p99: whether accuracy pass (one call at a time) and load run have the calls that they need.")
    return notes


def _draws_note(rows: Sequence[Mapping[str, Any]]) -> str:
    """Say what can be shown about the methods on another draw."""
    fewest = min(row["draws"] for row in rows)
    least = min(rows, key=lambda row: row["draws"])["another_draw"]
    if fewest < FEWEST_DRAWS:
        have = f"{fewest} fold{'s' if fewest > 1 else ''}"
        return (
            f"With {have} nothing can be said about the methods on another draw of the training subset: that needs at"
            f" least folds = {FEWEST_DRAWS}."
        )
    parts = [f"{_found(one['difference'])} if it varies by {percent(one['spread'])}" for one in least]
    return (
        f"On another draw, {fewest} folds can show these differences in points at best: {', '.join(parts)} from draw to"
        " draw (standard deviation)."
    )


def _found(difference: float | None) -> str:
    return "none" if difference is None else percent(difference)


def panel_words(panel: Mapping[str, Any]) -> str:
    """Say whether verdicts over datasets are possible, and what would make them so."""
    pairs = f"{panel['comparisons']} comparison{'s' if panel['comparisons'] > 1 else ''}"
    smallest = f"the smallest p that {panel['datasets']} datasets can give is {panel['smallest_p']:.3f}"
    if panel["possible"]:
        return f"Over datasets: verdicts are possible; {smallest}, and {panel['level']:.2g} is needed for {pairs}."
    words = (
        f"Over datasets: {panel['variants']} variants on {panel['datasets']} datasets cannot be separated; {smallest},"
        f" and {panel['level']:.2g} is needed for {pairs}. {panel['datasets_needed']} datasets would do"
    )
    if panel["datasets_needed_with_baseline"] < panel["datasets_needed"]:
        words += f", or {panel['datasets_needed_with_baseline']} where all are compared with one baseline only"
    return f"{words}."


def _interval(ends: Sequence[float]) -> str:
    return f"{percent(ends[0])} to {percent(ends[1])}"


def _difference(row: Mapping[str, Any], one: Mapping[str, Any]) -> str:
    words = _found(one["one_draw"])
    if row["draws"] == 1:
        return words
    return f"{words} → {_found(one['best'])}"


def _quantile(row: Mapping[str, Any], name: str) -> str:
    cell = row["quantiles"][name]
    missing = []
    if not cell["accuracy_pass"]:
        missing.append("pass")
    if cell["load_run"] is False and row["load_calls"]:
        missing.append("load")
    if not missing:
        return "yes"
    return f"{' and '.join(missing)} need{'' if len(missing) > 1 else 's'} {cell['needs']:,}"
