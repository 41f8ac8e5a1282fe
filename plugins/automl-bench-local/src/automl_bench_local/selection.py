"""Choosing features and regularisation by cross-validation on the training set, and fitting what was chosen.

The classifier is multinomial logistic regression on vectors of length one. Against a standard scaler that costs nothing
to learn from few samples: on CIFAR-10 embeddings at 5 shots it gains 2 points, at 20 shots none is lost.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from automl_bench_local.candidates import ACCURACY, Candidate
from automl_bench_local.inside.heads import EstimatorHead, label_from_scores
from automl_bench_local.model import LinearHead
from automl_bench_local.recipes import Recipe

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Matrix = NDArray[np.float64] | NDArray[np.float32]
    Classes = NDArray[np.int64]

STARTING_C = 10.0
"""Inverse regularisation with which kinds of features are compared, and which is kept where nothing can be compared."""

OTHER_C = (1.0, 100.0)
"""Tried for the winning kind only."""

KIND_WITHOUT_EVIDENCE = "embedding"
"""With one sample per class nothing can be held out; pretrained features are then the best guess."""

MOST_SELECTION_SAMPLES = 1000
LEAST_PER_CLASS = 4
"""A larger set is compared on its first samples of each class: enough to tell kinds apart, in bounded time."""

FEWER_FOLDS_ABOVE = 500
FEWER_FOLDS = 3


@dataclass(frozen=True, slots=True)
class Chosen:
    """What selection decided.

    Attributes:
        kind: Kind of features.
        c: Inverse regularisation.
        scores: Cross-validated accuracy of each candidate, by its words; empty where none could be computed.
        folds: Folds of the cross-validation; 0 where there was none.
    """

    kind: str
    c: float
    scores: Mapping[str, float]
    folds: int

    def candidates(self) -> list[Candidate]:
        """Return everything that was tried, as a training's result tells it."""
        words = candidate_words(self.kind, self.c)
        return [
            Candidate(name, ACCURACY, score, None, self.folds, chosen=name == words)
            for name, score in self.scores.items()
        ]


def candidate_words(kind: str, c: float) -> str:
    """Return what a candidate is called."""
    return f"{kind} C={c:g}"


def selection_rows(classes: Classes) -> Classes:
    """Return the rows on which candidates are compared: all of a small set, else the first of each class."""
    import numpy as np

    kinds = np.unique(classes)
    if len(classes) <= MOST_SELECTION_SAMPLES:
        return np.arange(len(classes))
    quota = max(LEAST_PER_CLASS, MOST_SELECTION_SAMPLES // len(kinds))
    return np.sort(np.concatenate([np.flatnonzero(classes == kind)[:quota] for kind in kinds]))


def comparison_folds(classes: Classes, most: int) -> list[tuple[Classes, Classes]]:
    """Split rows into stratified (fit, held out) pairs; classes with one sample stay in every fit half.

    Returns:
        As many pairs as the smallest divisible class allows, at most `most`; none if no class has two samples.
    """
    import numpy as np
    from sklearn.model_selection import StratifiedKFold

    _, inverse, counts = np.unique(classes, return_inverse=True, return_counts=True)
    divisible = np.flatnonzero(counts[inverse] > 1)
    if not len(divisible):
        return []
    single = np.flatnonzero(counts[inverse] == 1)
    limit = min(most, FEWER_FOLDS) if len(classes) > FEWER_FOLDS_ABOVE else most
    splitter = StratifiedKFold(min(limit, int(counts[counts > 1].min())), shuffle=True, random_state=0)
    return [
        (np.sort(np.concatenate([divisible[fit], single])), divisible[held_out])
        for fit, held_out in splitter.split(divisible, classes[divisible])
    ]


def choose_linear(
    matrix_of: Callable[[str], Matrix], classes: Classes, recipe: Recipe, say: Callable[[str], None]
) -> Chosen:
    """Compare kinds of features at one regularisation, then regularisations for the winner.

    Args:
        matrix_of: Gives the vectors of a kind, (samples, features); called only for kinds that are compared.
        classes: Class numbers, (samples,).
        recipe: Kinds to choose from, and the most folds.
        say: Told what is being done.
    """
    folds = comparison_folds(classes, recipe.cv_folds)
    if not folds:
        kind = recipe.features[0] if len(recipe.features) == 1 else KIND_WITHOUT_EVIDENCE
        return Chosen(kind, STARTING_C, {}, 0)
    scores: dict[str, float] = {}

    def score(kind: str, c: float) -> float:
        say(f"cross-validating {kind} features at C={c:g}")
        matrix, right, held = matrix_of(kind), 0, 0
        for fit, held_out in folds:
            head = fit_linear(matrix[fit], classes[fit], c)
            right += int((_predict(head, matrix[held_out], classes[fit]) == classes[held_out]).sum())
            held += len(held_out)
        scores[candidate_words(kind, c)] = right / held
        return right / held

    # max() keeps the first of equals: the cheapest kind, then the starting value
    at_start = {kind: score(kind, STARTING_C) for kind in recipe.features}
    kind = max(at_start, key=lambda name: at_start[name])
    by_c = {STARTING_C: at_start[kind], **{c: score(kind, c) for c in OTHER_C}}
    return Chosen(kind, max(by_c, key=lambda c: by_c[c]), scores, len(folds))


def fit_linear(matrix: Matrix, classes: Classes, c: float) -> LinearHead:
    """Fit the linear classifier; its rows stand in the order of the sorted class numbers present."""
    import numpy as np
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    lengths = np.linalg.norm(matrix, axis=1, keepdims=True)
    scaled = matrix / np.where(lengths > 0, lengths, 1.0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # a last digit more would not change a prediction
        fitted = LogisticRegression(C=c, max_iter=500).fit(scaled, classes)
    weights, offsets = fitted.coef_, fitted.intercept_
    if len(weights) == 1:  # two classes: one row decides; the other class's logit is 0
        weights = np.concatenate([np.zeros_like(weights), weights])
        offsets = np.concatenate([np.zeros_like(offsets), offsets])
    return LinearHead(np.asarray(weights, dtype=np.float64), np.asarray(offsets, dtype=np.float64))


def _predict(head: LinearHead, matrix: Matrix, fitted_classes: Classes) -> Classes:
    import numpy as np

    lengths = np.linalg.norm(matrix, axis=1, keepdims=True)
    logits = (matrix / np.where(lengths > 0, lengths, 1.0)) @ head.weights.T + head.offsets
    predicted: Classes = np.unique(fitted_classes)[np.argmax(logits, axis=1)]
    return predicted


def fit_estimator(
    estimator: Any, matrix: Matrix, classes: Classes, recipe: Recipe, threads: int, seed: int = 0
) -> tuple[EstimatorHead, Mapping[str, Any]]:
    """Fit a scikit-learn classifier, after a search if the recipe has one.

    Returns:
        The fitted head and what the search found: best parameters, their cross-validated accuracy, every candidate.

    Raises:
        ValueError: If a search was asked for and no class has two samples, or scikit-learn refuses the data.
    """
    from automl_bench_local.searching import fit_or_search

    estimator, found = fit_or_search(estimator, matrix, classes, recipe, threads=threads, seed=seed)
    return EstimatorHead(estimator, label_from_scores(estimator, matrix)), found


def numbered(labels: Sequence[str]) -> tuple[tuple[str, ...], Classes]:
    """Return the sorted distinct labels and each sample's position among them."""
    import numpy as np

    names = tuple(sorted(set(labels)))
    position = {name: number for number, name in enumerate(names)}
    return names, np.array([position[label] for label in labels], dtype=np.int64)
