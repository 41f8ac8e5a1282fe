"""`report --cascade A,B`: A answers, and B is asked where A is not sure; from answers that were paid for already."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from automl_bench.border.command_lines import quoted_command
from automl_bench.errors import UsageError
from automl_bench.report.candidates import candidates
from automl_bench.report.comparing import rows_of
from automl_bench.report.labels import Labelled, in_order, shots_label
from automl_bench.report.rows import ANSWER_COLUMNS, final_places
from automl_bench.report.running_costs import RunningCosts, Use
from automl_bench.report.tables import UNKNOWN, Table, milliseconds, percent
from automl_bench.statistics.cascades import Answered, CascadePoint, cascade
from automl_bench.statistics.means import shots_order
from automl_bench.statistics.quality import PARTS
from automl_bench.store.records import Outcome
from automl_bench.trials.pricing import Cost, together

if TYPE_CHECKING:
    from automl_bench.store import Store

FEWEST = 100
"""Common samples below which no threshold is chosen."""
NOTES = (
    "The threshold is chosen on four fifths of the samples and judged on the last fifth, five times over; the one shown"
    " is that of all samples. The 95 % interval counts samples.",
    "p95: both answers one after the other where the second is asked, one call at a time, without load.",
    "A month: the first at the whole volume, the second at the share that is passed on, endpoints of both included.",
    "Rows of one table are looked at together: the best of them is a choice, and new samples will say how good it is.",
)


@dataclass(frozen=True, slots=True)
class Cascade:
    """What a cascade brings on one dataset.

    Attributes:
        first: Label of the variant that is asked first.
        second: Label of the one that is asked where the first is not sure.
        dataset: The dataset's label.
        shots: Labelled samples per class.
        answers: Answers that both have given.
        samples: Different samples among them.
        points: One for each share passed on.
        months: What a month comes to at each.
    """

    first: str
    second: str
    dataset: str
    shots: int | None
    answers: int
    samples: int
    points: tuple[CascadePoint, ...]
    months: tuple[Cost, ...]

    @property
    def words(self) -> str:
        """Where the cascade is at least as good as either alone, at the fewest samples passed on."""
        alone = max(self.points[0].accuracy, self.points[-1].accuracy)
        good = [place for place, one in enumerate(self.points) if one.accuracy >= alone]
        place = min(good, key=lambda place: self.points[place].passed)
        one, month = self.points[place], self.months[place]
        head = (
            f"{self.dataset}, {shots_label(self.shots)} shots: {self.first} alone {percent(self.points[0].accuracy)} %"
        )
        head += f", {self.second} alone {percent(self.points[-1].accuracy)} %"
        if place in (0, len(self.points) - 1):
            better = self.first if place == 0 else self.second
            return f"{head}; no cascade of the two is as good as {better} alone."
        return (
            f"{head}; with {percent(one.passed)} % passed on (below a confidence of {_threshold(one)})"
            f" {percent(one.accuracy)} % [{percent(one.low)}, {percent(one.high)}], {month} a month."
        )


def cascades_of(store: Store, named: Sequence[Labelled], wanted: str, use: Use) -> list[Cascade]:
    """Judge a cascade on every dataset that both variants have answered for, at the most shots they share.

    Args:
        store: The results file.
        named: The rows with their labels.
        wanted: "A,B": the variant asked first and the one asked second, as `results` shows them.
        use: How the service will be used.

    Raises:
        UsageError: If these are not two variants, have too few answers in common, or A tells no confidence.
    """
    names = [text.strip() for text in wanted.split(",")]
    if len(names) != 2 or not all(names) or names[0] == names[1]:
        raise UsageError(
            f"--cascade {wanted!r} does not name two variants.",
            remedy=f"Write it as --cascade FIRST,SECOND, named as {quoted_command('results')} shows them.",
        )
    (first, own_first), (second, own_second) = (rows_of(store, text, named) for text in names)
    prices = {one.series: one.running for one in candidates(store, named)}
    found, told = [], False
    for dataset in in_order(one.dataset for one in own_first):
        a, b = ([one for one in own if one.dataset == dataset and one.counts] for own in (own_first, own_second))
        shared = {one.shots for one in a if one.row["trial_id"]} & {one.shots for one in b if one.row["trial_id"]}
        if not shared:
            continue
        shots = max(shared, key=shots_order)
        pairs = _paired(store, *([one for one in own if one.shots == shots] for own in (a, b)))
        if pairs is None:
            continue
        told = True
        points = tuple(cascade(pairs))
        months = tuple(_month(prices[first], prices[second], one.passed, use) for one in points)
        found.append(Cascade(first, second, dataset, shots, len(pairs.sure), pairs.samples, points, months))
    if not told:
        raise UsageError(
            f"{first} and {second} cannot be put in a cascade: that takes {FEWEST} test samples that both have answered"
            f" for with the same shots and draw, and confidences of {first}.",
            remedy=f"{quoted_command('results', '--trials')} lists what there is.",
        )
    return found


def _month(first: RunningCosts, second: RunningCosts, passed: float, use: Use) -> Cost:
    """Return what a month comes to; a variant that is never asked needs no endpoint."""
    costs = [first.month(use)]
    if passed > 0:
        costs.append(second.month(replace(use, calls_per_month=passed * use.calls_per_month)))
    return together(costs)


def _paired(store: Store, first: Sequence[Labelled], second: Sequence[Labelled]) -> Answered | None:
    """Return what both have answered in the same draws, or None where that is too little."""
    import numpy as np

    by_draw = {one.draw: one for one in second}
    rows: list[tuple[str, float, bool, bool, float, float]] = []
    for one in first:
        if one.draw not in by_draw:
            continue
        of_a, of_b = (_answers(store, trial.row["trial_id"]) for trial in (one, by_draw[one.draw]))
        rows += [
            (sample, of_a[sample][1], of_a[sample][0], of_b[sample][0], of_a[sample][2], of_b[sample][2])
            for sample in of_a.keys() & of_b.keys()
        ]
    samples = sorted({row[0] for row in rows})
    sure = np.array([row[1] for row in rows], dtype=np.float64)
    if len(samples) < FEWEST or np.isnan(sure).all():
        return None
    places = {sample: place % PARTS for place, sample in enumerate(samples)}
    return Answered(
        sure=sure,
        first_right=np.array([row[2] for row in rows]),
        second_right=np.array([row[3] for row in rows]),
        first_ms=np.array([row[4] for row in rows]),
        second_ms=np.array([row[5] for row in rows]),
        part=np.array([places[row[0]] for row in rows]),
        samples=len(samples),
    )


def _answers(store: Store, trial_id: str) -> dict[str, tuple[bool, float, float]]:
    """Return sample → (right, confidence or NaN, milliseconds) by each sample's last measured attempt."""
    calls = store.invocation_columns([trial_id], only=(*ANSWER_COLUMNS, "confidence", "service_ns"))
    found = {}
    for sample, place in final_places(calls).items():
        answered = calls["outcome"][place] == Outcome.OK.value and calls["predicted"][place] is not None
        right = bool(answered and calls["predicted"][place] == calls["label"][place])
        sure = float(calls["confidence"][place]) if answered else float("nan")
        found[sample] = (right, sure, float(calls["service_ns"][place]) / 1e6)
    return found


