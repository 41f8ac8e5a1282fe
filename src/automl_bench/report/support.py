"""What the data support: paired differences between variants, and a sentence for each."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import TYPE_CHECKING

from automl_bench.report.labels import Labelled, in_order, observations, shots_label
from automl_bench.report.rows import final_answers
from automl_bench.report.tables import UNKNOWN, Table
from automl_bench.statistics.means import Estimate, Point, over_folds, shots_order
from automl_bench.statistics.paired import (
    Difference,
    ordered_pairs,
    paired_difference,
    panel_difference,
    verdict,
)

if TYPE_CHECKING:
    from automl_bench.store import Store

FEWEST_DATASETS = 3
"""Datasets below which no sentence is made about datasets in general."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """One paired comparison.

    Attributes:
        a: The variant with the higher mean.
        b: The other one.
        where: Dataset and shots in words.
        value: Accuracy of A minus that of B, -1 to 1.
        low: Lower end of the 95 % interval, or None.
        high: Upper end, or None.
        p: The p value, or None.
        basis: What was paired, with every n.
        method: How the interval was made.
        words: The verdict.
        separated: Whether the verdict names a winner without a reservation.
    """

    a: str
    b: str
    where: str
    value: float
    low: float | None
    high: float | None
    p: float | None
    basis: str
    method: str
    words: str
    separated: bool


def comparisons(store: Store, named: Sequence[Labelled]) -> list[Comparison]:
    """Compare variants on each dataset at the largest shots they share, then over datasets.

    Up to five variants: every pair. More: everyone against the one with the highest mean, which flatters that one.
    """
    usable = [one for one in named if one.counts]
    folds = over_folds(observations(usable))
    answers = _Answers(store)
    raw: list[tuple[str, str, str, int | None, Difference]] = []
    for dataset in in_order(one.dataset for one in usable):
        here = [one for one in usable if one.dataset == dataset]
        shots_of: dict[str, set[int | None]] = defaultdict(set)
        for one in here:
            shots_of[one.series].add(one.shots)
        top = {name: folds[name, dataset, max(many, key=shots_order)].mean for name, many in shots_of.items()}
        for a, b in ordered_pairs(sorted(shots_of), top):
            shared = shots_of[a] & shots_of[b]
            if not shared:
                continue
            shots = max(shared, key=shots_order)
            found = answers.difference(
                [one for one in here if one.series == a and one.shots == shots],
                [one for one in here if one.series == b and one.shots == shots],
            )
            if found is not None:
                raw.append((a, b, dataset, shots, found))
    return [_on_dataset(*one, comparisons=len(raw)) for one in raw] + _over_datasets(folds)


def _on_dataset(a: str, b: str, dataset: str, shots: int | None, found: Difference, *, comparisons: int) -> Comparison:
    value, low, high = found.value, found.low, found.high
    if value < 0:
        a, b = b, a
        value, low, high = -value, None if high is None else -high, None if low is None else -low
    words = verdict(a, b, low, high, found.p, comparisons=comparisons)
    return Comparison(
        a,
        b,
        f"{dataset}, {shots_label(shots)} shots",
        value,
        low,
        high,
        found.p,
        f"{found.images:,} test images, {found.draws} draw{'s' if found.draws > 1 else ''}",
        found.method,
        words,
        words == f"{a} is ahead of {b}.",
    )


def _over_datasets(folds: Mapping[Point, Estimate]) -> list[Comparison]:
    """Compare dataset means over the datasets that both have, at the largest shots that most datasets share."""
    means: dict[tuple[str, int | None], dict[str, float]] = defaultdict(dict)
    for (series, dataset, shots), one in folds.items():
        means[series, shots][dataset] = one.mean
    if len({dataset for _, dataset, _ in folds}) < 2:
        return []
    found = []
    names = sorted({series for series, _ in means})
    overall = {n: fmean(one.mean for (series, _, _), one in folds.items() if series == n) for n in names}
    for a, b in ordered_pairs(names, overall):
        shared = {k: set(means[a, k]) & set(means[b, k]) for s, k in means if s == a and (b, k) in means}
        best = max((len(many) for many in shared.values()), default=0)
        if best < 2:
            continue
        shots = max((k for k, many in shared.items() if len(many) == best), key=shots_order)
        panel = panel_difference(means[a, shots], means[b, shots])
        assert panel is not None
        first, second, value, low, high, wins = a, b, panel.value, panel.low, panel.high, panel.wins
        if value < 0:
            first, second, wins = b, a, len(panel.datasets) - panel.wins - panel.ties
            value, low, high = -value, None if high is None else -high, None if low is None else -low
        if len(panel.datasets) < FEWEST_DATASETS:
            words = f"{len(panel.datasets)} datasets say nothing about datasets in general."
        else:
            words = verdict(first, second, low, high, None)
        found.append(
            Comparison(
                first,
                second,
                f"all datasets, {shots_label(shots)} shots",
                value,
                low,
                high,
                None,
                f"{len(panel.datasets)} datasets; {first} ahead on {wins}",
                "Student t over dataset means",
                words,
                words == f"{first} is ahead of {second}.",
            )
        )
    return found


class _Answers:
    """Right and wrong answers of trials, each trial read once."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._read: dict[str, tuple[dict[str, float], dict[str, str]]] = {}

    def difference(self, a: Sequence[Labelled], b: Sequence[Labelled]) -> Difference | None:
        strata: dict[str, str] = {}
        of_a, of_b = self._by_draw(a, strata), self._by_draw(b, strata)
        return paired_difference(of_a, of_b, strata)

    def _by_draw(self, trials: Sequence[Labelled], strata: dict[str, str]) -> dict[Hashable, dict[str, float]]:
        """Return draw → sample → share of right answers over the repeats of that draw."""
        repeats: dict[Hashable, list[dict[str, float]]] = defaultdict(list)
        for one in trials:
            trial_id = one.row["trial_id"]
            if trial_id:
                right, labels = self._trial(trial_id)
                repeats[one.draw].append(right)
                strata.update(labels)
        return {
            draw: {sample: fmean(one[sample] for one in many) for sample in set.intersection(*map(set, many))}
            for draw, many in repeats.items()
        }

    def _trial(self, trial_id: str) -> tuple[dict[str, float], dict[str, str]]:
        if trial_id not in self._read:
            answers = final_answers(self._store.invocation_columns([trial_id]))
            right = {sample: float(truth == predicted) for sample, (truth, predicted, _) in answers.items()}
            self._read[trial_id] = (right, {sample: truth for sample, (truth, _, _) in answers.items()})
        return self._read[trial_id]


