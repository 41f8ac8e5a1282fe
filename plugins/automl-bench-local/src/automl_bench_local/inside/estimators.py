"""Any scikit-learn classifier by import path, as the variant names it."""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from typing import Any


def build(steps: Sequence[Mapping[str, Any]], seed: int) -> Any:
    """Make a classifier, unfitted: one estimator, or a pipeline named as `make_pipeline` names it.

    Args:
        steps: "path" and "params" of each.
        seed: Given to a `random_state` that the variant leaves open.

    Raises:
        ValueError: If a class cannot be imported, is no estimator or no classifier, or refuses a parameter.
    """
    made = [_made(step, seed) for step in steps]
    from sklearn.base import is_classifier

    if not is_classifier(made[-1]):
        raise ValueError(f"{steps[-1]['path']} is no classifier of scikit-learn's kind")
    if len(made) == 1:
        return made[0]
    from sklearn.pipeline import make_pipeline

    return make_pipeline(*made)


def _made(step: Mapping[str, Any], seed: int) -> Any:
    module, _, name = step["path"].rpartition(".")
    try:
        made_of = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise ValueError(f"{step['path']} cannot be imported here: {error}") from error
    try:
        estimator = made_of(**step["params"])
    except (TypeError, ValueError) as error:
        raise ValueError(f"{step['path']} refuses its parameters: {error}") from error
    if not all(callable(getattr(estimator, method, None)) for method in ("fit", "get_params", "set_params")):
        raise ValueError(f"{step['path']} is no scikit-learn estimator")
    if estimator.get_params().get("random_state", 0) is None:
        estimator.set_params(random_state=seed)
    return estimator
