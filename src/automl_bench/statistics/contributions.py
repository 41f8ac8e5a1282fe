"""What each test sample contributes to a score, so that any of them is compared in pairs as accuracy is.

A score is written as a mean over samples. For accuracy a right answer contributes 1; for balanced accuracy it weighs by
the rarity of its class, the number of samples of each class being given; for macro F1 it is the score itself and the
first derivative by the sample's weight (the influence function: F. Hampel, J. Am. Stat. Assoc. 69 (1974)), which has
the variance of the score in large samples.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

ROUNDS = 20_000
"""Rounds of the sign-flip test; the smallest p is 1 in so many."""
MOST_FLIPPED = 5_000
"""Samples beyond which the sum under random signs is taken as normal."""
BLOCK = 2_000_000
"""Signs drawn at once."""
TINY = 1e-9
"""Differences below this are rounding."""


class Metric(StrEnum):
    """A score that two variants can be compared by."""

    ACCURACY = "accuracy"
    BALANCED_ACCURACY = "balanced_accuracy"
    MACRO_F1 = "macro_f1"

    @property
    def words(self) -> str:
        """Return "macro F1"."""
        return self.value.replace("_", " ").replace("f1", "F1")


def contributions(truth: NDArray[np.int64], told: NDArray[np.int64], metric: Metric) -> NDArray[np.float64]:
    """Return what each sample contributes; their mean is the score, as `scores.score` has it.

    Args:
        truth: Code of the true label of each sample, (samples,).
        told: Code of the label answered, -1 where there is none or it is no label of the dataset.
        metric: The score.
    """
    import numpy as np

    right: NDArray[np.float64] = np.equal(truth, told).astype(np.float64)
    if metric is Metric.ACCURACY:
        return right
    width = int(max(truth.max(), told.max())) + 1
    actual = np.bincount(truth, minlength=width)
    if metric is Metric.BALANCED_ACCURACY:
        return np.asarray(right * len(truth) / (np.count_nonzero(actual) * actual[truth]))
    claimed = np.bincount(told[told >= 0], minlength=width)
    size = actual + claimed
    known = size > 0
    f1 = np.divide(2 * np.bincount(truth, right, minlength=width), size, where=known, out=np.zeros(width))
    of_claim = np.where(told >= 0, np.divide(f1, size, where=known, out=np.zeros(width))[told], 0.0)
    change = (2 * right - f1[truth]) / size[truth] - of_claim
    labels = np.count_nonzero(known)
    return np.asarray(f1.sum() / labels + len(truth) / labels * change)


def sign_flip_p(differences: NDArray[np.float64], *, rounds: int = ROUNDS, seed: int = 0) -> float:
    """Return the two-sided p of "each difference is as likely to be the other way round", by random signs.

    Args:
        differences: What A contributes minus what B does, by sample, (samples,).
        rounds: How often signs are drawn.
        seed: Seed of the signs.
    """
    import numpy as np
    from scipy.special import ndtr

    moved = differences[np.abs(differences) > TINY]
    total = abs(float(moved.sum()))
    if len(moved) == 0:
        return 1.0
    if len(moved) > MOST_FLIPPED:
        return float(2 * ndtr(-total / np.sqrt((moved**2).sum())))
    chance, reached, block = np.random.default_rng(seed), 0, max(1, BLOCK // len(moved))
    for begin in range(0, rounds, block):
        many = min(block, rounds - begin)
        bits = np.unpackbits(np.frombuffer(chance.bytes(-(-many * len(moved) // 8)), np.uint8), count=many * len(moved))
        sums = 2 * (bits.reshape(many, len(moved)).astype(np.float64) @ moved) - moved.sum()
        reached += int((np.abs(sums) >= total - TINY).sum())
    return (1 + reached) / (1 + rounds)
