"""The ancestor's way: write all lists, copy the images to each service's storage by hand, and train in its console."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from click.testing import Result
from PIL import Image
from typer.testing import CliRunner

from automl_bench.cli.main import app
from automl_bench.datasets.importing import import_dataset

SHOTS = (5, 10, 15, 20)
CLASSES, TEST = 2, 6
BY_FILE = {"huggingface": "file", "local": "path", "nyckel": "file"}
"""Providers whose lists name files, and the column that does."""
FIVE = [*BY_FILE, "rekognition", "vertex"]
SETTINGS = {
    "AUTOML_BENCH_VERTEX_BUCKET": "our-bucket",
    "AWS_STORAGE_BUCKET_NAME": "their-bucket",
    "AZURE_SUBSCRIPTION_ID": "00000000-0000-0000-0000-000000000000",
    "AZURE_RESOURCE_GROUP": "group",
    "AZUREML_WORKSPACE_NAME": "workspace",
}

Run = Callable[..., Result]


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    chance = np.random.default_rng(1)
    for split, count in (("train", 22), ("test", TEST // CLASSES)):
        for label in ("a cat", "dog"):
            (tmp_path / "in" / split / label).mkdir(parents=True)
            for number in range(count):
                pixels = chance.integers(0, 256, (8, 8, 3), np.uint8)
                Image.fromarray(pixels).save(tmp_path / "in" / split / label / f"{number}.png")
    monkeypatch.setenv("AUTOML_BENCH_WORKSPACE", str(tmp_path))
    for name in SETTINGS:
        monkeypatch.delenv(name, raising=False)
    import_dataset("pets", tmp_path / "in", tmp_path / "data")
    return tmp_path


def run(*arguments: str) -> Result:
    shots = ",".join(map(str, SHOTS))
    return CliRunner().invoke(app, ["ablate", "pets", "--shots", shots, *arguments])


@pytest.fixture
def configured(monkeypatch: pytest.MonkeyPatch, workspace: Path) -> Path:
    for name, value in SETTINGS.items():
        monkeypatch.setenv(name, value)
    return workspace / "data" / "pets" / "ablations"


def names_of(provider: str) -> list[str]:
    ending = "jsonl" if provider == "rekognition" else "csv"
    halves = ["test", *(f"{half}_{shots}" for half in ("train", "val") for shots in SHOTS)]
    return [f"pets_{half}_{provider}.{ending}" for half in halves]


def lines_of(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").splitlines()


def test_five_providers_get_their_45_files_and_azure_its_nine(configured: Path) -> None:
    assert run().exit_code == 0
    made = {path.name for path in configured.iterdir()}
    expected = [name for provider in FIVE for name in names_of(provider)]
    assert len(expected) == 45
    assert made >= {*expected, *names_of("azure")}
    for provider in (*FIVE, "azure"):
        for name in names_of(provider):
            header = 0 if provider in {"vertex", "rekognition"} else 1
            half = name.split("_")[1]
            wanted = TEST if half == "test" else CLASSES * int(name.split("_")[2]) * (4 if half == "train" else 1) // 5
            assert len(lines_of(configured / name)) == wanted + header, name


def test_lists_of_files_name_them_from_their_own_folder_and_survive_a_move(configured: Path, tmp_path: Path) -> None:
    run()
    moved = (tmp_path / "data").rename(tmp_path / "elsewhere") / "pets" / "ablations"
    for provider, column in BY_FILE.items():
        for name in names_of(provider):
            with (moved / name).open(newline="", encoding="utf-8") as file:
                rows = list(csv.DictReader(file))
            assert {row["label"] for row in rows} == {"a cat", "dog"}
            assert all((moved / row[column]).is_file() for row in rows)
            assert not any(Path(row[column]).is_absolute() for row in rows)
    manifest = import_dataset("again", moved / "pets_train_20_local.csv", tmp_path / "new").manifest
    assert manifest.table.num_rows == CLASSES * 16


def addresses(folder: Path, provider: str) -> Iterator[str]:
    for name in names_of(provider):
        for line in lines_of(folder / name):
            if provider == "rekognition":
                yield json.loads(line)["source-ref"]
            elif provider == "vertex":
                yield line.split(",")[1]
            elif not line.startswith("image_url"):
                yield line.split(",")[0]


def test_copy_folders_have_the_very_objects_that_the_lists_name(configured: Path) -> None:
    result = run("--copy-folders", "--json")
    assert result.exit_code == 0
    destinations = json.loads(result.stdout)["destinations"]
    assert destinations["uploads_vertex"] == "gs://our-bucket/"
    assert destinations["uploads_rekognition"] == "s3://their-bucket/"
    for provider in ("azure", "rekognition", "vertex"):
        root = configured / f"uploads_{provider}"
        objects = {path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file()}
        named = set(addresses(configured, provider))
        assert named == {destinations[f"uploads_{provider}"] + name for name in objects}
        assert len(objects) == CLASSES * 20 + TEST


def test_a_provider_that_lacks_a_setting_is_left_out_by_name_with_the_setting(workspace: Path) -> None:
    result = run("--json")
    assert result.exit_code == 0
    for provider, setting in (("vertex", "bucket"), ("rekognition", "bucket"), ("azure", "subscription_id")):
        assert f"format of {provider}" in result.stderr
        assert setting in json.loads(result.stdout)["failures"][provider]
    asked = run("--provider", "vertex")
    assert asked.exit_code != 0
    assert "bucket" in str(asked.exception)


def test_writing_for_one_provider_deletes_nothing_of_another(configured: Path) -> None:
    run("--copy-folders")
    before = {path: path.read_bytes() for path in configured.rglob("*") if path.is_file()}
    assert run("--provider", "rekognition").exit_code == 0
    changed = {path.name for path, content in before.items() if not path.is_file() or path.read_bytes() != content}
    assert changed <= {"ablations.json"}
    index = json.loads((configured / "ablations.json").read_text())
    assert set(index["providers"]) >= {*FIVE, "azure"}
    assert CliRunner().invoke(app, ["ablate", "pets", "--verify"]).exit_code == 0
