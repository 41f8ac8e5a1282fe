"""Trials of five services begin at the same moment in a fresh process, and each imports an SDK for the first time."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from small_workspace import command, command_environment

from automl_bench.errors import ExitCode
from automl_bench.testing import LoopbackService

RUNS = int(os.environ.get("FRESH_RUNS", "3"))
"""The long form: FRESH_RUNS=200."""

EXPERIMENT = """
name = "at-once"
datasets = ["digits"]
providers = ["nyckel", "huggingface", "vertex", "rekognition", "azure"]
shots = [10]
seed = {seed}
test_limit = 4

[images]
min_side = 64

[parallel]
enabled = false
"""


@pytest.mark.simulation
@pytest.mark.timeout(60 + 60 * RUNS)
def test_no_fresh_run_finds_a_half_made_module(services: dict[str, LoopbackService], tmp_path: Path) -> None:
    environment = command_environment(tmp_path)
    for service in services.values():
        environment.update(service.environment())
    assert command("data", "fetch", "digits", environment=environment, cwd=tmp_path).returncode == ExitCode.OK
    for number in range(RUNS):
        # Another seed makes other trials: a service may keep the names of those that it had.
        (tmp_path / "x.toml").write_text(EXPERIMENT.format(seed=number), encoding="utf-8")
        ended = command("run", "x.toml", "--json", environment=environment, cwd=tmp_path, timeout=300)
        assert ended.returncode == ExitCode.OK, f"run {number}: {ended.stderr}"
        assert json.loads(ended.stdout)["tally"]["done"] == len(services), number
