"""Cross-validation decides between features and regularisations, as far as the training set lets it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from automl_bench_local import selection
from automl_bench_local.recipes import Recipe, read_recipe

from automl_bench.contract import Variant


def vectors(good: str, classes: Any, kinds: tuple[str, ...] = ("pixels", "hog", "embedding")) -> Callable[[str], Any]:
    """Only the vectors of one kind tell anything of the class."""
    draw = np.random.default_rng(0)
    made = {kind: draw.normal(size=(len(classes), 20)) for kind in kinds}
    made[good][np.arange(len(classes)), classes] += 6.0
    return lambda kind: made[kind]


def quiet(_text: str) -> None:
    return None


@pytest.mark.parametrize("good", ["pixels", "hog", "embedding"])
@pytest.mark.parametrize("shots", [5, 20])
def test_the_kind_that_predicts_held_out_samples_wins(good: str, shots: int) -> None:
    classes = np.repeat(np.arange(4), shots)
    chosen = selection.choose_linear(vectors(good, classes), classes, Recipe("auto"), quiet)
    assert chosen.kind == good
    assert chosen.folds == 5
    assert chosen.c in {1.0, 10.0, 100.0}


def test_equals_go_to_the_cheapest_kind() -> None:
    classes = np.repeat(np.arange(3), 10)
    same = vectors("pixels", classes)("pixels")
    chosen = selection.choose_linear(lambda kind: same, classes, Recipe("auto"), quiet)
    assert (chosen.kind, chosen.c) == ("pixels", 10.0)


def test_one_sample_per_class_takes_the_documented_default_without_computing_the_others() -> None:
    asked: list[str] = []
    chosen = selection.choose_linear(lambda kind: asked.append(kind), np.arange(5), Recipe("auto"), quiet)
    assert (chosen.kind, chosen.folds, dict(chosen.scores), asked) == ("embedding", 0, {}, [])
    alone = selection.choose_linear(lambda kind: asked.append(kind), np.arange(5), Recipe("p", ("pixels",)), quiet)
    assert (alone.kind, asked) == ("pixels", [])


@pytest.mark.parametrize(("shots", "folds"), [(2, 2), (3, 3), (4, 4), (5, 5), (20, 5)])
def test_the_smallest_class_limits_the_folds(shots: int, folds: int) -> None:
    assert len(selection.comparison_folds(np.repeat(np.arange(3), shots), 5)) == folds


def test_a_class_with_one_sample_is_always_learned_from_and_never_held_out() -> None:
    classes = np.array([0, 0, 0, 1, 2, 2, 2])
    folds = selection.comparison_folds(classes, 5)
    assert len(folds) == 3
    for fit, held_out in folds:
        assert 3 in fit
        assert set(fit) | set(held_out) == set(range(7))
        assert not set(fit) & set(held_out)


def test_a_large_set_is_compared_on_its_first_samples_of_each_class() -> None:
    classes = np.tile(np.arange(10), 500)
    rows = selection.selection_rows(classes)
    assert np.bincount(classes[rows]).tolist() == [100] * 10
    assert rows.max() < 1000
    thousand_classes = np.repeat(np.arange(1000), 6)
    assert np.bincount(thousand_classes[selection.selection_rows(thousand_classes)]).tolist() == [4] * 1000


@pytest.mark.parametrize("number", [2, 3])
def test_the_kept_arrays_answer_as_logistic_regression_does(number: int) -> None:
    from sklearn.linear_model import LogisticRegression

    draw = np.random.default_rng(1)
    classes = np.repeat(np.arange(number), 15)
    matrix = draw.normal(size=(len(classes), 6)) + classes[:, None]
    head = selection.fit_linear(matrix, classes, 10.0)
    scaled = matrix / np.linalg.norm(matrix, axis=1, keepdims=True)
    expected = LogisticRegression(C=10.0, max_iter=500).fit(scaled, classes).predict_proba(scaled)
    for row, probabilities in zip(matrix, expected, strict=True):
        position, scores = head.answer(row)
        np.testing.assert_allclose(scores, probabilities, atol=1e-9)
        assert position == probabilities.argmax()


def test_a_vector_of_zeros_still_gets_an_answer() -> None:
    head = selection.fit_linear(np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 0.0], [1.0, 0.1]]), np.array([0, 1, 0, 1]), 1.0)
    _, scores = head.answer(np.zeros(2))
    assert np.isfinite(scores).all()


ESTIMATORS = [
    ("sklearn.svm.SVC", {}),
    ("sklearn.svm.SVC", {"decision_function_shape": "ovo"}),
    ("sklearn.svm.LinearSVC", {}),
    ("sklearn.neighbors.KNeighborsClassifier", {"n_neighbors": 3}),
    ("sklearn.neighbors.NearestCentroid", {}),
    ("sklearn.ensemble.RandomForestClassifier", {"n_estimators": 10}),
    ("sklearn.linear_model.RidgeClassifier", {}),
]


@pytest.mark.parametrize(("path", "params"), ESTIMATORS)
@pytest.mark.parametrize("number", [2, 4])
def test_the_label_is_always_the_estimators_own_prediction(path: str, params: dict[str, Any], number: int) -> None:
    from automl_bench_local.estimators import build_estimator

    draw = np.random.default_rng(2)
    classes = np.repeat(np.arange(number), 12)
    matrix = draw.normal(size=(len(classes), 5)) + 0.7 * classes[:, None]
    recipe = read_recipe(Variant("local", "v", {"estimator": path, "params": params}))
    head, _ = selection.fit_estimator(build_estimator(recipe, 0), matrix, classes, recipe, 1)
    fresh = draw.normal(size=(60, 5)) + 0.7 * draw.integers(0, number, 60)[:, None]
    for row, expected in zip(fresh, head.estimator.predict(fresh), strict=True):
        position, scores = head.answer(row)
        assert position == expected
        assert scores.shape == (number,)
        assert ((scores >= 0) & (scores <= 1)).all()


def test_a_grid_search_takes_the_best_parameters_and_says_so() -> None:
    from automl_bench_local.estimators import build_estimator

    draw = np.random.default_rng(3)
    classes = np.repeat(np.arange(2), 20)
    matrix = draw.normal(size=(40, 3)) + 3 * classes[:, None]
    settings = {"estimator": "sklearn.svm.SVC", "grid": {"C": [1e-6, 1.0], "kernel": ["linear"]}, "cv_folds": 3}
    recipe = read_recipe(Variant("local", "v", settings))
    head, found = selection.fit_estimator(build_estimator(recipe, 0), matrix, classes, recipe, 1)
    assert found["best_params"] == {"C": 1.0, "kernel": "linear"}
    assert found["cv_folds"] == 3
    assert head.estimator.C == 1.0
