"""Training inside an environment: reads the order and the images, fits, writes the model and, last, the result."""

from __future__ import annotations

import argparse
import resource
import time
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from automl_bench_local.inside import records


def say(text: str) -> None:
    """Write one line of the log."""
    print(text, flush=True)


def train(folder: Path, order: dict[str, Any], asked: float) -> dict[str, Any]:
    """Train what the order says into the job's folder and return the content of the result file.

    Args:
        folder: The job's folder.
        order: Content of `inside.json`.
        asked: Monotonic seconds at which the command asked for the training, the building of the environment left out.

    Raises:
        ValueError: If a sample is unreadable or the estimator refuses the data.
    """
    import numpy as np
    import PIL.Image

    from automl_bench.datasets.decoding import be_silent, decode
    from automl_bench_local.inside import estimators, heads, pixels
    from automl_bench_local.inside.facts import numeric_libraries

    be_silent()
    PIL.Image.init()
    estimator = estimators.build(order["steps"], order["seed"])
    stored = Path(order["training_set"])
    samples = records.read(stored / records.SAMPLES)["samples"]
    begun = time.monotonic()
    say(f"reading {len(samples)} images")
    labels = sorted({sample["label"] for sample in samples})
    if len(labels) < 2:
        raise ValueError("the training set has fewer than two classes")
    images = [_decoded(decode, stored / sample["path"]) for sample in samples]
    features = pixels.settle([(image.mode, image.size) for image in images], order["side"], order["pixel_scale"])
    matrix = np.stack([pixels.vector(image, features) for image in images])
    positions = {label: number for number, label in enumerate(labels)}
    classes = np.array([positions[sample["label"]] for sample in samples], dtype=np.int64)
    say(f"fitting {order['steps'][-1]['path']} to {matrix.shape[0]} × {matrix.shape[1]} values")
    estimator.fit(matrix, classes)
    from_scores = heads.label_from_scores(estimator, matrix)
    heads.EstimatorHead(estimator, from_scores).save(folder)
    card = {
        "format": records.FORMAT,
        "name": order["variant"],
        "labels": labels,
        "features": {"kind": "pixels", **features._asdict()},
        "head": "estimator",
        "label_from_scores": from_scores,
        "environment": order["environment"]["where"],
    }
    records.write(folder / records.CARD, card)
    worked = time.monotonic() - begun
    environment = {**order["environment"], "blas": numeric_libraries(), "threads": order["threads"]}
    return {
        "state": "succeeded",
        "message": "pixels features",
        "queue_seconds": max(0.0, begun - asked),
        "work_seconds": worked,
        "result": {
            "model": str(folder),
            "features": "pixels",
            "side": features.width,
            "samples": len(samples),
            "environment": environment,
            "peak_memory_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1),
        },
    }


def _decoded(decode: Any, path: Path) -> Any:
    try:
        return decode(path)
    except ValueError as error:
        raise ValueError(f"{path.name}: it {error}") from error


def main(arguments: Sequence[str]) -> int:
    """Run one training job; the exit code is 0 if there is a model."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--name", required=True)
    parser.add_argument("--home", required=True, type=Path)
    parser.add_argument("--asked-ns", required=True, type=int)
    options = parser.parse_args(arguments)
    records.keep_lock_to_ourselves()
    folder = options.home / options.name
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # another version's plans are no news to this experiment
            result = train(folder, records.read(folder / records.ORDER), options.asked_ns / 1e9)
    except Exception as error:  # noqa: BLE001  # other versions raise other errors; the host wants one sentence
        text = " ".join(str(error).split()) or type(error).__name__
        say(f"failed: {text}")
        result = {"state": "failed", "message": text}
    records.write(folder / records.RESULT, result)
    return 0 if result["state"] == "succeeded" else 1
