"""The simulated cloud learns truly, forgets nothing between processes, and bills what was used."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from pathlib import Path

import pytest
from small_workspace import command, command_environment, make_workspace, write_experiment

from automl_bench.contract import Sample
from automl_bench.errors import ConnectionLost, ExitCode, ResourceMissing, Unauthenticated
from automl_bench.simulation.cloud import LIST_LAG_SECONDS, SimulatedCloud
from automl_bench.simulation.learning import Learner, call_seconds, view
from automl_bench.simulation.services import SERVICES
from automl_bench.testing import Fault, Target

SPEED = 36_000.0


@pytest.fixture
def cloud(tmp_path: Path) -> SimulatedCloud:
    return SimulatedCloud(tmp_path / "cloud.sqlite", SPEED)


def experiment(*providers: str) -> str:
    names = ", ".join(f'"simulated:{name}"' for name in providers)
    return f"""
    datasets = ["tiny"]
    providers = [{names}]
    shots = [5]
    [parallel]
    enabled = false
    """


def test_lists_lag_behind_but_ids_are_known_at_once(cloud: SimulatedCloud) -> None:
    made = cloud.create("dataset", "automl-bench-x", "quick")
    assert cloud.get(made.id).name == "automl-bench-x"
    assert cloud.listed("automl-bench-x") == []
    until = time.monotonic() + 10 * LIST_LAG_SECONDS
    while not cloud.listed("automl-bench-x"):
        assert time.monotonic() < until
        time.sleep(0.02)
    assert cloud.listed("automl-bench-y") == []


def test_what_is_deleted_is_gone_and_billed_once(cloud: SimulatedCloud) -> None:
    endpoint = cloud.create("endpoint", "automl-bench-e", "quick")
    assert cloud.delete(endpoint.id)
    with pytest.raises(ResourceMissing):
        cloud.delete(endpoint.id)
    (line,) = cloud.bill()
    assert (line.service, line.item) == ("quick", "endpoint_hour")
    assert line.usd == pytest.approx(line.quantity * 0.9)


def test_a_dear_endpoint_stops_slowly_and_is_billed_until_then(cloud: SimulatedCloud) -> None:
    slow = SimulatedCloud(cloud.path, speed=100.0)  # a minute of stopping is 0.6 s
    endpoint = slow.create("endpoint", "automl-bench-e", "thorough")
    assert not slow.delete(endpoint.id)
    assert not slow.delete(endpoint.id), "asked again while it stops"
    until = time.monotonic() + 10
    while slow.existing():
        assert time.monotonic() < until
        time.sleep(0.02)
    with pytest.raises(ResourceMissing):
        slow.delete(endpoint.id)
    (line,) = slow.bill()
    assert line.quantity == pytest.approx(60 / 3600, rel=0.5), "billed once, with the minute of stopping"


def test_an_endpoint_that_runs_stands_on_the_bill(cloud: SimulatedCloud) -> None:
    cloud.create("endpoint", "automl-bench-e", "thorough")
    time.sleep(0.01)
    (line,) = cloud.bill()
    assert line.usd is not None
    assert line.usd > 0


def test_an_unknown_price_stays_unknown_on_the_bill(cloud: SimulatedCloud) -> None:
    cloud.use("unlucky", "call", 3)
    assert [line.usd for line in cloud.bill()] == [None]


def test_tokens_expire(cloud: SimulatedCloud) -> None:
    token, _ = cloud.token(0.05)
    cloud.check(token)
    time.sleep(0.06)
    with pytest.raises(Unauthenticated, match="expired"):
        cloud.check(token)


def test_a_lost_answer_is_lost_after_the_cloud_has_acted(cloud: SimulatedCloud) -> None:
    cloud.tell(Fault.LOST_ANSWER, Target.CONTROL, 1)
    with pytest.raises(ConnectionLost):
        cloud.create("dataset", "automl-bench-x", "quick")
    assert [thing.name for thing in cloud.existing()] == ["automl-bench-x"]
    cloud.create("dataset", "automl-bench-y", "quick")


def test_a_cloud_whose_file_was_deleted_begins_anew(cloud: SimulatedCloud) -> None:
    cloud.create("dataset", "automl-bench-x", "quick")
    for path in cloud.path.parent.glob("cloud.sqlite*"):
        path.unlink()
    assert cloud.existing() == []


def test_what_a_service_sees_and_how_long_it_takes_never_changes(tmp_path: Path) -> None:
    workspace = make_workspace(tmp_path)
    sample = image("ab", next((workspace.data / "tiny" / "test").rglob("*.png")))
    service = SERVICES["thrifty"]
    assert (view(sample, service) == view(sample, service)).all()
    assert (view(sample, service) != view(replace(sample, sample_id="cd"), service)).any()
    assert call_seconds("ab", service) == call_seconds("ab", service)
    assert call_seconds("ab", service) != call_seconds("cd", service)


def image(sample_id: str, path: Path) -> Sample:
    return Sample(sample_id, path, path.stat().st_size, "image/png")


def test_scores_add_up_and_the_best_one_is_the_answer(tmp_path: Path) -> None:
    workspace = make_workspace(tmp_path)
    for service in SERVICES.values():
        rows = [
            (path.stem + path.parent.name, path.parent.name, view(image(path.stem, path), service).tobytes())
            for path in sorted((workspace.data / "tiny" / "train").rglob("*.png"))
        ]
        test = image("x", next((workspace.data / "tiny" / "test").rglob("*.png")))
        prediction = Learner(service, rows).predict(test)
        assert sum(prediction.scores.values()) == pytest.approx(1)
        assert prediction.confidence == max(prediction.scores.values())
        assert prediction.scores[prediction.label or ""] == prediction.confidence


def test_a_run_over_three_services_leaves_nothing_and_the_same_again_costs_nothing(tmp_path: Path) -> None:
    make_workspace(tmp_path)
    environment = {**command_environment(tmp_path), "AUTOML_BENCH_SIMULATED_SPEED": str(SPEED)}
    path = write_experiment(tmp_path, experiment("quick", "thorough", "thrifty"))
    ended = command("run", str(path), "--json", environment=environment, cwd=tmp_path)
    assert ended.returncode == ExitCode.OK, ended.stderr
    rows = json.loads(ended.stdout)["results"]
    assert {row["failed"] for row in rows} == {0}
    thorough = next(row for row in rows if row["variant"] == "thorough")
    assert thorough["train_seconds"] == 1800 + 3 * 15, "virtual seconds: fifteen samples"
    cloud = SimulatedCloud(tmp_path / ".automl-bench" / "simulated" / "cloud.sqlite", SPEED)
    assert cloud.existing() == []
    bill = cloud.bill()
    assert {line.service for line in bill} == {"quick", "thorough", "thrifty"}
    again = command("run", str(path), environment=environment, cwd=tmp_path)
    assert again.returncode == ExitCode.OK
    assert cloud.bill() == bill


def test_an_unlucky_service_fails_in_training_and_keeps_its_upload_for_a_retry(tmp_path: Path) -> None:
    make_workspace(tmp_path)
    environment = {**command_environment(tmp_path), "AUTOML_BENCH_SIMULATED_SPEED": str(SPEED)}
    ended = command(
        "run", str(write_experiment(tmp_path, experiment("unlucky"))), environment=environment, cwd=tmp_path
    )
    assert ended.returncode == ExitCode.PROVIDER
    assert "did not converge" in ended.stderr
    cloud = SimulatedCloud(tmp_path / ".automl-bench" / "simulated" / "cloud.sqlite", SPEED)
    assert [thing.kind for thing in cloud.existing()] == ["dataset"]
    assert [line.item for line in cloud.bill()] == ["train_hour"], "the failed training is billed"
    assert command("teardown", "--all", environment=environment, cwd=tmp_path).returncode == ExitCode.OK
    assert cloud.existing() == []


@pytest.mark.slow  # a whole experiment of 36 trials with its report: about 20 s on an idle machine
def test_the_cloud_demo_ends_with_its_bill(tmp_path: Path) -> None:
    ended = command("demo", "--cloud", environment=command_environment(tmp_path), cwd=tmp_path, timeout=110)
    assert ended.returncode == ExitCode.OK, ended.stderr
    assert "the bill" in ended.stdout
    assert "no resources are left" in ended.stdout
    assert (tmp_path / "reports" / "demo-cloud" / "report.html").is_file()
