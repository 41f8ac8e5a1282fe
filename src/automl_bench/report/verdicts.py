"""What may be said of two variants: the question, the numbers behind it, and the sentence."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from automl_bench.statistics.families import LEVEL
from automl_bench.statistics.panels import Equivalence


class Question(StrEnum):
    """What a comparison is about; each is answered apart."""

    MODELS = "these trained models"
    """Would the models at hand differ on other images like these?"""
    ANOTHER_DRAW = "the method on another draw"
    """Would the method differ, trained on another draw from the same training images?"""
    DATASETS = "datasets like these"
    """Would the method differ on other datasets of this kind?"""


@dataclass(frozen=True, slots=True)
class Comparison:
    """One paired comparison.

    Attributes:
        a: The variant with the higher mean.
        b: The other one.
        question: What it is about.
        dataset: The dataset's label; "all datasets" for a comparison over datasets.
        shots: Labelled samples per class; None for all.
        where: Dataset and shots in words.
        value: Accuracy of A minus that of B, 0 to 1.
        low: Lower end of the 95 % interval, or None.
        high: Upper end, or None.
        p: The p value alone, or None.
        corrected: The p value corrected for every verdict of the page, or None where no verdict is attempted.
        basis: What was paired, with every n.
        method: How interval and p were made.
        words: The verdict.
        separated: Whether the verdict names a winner without a reservation.
        advice: What would settle it, or an empty text.
        equivalence: How likely "worse / equal / better" is, of these trained models or over datasets; no verdict.
    """

    a: str
    b: str
    question: Question
    dataset: str
    shots: int | None
    where: str
    value: float
    low: float | None
    high: float | None
    p: float | None
    corrected: float | None
    basis: str
    method: str
    words: str
    separated: bool
    advice: str = ""
    equivalence: Equivalence | None = None


_AHEAD = {
    Question.MODELS: "{a} is ahead of {b}, as trained here",
    Question.ANOTHER_DRAW: "{a} would be ahead of {b} on another draw, too",
    Question.DATASETS: "{a} is ahead of {b} on datasets like these",
}
_OPEN = {
    Question.MODELS: "The data do not separate {a} and {b}, as trained here.",
    Question.ANOTHER_DRAW: "Whether {a} stays ahead of {b} on another draw is not settled.",
    Question.DATASETS: "The data do not separate {a} and {b} over datasets.",
}


def verdict(
    question: Question, a: str, b: str, low: float | None, high: float | None, p: float | None, corrected: float | None
) -> tuple[str, bool]:
    """Say in words what an interval and a p value allow to say, and whether that names a winner.

    A winner is named only if the 95 % interval excludes 0 and p, corrected for every verdict of the page, is below
    0.05. Where there is no interval or no p, nobody is ahead: no spread is never certainty.

    Args:
        question: What the comparison is about.
        a: Name of A, the one with the higher mean.
        b: Name of B.
        low: Lower end of the interval of A minus B.
        high: Upper end.
        p: The p value alone.
        corrected: The corrected one.
    """
    if low is None or high is None or p is None or corrected is None:
        return f"Too few data to compare {a} and {b}.", False
    ahead, behind = (a, b) if low > 0 else (b, a)
    words = _AHEAD[question].format(a=ahead, b=behind)
    if low <= 0 <= high or p >= LEVEL:
        return _OPEN[question].format(a=a, b=b), False
    if corrected >= LEVEL:
        return f"{words}, but not if one allows for all comparisons on this page.", False
    return f"{words}.", True
