"""A cascade of two classifiers, judged from answers that both have given: who is asked second, and what that brings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from automl_bench.statistics.quality import PARTS
from automl_bench.statistics.quantiles import minimum_n
from automl_bench.statistics.scores import wilson_interval

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

SHARES = tuple(place / 20 for place in range(21))
"""Shares of samples to be passed on at which a cascade is judged."""


@dataclass(frozen=True, slots=True)
class Answered:
    """What two classifiers answered for the same samples; all arrays have shape (n,).

    Attributes:
        sure: Confidence of the first, 0 to 1; NaN where it told none, which is passed on unless
            nothing is.
        first_right: Whether the first is right.
        second_right: Whether the second is right.
        first_ms: Milliseconds of the first's answer.
        second_ms: Milliseconds of the second's.
        part: Part of the cross-fitting, 0 to `PARTS` - 1; the same for all answers on one sample.
        samples: Number of different samples.
    """

    sure: NDArray[np.float64]
    first_right: NDArray[np.bool_]
    second_right: NDArray[np.bool_]
    first_ms: NDArray[np.float64]
    second_ms: NDArray[np.float64]
    part: NDArray[np.int64]
    samples: int


@dataclass(frozen=True, slots=True)
class CascadePoint:
    """A cascade at one wanted share of samples passed on.

    Attributes:
        wanted: That share, for which thresholds were chosen on four fifths of the samples.
        threshold: Confidence below which the second is asked, chosen on all samples; what one would use. Minus
            infinity where only answers without any confidence are passed on.
        passed: Share that was passed on in the fifths on which the thresholds were judged.
        accuracy: Share of right answers there.
        low: Lower end of its 95 % interval over samples.
        high: Upper end.
        p95_ms: 95th percentile of the time until the last answer, one call at a time; None with too few answers.
    """

    wanted: float
    threshold: float
    passed: float
    accuracy: float
    low: float
    high: float
    p95_ms: float | None


def cascade(answers: Answered) -> list[CascadePoint]:
    """Judge cascades from nothing passed on to everything.

    Each threshold is chosen on four fifths of the samples and judged on the last fifth, five times over, so that no
    number is judged by the answers that it was tuned on.
    """
    return [_point(answers, share) for share in SHARES]


def _point(answers: Answered, share: float) -> CascadePoint:
    import numpy as np

    sure = np.where(np.isnan(answers.sure), -np.inf, answers.sure)
    passed = np.zeros(len(sure), dtype=bool)
    for part in range(PARTS):
        held = answers.part == part
        passed[held] = sure[held] < _threshold(sure[~held], share)
        if share > 0:
            passed[held] |= np.isnan(answers.sure[held])
    right = np.where(passed, answers.second_right, answers.first_right)
    took = answers.first_ms + np.where(passed, answers.second_ms, 0.0)
    accuracy = float(right.mean())
    # Draws of one sample are not independent: the interval counts samples, not answers.
    low, high = wilson_interval(accuracy * answers.samples, answers.samples)
    enough = len(took) >= minimum_n(0.95)
    p95 = float(np.quantile(took, 0.95, method="inverted_cdf")) if enough else None
    return CascadePoint(share, _threshold(sure, share), float(passed.mean()), accuracy, low, high, p95)


def _threshold(sure: NDArray[np.float64], share: float) -> float:
    """Return the confidence below which about that share lies; ties at it are kept by the first."""
    import numpy as np

    if share <= 0 or not len(sure):
        return float("-inf")
    if share >= 1:
        return float("inf")
    return float(np.quantile(sure, share, method="higher"))
