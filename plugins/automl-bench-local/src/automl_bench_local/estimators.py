"""Any scikit-learn classifier by import path. Importing a class runs its module's code: a variant is trusted code."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Mapping, Sequence
from typing import Any

from automl_bench.contract import Json
from automl_bench_local.recipes import Recipe, Step, refusal
from automl_bench_local.search_spaces import Range


def build_estimator(recipe: Recipe, seed: int, front: Sequence[Any] = ()) -> Any:
    """Make the recipe's classifier, unfitted: one estimator, or a pipeline named as `make_pipeline` names it.

    A `random_state` that the variant leaves open gets the experiment's seed, so that a trial can be repeated.

    Args:
        recipe: What to make.
        seed: The experiment's seed.
        front: Transformers that stand before the recipe's own steps.

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
    whole = [*front, *made]
    if len(whole) == 1:
        estimator = whole[0]
    else:
        from sklearn.pipeline import make_pipeline

        estimator = make_pipeline(*whole)
    parameter_space(recipe, estimator, seed)
    return estimator


def parameter_space(recipe: Recipe, estimator: Any, seed: int) -> dict[str, Sequence[Any] | Range]:
    """Return the recipe's search by the estimator's own parameter names, with values as its classes want them.

    A list becomes a tuple where the class takes only that; an import path in the place of a step becomes the step.

    Raises:
        RequestRefused: If a name is no parameter, or a step cannot be made.
    """
    if recipe.search is None:
        return {}
    known = estimator.get_params()
    space: dict[str, Sequence[Any] | Range] = {}
    for name, values in recipe.search.space.items():
        full = _full_name(recipe, estimator, known, name)
        if isinstance(values, Range):
            space[full] = values
        else:
            space[full] = [_fitting_value(recipe, known, full, value, f"grid.{name}", seed) for value in values]
    return space


def _full_name(recipe: Recipe, estimator: Any, known: Mapping[str, Any], name: str) -> str:
    if name in known:
        return name
    # a classifier alone has its parameters' own names, whatever had to be put before it
    if len(recipe.steps) == 1 and hasattr(estimator, "steps") and f"{estimator.steps[-1][0]}__{name}" in known:
        return f"{estimator.steps[-1][0]}__{name}"
    example = next((key for key in known if key.endswith(f"__{name}")), "")
    remedy = f"Did you mean {example!r}?" if example else f"Known: {', '.join(sorted(known))}."
    raise refusal(recipe.name, f"grid.{name}", "is not a parameter of the estimator", remedy)


def _fitting_value(recipe: Recipe, known: Mapping[str, Any], name: str, value: Json, key: str, seed: int) -> Any:
    if isinstance(value, str) and hasattr(known[name], "get_params") and "." in value:
        return _made(recipe, Step(value), key, key, seed)
    owner, _, parameter = name.rpartition("__")
    return _as_wanted(known.get(owner) if owner else None, parameter, value)


def _as_wanted(made_of: Any, parameter: str, value: Any) -> Any:
    """Return a list as a tuple where a class of scikit-learn says that it takes tuples and no lists."""
    wanted = getattr(made_of, "_parameter_constraints", {}).get(parameter, ()) if isinstance(value, list) else ()
    takes_tuples = isinstance(wanted, list) and tuple in wanted and list not in wanted and "array-like" not in wanted
    return tuple(value) if takes_tuples else value


def _build_step(recipe: Recipe, step: Step, index: int, seed: int) -> Any:
    pipeline = len(recipe.steps) > 1
    key = f"pipeline[{index}].step" if pipeline else "estimator"
    params_key = f"pipeline[{index}].params" if pipeline else "params"
    return _made(recipe, step, key, params_key, seed)


def _made(recipe: Recipe, step: Step, key: str, params_key: str, seed: int) -> Any:
    made_of = _import_class(recipe, step.path, key)
    try:
        estimator = made_of(**{name: _as_wanted(made_of, name, value) for name, value in step.params.items()})
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
