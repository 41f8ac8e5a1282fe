"""A fitted scikit-learn classifier over class numbers, and how it answers for one sample."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

ESTIMATOR = "estimator.joblib"


@dataclass(frozen=True)
class EstimatorHead:
    """A fitted scikit-learn classifier over class numbers.

    Attributes:
        estimator: The classifier.
        label_from_scores: Whether the best score is always the prediction, so that one call answers both.
    """

    estimator: Any
    label_from_scores: bool

    def answer(self, vector: NDArray[Any]) -> tuple[int, NDArray[np.float64]]:
        """Return the predicted class's number and every class's score."""
        return self.answer_row(vector.reshape(1, -1))

    def answer_row(self, row: Any) -> tuple[int, NDArray[np.float64]]:
        """Do the same for one sample in any form that the estimator takes: a matrix, list or frame of one row."""
        import numpy as np

        scores = self._scores(row)
        position = int(np.argmax(scores)) if self.label_from_scores else None
        if position is None:
            predicted = self.estimator.predict(row)[0]
            position = int(np.flatnonzero(self.estimator.classes_ == predicted)[0])
            if scores is None:
                scores = np.zeros(len(self.estimator.classes_))
                scores[position] = 1.0
        return position, np.asarray(scores, dtype=np.float64)

    def _scores(self, row: Any) -> Any:
        import numpy as np

        if hasattr(self.estimator, "predict_proba"):
            return self.estimator.predict_proba(row)[0]
        if not hasattr(self.estimator, "decision_function"):
            return None
        decision = np.atleast_1d(self.estimator.decision_function(row)[0])
        # two classes have one value, and a one-against-one classifier one value for each pair: no class's score
        if decision.shape == (1,):
            decision = np.array([-decision[0], decision[0]])
        return softmax(decision) if len(decision) == len(self.estimator.classes_) else None

    def save(self, folder: Path) -> None:
        """Write the estimator."""
        import joblib

        joblib.dump(self.estimator, folder / ESTIMATOR)


def label_from_scores(estimator: Any, matrix: Any) -> bool:
    """Tell whether predict() is the class of the best probability, so that serving may skip one of two calls."""
    import numpy as np

    # the probabilities of a support vector machine come from another fit and do not decide its prediction
    if not hasattr(estimator, "predict_proba") or any(name.endswith("probability") for name in estimator.get_params()):
        return False
    best = estimator.classes_[np.argmax(estimator.predict_proba(matrix), axis=1)]
    return bool(np.array_equal(best, estimator.predict(matrix)))


def softmax(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return exp(v)/Σexp(v), without overflow."""
    import numpy as np

    powers: NDArray[np.float64] = np.exp(values - np.max(values))
    shares: NDArray[np.float64] = powers / powers.sum()
    return shares
