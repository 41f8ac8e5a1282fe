"""Grid and random search over a whole pipeline, by scikit-learn's own searches on the training set alone.

Every step is fitted anew in every fold, so that nothing of a held-out part is known to what is judged on it. The test
set is never here: a training process has only the folder that `upload` filled.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from automl_bench_local.candidates import ACCURACY, Candidate
from automl_bench_local.estimators import parameter_space
from automl_bench_local.recipes import Recipe
from automl_bench_local.search_spaces import Range

if TYPE_CHECKING:
    from automl_bench_local.selection import Classes

LONGEST_NAME = 300


def fit_or_search(
    estimator: Any, contents: Any, classes: Classes, recipe: Recipe, *, threads: int, seed: int
) -> tuple[Any, Mapping[str, Any]]:
    """Fit an estimator, after a search over its parameters if the recipe has one.

    Args:
        estimator: Classifier or whole pipeline, unfitted.
        contents: What it learns from: a matrix, a list of texts or of rows, or a data frame.
        classes: Class numbers, (samples,).
        recipe: The search, and the most folds.
        threads: Candidates fitted at once.
        seed: Seed of a random search.

    Returns:
        The fitted estimator, and for a search the best parameters, their accuracy, the folds and all candidates.

    Raises:
        ValueError: If a search was asked for and no class has two samples, or scikit-learn refuses the data.
    """
    if recipe.search is None:
        return estimator.fit(contents, classes), {}
    from automl_bench_local.selection import comparison_folds

    folds = comparison_folds(classes, recipe.cv_folds)
    if not folds:
        raise ValueError(f"a {recipe.search.kind} search needs at least two samples of some class")
    search = _searcher(recipe, estimator, folds, threads, seed).fit(contents, classes)
    found = {
        "best_params": {key: _plain(value) for key, value in search.best_params_.items()},
        "cv_accuracy": float(search.best_score_),
        "cv_folds": len(folds),
        "candidates": [one.to_json() for one in _candidates(search, len(folds))],
    }
    return search.best_estimator_, found


def _searcher(recipe: Recipe, estimator: Any, folds: Any, threads: int, seed: int) -> Any:
    from sklearn.model_selection import GridSearchCV, RandomizedSearchCV

    assert recipe.search is not None
    space = parameter_space(recipe, estimator, seed)
    same: dict[str, Any] = {"cv": folds, "n_jobs": threads, "scoring": ACCURACY}
    if recipe.search.kind == "grid":
        return GridSearchCV(estimator, space, **same)
    drawn = {name: _distribution(values) if isinstance(values, Range) else values for name, values in space.items()}
    number = recipe.search.candidates
    if not any(isinstance(values, Range) for values in space.values()):
        # scikit-learn warns where more are asked for than there are
        number = min(number, math.prod(len(values) for values in drawn.values()))
    return RandomizedSearchCV(estimator, drawn, n_iter=number, random_state=seed, **same)


def _distribution(values: Range) -> Any:
    import scipy.stats

    if values.whole:
        low, high = int(values.low), int(values.high) + 1
        return _WholeLog(low, high) if values.log else scipy.stats.randint(low, high)
    return (scipy.stats.loguniform if values.log else _uniform)(values.low, values.high)


def _uniform(low: float, high: float) -> Any:
    import scipy.stats

    return scipy.stats.uniform(low, high - low)


class _WholeLog:
    """Whole numbers from `low` to below `high`, even in their logarithm, as scikit-learn draws from it."""

    def __init__(self, low: int, high: int) -> None:
        self._low = low
        self._high = high

    def rvs(self, random_state: Any = None) -> int:
        """Draw one."""
        import scipy.stats

        drawn = scipy.stats.loguniform(self._low, self._high).rvs(random_state=random_state)
        return min(int(drawn), self._high - 1)


def _candidates(search: Any, folds: int) -> list[Candidate]:
    results = search.cv_results_
    candidates = []
    for number, params in enumerate(results["params"]):
        parts = [float(results[f"split{fold}_test_score"][number]) for fold in range(folds)]
        sd = float(results["std_test_score"][number]) * math.sqrt(folds / (folds - 1)) if folds > 1 else None
        candidates.append(
            Candidate(
                name=", ".join(f"{key}={_plain(value)}" for key, value in params.items())[:LONGEST_NAME],
                measure=ACCURACY,
                score=sum(parts) / folds,
                sd=sd,
                folds=folds,
                chosen=number == int(search.best_index_),
            )
        )
    return candidates


def _plain(value: Any) -> Any:
    """Return a parameter's value as JSON can hold it; a step as its class's name."""
    if hasattr(value, "item"):
        value = value.item()
    if isinstance(value, tuple):
        return [_plain(part) for part in value]
    return type(value).__name__ if hasattr(value, "get_params") else value
