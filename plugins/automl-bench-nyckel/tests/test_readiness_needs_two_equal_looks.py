"""A function counts as trained only when two looks, some seconds apart, find it trained and unchanged."""

from __future__ import annotations

import json
import time

import nyckel_wire
import pytest
from automl_bench_nyckel import plugin, readiness
from automl_bench_nyckel.readiness import Watch
from nyckel_trial import NyckelTrial

from automl_bench.contract import Operation, OperationState, Stage, TrainingSet
from automl_bench.errors import PermissionDenied, ProviderError, RateLimited, ResourceMissing, ServiceUnavailable

TRAINED = {"isTraining": False, "sampleCount": 15, "predictionCount": 15, "annotatedLabelCounts": {}}


def poll(trial: NyckelTrial, operation: Operation) -> Operation:
    return plugin.poll(trial.context, Operation(OperationState.RUNNING, token=operation.token))


def watch(**changes: object) -> str:
    content = {"function_id": "function_x", "expected": 15, "uploaded_at": time.time(), "unready_at": time.time()}
    return json.dumps({**content, **changes})


def test_training_ends_after_two_looks_and_tells_its_time(trial: NyckelTrial, training_set: TrainingSet) -> None:
    trial.fake.train_seconds = 0.5
    trial.upload(training_set)
    ended = trial.train()
    assert ended.state is OperationState.SUCCEEDED
    assert trial.fake.count("metrics") >= 3
    function_id = trial.results[Stage.UPLOAD]["function_id"]
    assert ended.result["endpoint_id"] == ended.result["function_id"] == function_id
    assert ended.work_seconds is not None
    assert 0.3 < ended.work_seconds < 10
    assert "observed" in ended.result["training_time"]


def test_one_look_is_not_enough_however_late_it_comes(trial: NyckelTrial, training_set: TrainingSet) -> None:
    trial.fake.train_seconds = 0.0
    trial.fake.lag = 0.0
    trial.upload(training_set)
    operation = poll(trial, plugin.train(trial.context))
    assert operation.state is OperationState.RUNNING
    assert Watch.from_token(operation.token).ready_at > 0
    assert operation.poll_after == 0.05


def test_a_second_look_that_comes_too_early_does_not_count(trial: NyckelTrial, training_set: TrainingSet) -> None:
    trial.settings["poll_seconds"] = "30"
    trial.fake.train_seconds = 0.0
    trial.upload(training_set)
    operation = plugin.train(trial.context)
    for _ in range(3):
        operation = poll(trial, operation)
        assert operation.state is OperationState.RUNNING


def test_a_change_between_the_looks_begins_the_wait_anew(trial: NyckelTrial, training_set: TrainingSet) -> None:
    trial.settings["poll_seconds"] = "0.01"
    trial.fake.train_seconds = 0.0
    trial.upload(training_set)
    operation = poll(trial, plugin.train(trial.context))
    first_ready_at = Watch.from_token(operation.token).ready_at
    trial.fake.fail("metrics", 200, body={**TRAINED, "sampleCount": 16, "predictionCount": 16})
    time.sleep(0.05)
    operation = poll(trial, operation)
    assert operation.state is OperationState.RUNNING
    assert Watch.from_token(operation.token).ready_at > first_ready_at


@pytest.mark.parametrize(
    ("metrics", "state"),
    [
        ({**TRAINED, "isTraining": True}, "Browsing"),
        ({**TRAINED, "predictionCount": 14}, "Browsing"),
        ({**TRAINED, "sampleCount": 14, "predictionCount": 14}, "Browsing"),
        (TRAINED, "Training"),
        (TRAINED, ""),
        ({"isTraining": False}, "Browsing"),
        ([], "Browsing"),
    ],
)
def test_what_is_not_trained_is_waited_for(trial: NyckelTrial, metrics: object, state: str) -> None:
    trial.fake.fail("metrics", 200, times=2, body=metrics)
    trial.fake.fail("state", 200, times=2, body={"state": state})
    operation = Operation(OperationState.RUNNING, token=watch())
    operation = poll(trial, poll(trial, operation))
    assert operation.state is OperationState.RUNNING
    assert Watch.from_token(operation.token).ready_at == 0.0


def test_looks_that_find_nothing_new_do_not_change_the_token(trial: NyckelTrial, training_set: TrainingSet) -> None:
    trial.fake.train_seconds = 3600
    trial.upload(training_set)
    begun = plugin.train(trial.context)
    assert poll(trial, poll(trial, begun)).token == begun.token, "each new token is a write to the store"


def test_another_process_goes_on_with_nothing_but_the_token(trial: NyckelTrial, training_set: TrainingSet) -> None:
    trial.upload(training_set)
    token = plugin.train(trial.context).token
    other = NyckelTrial(trial.fake, trial.folder)
    assert other.wait(poll(other, Operation(OperationState.RUNNING, token=token))).state is OperationState.SUCCEEDED


def test_a_training_that_nobody_watched_has_no_time(trial: NyckelTrial, training_set: TrainingSet) -> None:
    trial.upload(training_set)
    yesterday = time.time() - 86_400
    trial.results[Stage.UPLOAD] = {**trial.results[Stage.UPLOAD], "uploaded_at": yesterday}
    time.sleep(trial.fake.train_seconds)
    ended = trial.train()
    assert ended.work_seconds is None
    assert "unknown" in ended.result["training_time"]


def test_a_function_that_does_not_show_at_first_is_waited_for(trial: NyckelTrial, training_set: TrainingSet) -> None:
    trial.upload(training_set)
    trial.fake.fail("metrics", 404, times=2)
    assert trial.train().state is OperationState.SUCCEEDED


def test_a_function_that_is_gone_is_missing(trial: NyckelTrial) -> None:
    long_ago = time.time() - 100
    with pytest.raises(ResourceMissing):
        poll(trial, Operation(OperationState.RUNNING, token=watch(uploaded_at=long_ago)))


@pytest.mark.parametrize("token", ["", "{}", "[]", '"x"', "toy", '{"function_id": "x", "unknown": 1}'])
def test_a_token_of_something_else_is_missing(trial: NyckelTrial, token: str) -> None:
    with pytest.raises(ResourceMissing, match="names no training"):
        poll(trial, Operation(OperationState.RUNNING, token=token))


@pytest.mark.parametrize(
    ("what", "expected"),
    [(403, PermissionDenied), (429, RateLimited), (503, ServiceUnavailable), (nyckel_wire.GARBAGE, ServiceUnavailable)],
)
def test_a_look_that_fails_has_its_class_and_is_one_request(
    trial: NyckelTrial, what: int | str, expected: type[ProviderError]
) -> None:
    trial.fake.fail("metrics", what)
    with pytest.raises(ProviderError) as caught:
        poll(trial, Operation(OperationState.RUNNING, token=watch()))
    assert type(caught.value) is expected
    assert trial.fake.count("metrics") == 1


def test_the_zero_shot_model_that_answers_before_training_is_never_measured(
    trial: NyckelTrial, training_set: TrainingSet
) -> None:
    trial.fake.train_seconds = 0.4
    trial.upload(training_set)
    trial.train()
    assert trial.fake.zero_shot_invokes == 0
    assert readiness.READY_STATES == ("Browsing", "Tuning")
