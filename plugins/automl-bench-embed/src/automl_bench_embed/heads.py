"""The head: logistic regression or nearest neighbours on vectors of length one, whichever cross-validation prefers."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from automl_bench.toolkit.whole_files import replaced_file

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

LOGISTIC_C = (10.0, 1.0, 100.0)
"""Inverse regularisations that are tried; the first is kept where nothing can be compared."""
NEIGHBOURS = (1, 3, 5)
MOST_FOLDS = 5
ITERATIONS = 2000


@dataclass(frozen=True, slots=True)
class Head:
    """What was fitted.

    Attributes:
        words: What was chosen, in a word or two.
        labels: Labels in the order of the scores.
        weights: Logistic regression: one row a label; neighbours: the vectors.
        bias: Logistic regression: one number a label; neighbours: the place of each vector's label.
        neighbours: How many neighbours vote; 0 for logistic regression.
    """

    words: str
    labels: tuple[str, ...]
    weights: NDArray[np.float64]
    bias: NDArray[np.float64]
    neighbours: int = 0

    def scores(self, vector: NDArray[np.float64]) -> dict[str, float]:
        """Return a score of each label for a vector of length one; they sum to 1."""
        import numpy as np

        if self.neighbours:
            near = np.argsort(-(self.weights @ vector), kind="stable")[: self.neighbours]
            votes = np.bincount(self.bias[near].astype(int), minlength=len(self.labels)) / len(near)
        else:
            raw = self.weights @ vector + self.bias
            votes = np.exp(raw - raw.max())
            votes /= votes.sum()
        return dict(zip(self.labels, map(float, votes), strict=True))

    def save(self, path: Path) -> None:
        """Write it to a file.

        Raises:
            WorkspaceError: If it cannot be written.
        """
        import numpy as np

        labels = np.array([one.encode() for one in self.labels], dtype=np.bytes_)
        with replaced_file(path) as draft, draft.open("xb") as file:
            np.savez(
                file,
                words=np.array(self.words),
                labels=labels,
                weights=self.weights,
                bias=self.bias,
                neighbours=self.neighbours,
            )

    @classmethod
    def load(cls, path: Path) -> Head:
        """Read it from a file.

        Raises:
            OSError: If it is not there.
        """
        import numpy as np

        with np.load(path, allow_pickle=False) as kept:
            labels = tuple(one.decode() for one in kept["labels"].tolist())
            return cls(str(kept["words"]), labels, kept["weights"], kept["bias"], int(kept["neighbours"]))


def fit(vectors: NDArray[np.float64], labels: list[str]) -> Head:
    """Choose a kind of head by stratified cross-validation and fit it on everything.

    Args:
        vectors: (samples, dimensions), each of length one.
        labels: Label of each; at least two different ones.
    """
    import numpy as np

    names = tuple(sorted(set(labels)))
    places = np.array([names.index(label) for label in labels])
    kind, value = _chosen(vectors, places)
    if kind == "neighbours":
        return Head(f"kNN, k = {value:g}", names, vectors, places.astype(np.float64), int(value))
    fitted = _logistic(value, vectors, places)
    weights, bias = fitted.coef_, fitted.intercept_
    if len(names) == 2:  # of two labels only the second one's row is given; half of it each gives the same scores
        weights, bias = np.vstack([-weights, weights]) / 2, np.concatenate([-bias, bias]) / 2
    return Head(f"logistic, C = {value:g}", names, weights, bias)


def _chosen(vectors: NDArray[np.float64], places: NDArray[np.int64]) -> tuple[str, float]:
    import numpy as np
    from sklearn.model_selection import StratifiedKFold

    fewest = int(np.bincount(places).min())
    if fewest < 2:
        return "logistic", LOGISTIC_C[0]
    folds = StratifiedKFold(min(MOST_FOLDS, fewest), shuffle=True, random_state=0)
    pairs = list(folds.split(vectors, places))
    candidates: list[tuple[str, float]] = [("logistic", c) for c in LOGISTIC_C]
    candidates += [("neighbours", float(k)) for k in NEIGHBOURS if k <= min(len(fit) for fit, _ in pairs)]
    scores = [
        sum(float((_predict(one, vectors[fit], places[fit], vectors[out]) == places[out]).sum()) for fit, out in pairs)
        for one in candidates
    ]
    return candidates[int(np.argmax(scores))]


def _predict(
    kind: tuple[str, float], seen: NDArray[np.float64], places: NDArray[np.int64], asked: NDArray[np.float64]
) -> NDArray[np.int64]:
    import numpy as np

    if kind[0] == "logistic":
        found: NDArray[np.int64] = _logistic(kind[1], seen, places).predict(asked)
        return found
    near = np.argsort(-(asked @ seen.T), axis=1, kind="stable")[:, : int(kind[1])]
    return np.array([np.bincount(places[row]).argmax() for row in near])


def _logistic(c: float, vectors: NDArray[np.float64], places: NDArray[np.int64]) -> Any:
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return LogisticRegression(C=c, max_iter=ITERATIONS).fit(vectors, places)