def cascade_table(found: Cascade) -> Table:
    """Return a cascade as a table, one row for each share passed on."""
    cells = tuple(
        (
            percent(one.passed),
            _threshold(one),
            percent(one.accuracy),
            f"[{percent(one.low)}, {percent(one.high)}]",
            UNKNOWN if one.p95_ms is None else milliseconds(one.p95_ms),
            str(month).replace("$", ""),
        )
        for one, month in zip(found.points, found.months, strict=True)
    )
    records = tuple(_record(found, one, month) for one, month in zip(found.points, found.months, strict=True))
    heads = ("passed on %", "below a confidence of", "accuracy %", "95 % interval", "p95 ms", "$ a month")
    title = f"{found.first}, then {found.second}: {found.dataset}"
    basis = f"{found.samples:,} samples, {found.answers:,} answers of each."
    return Table(title, heads, cells, records, (basis, *NOTES))


def _threshold(one: CascadePoint) -> str:
    if one.wanted in (0.0, 1.0):
        return "asks always" if one.wanted else "asks nobody"
    return "none is told" if one.threshold == float("-inf") else f"{one.threshold:.3f}"


def _record(found: Cascade, one: CascadePoint, month: Cost) -> Mapping[str, Any]:
    finite = abs(one.threshold) != float("inf")
    return {
        "first": found.first,
        "second": found.second,
        "dataset": found.dataset,
        "shots": shots_label(found.shots),
        "passed": one.passed,
        "threshold": one.threshold if finite else None,
        "accuracy": one.accuracy,
        "low": one.low,
        "high": one.high,
        "p95_ms": one.p95_ms,
        "usd_month": month.as_json()["usd"],
        "usd_unknown": month.as_json()["unknown"],
        "samples": found.samples,
    }
