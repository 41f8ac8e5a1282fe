"""A training costs while it goes on and nothing afterwards, and the printed command ends it in either state."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path

import pytest
from automl_bench_vertex import plugin
from automl_bench_vertex.account import account_of
from google.cloud.aiplatform_v1 import types
from vertex_service import VertexService
from vertex_trial import VertexTrial

from automl_bench.contract import OperationState, Resource, Stage
from automl_bench.errors import DeploymentFailed, ServiceUnavailable


def training_of(trial: VertexTrial) -> Resource:
    (found,) = [each for each in trial.ledger.made if each.kind == "training"]
    return found


def await_its_end(vertex: VertexService) -> None:
    """Wait until the service has carried a deletion out: it has only begun when its request is answered."""
    until = time.monotonic() + 20.0
    while any(line.startswith("training") for line in vertex.resources()):
        assert time.monotonic() < until, vertex.resources()
        time.sleep(0.02)


def run_by_hand(command: str, trial: VertexTrial, folder: Path) -> None:
    """Run a printed command as a user would, with gcloud's token command and an impatient sleep."""
    token = account_of(trial.context).tokens.headers()[0][1].removeprefix("Bearer ")
    for name, body in (("gcloud", f"echo {token}"), ("sleep", "exec /bin/sleep 0.1")):
        (folder / name).write_text(f"#!/bin/sh\n{body}\n", encoding="utf-8")
        (folder / name).chmod(0o755)
    environment = {**os.environ, "PATH": f"{folder}:{os.environ['PATH']}"}
    subprocess.run(["bash", "-c", command], env=environment, check=True, capture_output=True, timeout=60)


def test_a_running_training_has_its_price_and_can_be_ended_by_hand(
    trial: VertexTrial, vertex: VertexService, tmp_path: Path
) -> None:
    vertex.fake.project.pace.training = 600.0
    vertex.fake.project.pace.cancelling = 0.3
    trial.upload()
    begun = plugin.train(trial.context)
    running = training_of(trial)
    assert running.hourly_usd == 8 * 3.465
    (listed,) = [each for each in plugin.list_resources(trial.context, "automl-bench") if each.kind == "training"]
    assert (listed.hourly_usd, listed.delete_by_hand) == (running.hourly_usd, running.delete_by_hand)
    run_by_hand(running.delete_by_hand, trial, tmp_path)
    assert begun.state is OperationState.RUNNING
    await_its_end(vertex)
    assert vertex.fake.count("CancelTrainingPipeline", 200) == 1


def test_an_ended_training_costs_nothing_and_can_be_deleted_by_hand(
    trial: VertexTrial, vertex: VertexService, tmp_path: Path
) -> None:
    trial.upload()
    trial.train()
    ended = training_of(trial)
    assert ended.hourly_usd == 0.0
    assert ":cancel" not in ended.delete_by_hand
    run_by_hand(ended.delete_by_hand, trial, tmp_path)
    await_its_end(vertex)


def test_a_failed_training_costs_nothing_any_more(trial: VertexTrial, vertex: VertexService) -> None:
    vertex.fake.project.training_fails = True
    trial.upload()
    failed = trial.train()
    assert (failed.state, training_of(trial).hourly_usd) == (OperationState.FAILED, 0.0)


def test_a_model_that_cannot_be_deployed_is_refused_before_an_endpoint_is_made(
    trial: VertexTrial, vertex: VertexService
) -> None:
    trial.upload()
    trial.train()
    (model,) = vertex.fake.project.trainings.models.values()
    model.supported_deployment_resources_types = []
    with pytest.raises(DeploymentFailed, match="supports no deployment and not AUTOMATIC_RESOURCES"):
        plugin.deploy(trial.context)
    assert vertex.fake.count("CreateEndpoint") == 0


def test_a_model_that_does_not_show_yet_is_no_reason_to_train_again(trial: VertexTrial, vertex: VertexService) -> None:
    trial.upload()
    trained = trial.train()
    kept = dict(vertex.fake.project.trainings.models)
    vertex.fake.project.trainings.models.clear()
    with pytest.raises(ServiceUnavailable, match="does not show yet"):
        plugin.train(trial.context)
    vertex.fake.project.trainings.models.update(kept)
    again = plugin.train(trial.context)
    assert trial.finish(Stage.TRAIN, again).result == trained.result
    (pipeline,) = vertex.fake.project.trainings.all.values()
    vertex.fake.project.trainings.models.clear()
    pipeline.end_time = types.TrainingPipeline(end_time={"seconds": 1}).end_time
    plugin.train(trial.context)
    assert vertex.fake.count("CreateTrainingPipeline", 200) == 2, "long gone: trained anew"
