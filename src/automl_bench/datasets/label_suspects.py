"""Samples whose label their looks contradict: confident learning (Northcutt et al. 2021) by cleanlab, on embeddings.

A logistic regression predicts every sample from the others (five-fold cross-validation); cleanlab decides from these
probabilities, with a threshold of its own for each class, which labels are likely to be wrong.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from automl_bench.errors import DatasetError, MissingDependency

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

FOLDS = 5
"""A class with fewer samples cannot be examined."""

MOST_DIMENSIONS = 128
"""Embeddings are reduced to so many principal components: it changes the finding little and the time much."""


@dataclass(frozen=True, slots=True)
class Suspect:
    """A sample whose label is likely to be wrong.

    Attributes:
        index: Its position in what was examined.
        label: Its label.
        looks_like: The class that the other samples speak for.
        probability: Of that class, 0 to 1.
    """

    index: int
    label: str
    looks_like: str
    probability: float


def check_that_suspects_can_be_found() -> None:
    """Check that what it takes is installed, before the long work begins.

    Raises:
        MissingDependency: If cleanlab or scikit-learn is not installed.
    """
    from importlib.util import find_spec

    if find_spec("cleanlab") is None or find_spec("sklearn") is None:
        raise MissingDependency(
            "label suspects are found by cleanlab and scikit-learn, which are not installed.",
            remedy="Run `pip install 'automl-bench[label-suspects]'`.",
        )


def find_suspects(vectors: NDArray[np.floating], labels: Sequence[str]) -> list[Suspect]:
    """Return the suspects, most suspicious first.

    Args:
        vectors: One embedding for each sample, shape (samples, dimensions).
        labels: Their labels. Samples of classes with fewer than `FOLDS` are not examined.

    Raises:
        DatasetError: If fewer than two classes are large enough.
    """
    import numpy as np
    from cleanlab.filter import find_label_issues
    from sklearn.decomposition import PCA
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedKFold, cross_val_predict
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    counts = Counter(labels)
    classes = sorted(label for label, count in counts.items() if count >= FOLDS)
    if len(classes) < 2:
        raise DatasetError(
            f"label suspects need two classes with at least {FOLDS} images each.", remedy="Leave --label-suspects out."
        )
    number = {label: at for at, label in enumerate(classes)}
    kept = np.array([at for at, label in enumerate(labels) if label in number])
    truth = np.array([number[labels[at]] for at in kept])
    dimensions = min(MOST_DIMENSIONS, vectors.shape[1], len(kept) * (FOLDS - 1) // FOLDS - 1)
    model = make_pipeline(
        StandardScaler(),
        PCA(dimensions, svd_solver="randomized", random_state=0),
        LogisticRegression(C=0.1, max_iter=1_000),
    )
    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=0)
    probabilities = cross_val_predict(model, vectors[kept], truth, cv=folds, method="predict_proba")
    ranked = find_label_issues(truth, probabilities, return_indices_ranked_by="self_confidence", n_jobs=1)
    suspects = []
    for at in ranked.tolist():
        best = int(probabilities[at].argmax())
        suspects.append(Suspect(int(kept[at]), classes[truth[at]], classes[best], float(probabilities[at, best])))
    return suspects
