"""Any scikit-learn classifier by import path. Importing a class runs its module's code: a variant is trusted code."""

from __future__ import annotations

import importlib
import inspect
from typing import Any

from automl_bench_local.recipes import Recipe, Step, refusal


def build_estimator(recipe: Recipe, seed: int) -> Any:
    """Make the recipe's classifier, unfitted: one estimator, or a pipeline named as `make_pipeline` names it.

    A `random_state` that the variant leaves open gets the experiment's seed, so that a trial can be repeated.

    Raises:
        RequestRefused: If a class cannot be imported, is none, is no classifier, or refuses a parameter.
    """
    made = [_build_step(recipe, step, index, seed) for index, step in enumerate(recipe.steps)]
    for index, step in enumerate(made[:-1]):
        if not hasattr(step, "transform"):
            raise refusal(
                recipe.name, f"pipeline[{index}].step", f"names {recipe.steps[index].path}, which cannot transform"
            )
    _require_classifier(recipe, made[-1])
    if len(made) == 1:
        estimator = made[0]
    else:
        from sklearn.pipeline import make_pipeline

        estimator = make_pipeline(*made)
    known = estimator.get_params()
    for name in recipe.grid:
        if name not in known:
            example = next((key for key in known if key.endswith(f"__{name}")), "")
            remedy = f"Did you mean {example!r}?" if example else f"Known: {', '.join(sorted(known))}."
            raise refusal(recipe.name, f"grid.{name}", "is not a parameter of the estimator", remedy)
    return estimator


def _build_step(recipe: Recipe, step: Step, index: int, seed: int) -> Any:
    pipeline = len(recipe.steps) > 1
    key = f"pipeline[{index}].step" if pipeline else "estimator"
    made_of = _import_class(recipe, step.path, key)
    params_key = f"pipeline[{index}].params" if pipeline else "params"
    try:
        estimator = made_of(**step.params)
    except Exception as error:
        raise refusal(
            recipe.name, _named_param(params_key, step, error), f"is refused by {step.path}: {_first_line(error)}"
        ) from error
    if not all(callable(getattr(estimator, method, None)) for method in ("fit", "get_params", "set_params")):
        raise refusal(recipe.name, key, f"names {step.path}, which is not a scikit-learn estimator")
    try:
        # scikit-learn checks values at fit only; asking now refuses a typo before anything is uploaded
        if hasattr(estimator, "_validate_params"):
            estimator._validate_params()
    except ValueError as error:
        raise refusal(recipe.name, _named_param(params_key, step, error), f"is wrong: {_first_line(error)}") from error
    if estimator.get_params().get("random_state", 0) is None:
        estimator.set_params(random_state=seed)
    return estimator


def _import_class(recipe: Recipe, path: str, key: str) -> Any:
    module, _, name = path.rpartition(".")
    try:
        found = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise refusal(
            recipe.name, key, f"names {path}, which cannot be imported: {_first_line(error)}", "Install or correct it."
        ) from error
    if not inspect.isclass(found):
        raise refusal(recipe.name, key, f"names {path}, which is not a class")
    return found


def _require_classifier(recipe: Recipe, estimator: Any) -> None:
    from sklearn.base import is_classifier

    key = f"pipeline[{len(recipe.steps) - 1}].step" if len(recipe.steps) > 1 else "estimator"
    if not hasattr(estimator, "predict") or not is_classifier(estimator):
        raise refusal(recipe.name, key, f"names {recipe.steps[-1].path}, which is not a classifier")


def _named_param(key: str, step: Step, error: Exception) -> str:
    """Return the key down to the parameter that the error's text names, if it names one."""
    named = [name for name in step.params if f"'{name}'" in str(error)]
    return f"{key}.{named[0]}" if named else key


def _first_line(error: Exception) -> str:
    lines = str(error).splitlines()
    return lines[0].rstrip(".") if lines else type(error).__name__
