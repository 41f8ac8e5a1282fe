"""Each hook against the stand-in: what is sent, what is waited for, and what is found again."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest
from automl_bench_vertex import endpoints, plugin
from automl_bench_vertex.options import TrainingOptions
from google.cloud.aiplatform_v1 import types
from vertex_service import VertexService
from vertex_trial import TRIAL_ID, VertexTrial

from automl_bench.contract import (
    NAME_PREFIX,
    Deletion,
    LabelledSample,
    Modality,
    Operation,
    OperationState,
    Sample,
    Stage,
    Variant,
)
from automl_bench.errors import Infeasible, SettingsError

STEM = f"{NAME_PREFIX}-{TRIAL_ID}"
KINDS = ["samples", "dataset", "model", "training", "endpoint", "deployed-model"]


def body_of(vertex: VertexService, method: str) -> dict[str, Any]:
    """Return the JSON of the only request of a method."""
    (seen,) = [each for each in vertex.fake.seen if each.method == method]
    return dict(json.loads(seen.body))


def look(trial: VertexTrial, operation: Operation) -> Operation:
    return plugin.poll(trial.context, Operation(OperationState.RUNNING, token=operation.token))


def test_a_trial_goes_up_and_leaves_nothing(trial: VertexTrial, vertex: VertexService) -> None:
    trial.up()
    assert sorted(vertex.resources()) == sorted(f"{kind} {STEM}-{kind}" for kind in KINDS)
    listed = plugin.list_resources(trial.context, NAME_PREFIX)
    assert [(item.kind, item.name) for item in listed] == [(kind, f"{STEM}-{kind}") for kind in KINDS]
    assert [item.hourly_usd for item in listed] == [0.0, 0.0, 0.0, 0.0, 0.0, 1.375]
    assert all(item.delete_by_hand for item in listed)
    trial.tear_down()
    assert vertex.resources() == []
    assert vertex.object_names() == []
    assert vertex.billing() == []


def test_the_service_learns_from_our_halves_and_draws_none_of_its_own(
    trial: VertexTrial, vertex: VertexService
) -> None:
    trial.upload()
    trial.train()
    assert vertex.fake.project.trainings.splits == {f"{STEM}-training": {"training": 24, "validation": 6, "test": 0}}
    assert body_of(vertex, "CreateTrainingPipeline")["inputDataConfig"]["filterSplit"] == {
        "trainingFilter": "labels.aiplatform.googleapis.com/ml_use=training",
        "validationFilter": "labels.aiplatform.googleapis.com/ml_use=validation",
        "testFilter": "-",
    }


def test_the_import_file_has_use_address_and_allowed_label(trial: VertexTrial, vertex: VertexService) -> None:
    trial.upload()
    text = vertex.read(f"automl-bench/{STEM}-samples/import.csv")
    rows = [line.split(",") for line in text.splitlines()]
    assert len(rows) == 30
    assert {row[0] for row in rows} == {"training", "validation"}
    assert {row[2] for row in rows} == {"x_7", "brick", "x_ocean_20blue"}
    folder = f"gs://{vertex.bucket}/automl-bench/{STEM}-samples/images/"
    ids = {item.sample.sample_id for item in (*trial.set.train, *trial.set.validation)}
    assert {row[1] for row in rows} == {f"{folder}{sample_id}.png" for sample_id in ids}


def test_everything_that_can_carries_the_trial_s_label(trial: VertexTrial, vertex: VertexService) -> None:
    trial.up()
    project = vertex.fake.project
    made = [project.datasets.all, project.trainings.all, project.trainings.models, project.serving.all]
    assert [dict(each.labels) for those in made for each in those.values()] == [{"automl-bench-trial": TRIAL_ID}] * 4


def test_a_training_tells_its_times_and_its_bill(trial: VertexTrial, vertex: VertexService) -> None:
    vertex.fake.project.pace.training = 0.3
    trial.upload()
    trained = trial.train()
    assert trained.billable_seconds == 4.8 * 3600
    assert trained.work_seconds is not None
    assert 0.2 < trained.work_seconds < 5
    assert trained.queue_seconds is not None
    assert trained.result["stopped_because"] == "MODEL_CONVERGED"
    assert vertex.usd() == pytest.approx(4.8 * 3.465)


@pytest.mark.parametrize(
    ("variant", "sent"),
    [
        ("default", {"modelType": "CLOUD", "budgetMilliNodeHours": 8000}),
        ("high-accuracy", {"modelType": "CLOUD_1", "budgetMilliNodeHours": 8000}),
    ],
)
def test_a_variant_chooses_model_and_budget(
    variant: str, sent: dict[str, Any], vertex: VertexService, tmp_path: Path
) -> None:
    trial = VertexTrial(tmp_path, variant=variant)
    trial.upload()
    trial.train()
    inputs = body_of(vertex, "CreateTrainingPipeline")["trainingTaskInputs"]
    assert inputs == {**sent, "multiLabel": False, "disableEarlyStopping": False}


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"model_typ": "CLOUD"}, "'model_typ' is not a setting"),
        ({"model_type": "HUGE"}, "'HUGE'"),
        ({"budget_milli_node_hours": 7999}, "7999"),
        ({"model_type": "CLOUD", "budget_milli_node_hours": 800_001}, "800001"),
        ({"budget_milli_node_hours": 8000.5}, "8000.5"),
        ({"budget_milli_node_hours": True}, "True"),
        ({"early_stopping": "no"}, "'no'"),
    ],
)
def test_a_variant_that_the_service_would_refuse_is_refused_here(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(SettingsError, match=words) as caught:
        TrainingOptions.of(Variant("vertex", "odd", settings))
    assert caught.value.remedy


def test_the_price_table_follows_the_variant() -> None:
    plain = {price.item: price for price in plugin.price(_priced("default"))}
    assert (plain["train_hour"].usd, plain["train_hour"].per_trial) == (3.465, 8.0)
    assert (plain["endpoint_hour"].usd, plain["endpoint_hour"].per_trial) == (1.375, None)
    assert plain["sample_month"].usd is None


def test_a_model_that_could_not_be_served_is_refused_before_any_request(vertex: VertexService) -> None:
    with pytest.raises(Infeasible, match="cannot serve") as caught:
        TrainingOptions.of(Variant("vertex", "edge", {"model_type": "MOBILE_TF_LOW_LATENCY_1"}))
    assert "CLOUD" in caught.value.remedy
    assert vertex.requests() == []


def _priced(variant: str) -> Any:
    from automl_bench_vertex.options import VARIANTS

    class Context:
        pass

    context = Context()
    context.variant = Variant("vertex", variant, VARIANTS[variant])  # type: ignore[attr-defined]
    context.modality = Modality.IMAGE  # type: ignore[attr-defined]
    return context


# --- upload ------------------------------------------------------------------------------------------------------


def test_images_that_the_service_refuses_fail_the_upload(trial: VertexTrial, tmp_path: Path) -> None:
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"no image at all")
    broken_sample = Sample("0" * 64, broken, 15, "image/png")
    trial.set = type(trial.set)(
        trial.set.dataset,
        trial.set.labels,
        (*trial.set.train, LabelledSample(broken_sample, "brick")),
        trial.set.validation,
    )
    ended = trial.upload()
    assert ended.state is OperationState.FAILED
    assert "refused images (1 or more), such as: gs://" in ended.message


def test_an_import_that_fails_gives_the_service_s_reason(trial: VertexTrial, vertex: VertexService) -> None:
    vertex.fake.project.import_fails = True
    ended = trial.upload()
    assert ended.state is OperationState.FAILED
    assert ended.message == "the import failed: The import was told to fail"


def test_an_import_is_begun_once_also_by_a_process_that_died_before_it_could_say_so(
    trial: VertexTrial, vertex: VertexService
) -> None:
    begun = plugin.upload(trial.context, trial.set)
    while "importing" not in (first := look(trial, begun)).message:
        time.sleep(0.01)
    again = look(trial, begun)  # the same old token: the process died before the new one was stored
    assert again.token == first.token
    assert vertex.fake.count("ImportData") == 1
    trial.finish(Stage.UPLOAD, again)
    assert len(vertex.training_samples()) == 30


def test_a_dataset_that_takes_its_time_is_waited_for(trial: VertexTrial, vertex: VertexService) -> None:
    vertex.fake.project.pace.creating = 0.2
    begun = plugin.upload(trial.context, trial.set)
    early = look(trial, begun)
    assert (early.state, early.message) == (OperationState.RUNNING, "creating the dataset")
    assert trial.finish(Stage.UPLOAD, early).state is OperationState.SUCCEEDED


def test_the_same_upload_again_creates_and_sends_nothing(trial: VertexTrial, vertex: VertexService) -> None:
    trial.upload()
    sent = len(vertex.storage.uploads())
    again = trial.upload()
    assert again.result["images_sent"] == 0
    assert len(vertex.storage.uploads()) == sent == 30
    assert trial.ledger.events[-2:] == ["found samples", "found dataset"]
    assert vertex.fake.count("ImportData") == 1


# --- training ----------------------------------------------------------------------------------------------------


def test_a_training_that_fails_gives_the_service_s_reason(trial: VertexTrial, vertex: VertexService) -> None:
    vertex.fake.project.training_fails = True
    trial.upload()
    ended = trial.train()
    assert (ended.state, ended.message) == (OperationState.FAILED, "Training was told to fail")


def test_a_training_whose_answer_was_lost_is_found_by_name(trial: VertexTrial, vertex: VertexService) -> None:
    trial.upload()
    plugin.train(trial.context)
    trial.train()
    assert vertex.fake.count("CreateTrainingPipeline") == 1
    assert trial.ledger.events[-1] == "found training"


def test_a_training_is_called_off_at_teardown(trial: VertexTrial, vertex: VertexService) -> None:
    vertex.fake.project.pace.training = 30.0
    trial.upload()
    plugin.train(trial.context)
    trial.tear_down()
    assert vertex.resources() == []
    assert vertex.fake.count("CancelTrainingPipeline") == 1
    assert vertex.usd() == 0.0


def test_a_called_off_training_is_not_taken_for_the_trial_s(trial: VertexTrial, vertex: VertexService) -> None:
    vertex.fake.project.pace.training = 30.0
    trial.upload()
    begun = plugin.train(trial.context)
    pipeline = json.loads(begun.token)["pipeline"]
    vertex.fake.project.trainings.all[pipeline].state = types.PipelineState.PIPELINE_STATE_CANCELLED
    vertex.fake.project.pace.training = 0.02
    assert trial.train().state is OperationState.SUCCEEDED
    assert vertex.fake.count("CreateTrainingPipeline") == 2
    trial.tear_down()
    assert vertex.resources() == [], "both go, as both bear the name"


def test_a_model_whose_line_was_closed_early_goes_with_its_training(trial: VertexTrial, vertex: VertexService) -> None:
    trial.upload()
    trial.train()
    (training,) = [item for item in trial.ledger.made if item.kind == "training"]
    trial.delete(training)
    assert [line for line in vertex.resources() if line.startswith(("model", "training"))] == []


# --- deployment --------------------------------------------------------------------------------------------------


def test_one_node_gets_all_traffic(trial: VertexTrial, vertex: VertexService) -> None:
    trial.up()
    sent = body_of(vertex, "DeployModel")
    assert sent["trafficSplit"] == {"0": 100}
    assert sent["deployedModel"]["automaticResources"] == {"minReplicaCount": 1, "maxReplicaCount": 1}
    (endpoint,) = vertex.fake.project.serving.all.values()
    assert list(endpoint.traffic_split.values()) == [100]


def test_the_bill_begins_after_its_line_in_the_ledger(trial: VertexTrial, vertex: VertexService) -> None:
    seen: list[list[str]] = []

    def note(method: str) -> None:
        if method == "DeployModel":
            seen.append(list(trial.ledger.events))

    vertex.fake.before = note
    real = trial.ledger.ensure
    trial.ledger.ensure = lambda kind, **more: (trial.ledger.events.append(f"intends {kind}"), real(kind, **more))[1]  # type: ignore[method-assign]
    trial.up()
    assert seen[0][-2:] == ["intends deployed-model", "creating deployed-model"]


def test_a_node_is_billed_from_deployment_to_the_end_of_undeployment(trial: VertexTrial, vertex: VertexService) -> None:
    trial.upload()
    trial.train()
    trained = vertex.usd()
    trial.deploy()
    begun = time.monotonic()
    time.sleep(0.2)
    assert vertex.usd() - trained >= 0.2 * 1.375 / 3600
    trial.tear_down()
    bill, most = vertex.usd() - trained, (time.monotonic() - begun + 1.0) * 1.375 / 3600
    assert 0.2 * 1.375 / 3600 < bill < most
    time.sleep(0.1)
    assert vertex.usd() - trained == bill


def test_a_deployment_that_was_done_is_found_and_costs_no_second_node(
    trial: VertexTrial, vertex: VertexService
) -> None:
    first = trial.up()
    again = trial.deploy()
    assert again.result == first.result
    assert vertex.fake.count("DeployModel") == vertex.fake.count("CreateEndpoint") == 1


def test_a_deployment_that_goes_on_is_found_by_its_operation(trial: VertexTrial, vertex: VertexService) -> None:
    trial.upload()
    trial.train()
    vertex.fake.project.pace.deploying = 0.5
    begun = plugin.deploy(trial.context)
    while "deploying" not in look(trial, begun).message:  # each time with the first token, as after a crash
        time.sleep(0.01)
    look(trial, begun)
    assert trial.finish(Stage.DEPLOY, begun).state is OperationState.SUCCEEDED
    assert vertex.fake.count("DeployModel") == 1


def test_a_deployment_that_goes_on_is_ended_and_taken_off_at_teardown(
    trial: VertexTrial, vertex: VertexService
) -> None:
    trial.upload()
    trial.train()
    vertex.fake.project.pace.deploying = 0.3
    begun = plugin.deploy(trial.context)
    while "deploying" not in look(trial, begun).message:
        time.sleep(0.01)
    (deployed,) = [item for item in trial.ledger.made if item.kind == "deployed-model"]
    assert plugin.delete_resource(trial.context, deployed) is Deletion.PENDING
    trial.tear_down()
    assert vertex.resources() == []
    bill = vertex.usd()
    time.sleep(0.05)
    assert vertex.usd() == bill, "nothing goes on costing"


def test_a_deployment_that_fails_gives_the_service_s_reason(trial: VertexTrial, vertex: VertexService) -> None:
    vertex.fake.project.deployment_fails = True
    ended = trial.up()
    assert (ended.state, ended.message) == (OperationState.FAILED, "deploying: Deployment was told to fail")
    trial.tear_down()
    assert vertex.resources() == []


def test_a_model_that_is_deployed_and_does_not_show_yet_is_waited_for(
    trial: VertexTrial, vertex: VertexService, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, hidden = endpoints.deployed, [3]

    def late(endpoint: Any, name: str) -> Any:
        found = real(endpoint, name)
        hidden[0] -= found is not None
        return found if hidden[0] < 0 else None

    monkeypatch.setattr(endpoints, "deployed", late)
    assert trial.up().state is OperationState.SUCCEEDED
    assert vertex.fake.count("DeployModel") == 1


def test_an_endpoint_whose_answer_was_lost_is_taken_and_not_made_twice(
    trial: VertexTrial, vertex: VertexService
) -> None:
    trial.upload()
    trial.train()
    vertex.fake.project.pace.creating = 0.3
    plugin.deploy(trial.context)  # its answer is lost, and the endpoint does not show yet
    assert trial.deploy().state is OperationState.SUCCEEDED
    assert vertex.fake.count("CreateEndpoint", 409) == 1
    assert list(vertex.creations()).count(f"endpoint {STEM}-endpoint") == 1
