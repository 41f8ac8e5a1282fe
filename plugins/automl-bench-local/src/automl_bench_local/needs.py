"""Which libraries a training or a server needs: they are imported once, in the process that it is forked from.

Only scikit-learn's own classes are named: a user's code runs in the process of its own trial and nowhere else.
"""

from __future__ import annotations

from automl_bench_local.recipes import Recipe

LIBRARY = "sklearn."
FEATURES = {"hog": ("skimage.feature.hog",), "embedding": ("onnxruntime",)}
TRAINING = (
    "PIL.PngImagePlugin",
    "PIL.JpegImagePlugin",
    "automl_bench_local.estimators",
    "automl_bench_local.model",
    "automl_bench_local.selection",
    "sklearn.linear_model",
    "sklearn.model_selection",
)


def of_training(recipe: Recipe) -> tuple[str, ...]:
    """Return dotted names of what the training of a recipe imports."""
    return (*TRAINING, *_of_features(*recipe.features), *_of_steps(recipe))


def of_server(recipe: Recipe, features: str) -> tuple[str, ...]:
    """Return dotted names of what the server of a recipe's model imports.

    Args:
        recipe: What was trained.
        features: The kind of features that its training chose; "" if not known.
    """
    libraries = ("joblib", "sklearn") if recipe.steps else ()
    return (*libraries, *_of_features(features), *_of_steps(recipe))


def _of_features(*kinds: str) -> tuple[str, ...]:
    return tuple(name for kind in kinds for name in FEATURES.get(kind, ()))


def _of_steps(recipe: Recipe) -> tuple[str, ...]:
    return tuple(step.path for step in recipe.steps if step.path.startswith(LIBRARY))
