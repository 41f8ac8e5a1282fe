"""A wrong variant is refused in one sentence that names variant and key, and nothing is created."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from automl_bench_local import minilm, plugin
from automl_bench_local.estimators import build_estimator
from automl_bench_local.recipes import BUILT_IN, KINDS_OF, RAW, read_recipe
from content_sets import PASSENGER_COLUMNS, documentation, passengers, training_set_of

from automl_bench.contract import Variant
from automl_bench.errors import InvalidSetting, RequestRefused, SettingsError

SVC = "sklearn.svm.SVC"
WRONG: list[tuple[dict[str, Any], str, str]] = [
    ({"estimater": SVC}, "estimater", "Did you mean 'estimator'?"),
    ({"colour": 1}, "colour", "Known: features"),
    ({"features": "sift"}, "features", "auto, pixels, hog, embedding"),
    ({"features": 3}, "features", "one of auto, pixels"),
    ({"features": "auto", "estimator": SVC}, "features", "pixels, hog, embedding"),
    ({"side": "32", "features": "pixels"}, "side", "whole number"),
    ({"side": True, "features": "pixels"}, "side", "whole number"),
    ({"side": 100_000, "features": "pixels"}, "side", "1024"),
    ({"side": 50, "features": "hog"}, "side", "multiple of 8"),
    ({"side": 32}, "side", "one kind of features"),
    ({"pixel_scale": 0, "features": "pixels"}, "pixel_scale", "above 0"),
    ({"pixel_scale": "15", "features": "pixels"}, "pixel_scale", "number"),
    ({"pixel_scale": 15}, "pixel_scale", 'features = "pixels"'),
    ({"cv_folds": 1}, "cv_folds", "2 to 50"),
    ({"cv_folds": 2.5}, "cv_folds", "whole number"),
    ({"params": {"C": 1}}, "params", "no 'estimator'"),
    ({"estimator": SVC, "params": [1]}, "params", "table"),
    ({"estimator": "SVC"}, "estimator", "import path"),
    ({"estimator": 5}, "estimator", "such as sklearn.svm.SVC"),
    ({"estimator": "sklearn.svm.SVCC"}, "estimator", "cannot be imported"),
    ({"estimator": "no_such_library.Classifier"}, "estimator", "cannot be imported"),
    ({"estimator": "sklearn.svm.LinearSVR"}, "estimator", "not a classifier"),
    ({"estimator": "collections.OrderedDict"}, "estimator", "not a scikit-learn estimator"),
    ({"estimator": "json.dumps"}, "estimator", "not a class"),
    ({"estimator": "sklearn.preprocessing.StandardScaler"}, "estimator", "not a classifier"),
    ({"estimator": SVC, "params": {"gama": 0.1}}, "params.gama", "refused"),
    ({"estimator": SVC, "params": {"gamma": -1.0}}, "params.gamma", "gamma"),
    ({"estimator": SVC, "params": {"kernel": "cubic"}}, "params.kernel", "kernel"),
    ({"estimator": SVC, "grid": {"C": 1}}, "grid.C", "list"),
    ({"estimator": SVC, "grid": {"C": []}}, "grid.C", "list"),
    ({"estimator": SVC, "grid": {"c": [1]}}, "grid.c", "not a parameter"),
    ({"estimator": SVC, "grid": [1]}, "grid", "table of lists"),
    ({"grid": {"C": [1]}}, "grid", "no 'estimator'"),
    ({"estimator": SVC, "grid": {"C": {"low": 1, "high": 2}}}, "grid.C", "list"),
    ({"estimator": SVC, "search": "random", "grid": {"C": {"low": 1}}}, "grid.C", "a range such as"),
    ({"estimator": SVC, "search": "random", "grid": {"C": {"low": 0, "high": 2, "log": True}}}, "grid.C", "above 0"),
    ({"estimator": SVC, "search": "random", "grid": {"C": {"low": 3, "high": 2}}}, "grid.C", "below high"),
    ({"estimator": SVC, "search": "random"}, "search", "no 'grid'"),
    ({"estimator": SVC, "search": "all", "grid": {"C": [1]}}, "search", "grid, random"),
    ({"estimator": SVC, "candidates": 3, "grid": {"C": [1]}}, "candidates", 'search = "random"'),
    ({"estimator": SVC, "grid": {"C": list(range(1, 40)), "gamma": list(range(1, 40))}}, "grid", "1,521"),
    ({"features": "words"}, "features", "pixels, hog, embedding for images"),
    ({"use_columns": ["a"]}, "use_columns", "is for tables"),
    ({"pipeline": []}, "pipeline", "at least one step"),
    ({"pipeline": [SVC]}, "pipeline[0]", "a table"),
    ({"pipeline": [{"step": SVC, "parms": {}}]}, "pipeline[0].parms", "Did you mean 'params'?"),
    ({"pipeline": [{"step": SVC}, {"step": SVC}]}, "pipeline[0].step", "cannot transform"),
    ({"pipeline": [{"step": SVC}], "estimator": SVC}, "estimator", "beside 'pipeline'"),
]


@pytest.mark.parametrize(
    ("settings", "key", "words"), WRONG, ids=[f"{key}-{number}" for number, (_, key, _) in enumerate(WRONG)]
)
def test_a_wrong_variant_is_refused_before_anything_is_created(
    settings: dict[str, Any], key: str, words: str, trial: Callable[..., Any], squares: Callable[[int], Any]
) -> None:
    asked = trial("mine", settings)
    with pytest.raises((RequestRefused, SettingsError)) as refused:
        plugin.upload(asked.context, squares(5))
    assert refused.value.message.replace("'", "").startswith(f"local:mine: {key} ")
    assert words in str(refused.value)
    assert "\n" not in str(refused.value)
    assert asked.ledger.events == []
    assert list(asked.folder.iterdir()) == []


@pytest.mark.parametrize("name", sorted(BUILT_IN))
def test_every_built_in_variant_is_understood(name: str) -> None:
    recipe = read_recipe(Variant("local", name, BUILT_IN[name]))
    assert set(recipe.features) <= {*KINDS_OF[recipe.modality], RAW}
    if recipe.steps:
        build_estimator(recipe, seed=0)


NOT_FOR_CONTENTS: list[tuple[str, dict[str, Any], str, str]] = [
    ("text", {"features": "pixels"}, "features", "auto, words, characters, embedding for texts"),
    ("text", {"side": 32}, "side", "is for images"),
    (
        "text",
        {"pipeline": [{"step": "sklearn.preprocessing.StandardScaler"}, {"step": SVC}], "grid": {"C": [1]}},
        "grid.C",
        "svc__C",
    ),
    ("table", {"features": "words"}, "features", "auto, columns for tables"),
    ("table", {"use_columns": ["nmae"]}, "use_columns", "It has name, class, age, sex"),
    ("table", {"use_columns": "name"}, "use_columns", "list of column names"),
    ("table", {"estimator": SVC, "grid": {"gama": [1]}}, "grid.gama", "not a parameter"),
]


@pytest.mark.parametrize(("content", "settings", "key", "words"), NOT_FOR_CONTENTS)
def test_a_variant_that_does_not_fit_texts_or_tables_is_refused_too(
    content: str, settings: dict[str, Any], key: str, words: str, trial: Callable[..., Any]
) -> None:
    asked = trial("mine", settings)
    samples = (documentation() if content == "text" else passengers())[:10]
    with pytest.raises((RequestRefused, SettingsError)) as refused:
        asked.upload(training_set_of(samples, () if content == "text" else PASSENGER_COLUMNS))
    assert refused.value.message.replace("'", "").startswith(f"local:mine: {key} ")
    assert words in str(refused.value)
    assert list(asked.folder.iterdir()) == []


def test_embeddings_of_texts_without_their_packages_are_refused_with_the_pip_line(
    trial: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(minilm, "TOKENIZER", ("no_such_package", "tokenizer.json"))
    with pytest.raises(RequestRefused) as refused:
        trial("mine", {"features": "embedding"}).upload(training_set_of(documentation()[:10]))
    assert minilm.PIP_LINE in str(refused.value)


def test_a_grid_key_without_its_step_is_told_the_full_name() -> None:
    recipe = read_recipe(
        Variant(
            "local",
            "piped",
            {"pipeline": [{"step": "sklearn.preprocessing.StandardScaler"}, {"step": SVC}], "grid": {"gamma": [1.0]}},
        )
    )
    with pytest.raises(RequestRefused, match="Did you mean 'svc__gamma'"):
        build_estimator(recipe, seed=0)


def test_an_open_random_state_gets_the_seed_and_a_set_one_is_kept() -> None:
    forest = "sklearn.ensemble.RandomForestClassifier"
    open_state = build_estimator(read_recipe(Variant("local", "v", {"estimator": forest})), seed=11)
    kept = build_estimator(
        read_recipe(Variant("local", "v", {"estimator": forest, "params": {"random_state": 3}})), seed=11
    )
    assert (open_state.random_state, kept.random_state) == (11, 3)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("threads", "0"),
        ("threads", "two"),
        ("port", "70000"),
        ("idle_timeout_seconds", "never"),
        ("idle_timeout_seconds", "nan"),
        ("serving_workers", "-1"),
    ],
)
def test_a_wrong_setting_is_refused_by_name(
    name: str, value: str, trial: Callable[..., Any], squares: Callable[[int], Any]
) -> None:
    with pytest.raises(InvalidSetting, match=f"setting {name} .* is '{value}'"):
        plugin.upload(trial(options={name: value}).context, squares(5))
