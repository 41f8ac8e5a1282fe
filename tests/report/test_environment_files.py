"""Files of a recorded environment: what pip reads, what conda's schema allows, what a container is built from."""

from __future__ import annotations

import json
from importlib import metadata

import pytest
import yaml
from packaging.requirements import Requirement

from automl_bench.cli.main import run
from automl_bench.errors import CorruptRecord, ExitCode, NoResults
from automl_bench.report.environment_files import EnvironmentFormat, environment_file
from automl_bench.report.recorded_environments import differences
from automl_bench.store import open_store
from automl_bench.store.records import ExperimentRecord

RECORDED = {
    "python": "3.11.7",
    "system": "Debian GNU/Linux 12 (bookworm)\nRUN evil",
    "architecture": "x86_64",
    "blas": {"openblas": {"version": "0.3.31", "architecture": "SkylakeX", "threads": 1}},
    "threads": {"OMP_NUM_THREADS": "1"},
    "packages": {"automl-bench": "0.1.0", "numpy": "2.4.6", "patched": "1.0"},
    "other_packages": {"pytest": "9.0.1"},
    "sources": {"automl-bench": "a folder", "patched": "git+https://example.com/patched.git@abc123"},
}
PINS = ["automl-bench==0.1.0", "numpy==2.4.6", "patched @ git+https://example.com/patched.git@abc123"]


def body(text: str) -> list[str]:
    return [line for line in text.splitlines() if not line.startswith("#")]


def test_pip_gets_every_pin_and_a_package_from_a_repository_its_commit():
    text = environment_file(RECORDED, EnvironmentFormat.PIP, name="demo")
    assert body(text) == PINS
    assert "Built from files there, not from an index: automl-bench." in text
    assert "left out, as nothing at work asked for it (--all): pytest" in text
    assert "pytest==9.0.1" in environment_file(RECORDED, EnvironmentFormat.PIP, name="demo", everything=True)


def test_conda_gets_what_its_schema_allows():
    # The rules of conda's own schema for these files (schemas/environmentyaml.schema.json), which no index has.
    content = yaml.safe_load(environment_file(RECORDED, EnvironmentFormat.CONDA, name="demo@2026 x"))
    assert content.keys() <= {"name", "channels", "dependencies", "variables", "platforms", "prefix"}
    assert content["name"] == "demo-2026-x"
    assert content["channels"] == ["conda-forge"]
    *packages, pip = content["dependencies"]
    assert packages == ["python=3.11.7", "pip"]
    assert pip == {"pip": PINS}
    assert content["variables"] == {"OMP_NUM_THREADS": "1"}


def test_a_container_is_built_from_one_file_and_no_record_adds_a_command():
    lines = environment_file(RECORDED, EnvironmentFormat.CONTAINERFILE, name="demo\nRUN evil").splitlines()
    commands = [line.split()[0] for line in lines if line and not line.startswith(("#", " "))]
    assert commands == ["ARG", "FROM", "ARG", "ENV", "RUN", "ENV", "WORKDIR", "ENTRYPOINT"]
    assert "ARG BASE=docker.io/library/python:3.11.7-slim" in lines
    assert "    'patched @ git+https://example.com/patched.git@abc123'" in lines
    for key, value in (("python", "3 --evil"), ("threads", {"A B": "1"}), ("packages", {"numpy": "1; rm -r /"})):
        with pytest.raises(CorruptRecord):
            environment_file({**RECORDED, key: value}, EnvironmentFormat.CONTAINERFILE, name="demo")
    with pytest.raises(NoResults):
        environment_file({"python": "3.11.7"}, EnvironmentFormat.PIP, name="demo")


def test_environments_are_told_apart_by_what_the_record_needed():
    here = {**RECORDED, "packages": {"numpy": "2.5.0"}, "other_packages": {"automl-bench": "0.1.0", "new": "1"}}
    here |= {"python": "3.12.1", "blas": {"openblas": {"version": "0.3.31", "architecture": "Zen", "threads": 4}}}
    found = {one.what: str(one) for one in differences(RECORDED, here)}
    assert found == {
        "python": "python 3.11.7 → 3.12.1",
        "blas openblas": "blas openblas 0.3.31 SkylakeX, 1 thread → 0.3.31 Zen, 4 threads",
        "numpy": "numpy 2.4.6 → 2.5.0",
        "patched": "patched 1.0 → not there",
    }
    missing_first = {**RECORDED, "packages": {"absent": "1", **RECORDED["packages"]}}
    assert [one.what for one in differences(missing_first, here)][-3:] == ["numpy", "absent", "patched"]
    assert differences(RECORDED, RECORDED) == []
    assert differences({"python": "3.11.7"}, RECORDED) == [], "what was not recorded is not held against anything"


def test_the_command_writes_what_the_trials_of_an_experiment_were_run_in(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("AUTOML_BENCH_WORKSPACE", str(tmp_path))
    with open_store(tmp_path / "results" / "automl-bench.sqlite") as store:
        number = store.record_environment({**RECORDED, "packages": {"numpy": metadata.version("numpy")}})
        store.save_experiment(ExperimentRecord("e", {}, (), number))
        store.save_experiment(ExperimentRecord("old", {}, ()))
    assert run(["export", "environment", "e"]) == 0
    (pin,) = body(capsys.readouterr().out)
    assert Requirement(pin).specifier.contains(metadata.version("numpy"))
    assert run(["export", "environment", "e", "--format", "conda", "--out", str(tmp_path / "e.yml")]) == 0
    assert yaml.safe_load((tmp_path / "e.yml").read_text())["name"] == "e"
    capsys.readouterr()
    assert run(["export", "environment", "e", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["environments"][0]["python"] == "3.11.7"
    assert run(["export", "environment", "old"]) == ExitCode.NO_RESULTS
    assert run(["export", "environment", "eh"]) == ExitCode.USAGE