def support_table(found: Sequence[Comparison]) -> Table:
    """Return the comparisons as a table, the verdict last."""
    cells = tuple(
        (
            f"{one.a} − {one.b}",
            one.where,
            f"{100 * one.value:+.1f}",
            UNKNOWN if one.low is None or one.high is None else f"[{100 * one.low:+.1f}, {100 * one.high:+.1f}]",
            UNKNOWN if one.p is None else ("< 0.001" if one.p < 0.001 else f"{one.p:.3f}"),
            one.basis,
            one.words,
        )
        for one in found
    )
    records = tuple(
        {
            "a": one.a,
            "b": one.b,
            "where": one.where,
            "difference": one.value,
            "low": one.low,
            "high": one.high,
            "p": one.p,
            "basis": one.basis,
            "method": one.method,
            "verdict": one.words,
        }
        for one in found
    )
    notes = []
    if found:
        notes.append(
            "Difference in accuracy in points on the same test images, 95 % interval. A pair counts as separated if the"
            " interval excludes 0 and p is below 0.05; with several comparisons p is also held against 0.05 divided by"
            " their number."
        )
        notes += [f"{method[0].upper()}{method[1:]}." for method in in_order(one.method for one in found)]
    heads = ("pair", "where", "difference", "95 % interval", "p", "based on", "what the data say")
    return Table("What the data support", heads, cells, records, tuple(notes))
