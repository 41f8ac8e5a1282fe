"""The training process: `python -m automl_bench_local.training --name NAME --home FOLDER --asked-ns N`.

Reads its order from the job's folder, writes the model and, last and at once, `result.json`. Its output is the log.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from automl_bench.contract import Modality, OperationState, Variant
from automl_bench.errors import AutomlBenchError
from automl_bench.toolkit.environments import KEY, read_environment
from automl_bench_local import folders, jobs, processes
from automl_bench_local.recipes import Recipe, read_recipe
from automl_bench_local.training_sets import modality_of, read_training_set
from automl_bench_local.vectors import Vectors


def say(text: str) -> None:
    """Write one line of the log."""
    print(text, flush=True)


def train(folder: Path, home: Path, order: dict[str, Any], started: float) -> dict[str, Any]:
    """Train what the order says into the job's folder and return the content of `result.json`.

    Args:
        folder: The job's folder.
        home: The provider's folder, with the caches.
        order: Content of `job.json`.
        started: Monotonic seconds at which the command asked for the training.

    Raises:
        ValueError: If a sample is unreadable or the estimator refuses the data.
    """
    if KEY in order["settings"]:
        raise ValueError("this variant has an environment of its own, in which alone it is trained")
    stored, threads = Path(order["training_set"]), order["threads"]
    modality = modality_of(stored)
    recipe = read_recipe(Variant("local", order["variant"], order["settings"]), modality)
    if modality is not Modality.IMAGE:
        from automl_bench_local.content_training import train_contents

        begun, ended, result = train_contents(folder, stored, recipe, seed=order["seed"], threads=threads, say=say)
        return _finished(str(result["features"]), begun - started, ended - begun, result)
    # imports are not training: a hosted service has them behind it when a training begins
    from automl_bench_local.estimators import build_estimator
    from automl_bench_local.model import save_model
    from automl_bench_local.selection import choose_linear, fit_estimator, fit_linear, numbered, selection_rows

    estimator = build_estimator(recipe, order["seed"]) if recipe.steps else None
    _load_libraries(recipe, home)
    samples = read_training_set(stored)
    begun = time.monotonic()
    say(f"reading {len(samples)} images")
    labels, classes = numbered([sample.label for sample in samples])
    if len(labels) < 2:
        raise ValueError("the training set has fewer than two classes")
    vectors = Vectors(samples, recipe, home=home, threads=threads, say=say)
    found: Mapping[str, Any]
    if estimator is None:
        rows = selection_rows(classes)
        chosen = choose_linear(lambda kind: vectors.matrix(kind, rows), classes[rows], recipe, say)
        kind = chosen.kind
        say(f"fitting {kind} features at C={chosen.c:g}")
        linear = fit_linear(vectors.matrix(kind), classes, chosen.c)
        found = {
            "c": chosen.c,
            "cv_accuracy": dict(chosen.scores),
            "cv_folds": chosen.folds,
            "candidates": [one.to_json() for one in chosen.candidates()],
        }
        features = vectors.features[kind]
        save_model(folder, labels=labels, features=features, head=linear, name=recipe.name)
    else:
        kind = recipe.features[0]
        matrix = vectors.matrix(kind)
        say(f"fitting {recipe.steps[-1].path} to {matrix.shape[0]} × {matrix.shape[1]} values")
        head, found = fit_estimator(estimator, matrix, classes, recipe, threads, order["seed"])
        features = vectors.features[kind]
        foreign = any(not step.path.startswith("sklearn.") for step in recipe.steps)
        save_model(folder, labels=labels, features=features, head=head, name=recipe.name, needs_pandas=foreign)
    measured = time.monotonic() - begun
    result = {
        "model": str(folder),
        "features": kind,
        **({"chosen": kind} if len(recipe.features) > 1 else {}),
        "side": features.width,
        "samples": len(samples),
        **found,
        "cached_embeddings": vectors.cache_hits,
        "cache_spared_seconds": round(vectors.saved_seconds, 6),
    }
    # what the cache spared is added: the training time must not depend on what ran before
    return _finished(f"{kind} features", begun - started, measured + vectors.saved_seconds, result)


def _finished(message: str, queued: float, worked: float, result: dict[str, Any]) -> dict[str, Any]:
    peak = round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1)
    return {
        "state": OperationState.SUCCEEDED,
        "message": message,
        "queue_seconds": max(0.0, queued),
        "work_seconds": worked,
        "result": {**result, "peak_memory_mb": peak},
    }


def _load_libraries(recipe: Recipe, home: Path) -> None:
    """Import what the recipe will need, and make the network's graph if it is not there, before the clock starts."""
    import PIL.Image
    import sklearn.linear_model
    import sklearn.model_selection  # noqa: F401 - imported for its time

    PIL.Image.init()
    if "hog" in recipe.features:
        import skimage.feature

        _ = skimage.feature.hog  # scikit-image imports a function's module when it is first named
    if "embedding" in recipe.features:
        import onnxruntime  # noqa: F401 - imported for its time

        from automl_bench_local.backbone import graph_path

        graph_path(home)


def before_forks() -> None:
    """Called once by the process that trainings are forked from."""
    import PIL.Image

    PIL.Image.init()  # imports a module for each format


def main() -> int:
    """Run one training job; the exit code is 0 if there is a model."""
    parser = argparse.ArgumentParser(prog="automl_bench_local.training")
    parser.add_argument("--name", required=True)
    parser.add_argument("--home", required=True, type=Path)
    parser.add_argument("--asked-ns", required=True, type=int)
    parser.add_argument("--builder", default="auto")
    options = parser.parse_args()
    folder = folders.folder_of(options.home, options.name)
    if (folder / jobs.RESULT).is_file():
        return 0  # another process finished the job before this one got the lock
    processes.keep_lock_to_ourselves()
    try:
        order = json.loads((folder / jobs.ORDER).read_text(encoding="utf-8"))
        environment = read_environment(Variant("local", order["variant"], order["settings"]))
        if environment is not None:
            from automl_bench_local.entering import enter

            role = jobs.role_of(options.home, options.name)
            enter(role, folder, order, environment, builder=options.builder, asked_ns=options.asked_ns, say=say)
        result = train(folder, options.home, order, options.asked_ns / 1e9)
    except (ValueError, TypeError, OSError, MemoryError, ImportError, AutomlBenchError) as error:
        text = " ".join(str(error).split()) or type(error).__name__
        say(f"failed: {text}")
        result = {"state": OperationState.FAILED, "message": text}
    folders.write_json(folder / jobs.RESULT, result)
    return 0 if result["state"] == OperationState.SUCCEEDED else 1


if __name__ == "__main__":
    status = main()
    sys.stdout.flush()
    sys.stderr.flush()
    # all is on disk; an orderly end of the libraries takes a quarter of a second beside the server that starts next
    os._exit(status)
