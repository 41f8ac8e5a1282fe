"""`automl-bench run` over HTTP: digits from upload to teardown, with real accuracies, a bill, and nothing left."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hub_fake import Pace
from hub_jobs import TRAINING_SECONDS
from hub_wire import ApiError
from huggingface_service import HuggingfaceService
from service_bench import ServiceBench, rows

from automl_bench.errors import ExitCode
from automl_bench.store import open_store

TINY = """
datasets = ["tiny"]
providers = ["huggingface"]
shots = [5]
test_limit = 6
[parallel]
enabled = false
"""


class Bench(ServiceBench):
    def __init__(self, root: Path, service: HuggingfaceService) -> None:
        super().__init__(root, service.environment(), TINY, ("huggingface_hub", "huggingface_hub.hf_api"))
        self.service = service


@pytest.fixture
def service() -> Iterator[HuggingfaceService]:
    with HuggingfaceService(Pace(queueing=0.0, training=0.0, starting=0.0, deleting=0.0, listing=0.05)) as running:
        yield running


@pytest.fixture
def bench(tmp_path: Path, service: HuggingfaceService) -> Bench:
    return Bench(tmp_path, service)


def test_digits_end_to_end(bench: Bench) -> None:
    assert bench("data", "fetch", "digits").returncode == ExitCode.OK
    experiment = TINY.replace('["tiny"]', '["digits"]').replace("[5]", "[10]").replace("= 6", "= 100")
    (row,) = rows(bench.run("--json", experiment=experiment))
    assert (row["test_samples"], row["failed"]) == (100, 0)
    assert row["accuracy"] > 0.7, "chance is 0.1"
    assert list(bench.service.resources()) == list(bench.service.billing()) == []
    assert bench.service.fake.jobs.billed_seconds == TRAINING_SECONDS
    assert 0 < bench.service.fake.endpoints.usd < 0.01
    with open_store(bench.workspace.store_path, read_only=True) as store:
        (trial,) = store.trials()
        stages = {record.stage.value: record for record in store.stages(trial.trial_id)}
    assert stages["train"].billable_seconds == TRAINING_SECONDS
    assert (stages["train"].work_seconds, stages["train"].queue_seconds) == (1234.5, 25.0)


def test_variants_run_side_by_side(bench: Bench) -> None:
    experiment = TINY.replace('["huggingface"]', '["huggingface:autotrain", "huggingface:gpu-endpoint"]')
    found = rows(bench.run("--json", experiment=experiment))
    assert sorted(row["variant"] for row in found) == ["autotrain", "gpu-endpoint"]
    assert all(row["accuracy"] == 1.0 for row in found)
    assert list(bench.service.resources()) == []


def test_a_load_run_carries_the_token_on_every_request(bench: Bench) -> None:
    experiment = TINY.replace("enabled = false", "calls = 60\nconcurrency = 4")
    (row,) = rows(bench.run("--json", experiment=experiment))
    assert row["failed"] == 0
    asked = [each for each in bench.service.fake.wire.seen if each.operation == "predict"]
    assert len(asked) >= 66
    assert all(each.bearer == bench.service.fake.token for each in asked)


def test_the_owner_is_asked_for_where_none_is_set(bench: Bench) -> None:
    bench.environment["AUTOML_BENCH_HUGGINGFACE_NAMESPACE"] = ""
    rows(bench.run("--json"))
    assert bench.service.fake.count("whoami") == 2, "once for `check_access`, once for the namespace"


def test_access_is_checked_by_name(bench: Bench) -> None:
    ended = bench("providers", "check", "huggingface")
    assert ended.returncode == ExitCode.OK, ended.stderr
    assert "bench-user" in ended.stdout
    bench.environment["HF_TOKEN"] = "hf_wrongwrongwrong"
    ended = bench("providers", "check", "huggingface")
    assert ended.returncode == ExitCode.PROVIDER
    assert "Set HF_TOKEN to a valid access token" in ended.stderr
    assert "hf_wrong" not in ended.stderr


def test_an_endpoint_that_cannot_be_deleted_is_shouted_with_its_price(bench: Bench) -> None:
    bench.service.fake.wire.fail(lambda name: name in ("delete_endpoint", "pause_endpoint"), ApiError(403, "no"), 99)
    ended = bench.run()
    assert ended.returncode == ExitCode.RESOURCES_LEFT, ended.stderr
    assert "$0.13 an hour" in ended.stderr
    assert "hf endpoints delete automl-bench-" in ended.stderr
    bench.service.heal()
    assert bench("teardown", "--all").returncode == ExitCode.OK
    assert list(bench.service.resources()) == []


def test_a_made_endpoint_is_adopted_by_its_address(bench: Bench) -> None:
    for verb in ("upload", "train", "deploy"):
        ended = bench(verb, "huggingface", "tiny", "5")
        assert ended.returncode == ExitCode.OK, ended.stderr
    (served,) = bench.service.fake.endpoints.all.values()
    other = Bench(bench.root / "other", bench.service)
    ended = other("invoke", "huggingface", "tiny", "5", "--endpoint", f"{bench.service.fake.url}/serve/{served.name}")
    assert ended.returncode == ExitCode.OK, ended.stderr
    assert other("teardown", "--all").returncode == ExitCode.OK
    assert served.state == "running", "it is not ours to delete"
    assert bench("teardown", "--all").returncode == ExitCode.OK
    assert list(bench.service.resources()) == []
