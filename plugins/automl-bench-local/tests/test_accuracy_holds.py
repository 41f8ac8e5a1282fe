"""What the provider promises of its models, on real images that need no download."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from automl_bench_local import training
from automl_bench_local.datasets import build_digits
from automl_bench_local.model import load_model
from automl_bench_local.training_sets import store_training_set
from local_trial import training_set_of

from automl_bench.contract import LabelledSample

Labelled = Sequence[tuple[Path, str]]
MODEL = "automl-bench-000000000000-model"


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> tuple[Labelled, Labelled]:
    tree = build_digits(tmp_path_factory.mktemp("digits"))
    halves = [sorted((tree / split).rglob("*.png"), key=lambda path: path.stem) for split in ("train", "test")]
    train, test = ([(path, path.parent.name) for path in half] for half in halves)
    return train, test


@pytest.fixture(scope="module")
def learn(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Any]:
    """Train in this process, as the training process does, and return the model and what training says."""
    home = tmp_path_factory.mktemp("home")

    def learned(files: Labelled, settings: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        number = time.monotonic_ns()
        name = f"automl-bench-{number:012x}-training-set"
        stored = store_training_set(home, name, training_set_of(files), lambda done, total, unit: None)
        folder = home / f"automl-bench-{number:012x}-model"
        folder.mkdir()
        order = {"variant": "v", "settings": settings, "training_set": str(stored), "seed": 0, "threads": 1}
        result = training.train(folder, home, order, time.monotonic())
        return load_model(folder, graph_folder=home, threads=1), result["result"]

    return learned


def of_each_class(files: Labelled, shots: int, fold: int) -> Labelled:
    draw = np.random.default_rng(fold)
    return [
        files[row]
        for label in sorted({label for _, label in files})
        for row in draw.permutation([row for row, pair in enumerate(files) if pair[1] == label])[:shots]
    ]


def correct(model: Any, files: Labelled) -> int:
    return sum(model.predict(path.read_bytes()).label == label for path, label in files)


# scikit-learn's own digits example, first half against second half: 627 and 871 of 899 (micro F1 is accuracy here)
@pytest.mark.parametrize(("gamma", "right", "micro_f1"), [(0.01, 627, 0.6974416), (0.001, 871, 0.9688543)])
def test_digits_example_of_scikit_learn_is_reproduced(
    digits: tuple[Labelled, Labelled], learn: Callable[..., Any], gamma: float, right: int, micro_f1: float
) -> None:
    train, test = digits
    assert (len(train), len(test)) == (898, 899)
    settings = {"estimator": "sklearn.svm.SVC", "params": {"gamma": gamma}, "features": "pixels", "pixel_scale": 15}
    for order in (train, train[::-1]):
        model, _ = learn(order, settings)
        assert correct(model, test) == right
    assert right / len(test) == pytest.approx(micro_f1, abs=5e-8)


def test_the_choice_on_digits_is_no_worse_than_pixels_alone(
    digits: tuple[Labelled, Labelled], learn: Callable[..., Any]
) -> None:
    train, test = digits
    points = {"auto": 0.0, "pixels": 0.0}
    for fold in range(2):
        chosen = of_each_class(train, 20, fold)
        for name, settings in (("auto", {}), ("pixels", {"features": "pixels"})):
            points[name] += 100 * correct(learn(chosen, settings)[0], test[::2]) / len(test[::2]) / 2
    assert points["auto"] >= points["pixels"] - 0.5
    assert points["pixels"] > 85


def test_photos_of_things_are_told_apart_by_the_pretrained_network(learn: Callable[..., Any], tmp_path: Path) -> None:
    """Turned crops of one scene in changing light: pixels and edges mislead, the network does not."""
    import skimage.data
    from PIL import Image

    draw = np.random.default_rng(0)
    files: dict[str, list[tuple[Path, str]]] = {"train": [], "test": []}
    for name in ("chelsea", "coffee", "rocket", "astronaut"):
        photo = Image.fromarray(getattr(skimage.data, name)()).convert("RGB")
        for number in range(30):
            side = int(draw.integers(min(photo.size) // 2, min(photo.size)))
            left, top = (int(draw.integers(0, length - side + 1)) for length in photo.size)
            crop = photo.crop((left, top, left + side, top + side)).resize((64, 64))
            turned = crop.rotate(float(draw.uniform(-180, 180)), fillcolor=(127, 127, 127))
            lit = np.asarray(turned) * draw.uniform(0.4, 1.0, 3)
            path = tmp_path / f"{name}{number}.png"
            Image.fromarray(lit.astype("uint8")).save(path)
            files["train" if number < 10 else "test"].append((path, name))
    model, found = learn(files["train"], {})
    assert found["features"] == "embedding"
    pixels, _ = learn(files["train"], {"features": "pixels"})
    assert correct(model, files["test"]) > correct(pixels, files["test"])


def test_training_twice_gives_the_same_answers(digits: tuple[Labelled, Labelled], learn: Callable[..., Any]) -> None:
    train, test = digits
    chosen = of_each_class(train, 5, 0)
    forest = {"estimator": "sklearn.ensemble.RandomForestClassifier", "params": {"n_estimators": 10}}
    for settings in ({"features": "hog"}, forest):
        answers = [
            [learned.predict(path.read_bytes()) for path, _ in test[:50]]
            for learned in (learn(chosen, settings)[0], learn(chosen[::-1], settings)[0])
        ]
        assert answers[0] == answers[1]


def test_samples_of_both_halves_are_learned_from(digits: tuple[Labelled, Labelled], learn: Callable[..., Any]) -> None:
    chosen = of_each_class(digits[0], 5, 0)
    halves = training_set_of(chosen)
    _, found = learn(chosen, {"features": "pixels"})
    assert found["samples"] == len(halves.train) + len(halves.validation) == 50
    assert all(isinstance(pair, LabelledSample) for pair in halves.validation)
