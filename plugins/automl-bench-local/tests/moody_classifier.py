"""A classifier of a user's own that fails where it is told to: what training and serving owe to such a one."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Self

from sklearn.linear_model import LogisticRegression

TRAINING_FAILS, SERVING_FAILS = "training fails", "serving fails"


def orders() -> Path:
    """Return the folder whose files tell what fails: one of the few variables that our processes get names it."""
    return Path(os.environ["TMPDIR"])


class MoodyClassifier(LogisticRegression):  # type: ignore[misc]  # scikit-learn has no types
    """Logistic regression that refuses to learn, or to be loaded."""

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:  # noqa: N803 - scikit-learn's names
        _obey(TRAINING_FAILS)
        super().fit(X, y, sample_weight)
        return self

    def __setstate__(self, state: dict[str, Any]) -> None:
        _obey(SERVING_FAILS)
        super().__setstate__(state)


def _obey(order: str) -> None:
    if (orders() / order).exists():
        raise ValueError(f"told to fail: {order}")
