"""Files of `export environment` make environments in which recorded trials come out as they were recorded."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from automl_bench.store import open_store

SOURCES = Path(__file__).resolve().parents[2]
SMALL = """
name = "small"
datasets = ["digits"]
providers = ["local:logistic-pixels", "local:svc"]
shots = [5]
folds = 2
test_limit = 60
[parallel]
enabled = false
"""
OLDER = "threadpoolctl==3.5.0"
"""A real package in another version than recorded, small, and without a part in what is computed."""

pytestmark = [
    pytest.mark.integrations,
    pytest.mark.timeout(600),  # two wheels, an environment of a hundred packages, eight trainings
]


class Place:
    """A workspace and the environment that its commands run in."""

    def __init__(self, root: Path, python: Path, machine_folder: Path) -> None:
        self.root, self.python = root, python
        root.mkdir(exist_ok=True)
        self.environment = {
            **os.environ,
            "AUTOML_BENCH_WORKSPACE": str(root),
            "AUTOML_BENCH_MACHINE_FOLDER": str(machine_folder),
            "AUTOML_BENCH_MLFLOW": "off",
        }

    def run(self, *words: str, code: int = 0) -> str:
        return self._checked([str(self.python.with_name("automl-bench")), *words], code)

    def pip(self, *words: str) -> str:
        return self._checked([str(self.python), "-m", "pip", "--disable-pip-version-check", "-q", *words], 0)

    def _checked(self, words: list[str], code: int) -> str:
        ended = subprocess.run(words, env=self.environment, cwd=self.root, capture_output=True, text=True, check=False)
        assert ended.returncode == code, f"{words}\n{ended.stdout}\n{ended.stderr}"
        return ended.stdout


@pytest.fixture(scope="module")
def recorded(tmp_path_factory, machine_folder) -> Place:
    """The record: four local trials, made in the environment of these tests."""
    place = Place(tmp_path_factory.mktemp("recorded"), Path(sys.executable), machine_folder)
    (place.root / "small.toml").write_text(SMALL)
    place.run("data", "fetch", "digits")
    place.run("run", "small.toml")
    return place


@pytest.fixture(scope="module")
def fresh(recorded, tmp_path_factory, machine_folder) -> Place:
    """Another workspace, with an environment that pip made from the exported file, and the same data by content."""
    root = tmp_path_factory.mktemp("fresh")
    wheels = root / "wheels"
    for sources in (SOURCES, SOURCES / "plugins" / "automl-bench-local"):
        build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(wheels), str(sources)]
        subprocess.run(build, check=True, capture_output=True)
    recorded.run("export", "environment", "small", "--out", str(root / "requirements.txt"))
    subprocess.run([sys.executable, "-m", "venv", root / "venv"], check=True)
    place = Place(root / "work", root / "venv" / "bin" / "python", machine_folder)
    place.pip("install", "--no-compile", "--find-links", str(wheels), "-r", str(root / "requirements.txt"))
    recorded.run("data", "push", "digits", str(root / "shelf"))
    place.run("data", "pull", "digits", str(root / "shelf"))
    return place


def test_in_an_environment_made_from_the_record_every_answer_is_identical(recorded, fresh):
    record = str(recorded.root / "results" / "automl-bench.sqlite")
    found = json.loads(fresh.run("reproduce", "small", "--from", record, "--json"))
    assert found["environment"] == {"recorded": True, "differences": []}
    assert [(one["result"], one["samples"]) for one in found["trials"]] == [("identical", 60)] * 4
    assert not (fresh.root / "results" / "automl-bench.sqlite").exists()


def test_one_changed_package_is_named(recorded, fresh):
    record = str(recorded.root / "results" / "automl-bench.sqlite")
    fresh.pip("install", "--no-compile", OLDER)
    with open_store(Path(record), read_only=True) as store:
        trial = store.trials()[0].trial_id
    found = json.loads(fresh.run("reproduce", trial, "--from", record, "--json"))
    (difference,) = found["environment"]["differences"]
    assert (difference["what"], difference["here"]) == tuple(OLDER.split("=="))
    assert difference["package"]
    assert found["trials"][0]["result"] == "identical", "it has no part in what is computed"
