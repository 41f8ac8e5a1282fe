"""Training on texts or rows: reads what `upload` stored, chooses or searches, fits, and writes the model."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from automl_bench.contract import Modality
from automl_bench_local.recipes import RAW, Recipe
from automl_bench_local.training_sets import StoredContents, read_contents

MOST_COMPARED = 200
"""Samples on which is seen whether a classifier's best probability is always its prediction."""


def train_contents(
    folder: Path, stored: Path, recipe: Recipe, *, seed: int, threads: int, say: Callable[[str], None]
) -> tuple[float, float, dict[str, Any]]:
    """Train on a stored training set of texts or rows and write the model into a folder.

    Args:
        folder: The job's folder.
        stored: The training set's folder.
        recipe: What to train.
        seed: The experiment's seed.
        threads: Threads of the numeric libraries.
        say: Writes one line of the log.

    Returns:
        Monotonic seconds at which the work began and ended, and what the training's result says.

    Raises:
        ValueError: If the estimator refuses the data, or there is nothing to learn from.
        ImportError: If a package is missing that the variant needs.
    """
    from automl_bench_local.minilm import remembering
    from automl_bench_local.selection import numbered

    material = read_contents(stored)
    if not recipe.steps and recipe.modality is Modality.TEXT and "embedding" in recipe.features:
        _load_network(threads)
    # imports are not training: a hosted service has them behind it when a training begins
    begun = time.monotonic()
    labels, classes = numbered(material.labels)
    if len(labels) < 2:
        raise ValueError("the training set has fewer than two classes")
    say(f"read {len(classes)} {'texts' if recipe.modality is Modality.TEXT else 'rows'}")
    learn = _fit_own if recipe.steps else _fit_chosen
    with remembering():
        kind, model, found = learn(recipe, material, classes, seed, threads, say)
    _write(folder, recipe, material, labels, kind, model)
    result = {
        "model": str(folder),
        "features": kind,
        **({"chosen": kind} if found.get("candidates") and not recipe.steps else {}),
        "samples": len(classes),
        **found,
    }
    return begun, time.monotonic(), result


def _load_network(threads: int) -> None:
    from automl_bench_local import minilm

    if not minilm.missing():
        minilm.load(threads)


def _fit_chosen(
    recipe: Recipe, material: StoredContents, classes: Any, seed: int, threads: int, say: Callable[[str], None]
) -> tuple[str, Any, dict[str, Any]]:
    from automl_bench_local.content_choice import choose, measure_of
    from automl_bench_local.content_pipelines import candidate_pipelines
    from automl_bench_local.inside.heads import EstimatorHead

    choice = choose(
        candidate_pipelines(recipe, material.columns, rows=len(classes), seed=seed, threads=threads, say=say),
        material.contents,
        classes,
        most_folds=recipe.cv_folds,
        measure=measure_of(recipe.modality),
        say=say,
    )
    say(f"fitting {choice.name}")
    fitted = choice.pipeline.fit(material.contents, classes)
    found = {"candidates": [one.to_json() for one in choice.candidates], "cv_folds": choice.folds}
    return choice.name, EstimatorHead(fitted, label_from_scores=True), found


def _fit_own(
    recipe: Recipe, material: StoredContents, classes: Any, seed: int, threads: int, say: Callable[[str], None]
) -> tuple[str, Any, dict[str, Any]]:
    from automl_bench_local.content_model import frame_of
    from automl_bench_local.content_pipelines import front_of
    from automl_bench_local.estimators import build_estimator
    from automl_bench_local.inside.heads import EstimatorHead, label_from_scores
    from automl_bench_local.searching import fit_or_search

    kind = recipe.features[0]
    estimator = build_estimator(recipe, seed, front_of(recipe, kind, material.columns, threads))
    contents: Any = material.contents
    if _needs_frame(recipe, kind):
        contents = frame_of(contents, [column.name for column in material.columns])
    say(f"fitting {recipe.steps[-1].path} to {len(classes)} samples")
    fitted, found = fit_or_search(estimator, contents, classes, recipe, threads=threads, seed=seed)
    some = contents[:MOST_COMPARED]
    return kind, EstimatorHead(fitted, label_from_scores(fitted, some)), dict(found)


def _needs_frame(recipe: Recipe, kind: str) -> bool:
    return recipe.modality is Modality.TABULAR and kind == RAW


def _write(
    folder: Path, recipe: Recipe, material: StoredContents, labels: tuple[str, ...], kind: str, head: Any
) -> None:
    from automl_bench_local.content_model import ContentFeatures, save_content_model

    frame = _needs_frame(recipe, kind)
    names = tuple(column.name for column in material.columns)
    foreign = any(not step.path.startswith("sklearn.") for step in recipe.steps)
    features = ContentFeatures(recipe.modality, kind, names, frame)
    save_content_model(
        folder, labels=labels, features=features, head=head, name=recipe.name, needs_pandas=frame or foreign
    )
