"""Images, texts and a table on every provider in one experiment, over HTTP, against local servers that meter a bill."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from small_workspace import command, command_environment
from titanic_archive import titanic_archive

from automl_bench.contract import Modality
from automl_bench.errors import ExitCode
from automl_bench.store import open_store
from automl_bench.testing import LoopbackService
from automl_bench.testing.toy_data import NAMES, make_toy_dataset

EXPERIMENT = Path(__file__).resolve().parents[2] / "configs" / "experiments" / "modalities.toml"
TEXTS = NAMES[Modality.TEXT]
TAKEN = {
    "digits": {"azure", "huggingface", "local", "nyckel", "rekognition", "vertex"},
    TEXTS: {"azure", "huggingface", "local", "nyckel"},
    "titanic": {"azure", "local", "nyckel"},
}
"""Who takes what: AutoML Text is gone, a table of 80 rows is too small for one service, and two take none."""
REFUSALS = 5


def shortened(root: Path) -> Path:
    """Return a copy of the experiment with a smaller set of texts, fewer test samples and shorter load runs."""
    text = EXPERIMENT.read_text(encoding="utf-8").replace("spam-assassin", TEXTS)
    for key, value in (("test_limit", 20), ("calls", 30), ("concurrency", 4)):
        text, count = re.subn(rf"(?m)^{key} = \d+$", f"{key} = {value}", text)
        assert count == 1
    path = root / EXPERIMENT.name
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.slow  # thirteen whole trials of six providers, each sample a request of its own
@pytest.mark.timeout(600)
def test_what_a_service_does_not_take_is_refused_and_one_report_shows_the_rest(
    services: dict[str, LoopbackService], tmp_path: Path
) -> None:
    environment = command_environment(tmp_path)
    for service in services.values():
        environment.update(service.environment())

    def run(*words: str, code: ExitCode = ExitCode.OK) -> str:
        ended = command(*words, environment=environment, cwd=tmp_path, timeout=500)
        assert ended.returncode == code, ended.stderr
        return ended.stdout

    run("data", "fetch", "digits")
    run("data", "fetch", "titanic", "--from", str(titanic_archive(tmp_path)))
    make_toy_dataset(Modality.TEXT, tmp_path / "sentences", tmp_path / "data", shots=40, classes=2, side=1)

    path = str(shortened(tmp_path))
    planned = json.loads(run("plan", path, "--json"))
    refused = [(one["variant"], one["dataset"]) for one in planned["trials"] if not one["feasible"]]
    assert len(refused) == REFUSALS, refused

    answer = json.loads(run("run", path, "--json"))
    assert answer["tally"]["done"] == sum(map(len, TAKEN.values()))
    assert answer["tally"]["left"] == []
    for dataset, providers in TAKEN.items():
        rows = [row for row in answer["results"] if row["dataset"] == dataset and row["status"] == "done"]
        assert {row["provider"] for row in rows} == providers
        assert all(row["test_samples"] > 0 and row["failed"] == 0 for row in rows), rows
    for name, service in services.items():
        assert list(service.resources()) == [], name
        assert list(service.billing()) == [], name
    with open_store(tmp_path / "results" / "automl-bench.sqlite", read_only=True) as store:
        assert store.ledger(open_only=True) == []

    run("report", "modalities")
    page = next((tmp_path / "reports").rglob("*.html")).read_text(encoding="utf-8")
    assert all(dataset in page for dataset in TAKEN)
