"""Learning curves that fall: more labels, fewer right answers, which hints at a fault rather than at a method."""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from automl_bench.report.answers import Answers
from automl_bench.report.labels import Labelled, observations, shots_label
from automl_bench.report.tables import percent
from automl_bench.report.watched import compare_points, is_watched
from automl_bench.statistics.families import LEVEL
from automl_bench.statistics.means import over_folds, shots_order, shots_words

WORTH_A_WORD = 0.03
"""A fall by three points is named where nothing is known of its chance, as in imported results."""


@dataclass(frozen=True, slots=True)
class Fall:
    """A step of a learning curve at which accuracy falls.

    Attributes:
        series: The variant's label.
        dataset: The dataset's label.
        before: Shots before the step.
        after: Shots after it; more.
        high: Mean accuracy before.
        low: Mean accuracy after.
        p: p of the paired comparison on the same test samples, or None where there are no answers.
    """

    series: str
    dataset: str
    before: int | None
    after: int | None
    high: float
    low: float
    p: float | None

    @property
    def words(self) -> str:
        """Return the fall in words."""
        chance = "" if self.p is None else f" (p = {self.p:.2g})" if self.p >= 0.001 else " (p < 0.001)"
        return (
            f"{self.series} on {self.dataset} falls from {percent(self.high)} % at {shots_words(self.before)} to"
            f" {percent(self.low)} % at {shots_label(self.after)}{chance}: with more labels that hints at a fault in"
            " training or data."
        )


def falls(answers: Answers, named: Sequence[Labelled]) -> list[Fall]:
    """Return the falls that are more than chance: an alarm, not a verdict.

    Where answers are stored, the two sizes are compared in pairs on the same test samples, at 5 % over the steps of the
    curve; elsewhere a fall counts from `WORTH_A_WORD` on.
    """
    rows = [one for one in named if one.counts]
    folds = over_folds(observations(rows))
    curves: dict[tuple[str, str], list[int | None]] = defaultdict(list)
    for series, dataset, shots in folds:
        curves[series, dataset].append(shots)
    by_point: dict[tuple[str, str, int | None], list[Labelled]] = defaultdict(list)
    for one in rows:
        by_point[one.series, one.dataset, one.shots].append(one)
    found = []
    for (series, dataset), sizes in curves.items():
        ordered = sorted(sizes, key=shots_order)
        for before, after in itertools.pairwise(ordered):
            high, low = (folds[series, dataset, shots].mean for shots in (before, after))
            if high <= low:
                continue
            both = by_point[series, dataset, before], by_point[series, dataset, after]
            tables, watched = answers.tables(*both), any(map(is_watched, both))
            p = None if tables is None else compare_points(*tables, watched=watched).models.p
            if (p is None and high - low >= WORTH_A_WORD) or (p is not None and p < LEVEL / (len(ordered) - 1)):
                found.append(Fall(series, dataset, before, after, high, low, p))
    return found
