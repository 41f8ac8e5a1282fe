"""Accuracy and F1 of one trial, as scikit-learn defines them; the core does not depend on scikit-learn."""

from __future__ import annotations

import math
import unicodedata
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

MOST_EXAMPLES = 3
"""Answers outside of the labels that are quoted."""

NO_ANSWER = frozenset({"", "null", "none", "nan", "n/a", "undefined"})
"""What programs write where there is no answer, folded; it is no label unless the dataset has it."""


@dataclass(frozen=True, slots=True)
class OffList:
    """Answers that are no label of the dataset: wrong, and no class of their own.

    Attributes:
        count: How many.
        near: Those that differ from a label only in case, blanks or Unicode form.
        empty: Those that are empty, or say that there is no answer ("null").
        examples: The most frequent ones, with how often.
    """

    count: int = 0
    near: int = 0
    empty: int = 0
    examples: tuple[tuple[str, int], ...] = ()


def off_list(answers: Mapping[str, int], labels: Collection[str]) -> OffList:
    """Count the answers that are no label of the dataset.

    Args:
        answers: Answer → how often.
        labels: The labels of the dataset.
    """
    outside = {answer: count for answer, count in answers.items() if answer not in labels}
    if not outside:
        return OffList()
    folded = {_folded(label) for label in labels}
    near = sum(count for answer, count in outside.items() if _folded(answer) in folded)
    empty = sum(
        count for answer, count in outside.items() if _folded(answer) in NO_ANSWER and _folded(answer) not in folded
    )
    ranked = sorted(outside.items(), key=lambda item: (-item[1], item[0]))
    return OffList(sum(outside.values()), near, empty, tuple(ranked[:MOST_EXAMPLES]))


def _folded(label: str) -> str:
    return " ".join(unicodedata.normalize("NFKC", label).casefold().split())


@dataclass(frozen=True, slots=True)
class Score:
    """How well one trial classified its test samples.

    Attributes:
        test_samples: Samples that were sent, failed ones included.
        correct: Answers equal to the true label.
        failed: Samples whose last request got no answer; they count as wrong.
        abstained: Samples that were answered without a label; they count as wrong.
        off_list: What was answered that is no label of the dataset.
        accuracy: correct / test_samples, 0 to 1; None without samples.
        accuracy_answered: correct / samples answered with a label; None if there is none.
        accuracy_low: Lower end of the 95 % Wilson interval over test samples.
        accuracy_high: Upper end of it.
        balanced_accuracy: Unweighted mean over the true labels of the share found.
        macro_f1: Unweighted mean of the F1 of each label that occurs as a true or as a predicted one.
        micro_f1: F1 of the pooled counts; equals accuracy if every sample got a label.
        classes: Number of distinct true labels.
        majority: Share of the most frequent true label: what always answering it would score.
    """

    test_samples: int
    correct: int
    failed: int
    abstained: int
    off_list: OffList
    accuracy: float | None
    accuracy_answered: float | None
    accuracy_low: float | None
    accuracy_high: float | None
    balanced_accuracy: float | None
    macro_f1: float | None
    micro_f1: float | None
    classes: int
    majority: float | None

    @property
    def chance(self) -> float | None:
        """What guessing among the classes scores on the average, with equal chances."""
        return 1 / self.classes if self.classes else None


def score(
    truth: Sequence[str], predicted: Sequence[str | None], *, failed: int = 0, labels: Collection[str] = ()
) -> Score:
    """Score the answers of one trial.

    A sample without a predicted label (failed or abstained) and one with an answer outside of the dataset's labels are
    a miss of its true class and nobody's false alarm, as in `sklearn.metrics.f1_score(truth, predicted, labels=<labels
    that occur>)`.

    Args:
        truth: The true label of each sample.
        predicted: The predicted label of each sample, None where there is none.
        failed: How many of the None come from failed requests; the others are abstentions.
        labels: The labels of the dataset, where others than the true ones here are known.

    Raises:
        ValueError: If the two differ in length.
    """
    if len(truth) != len(predicted):
        raise ValueError(f"{len(truth)} true labels but {len(predicted)} predictions")
    return score_pairs(Counter(zip(truth, predicted, strict=True)), failed=failed, labels=labels)


def score_pairs(pairs: Mapping[tuple[str, str | None], int], *, failed: int = 0, labels: Collection[str] = ()) -> Score:
    """Score the answers of one trial, counted: (true label, label answered or None) → samples; else as `score`."""
    import numpy as np

    total, missing = sum(pairs.values()), 0
    told: Counter[str] = Counter()
    actual_of: Counter[str] = Counter()
    for (label, answer), count in pairs.items():
        actual_of[label] += count
        if answer is None:
            missing += count
        else:
            told[answer] += count
    if not total:
        return Score(0, 0, 0, 0, OffList(), None, None, None, None, None, None, None, 0, None)
    known = {*actual_of, *labels}
    names = sorted({*actual_of, *(label for label in told if label in known)})
    hits = np.array([pairs.get((label, label), 0) for label in names])
    actual = np.array([actual_of[label] for label in names])
    claimed = np.array([told[label] for label in names])
    # F1 = 2 TP / (2 TP + FP + FN) = 2 TP / (claimed + actual); every label occurs at least once in one of the two,
    # so no denominator is 0. https://scikit-learn.org/stable/modules/model_evaluation.html#precision-recall-f-measure
    correct = int(hits.sum())
    low, high = wilson_interval(correct, total)
    answered = total - missing
    present = actual > 0
    return Score(
        test_samples=total,
        correct=correct,
        failed=failed,
        abstained=missing - failed,
        off_list=off_list(told, known),
        accuracy=correct / total,
        accuracy_answered=correct / answered if answered else None,
        accuracy_low=low,
        accuracy_high=high,
        balanced_accuracy=float((hits[present] / actual[present]).mean()),
        macro_f1=float((2 * hits / (claimed + actual)).mean()),
        micro_f1=2 * correct / int(claimed.sum() + actual.sum()),
        classes=int(present.sum()),
        majority=int(actual.max()) / total,
    )


def wilson_interval(successes: float, total: int, *, level: float = 0.95) -> tuple[float, float]:
    """Return the Wilson score interval of a proportion.

    Source: E. B. Wilson, "Probable inference, the law of succession, and statistical inference", JASA 22 (1927).

    Args:
        successes: Number of successes; a fraction of one where it is a mean over draws.
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
