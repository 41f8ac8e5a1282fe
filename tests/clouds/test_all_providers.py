"""Every provider in one experiment, upload to teardown over HTTP, against local servers that learn and meter a bill."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from small_workspace import command, command_environment

from automl_bench.contract import Stage
from automl_bench.errors import ExitCode
from automl_bench.store import open_store
from automl_bench.store.records import StageStatus
from automl_bench.testing import LoopbackService

EXPERIMENT = Path(__file__).resolve().parents[2] / "configs" / "experiments" / "all-providers.toml"
PROVIDERS = ("azure", "huggingface", "local", "nyckel", "rekognition", "vertex")
DATASETS = ("digits", "fashion-mini")
TRIALS = len(PROVIDERS) * len(DATASETS) * 2
BY_CHANCE = 0.1


def shortened(root: Path) -> Path:
    """Return a copy of the experiment with one fold, fewer test samples and shorter load runs."""
    text = EXPERIMENT.read_text(encoding="utf-8")
    for key, value in (("folds", 1), ("test_limit", 40), ("calls", 60), ("concurrency", 4)):
        text, count = re.subn(rf"(?m)^{key} = \d+$", f"{key} = {value}", text)
        assert count == 1
    path = root / EXPERIMENT.name
    path.write_text(text, encoding="utf-8")
    return path


def accuracies(rows: list[dict[str, Any]], provider: str, shots: int) -> list[float]:
    return [row["accuracy"] for row in rows if (row["provider"], row["shots"]) == (provider, shots)]


@pytest.mark.slow  # twenty-four whole trials of six providers, each image a request of its own
@pytest.mark.timeout(900)
def test_one_experiment_compares_all_six_and_leaves_nothing(
    services: dict[str, LoopbackService], tmp_path: Path
) -> None:
    environment = command_environment(tmp_path)
    for service in services.values():
        environment.update(service.environment())
    for dataset in DATASETS:
        fetched = command("data", "fetch", dataset, environment=environment, cwd=tmp_path)
        assert fetched.returncode == ExitCode.OK, fetched.stderr

    path = str(shortened(tmp_path))
    ended = command("run", path, "--json", environment=environment, cwd=tmp_path, timeout=800)
    assert ended.returncode == ExitCode.OK, ended.stderr
    answer = json.loads(ended.stdout)
    assert answer["tally"]["done"] == TRIALS
    assert answer["tally"]["left"] == []

    rows = answer["results"]
    assert {row["provider"] for row in rows} == set(PROVIDERS)
    for row in rows:
        assert (row["test_samples"], row["failed"]) == (40, 0), row
        assert row["accuracy"] > 3 * BY_CHANCE, "the services really learn"
    few, more = (sum(sum(accuracies(rows, provider, shots)) for provider in PROVIDERS) for shots in (10, 20))
    assert more > few, "and more samples help"

    for name, service in services.items():
        assert list(service.resources()) == [], name
        assert list(service.billing()) == [], name
    with open_store(tmp_path / "results" / "automl-bench.sqlite", read_only=True) as store:
        assert store.ledger(open_only=True) == []
        loaded = [
            trial.provider
            for trial in store.trials()
            for stage in store.stages(trial.trial_id)
            if (stage.stage, stage.status) == (Stage.PARALLEL, StageStatus.DONE)
        ]
    assert sorted(loaded) == sorted(PROVIDERS * len(DATASETS))

    reported = command("report", "all-providers", environment=environment, cwd=tmp_path)
    assert reported.returncode == ExitCode.OK, reported.stderr
    page = next((tmp_path / "reports").rglob("*.html")).read_text(encoding="utf-8")
    for provider in PROVIDERS:
        assert provider in page
