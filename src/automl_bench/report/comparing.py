"""Two variants, or two experiments, side by side: the answer, what it rests on, cost and latency beside it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean, median
from typing import TYPE_CHECKING, Any

from automl_bench.border.command_lines import quoted_command
from automl_bench.errors import UsageError
from automl_bench.report.advice import chance
from automl_bench.report.decision import Decision, decide
from automl_bench.report.labels import ALL_DATASETS, Labelled, in_order, labelled, shots_label
from automl_bench.report.missing import nothing_of
from automl_bench.report.rows import Row, result_rows
from automl_bench.report.score_notes import test_sizes, wilson_of
from automl_bench.report.support import Support, comparisons
from automl_bench.report.support_tables import record, support_table
from automl_bench.report.tables import Table, milliseconds, p_words, percent, seconds
from automl_bench.report.verdicts import Comparison, Question
from automl_bench.report.watched import is_watched
from automl_bench.statistics.contributions import Metric
from automl_bench.statistics.means import shots_order, shots_words

if TYPE_CHECKING:
    from automl_bench.store import Store

COMPARE_FIELDS: Mapping[str, str] = {
    "a": "Label of the first one asked for.",
    "b": "Label of the second one.",
    "metric": "What they are compared by: accuracy, balanced_accuracy or macro_f1.",
    "answer": "The first line: the answer in words.",
    "comparisons": "The paired comparisons, each as in results.json; a and b stand in the order of their means.",
    "beside": "Accuracy, training time, latency and cost of both, by dataset.",
    "notes": "What a reader has to know, one sentence each.",
    "decision": "The decision card of the two alone, as in results.json.",
}
"""Fields of `compare --json`."""

BESIDE_FIELDS: Mapping[str, str] = {
    "dataset": "Dataset.",
    "shots": 'Labelled samples per class, or "all".',
    "variant": "Label.",
    "accuracy": "Mean over draws, 0 to 1.",
    "test_low": "Lower end of Wilson's 95 % interval over test samples; null where their number is unknown.",
    "test_high": "Upper end of it.",
    "draws": "Draws averaged.",
    "majority": "What always answering the most frequent label scores; null if unknown.",
    "chance": "What guessing scores; null if unknown.",
    "train_seconds": "Median training time; null if unknown.",
    "p50_ms": "Median over trials of the median service time; null below its smallest n.",
    "usd": "Median cost of a trial as far as it is known; null if nothing is.",
    "cost_unknown": "Whether a part of the cost is unknown, so that usd is a lower bound.",
}
"""Fields of each entry of `beside`."""


@dataclass(frozen=True, slots=True)
class Compared:
    """What `compare` found.

    Attributes:
        a: Label of the first.
        b: Label of the second.
        answer: The answer in one line.
        support: The comparisons.
        beside: Accuracy, times and cost of both, by dataset; `BESIDE_FIELDS`.
        decision: The decision card of the two alone.
    """

    a: str
    b: str
    answer: str
    support: Support
    beside: tuple[Mapping[str, Any], ...]
    decision: Decision

    def as_json(self) -> dict[str, Any]:
        """Return the document of `compare --json`."""
        return {
            "a": self.a,
            "b": self.b,
            "metric": self.support.metric.value,
            "answer": self.answer,
            "comparisons": [record(one) for one in self.support.compared],
            "beside": list(self.beside),
            "notes": [*support_table(self.support).notes, *self.support.falls],
            "decision": self.decision.as_json(),
        }


def compare(
    store: Store,
    a: str,
    b: str,
    *,
    dataset: str | None = None,
    shots: str | None = None,
    rope: float = 0.01,
    metric: Metric = Metric.ACCURACY,
) -> Compared:
    """Compare two variants, or two experiments.

    Args:
        store: The results file.
        a: A variant as `results` shows it ("local:svc", "local:svc [3f2a]", or "local" if it has only one), or the
            name of an experiment with one variant.
        b: The other one.
        dataset: Only this dataset.
        shots: Only these shots, a number or "all".
        rope: Half the width of the region in which two variants count as equal, as a share of 1.
        metric: The score that they are compared by.

    Raises:
        UsageError: If one of the two is unknown or means several, or they have nothing in common; or a pass could end
            early, as its test is one of accuracy.
    """
    everything = labelled(result_rows(store))
    both = []
    for text in (a, b):
        label, rows = rows_of(store, text, everything)
        both.append((label, [one for one in rows if _wanted(one, dataset, shots)]))
    (label_a, rows_a), (label_b, rows_b) = both
    if label_a == label_b:
        label_a, label_b = f"{label_a} in {a}", f"{label_b} in {b}"
        if a == b:
            raise UsageError(f"{a} cannot be compared with itself.", remedy="Name two variants or two experiments.")
    named = [replace(one, series=label_a) for one in rows_a] + [replace(one, series=label_b) for one in rows_b]
    if metric is not Metric.ACCURACY and is_watched(named):
        raise UsageError(
            f'Passes that could end early (stop = "separated") cannot be compared by {metric.words}: their test is'
            " one of accuracy.",
            remedy="Leave --metric out, or choose other results with --dataset and --shots.",
        )
    support = comparisons(store, named, rope=rope, metric=metric)
    if not support.compared:
        raise UsageError(
            f"{label_a} and {label_b} have no results in common: the same dataset, shots, and draw or test samples.",
            remedy=f"{quoted_command('results', '--trials')} lists what there is.",
        )
    found = answer(label_a, label_b, support)
    return Compared(label_a, label_b, found, support, tuple(_beside(named, support)), decide(store, named, support))


def _wanted(one: Labelled, dataset: str | None, shots: str | None) -> bool:
    return dataset in (None, one.dataset, one.row["dataset"]) and shots in (None, shots_label(one.shots))


def rows_of(store: Store, text: str, named: Sequence[Labelled]) -> tuple[str, list[Labelled]]:
    """Return the label and the rows of the variant that a user named, by itself or by an experiment.

    Raises:
        UsageError: If it is unknown or means several.
    """
    names = in_order(one.series for one in named)
    squeezed = {name.replace(" ", ""): name for name in names}
    found = squeezed.get(text.replace(" ", ""))
    own = [name for name in names if name.partition(":")[0] == text]
    marked = [name for name in names if name.startswith(f"{text} [")]
    if found is None and store.experiment(text) is not None:
        rows = {one["trial_id"] for one in result_rows(store, text)}
        here = [one for one in named if one.row["trial_id"] in rows]
        own, named = in_order(one.series for one in here), here
        what = f"The experiment {text!r}"
    else:
        what = repr(text)
    candidates = [found] if found else marked or own
    if len(candidates) == 1:
        return candidates[0], [one for one in named if one.series == candidates[0]]
    if candidates:
        raise UsageError(f"{what} means several variants.", remedy=f"Name one of: {', '.join(candidates)}.")
    raise nothing_of(f"There are no results of {text!r}.", text, names)


def answer(a: str, b: str, support: Support) -> str:
    """Return the answer in one line, as of A and B in the order asked for."""
    models = [one for one in support.compared if one.question is Question.MODELS]
    over = [one for one in support.compared if one.question is Question.DATASETS]
    if len(models) == 1 and not over:
        return _line(models[0], a, support.metric)
    decided = [one for one in over if one.separated]
    if decided:
        return _line(decided[0], a, support.metric)
    ahead, behind = (sum(one.separated and one.a == name for one in models) for name in (a, b))
    if models:
        count = len(models)
        return (
            f"{a} is ahead of {b} on {ahead} of {count} datasets and behind on {behind};"
            f" {count - ahead - behind} not settled. Over datasets:"
            f" {_line(over[0], a, support.metric) if over else 'not compared'}"
        )
    return _line(over[0], a, support.metric)


def _line(one: Comparison, a: str, metric: Metric) -> str:
    """Return "A is ahead of B by 3.1 points [1.2, 5.0] on pets at 20 shots (…, p = 0.002)", or "not settled: …"."""
    place = "over datasets" if one.dataset == ALL_DATASETS else f"on {one.dataset}"
    place += f" at {shots_words(one.shots)}"
    p = p_words(one.corrected if one.corrected is not None else one.p)
    basis = f"({one.basis}, p {p if p.startswith('<') else f'= {p}'})"
    of = "" if metric is Metric.ACCURACY else f" of {metric.words}"
    if one.separated:
        return f"{one.a} is ahead of {one.b} by {100 * one.value:.1f} points{of} {_ends(one, 1)} {place} {basis}"
    sign = 1 if one.a == a else -1
    words = f"not settled: {100 * sign * one.value:+.1f}{of and ' points'}{of} {_ends(one, sign)} {place} {basis}"
    words = words.replace("-", "−")
    equal = one.equivalence
    if equal is not None:
        words += f"; equal within {100 * equal.rope:g} point{'' if equal.rope == 0.01 else 's'}: {chance(equal.equal)}"
    return f"{words}; {one.advice}" if one.advice else words


def _ends(one: Comparison, sign: int) -> str:
    if one.low is None or one.high is None:
        return "[no interval]"
    low, high = sorted((100 * sign * one.low, 100 * sign * one.high))
    return f"[{low:.1f}, {high:.1f}]"


def _beside(named: Sequence[Labelled], support: Support) -> Iterable[Mapping[str, Any]]:
    """Yield accuracy, times and cost of both at the points compared on single datasets; of all where there are none."""
    sizes = test_sizes(named)
    points = in_order((one.dataset, one.shots) for one in support.compared if one.dataset != ALL_DATASETS)
    if not points:
        points = in_order((one.dataset, one.shots) for one in named if one.counts)
        points.sort(key=lambda point: (point[0], shots_order(point[1])))
    for dataset, shots in points:
        for series in in_order(one.series for one in named):
            rows: list[Row] = [
                dict(one.row)
                for one in named
                if one.counts and (one.series, one.dataset, one.shots) == (series, dataset, shots)
            ]
            if not rows:
                continue
            draws = {(row["seed"], row["fold"]) for row in rows}
            accuracy = fmean(row["accuracy"] for row in rows)
            ends = wilson_of(accuracy, sizes.get((series, dataset, shots)))
            costs = [row["cost"] for row in rows if row["cost"] is not None and row["cost"]["usd"] is not None]
            yield {
                "dataset": dataset,
                "shots": shots_label(shots),
                "variant": series,
                "accuracy": accuracy,
                "test_low": None if ends is None else ends[0],
                "test_high": None if ends is None else ends[1],
                "draws": len(draws),
                "majority": rows[0]["majority"],
                "chance": rows[0]["chance"],
                "train_seconds": _median(row["train_seconds"] for row in rows),
                "p50_ms": _median(row["latency_ms"]["p50"] for row in rows),
                "usd": _median(cost["usd"] for cost in costs),
                "cost_unknown": any(row["cost"] is None or row["cost"]["unknown"] for row in rows),
            }


def _median(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return median(known) if known else None


def beside_table(found: Compared) -> Table:
    """Return accuracy, times and cost of both as a table."""
    cells = tuple(
        (
            row["dataset"],
            row["shots"],
            row["variant"],
            _accuracy(row),
            percent(row["majority"]),
            percent(row["chance"]),
            seconds(row["train_seconds"]),
            milliseconds(row["p50_ms"]),
            _usd(row),
        )
        for row in found.beside
    )
    heads = (
        *("dataset", "shots", "variant", "accuracy %", "most frequent label %", "guessing %"),
        *("median training", "p50 ms", "median $ a trial"),
    )
    return Table("Beside it", heads, cells, found.beside, ())


def _accuracy(row: Mapping[str, Any]) -> str:
    words = f"{percent(row['accuracy'])} (n={row['draws']})"
    return words if row["test_low"] is None else f"{words} [{percent(row['test_low'])}, {percent(row['test_high'])}]"


def _usd(row: Mapping[str, Any]) -> str:
    if row["usd"] is None:
        return "unknown"
    return f"at least {row['usd']:.2f} + unknown" if row["cost_unknown"] else f"{row['usd']:.2f}"
