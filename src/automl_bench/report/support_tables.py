"""The comparisons of a page as a table."""

from __future__ import annotations

from automl_bench.report.labels import in_order, shots_label
from automl_bench.report.support import Support
from automl_bench.report.tables import UNKNOWN, Table, p_words
from automl_bench.report.verdicts import Comparison
from automl_bench.statistics.power import Family


def support_table(support: Support) -> Table:
    """Return the comparisons as a table, the verdict last."""
    cells = tuple(
        (
            f"{one.a} − {one.b}",
            one.where,
            one.question.value,
            f"{100 * one.value:+.1f}",
            interval_words(one),
            p_words(one.p),
            p_words(one.corrected),
            one.basis,
            f"{one.words[:-1]}; {one.advice}." if one.advice else one.words,
        )
        for one in support.compared
    )
    heads = (
        *("pair", "where", "question", "difference", "95 % interval", "p", "corrected p"),
        *("based on", "what the data say"),
    )
    notes = []
    if support.compared:
        notes = [
            f"Difference in {support.metric.words} in points on the same test samples, with its own 95 % interval. A"
            " winner is named only if the interval excludes 0 and the corrected p is below 0.05.",
            _family_words(support.family),
            *(f"{method[0].upper()}{method[1:]}." for method in in_order(one.method for one in support.compared)),
            *support.notes,
        ]
    return Table("What the data support", heads, cells, tuple(map(record, support.compared)), tuple(notes))


def _family_words(family: Family) -> str:
    """Say how the 5 % are shared."""
    pairs = f"{family.single} pair{'s' if family.single > 1 else ''} on single datasets"
    over = f"{family.over} pair{'s' if family.over > 1 else ''} over datasets"
    held = "The corrected p holds the chance of any false verdict on this page at 5 %"
    if family.single and family.over_possible:
        return f"{held}: half of it for {pairs}, half for {over}."
    return f"{held}: all of it for {pairs if family.single else over}."


def interval_words(one: Comparison) -> str:
    """Return "[-0.4, +2.1]" in points, or the mark for unknown."""
    if one.low is None or one.high is None:
        return UNKNOWN
    return f"[{100 * one.low:+.1f}, {100 * one.high:+.1f}]"


def record(one: Comparison) -> dict[str, object]:
    """Return a comparison as plain values; its fields are `fields.COMPARISON_FIELDS`."""
    equal = one.equivalence
    return {
        "a": one.a,
        "b": one.b,
        "question": one.question.value,
        "dataset": one.dataset,
        "shots": shots_label(one.shots),
        "where": one.where,
        "difference": one.value,
        "low": one.low,
        "high": one.high,
        "p": one.p,
        "p_corrected": one.corrected,
        "basis": one.basis,
        "method": one.method,
        "verdict": one.words,
        "separated": one.separated,
        "advice": one.advice or None,
        "equivalence": None
        if equal is None
        else {"worse": equal.worse, "equal": equal.equal, "better": equal.better, "rope": equal.rope},
    }
