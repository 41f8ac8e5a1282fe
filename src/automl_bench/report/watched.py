"""Pairs of passes that could end early (`[invoke] stop`): compared by a test that allows for every look.

Such a pass ends in a moment that its own answers chose, so an ordinary p would name winners too often. That holds for
passes that happened to reach their end, too: they were looked at all the way.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING

from automl_bench.measurement.betting import anytime_interval, anytime_p
from automl_bench.report.labels import Labelled, in_order
from automl_bench.statistics.contributions import Metric
from automl_bench.statistics.paired import Difference, Finding, compare_tables
from automl_bench.trials.early_stop import STOPPING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

ALPHA = 0.05
"""Error of the interval of one comparison, as of all intervals of a page."""

METHOD = (
    "anytime-valid test and confidence sequence (bets), as these passes were looked at after every sample and could end"
    " early"
)


def is_watched(rows: Iterable[Labelled]) -> bool:
    """Say whether an accuracy pass of these trials could end early."""
    return any(one.row.get(STOPPING) for one in rows)


def compare_points(
    of_a: NDArray[np.float64],
    of_b: NDArray[np.float64],
    *,
    watched: bool,
    draws_differ: bool = True,
    metric: Metric = Metric.ACCURACY,
) -> Difference:
    """Compare two variants at one point, by the test that their passes allow.

    Args:
        of_a: What each image contributes to the score of A, (draws, images).
        of_b: That of B.
        watched: Whether a pass of either could end early; then the score is accuracy.
        draws_differ: As of `compare_tables`.
        metric: The score.
    """
    if not watched:
        return compare_tables(of_a, of_b, draws_differ=draws_differ, metric=metric)
    import numpy as np

    found = compare_tables(of_a, of_b, draws_differ=False)
    # All passes of an experiment ask in one order, so the images that all draws answered are a prefix of it.
    values, counts = np.unique((of_a - of_b).mean(axis=0), return_counts=True)
    seen = dict(zip(values.tolist(), counts.tolist(), strict=True))
    return replace(found, models=Finding(*anytime_interval(seen, ALPHA), anytime_p(seen), METHOD))


def watched_notes(rows: Iterable[Labelled]) -> list[str]:
    """Say, by dataset, which accuracies rest on passes that ended early, and what that means for the verdicts."""
    short = [one for one in rows if one.counts and one.row.get(STOPPING) and one.row[STOPPING]["calls_saved"]]
    notes = []
    for dataset in in_order(one.dataset for one in short):
        here = [one for one in short if one.dataset == dataset]
        fewest = min(one.row[STOPPING]["answered"] for one in here)
        most = max(one.row[STOPPING]["answered"] for one in here)
        names = ", ".join(in_order(one.series for one in here))
        asked = f"{fewest:,}" if fewest == most else f"{fewest:,} to {most:,}"
        notes.append(
            f"{dataset}: accuracy passes of {names} ended early, after {asked}"
            f' of {here[0].row[STOPPING]["of"]:,} test samples (stop = "separated"). Their verdicts use a test that'
            " allows for that; their accuracies lie a little too far apart, and nothing is said about another draw."
        )
    return notes
