"""Every line of the price table bounds what one trial takes, so that --max-cost can be kept; plans are left out."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from automl_bench_nyckel.prices import price_table
from nyckel_fake import NyckelFake
from small_workspace import command, command_environment, make_workspace, write_experiment

from automl_bench.errors import ExitCode

EXPERIMENT = """
datasets = ["tiny"]
providers = ["nyckel"]
shots = [5]
[parallel]
enabled = false
"""
CALLS = 12 * 5 * 2 + 13
SAMPLES = 3 * 5


def test_a_trial_adds_no_plan_and_no_second_price_of_its_calls() -> None:
    free = {price.item for price in price_table() if price.per_trial == 0}
    assert free == {"call_large_plan", "plan_month", "plan_month_large", "plan_month_enterprise"}


def test_a_budgeted_run_is_possible_and_a_smaller_budget_stops_it_before_any_request(tmp_path: Path) -> None:
    make_workspace(tmp_path)
    path = str(write_experiment(tmp_path, EXPERIMENT))
    most = CALLS * 0.005 + SAMPLES * 0.0005
    with NyckelFake(client_id="client", client_secret="secret-7c1", latency=0.01) as fake:
        environment = {**command_environment(tmp_path), **fake.environment(), "NYCKEL_POLL_SECONDS": "0.05"}

        def do(*arguments: str):
            return command(*arguments, environment=environment, cwd=tmp_path)

        planned = json.loads(do("plan", path, "--json").stdout)
        assert planned["total"]["cost"]["usd"] == pytest.approx(most)
        assert planned["total"]["cost"]["unknown"] == []
        small = do("run", path, "--max-cost", str(most - 0.001))
        assert small.returncode == ExitCode.BUDGET, small.stderr
        assert list(fake.created) == []
        enough = do("run", path, "--json", "--max-cost", str(most + 0.001))
        assert enough.returncode == ExitCode.OK, enough.stderr
        (row,) = json.loads(enough.stdout)["results"]
    # 12 test samples, a cold call and three to warm up.
    assert row["cost"]["calls"] == 16
    assert row["cost"]["calls_usd"] == pytest.approx(16 * 0.005)
    assert 0 < row["cost"]["serve_usd"] < 1e-5, "a quarter of a minute of storage"
    assert row["cost"]["usd"] < most
