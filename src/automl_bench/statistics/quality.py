"""How good answers are beyond being right: by class, what is taken for what, what confidence is worth."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from automl_bench.statistics.scores import wilson_interval

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

CALIBRATION_N = 300
"""Answers below which a calibration error is noise: with 15 bins, 20 in each."""
BINS = 15
"""Bins of equal size of the calibration error."""
ACCEPT_N = 100
"""Answers below which no threshold is chosen."""
ACCEPT_RIGHT = 0.98
"""Share of right answers that is wanted among those accepted without a look."""
PARTS = 5
"""Parts of the cross-fitting: a threshold chosen on four is judged on the fifth."""


@dataclass(frozen=True, slots=True)
class ClassScore:
    """How one class fares.

    Attributes:
        label: The class.
        precision: Share of right ones among the answers that name it; None if none does.
        recall: Share of its samples that were found.
        f1: Harmonic mean of the two.
        support: Its samples.
        claimed: Answers that name it.
    """

    label: str
    precision: float | None
    recall: float
    f1: float
    support: int
    claimed: int


Pairs = Mapping[tuple[str, str | None], int]
"""(true label, label answered or None) → samples: a confusion matrix without the zeros."""


def per_class(pairs: Pairs) -> list[ClassScore]:
    """Score each true label, in alphabetical order; as sklearn's precision_recall_fscore_support."""
    support: Counter[str] = Counter()
    claimed: Counter[str | None] = Counter()
    for (label, told), count in pairs.items():
        support[label] += count
        claimed[told] += count
    return [
        ClassScore(
            label=label,
            precision=hits / claimed[label] if claimed[label] else None,
            recall=hits / support[label],
            f1=2 * hits / (claimed[label] + support[label]),
            support=support[label],
            claimed=claimed[label],
        )
        for label in sorted(support)
        for hits in (pairs.get((label, label), 0),)
    ]


def confusion(pairs: Pairs) -> dict[tuple[str, str | None], int]:
    """Return the pairs with the most frequent first; equal ones in alphabetical order."""
    return dict(sorted(pairs.items(), key=lambda one: (-one[1], one[0][0], one[0][1] or "")))


@dataclass(frozen=True, slots=True)
class Calibration:
    """Whether confidence says how often an answer is right.

    Attributes:
        n: Answers with a confidence.
        brier: Mean squared difference of confidence and being right; 0 is best. None without any.
        log_loss: Mean of -ln of the confidence in what turned out true (right or wrong), confidence kept within
            1e-6 of 0 and 1. None without any.
        ece: Expected calibration error over bins of equal size; None below `CALIBRATION_N`.
    """

    n: int
    brier: float | None
    log_loss: float | None
    ece: float | None


def calibration(confidence: NDArray[np.float64], right: NDArray[np.bool_]) -> Calibration:
    """Judge the confidences of given answers, (n,); services tell only that of the label they name.

    Equal-size bins: A. Nguyen, J. O'Connor, EMNLP 2015; with equal-width ones nearly all answers fall into the last.
    """
    import numpy as np

    count = len(confidence)
    if not count:
        return Calibration(0, None, None, None)
    hits = right.astype(np.float64)
    kept = np.clip(confidence, 1e-6, 1 - 1e-6)
    loss = float(-np.where(right, np.log(kept), np.log1p(-kept)).mean())
    error = None
    if count >= CALIBRATION_N:
        bins = np.array_split(np.argsort(confidence, kind="stable"), BINS)
        error = float(sum(len(one) * abs(confidence[one].mean() - hits[one].mean()) for one in bins) / count)
    return Calibration(count, float(((confidence - hits) ** 2).mean()), loss, error)


@dataclass(frozen=True, slots=True)
class Acceptance:
    """What a buyer may leave to the machine: answers above a confidence are taken without a look.

    Attributes:
        threshold: Median of the thresholds chosen.
        coverage: Share of all samples that were accepted.
        accepted: How many.
        right: Share of right ones among the accepted.
        low: Lower end of its 95 % Wilson interval.
        high: Upper end of it.
        wanted: The share that the thresholds were chosen for.
    """

    threshold: float
    coverage: float
    accepted: int
    right: float
    low: float
    high: float
    wanted: float

    @property
    def words(self) -> str:
        """Return "auto-accept above 0.92: 81 % of samples, 98.9 % of them right [97.8, 99.5]"."""
        ends = f"[{100 * self.low:.1f}, {100 * self.high:.1f}]"
        return (
            f"auto-accept above {self.threshold:.2f}: {100 * self.coverage:.0f} % of samples,"
            f" {100 * self.right:.1f} % of them right {ends}"
        )


def acceptance(
    confidence: NDArray[np.float64],
    right: NDArray[np.bool_],
    samples: int,
    *,
    wanted: float = ACCEPT_RIGHT,
    seed: int = 0,
) -> Acceptance | None:
    """Choose a threshold and judge it, never on the same answers.

    The answers are dealt into parts; for each, the lowest threshold that gives the wanted share of right answers on the
    other parts is applied to it. What is accepted that way, over all parts, is what a buyer may expect.

    Args:
        confidence: Of the answers that have one, (n,).
        right: Whether each is right, (n,).
        samples: All samples asked for, those without a confidence included.
        wanted: Share of right answers to reach.
        seed: Seed of the dealing.

    Returns:
        None below `ACCEPT_N` answers, or where no threshold reaches the share.
    """
    import numpy as np

    if len(confidence) < ACCEPT_N:
        return None
    part = np.random.default_rng(seed).permutation(len(confidence)) % PARTS
    taken = np.zeros(len(confidence), dtype=bool)
    thresholds = []
    for one in range(PARTS):
        threshold = _threshold(confidence[part != one], right[part != one], wanted)
        if threshold is not None:
            thresholds.append(threshold)
            taken |= (part == one) & (confidence >= threshold)
    accepted = int(taken.sum())
    if len(thresholds) < PARTS or not accepted:
        return None
    hits = int(right[taken].sum())
    low, high = wilson_interval(hits, accepted)
    threshold = float(np.median(thresholds))
    return Acceptance(threshold, accepted / samples, accepted, hits / accepted, low, high, wanted)


def _threshold(confidence: NDArray[np.float64], right: NDArray[np.bool_], wanted: float) -> float | None:
    """Return the lowest confidence from which on the share of right answers is as wanted."""
    import numpy as np

    order = np.argsort(-confidence, kind="stable")
    ranked, hits = confidence[order], np.cumsum(right[order])
    # Equal confidences are accepted together: only the last of each run is a place to cut.
    last = np.append(ranked[1:] != ranked[:-1], True)
    good = last & (hits / np.arange(1, len(ranked) + 1) >= wanted)
    return float(ranked[np.flatnonzero(good)[-1]]) if good.any() else None
