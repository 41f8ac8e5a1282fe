"""What a trial may cost is bounded by the deadlines and the user's word, and what it cost agrees with the bill."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
from aws_service import AwsService
from small_workspace import command, make_workspace, write_experiment

from automl_bench.errors import ExitCode

TINY = """
datasets = ["tiny"]
providers = ["rekognition", "rekognition:two"]
shots = [5]
test_limit = 6
[images]
min_side = 64
[parallel]
enabled = false
[deadlines]
deploy_hours = 1.0
measure_hours = 2.0
"""
TWO_UNITS = "[variants.two]\ninference_units = 2\n"
BOUNDS = "[budget]\ntrain_hour = 6.0\nsample_month = 0.1\n"


class Desk:
    """A workspace whose commands talk to the servers of a test."""

    def __init__(self, root: Path, aws: AwsService) -> None:
        self.root, self.aws = root, aws
        make_workspace(root)
        self.environment = {**os.environ, **aws.environment(), "AUTOML_BENCH_WORKSPACE": str(root), "COLUMNS": "200"}

    def settings(self, text: str) -> None:
        folder = self.root / "configs" / "providers"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "rekognition.toml").write_text(text)

    def do(self, verb: str, *options: str) -> subprocess.CompletedProcess[str]:
        path = write_experiment(self.root, TINY)
        return command(verb, str(path), *options, environment=self.environment, cwd=self.root, timeout=110)

    def json(self, verb: str, *options: str) -> Any:
        ended = self.do(verb, "--json", *options)
        assert ended.returncode == ExitCode.OK, ended.stderr
        return json.loads(ended.stdout)


@pytest.fixture
def desk(tmp_path: Path, aws: AwsService) -> Desk:
    return Desk(tmp_path, aws)


def test_serving_is_bounded_by_the_deadlines_and_the_rest_by_the_user(desk: Desk) -> None:
    desk.settings(TWO_UNITS)
    one, two = (row["cost"] for row in desk.json("plan")["trials"])
    # An hour to start, two to measure, half an hour to stop.
    assert one["serve"] == {"usd": pytest.approx(3.5 * 4.0), "unknown": []}
    assert two["serve"]["usd"] == pytest.approx(3.5 * 4.0 * 2)
    assert one["unknown"] == ["train_hour", "sample_month"], "a training cannot be called off; S3's price is not known"
    refused = desk.do("run", "--max-cost", "1000")
    assert refused.returncode == ExitCode.BUDGET
    assert (
        "[budget] train_hour = DOLLARS, sample_month = DOLLARS in configs/providers/rekognition.toml" in refused.stderr
    )
    desk.settings(TWO_UNITS + BOUNDS)
    assert [row["cost"]["usd"] for row in desk.json("plan")["trials"]] == pytest.approx([20.1, 34.1])
    assert desk.aws.requests() == [], "nothing was asked of the service"


def test_a_budgeted_run_ends_and_its_cost_agrees_with_the_bill(desk: Desk) -> None:
    desk.settings(TWO_UNITS + BOUNDS)
    answer = desk.json("run", "--max-cost", "54.2")
    assert answer["tally"]["done"] == 2
    bill = desk.aws.fake.bill
    costs = [row["cost"] for row in answer["results"]]
    assert sum(cost["train_hours"] for cost in costs) * 3600 == pytest.approx(bill.training_seconds)
    assert sum(cost["train_usd"] for cost in costs) == pytest.approx(bill.training_seconds / 3600)
    # The ledger counts from before the start is asked for to after the stop is seen: never less than the service bills.
    served = sum(cost["serve_usd"] for cost in costs)
    assert bill.unit_seconds * 4 / 3600 <= served <= (bill.unit_seconds + 2 * 3 * 10.0) * 4 / 3600
    assert all(cost["unknown"] == [] and cost["prices_as_of"] == "2026-11-21" for cost in costs)
    assert desk.aws.resources() == []
