"""Two services side by side, upload to teardown over HTTP, against local servers that learn and meter a bill."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from aws_service import AwsService
from nyckel_fake import NyckelFake
from small_workspace import command, command_environment, write_experiment

from automl_bench.errors import ExitCode

EXPERIMENT = """
datasets = ["digits", "fashion-mini"]
providers = ["nyckel", "rekognition"]
shots = [5, 20]
folds = 2
test_limit = 40
[images]
min_side = 64
[parallel]
enabled = false
"""
TRIALS = 16
BY_CHANCE = 0.1


@pytest.mark.slow  # sixteen whole trials, each image a request of its own: about a minute
@pytest.mark.timeout(400)
def test_sixteen_trials_run_end_to_end_and_leave_nothing(tmp_path: Path) -> None:
    with NyckelFake() as nyckel, AwsService() as aws:
        environment = {**command_environment(tmp_path), **nyckel.environment(), **aws.environment()}
        for dataset in ("digits", "fashion-mini"):
            fetched = command("data", "fetch", dataset, environment=environment, cwd=tmp_path)
            assert fetched.returncode == ExitCode.OK, fetched.stderr
        path = str(write_experiment(tmp_path, EXPERIMENT))
        ended = command("run", path, "--json", environment=environment, cwd=tmp_path, timeout=380)
        assert ended.returncode == ExitCode.OK, ended.stderr
        answer = json.loads(ended.stdout)
        assert answer["tally"]["done"] == TRIALS
        assert answer["tally"]["left"] == []
        for row in answer["results"]:
            assert row["test_samples"] == 40
            assert row["failed"] == 0
            assert row["accuracy"] > 3 * BY_CHANCE, "the services really learn"
        for provider in ("nyckel", "rekognition"):
            few, many = (
                [row["accuracy"] for row in answer["results"] if (row["provider"], row["shots"]) == (provider, shots)]
                for shots in (5, 20)
            )
            assert sum(many) > sum(few), "and more from more images"
        assert nyckel.names() == []
        assert list(aws.resources()) == []
        assert list(aws.billing()) == []
        report = command("report", "small", environment=environment, cwd=tmp_path)
        assert report.returncode == ExitCode.OK, report.stderr
