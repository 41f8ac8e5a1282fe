"""`data check --label-suspects`: images whose label their looks contradict."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from automl_bench.cli.main import app
from automl_bench.datasets.importing import import_dataset
from automl_bench.datasets.label_suspects import find_suspects
from automl_bench.errors import DatasetError, MissingDependency
from automl_bench.providers import host


def clusters(count: int, wrong: Sequence[int], spread: float = 1.0) -> tuple[np.ndarray, list[str]]:
    """Return points of three classes around three centres, some of them under the next class's label."""
    chance = np.random.default_rng(3)
    truth = np.arange(count) % 3
    centres = chance.normal(size=(3, 40)) * 3
    vectors = centres[truth] + chance.normal(size=(count, 40)) * spread
    labels = ["abc"[(number + (at in wrong)) % 3] for at, number in enumerate(truth)]
    return vectors, labels


def test_wrong_labels_are_found_with_what_they_look_like_and_right_ones_left_alone() -> None:
    wrong = [4, 50, 77, 120, 200]
    vectors, labels = clusters(240, wrong)
    suspects = find_suspects(vectors, labels)
    assert {one.index for one in suspects} == set(wrong)
    assert all(one.looks_like == "abc"[one.index % 3] and one.label == labels[one.index] for one in suspects)


def test_overlapping_classes_without_a_wrong_label_give_few_suspects() -> None:
    vectors, labels = clusters(300, [], spread=6.0)
    assert len(find_suspects(vectors, labels)) < 30


def test_classes_with_too_few_images_are_not_examined() -> None:
    vectors, labels = clusters(60, [])
    labels[0] = "rare"
    assert all(one.label != "rare" for one in find_suspects(vectors, labels))
    with pytest.raises(DatasetError, match="two classes with at least 5 images"):
        find_suspects(vectors, ["a"] * 60)


def test_the_command_names_mislabelled_pictures_by_the_local_plugins_embeddings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AUTOML_BENCH_WORKSPACE", str(tmp_path))
    chance = np.random.default_rng(0)
    for number in range(24):
        stripes = np.indices((48, 48))[number % 2] // 4 % 2 * 200 + chance.integers(0, 50, (48, 48))
        label = "down" if (number % 2 == 1) != (number == 7) else "across"
        target = tmp_path / "in" / ("test" if number > 19 else "train") / label / f"{number}.png"
        target.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(stripes.astype(np.uint8)).save(target)
    import_dataset("stripes", tmp_path / "in", tmp_path / "data")
    result = CliRunner().invoke(app, ["data", "check", "stripes", "--label-suspects", "--json"])
    assert result.exit_code == 0, result.output
    found = {one["check"]: one for one in json.loads(result.stdout)["findings"]}
    assert found["label_suspects"]["items"][0].startswith(
        "train/across/7.png is labelled 'across' and looks like 'down'"
    )
    assert found["label_suspects"]["count"] == 1


def test_without_a_plugin_that_makes_embeddings_the_error_says_what_to_install(tmp_path: Path) -> None:
    from automl_bench.providers.discovery import PluginRegistry

    registry = PluginRegistry()
    registry.load_all = lambda: None  # type: ignore[method-assign]
    with pytest.raises(MissingDependency, match=r"automl-bench\[local\]"):
        list(host.embeddings([tmp_path / "x.png"], tmp_path, registry))
