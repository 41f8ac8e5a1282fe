"""Accuracy and F1 of one trial, as scikit-learn defines them; the core does not depend on scikit-learn."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Score:
    """How well one trial classified its test samples.

    Attributes:
        test_samples: Samples that were sent, failed ones included.
        correct: Answers equal to the true label.
        failed: Samples whose last request got no answer; they count as wrong.
        abstained: Samples that were answered without a label; they count as wrong.
        accuracy: correct / test_samples, 0 to 1; None without samples.
        accuracy_answered: correct / samples answered with a label; None if there is none.
        accuracy_low: Lower end of the 95 % Wilson interval over test samples.
        accuracy_high: Upper end of it.
        macro_f1: Unweighted mean of the F1 of each label that occurs as a true or as a predicted one.
        micro_f1: F1 of the pooled counts; equals accuracy if every sample got a label.
        classes: Number of distinct true labels.
    """

    test_samples: int
    correct: int
    failed: int
    abstained: int
    accuracy: float | None
    accuracy_answered: float | None
    accuracy_low: float | None
    accuracy_high: float | None
    macro_f1: float | None
    micro_f1: float | None
    classes: int


def score(truth: Sequence[str], predicted: Sequence[str | None], *, failed: int = 0) -> Score:
    """Score the answers of one trial.

    A sample without a predicted label (failed or abstained) is a miss of its true class and nobody's false alarm, as
    in `sklearn.metrics.f1_score(truth, predicted, labels=<all labels but the missing one>)`.

    Args:
        truth: The true label of each sample.
        predicted: The predicted label of each sample, None where there is none.
        failed: How many of the None come from failed requests; the others are abstentions.

    Raises:
        ValueError: If the two differ in length.
    """
    import numpy as np

    if len(truth) != len(predicted):
        raise ValueError(f"{len(truth)} true labels but {len(predicted)} predictions")
    total = len(truth)
    missing = sum(1 for label in predicted if label is None)
    if not total:
        return Score(0, 0, 0, 0, None, None, None, None, None, None, 0)
    labels = sorted({*truth, *(label for label in predicted if label is not None)})
    number = {label: position for position, label in enumerate(labels)}
    true_codes = np.fromiter((number[label] for label in truth), dtype=np.int64, count=total)
    codes = (-1 if label is None else number[label] for label in predicted)
    predicted_codes = np.fromiter(codes, dtype=np.int64, count=total)
    hits = np.bincount(true_codes[true_codes == predicted_codes], minlength=len(labels))
    actual = np.bincount(true_codes, minlength=len(labels))
    claimed = np.bincount(predicted_codes[predicted_codes >= 0], minlength=len(labels))
    # F1 = 2 TP / (2 TP + FP + FN) = 2 TP / (claimed + actual); every label occurs at least once in one of the two,
    # so no denominator is 0. https://scikit-learn.org/stable/modules/model_evaluation.html#precision-recall-f-measure
    correct = int(hits.sum())
    low, high = wilson_interval(correct, total)
    answered = total - missing
    return Score(
        test_samples=total,
        correct=correct,
        failed=failed,
        abstained=missing - failed,
        accuracy=correct / total,
        accuracy_answered=correct / answered if answered else None,
        accuracy_low=low,
        accuracy_high=high,
        macro_f1=float((2 * hits / (claimed + actual)).mean()),
        micro_f1=2 * correct / int(claimed.sum() + actual.sum()),
        classes=int((actual > 0).sum()),
    )


def wilson_interval(successes: int, total: int, *, level: float = 0.95) -> tuple[float, float]:
    """Return the Wilson score interval of a proportion.

    Source: E. B. Wilson, "Probable inference, the law of succession, and statistical inference", JASA 22 (1927).

    Args:
        successes: Number of successes.
        total: Number of trials, at least 1.
        level: Confidence level.
    """
    from scipy.special import ndtri

    z = float(ndtri(0.5 + level / 2))
    share = successes / total
    centre = share + z * z / (2 * total)
    margin = z * math.sqrt(share * (1 - share) / total + z * z / (4 * total * total))
    scale = 1 + z * z / total
    return max(0.0, (centre - margin) / scale), min(1.0, (centre + margin) / scale)
