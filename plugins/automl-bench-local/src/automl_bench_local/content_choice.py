"""Choosing among the built-in pipelines for texts and tables by cross-validation on the training set."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from automl_bench.contract import Modality
from automl_bench_local.candidates import ACCURACY, LOG_LOSS, Candidate
from automl_bench_local.content_pipelines import TOGETHER, all_together
from automl_bench_local.selection import comparison_folds, selection_rows

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from automl_bench_local.selection import Classes

    Losses = NDArray[np.float64]

LEAST_PROBABILITY = 1e-9
CLEARLY = 2.0
"""Standard errors by which one alone has to be better than all together."""


@dataclass(frozen=True, slots=True)
class Choice:
    """What was chosen.

    Attributes:
        name: The candidate's name.
        pipeline: It, unfitted.
        candidates: All that were tried, with their scores; none where nothing could be held out.
        folds: Folds of the cross-validation; 0 where there was none.
    """

    name: str
    pipeline: Any
    candidates: tuple[Candidate, ...]
    folds: int


def choose(
    pipelines: Mapping[str, Any],
    contents: Sequence[Any],
    classes: Classes,
    *,
    most_folds: int,
    measure: str,
    say: Callable[[str], None],
) -> Choice:
    """Compare pipelines, and all of them together, on held-out parts of the training set.

    All together are taken unless one alone is better by more than two standard errors of their paired difference:
    with few samples the best of several scores is mostly luck, and the mean of several models is rarely far off.

    Args:
        pipelines: Candidates by name, unfitted.
        contents: Texts or rows.
        classes: Class numbers, (samples,).
        most_folds: Most folds.
        measure: "accuracy" or "log_loss".
        say: Told what is being done.
    """
    if len(pipelines) == 1:
        ((name, pipeline),) = pipelines.items()
        return Choice(name, pipeline, (), 0)
    together = all_together(pipelines)
    rows = selection_rows(classes)
    compared = [contents[row] for row in rows]
    folds = comparison_folds(classes[rows], most_folds)
    if not folds:
        return Choice(TOGETHER, together, (), 0)
    losses = _held_out_losses(pipelines, compared, classes[rows], folds, measure, say)
    name = _best(losses)
    candidates = tuple(
        replace(_candidate(one, losses[one], folds, measure), chosen=one == name) for one in (*pipelines, TOGETHER)
    )
    return Choice(name, together if name == TOGETHER else pipelines[name], candidates, len(folds))


def _held_out_losses(
    pipelines: Mapping[str, Any],
    contents: Sequence[Any],
    classes: Classes,
    folds: Sequence[tuple[Classes, Classes]],
    measure: str,
    say: Callable[[str], None],
) -> dict[str, Losses]:
    """Return each candidate's loss of each sample, NaN where it was never held out."""
    import numpy as np
    from sklearn.base import clone

    losses = {name: np.full(len(classes), np.nan) for name in (*pipelines, TOGETHER)}
    for number, (fit, held_out) in enumerate(folds):
        say(f"cross-validating {', '.join(pipelines)}: fold {number + 1} of {len(folds)}")
        known, asked = [contents[row] for row in fit], [contents[row] for row in held_out]
        right = np.searchsorted(np.unique(classes[fit]), classes[held_out])
        probabilities = {
            name: clone(pipeline).fit(known, classes[fit]).predict_proba(asked) for name, pipeline in pipelines.items()
        }
        probabilities[TOGETHER] = np.mean(list(probabilities.values()), axis=0)
        for name, table in probabilities.items():
            losses[name][held_out] = _losses(table, right, measure)
    return losses


def _losses(probabilities: NDArray[np.float64], right: Classes, measure: str) -> Losses:
    import numpy as np

    if measure == ACCURACY:
        return np.asarray(np.argmax(probabilities, axis=1) != right, dtype=np.float64)
    of_right = probabilities[np.arange(len(right)), right]
    return np.asarray(-np.log(np.maximum(of_right, LEAST_PROBABILITY)), dtype=np.float64)


def _best(losses: Mapping[str, Losses]) -> str:
    import numpy as np

    best, most = TOGETHER, 0.0
    for name, own in losses.items():
        gains = losses[TOGETHER] - own
        gains = gains[~np.isnan(gains)]
        gain = float(gains.mean())
        error = float(gains.std(ddof=1)) / math.sqrt(len(gains)) if len(gains) > 1 else math.inf
        if gain > CLEARLY * error and gain > most:
            best, most = name, gain
    return best


def _candidate(name: str, losses: Losses, folds: Sequence[tuple[Classes, Classes]], measure: str) -> Candidate:
    import numpy as np

    parts = np.array([losses[held_out].mean() for _, held_out in folds])
    sd = float(parts.std(ddof=1)) if len(parts) > 1 else None
    mean = float(np.nanmean(losses))
    return Candidate(name, measure, 1.0 - mean if measure == ACCURACY else mean, sd, len(folds))


def measure_of(modality: Modality) -> str:
    """Return what candidates of a modality are compared by.

    Accuracy for texts, as regularised linear models of many words are not calibrated alike; log loss for tables.
    """
    return ACCURACY if modality is Modality.TEXT else LOG_LOSS
