"""Each hook against the stand-in: what is sent, what is waited for, and what is found again."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest
from automl_bench_vertex import objects, plugin
from automl_bench_vertex.options import TrainingOptions
from google.cloud.aiplatform_v1 import types
from vertex_project import Pace
from vertex_routes import Refusal
from vertex_service import VertexService
from vertex_trial import COLOURS, TRIAL_ID, VertexTrial, delete, enter, labelled

from automl_bench.contract import NAME_PREFIX, Deletion, Endpoint, Operation, OperationState, Resource, Stage, Variant
from automl_bench.errors import PermissionDenied, RequestRefused, ResourceConflict, ResourceMissing

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
        ("low-latency", {"modelType": "MOBILE_TF_LOW_LATENCY_1", "budgetMilliNodeHours": 1000}),
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
        ({"model_type": "MOBILE_TF_VERSATILE_1", "budget_milli_node_hours": 100_001}, "100001"),
        ({"budget_milli_node_hours": 8000.5}, "8000.5"),
        ({"budget_milli_node_hours": True}, "True"),
        ({"early_stopping": "no"}, "'no'"),
    ],
)
def test_a_variant_that_the_service_would_refuse_is_refused_here(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(RequestRefused, match=words) as caught:
        TrainingOptions.of(Variant("vertex", "odd", settings))
    assert caught.value.remedy


def test_the_price_table_follows_the_variant() -> None:
    plain = {price.item: price for price in plugin.price(_priced("default"))}
    assert (plain["train_hour"].usd, plain["train_hour"].per_trial) == (3.465, 8.0)
    assert (plain["endpoint_hour"].usd, plain["endpoint_hour"].per_trial) == (1.375, None)
    assert plain["sample_month"].usd is None
    mobile = {price.item: price for price in plugin.price(_priced("low-latency"))}
    assert (mobile["train_hour"].usd, mobile["train_hour"].per_trial) == (18.0, 1.0)


def _priced(variant: str) -> Any:
    from automl_bench_vertex.options import VARIANTS

    class Context:
        pass

    context = Context()
    context.variant = Variant("vertex", variant, VARIANTS[variant])  # type: ignore[attr-defined]
    return context


# --- upload ------------------------------------------------------------------------------------------------------


def test_images_that_the_service_refuses_fail_the_upload(trial: VertexTrial, tmp_path: Path) -> None:
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"no image at all")
    trial.set = type(trial.set)(
        trial.set.dataset, trial.set.labels, (*trial.set.train, labelled(broken, "brick", 16)), trial.set.validation
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
    assert trial.ledger.lines[-2:] == ["found samples", "found dataset"]
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
    assert trial.ledger.lines[-1] == "found training"


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
    delete(trial.context, training)
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
            seen.append(list(trial.ledger.lines))

    vertex.fake.before = note
    real = trial.ledger.ensure
    trial.ledger.ensure = lambda kind, **more: (trial.ledger.lines.append(f"intends {kind}"), real(kind, **more))[1]  # type: ignore[method-assign]
    trial.up()
    assert seen[0][-2:] == ["intends deployed-model", "created deployed-model"]


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


# --- what exists, and how it goes --------------------------------------------------------------------------------


def test_a_resource_that_is_just_being_created_is_not_taken_for_gone(trial: VertexTrial, vertex: VertexService) -> None:
    vertex.fake.project.pace.creating = 0.3
    plugin.upload(trial.context, trial.set)
    (dataset,) = [item for item in trial.ledger.made if item.kind == "dataset"]
    assert plugin.delete_resource(trial.context, dataset) is Deletion.PENDING
    trial.tear_down()
    time.sleep(0.35)
    assert vertex.resources() == []


def test_all_datasets_of_a_name_go(trial: VertexTrial, vertex: VertexService) -> None:
    from automl_bench_vertex import datasets
    from automl_bench_vertex.account import account_of

    trial.upload()
    datasets.create(account_of(trial.context), f"{STEM}-dataset")  # as after a lost answer and a list that lags
    time.sleep(0.05)
    assert [line for line in vertex.resources() if line.startswith("dataset")] == [f"dataset {STEM}-dataset"] * 2
    trial.tear_down()
    assert vertex.resources() == []


def test_a_dataset_whose_import_goes_on_is_waited_for(trial: VertexTrial, vertex: VertexService) -> None:
    vertex.fake.project.pace.importing = 0.3
    begun = plugin.upload(trial.context, trial.set)
    while "importing" not in look(trial, begun).message:
        time.sleep(0.01)
    (dataset,) = [item for item in trial.ledger.made if item.kind == "dataset"]
    assert plugin.delete_resource(trial.context, dataset) is Deletion.PENDING
    assert any("is busy" in line for line in trial.lines)
    trial.tear_down()
    assert vertex.resources() == []


def test_a_service_that_lists_no_operations_is_cleared_all_the_same(trial: VertexTrial, vertex: VertexService) -> None:
    vertex.fake.fail("ListOperations", Refusal("UNIMPLEMENTED", "not here"), times=10**6)
    vertex.fake.project.pace.deleting = vertex.fake.project.pace.undeploying = 0.2
    trial.up()
    trial.tear_down()
    assert vertex.resources() == []
    assert vertex.fake.count("UndeployModel") == vertex.fake.count("DeleteDataset") == 1, "asked for once, then awaited"


def test_a_refusal_that_no_wait_mends_is_told_at_once(trial: VertexTrial, vertex: VertexService) -> None:
    trial.up()
    (dataset,) = [item for item in trial.ledger.made if item.kind == "dataset"]
    (model,) = [item for item in trial.ledger.made if item.kind == "model"]
    with pytest.raises(ResourceConflict, match="is deployed"):
        plugin.delete_resource(trial.context, model)
    vertex.fake.project.deletion_fails = True
    with pytest.raises(PermissionDenied):
        plugin.delete_resource(trial.context, dataset)


def test_an_endpoint_with_something_deployed_by_hand_is_cleared(trial: VertexTrial, vertex: VertexService) -> None:
    trial.up()
    (endpoint,) = [item for item in trial.ledger.made if item.kind == "endpoint"]
    vertex.fake.project.serving.all[endpoint.resource_id.replace("bench-project", "123456789012")].deployed_models[
        0
    ].display_name = "by-hand"
    delete(trial.context, endpoint)
    assert vertex.billing() == []
    assert f"endpoint {STEM}-endpoint" not in vertex.resources()


@pytest.mark.parametrize("left", ["import.csv", "images/" + "0" * 64 + ".png"])
def test_a_half_done_upload_is_found_and_cleared_with_no_local_file(
    left: str, trial: VertexTrial, vertex: VertexService
) -> None:
    vertex.put(f"automl-bench/{STEM}-samples/{left}", b"half")
    vertex.put("automl-bench-other/not-ours", b"a stranger's")
    (found,) = plugin.list_resources(trial.context, NAME_PREFIX)
    assert (found.kind, found.name, found.hourly_usd) == ("samples", f"{STEM}-samples", 0.0)
    assert found.delete_by_hand == f"gcloud storage rm --recursive gs://{vertex.bucket}/automl-bench/{STEM}-samples/"
    assert delete(trial.context, found) is Deletion.DELETED
    assert vertex.object_names() == ["automl-bench-other/not-ours"]


def test_many_objects_are_deleted_in_portions(
    trial: VertexTrial, vertex: VertexService, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(objects, "DELETE_AT_ONCE", 12)
    trial.upload()
    (samples,) = [item for item in trial.ledger.made if item.kind == "samples"]
    assert plugin.delete_resource(trial.context, samples) is Deletion.PENDING
    assert len(vertex.object_names()) == 31 - 12
    assert f"automl-bench/{STEM}-samples/import.csv" in vertex.object_names(), "what tells of the rest goes last"
    assert delete(trial.context, samples) is Deletion.DELETED
    assert vertex.object_names() == []


def test_lists_of_several_pages_are_read_whole(trial: VertexTrial, vertex: VertexService) -> None:
    project = vertex.fake.project
    for number in range(230):
        name = f"{project.parent}/datasets/{number}"
        project.datasets.all[name] = types.Dataset(
            name=name, display_name=f"{NAME_PREFIX}-{number:012x}-dataset", create_time={"seconds": number}
        )
        project.datasets.items[name] = {}
    listed = plugin.list_resources(trial.context, NAME_PREFIX)
    assert [item.name for item in listed] == [f"{NAME_PREFIX}-{number:012x}-dataset" for number in range(230)]
    assert vertex.fake.count("ListDatasets") == 3


def test_an_unknown_kind_and_an_unknown_token_name_nothing(trial: VertexTrial) -> None:
    with pytest.raises(ResourceMissing, match="no kind of resource"):
        plugin.delete_resource(trial.context, Resource("volcano", f"{STEM}-volcano"))
    for token in ("", "[]", "{}", '{"what":"a walk"}', "no JSON"):
        with pytest.raises(ResourceMissing):
            plugin.poll(trial.context, Operation(OperationState.RUNNING, token=token))


# --- access, adoption --------------------------------------------------------------------------------------------


def test_access_names_the_account_and_creates_nothing(trial: VertexTrial, vertex: VertexService) -> None:
    report = plugin.check_access(trial.context)
    assert report.ok
    assert report.account == f"project bench-project, region europe-west4, bucket {vertex.bucket}"
    assert vertex.creations() == []


def test_a_bucket_that_is_not_there_or_elsewhere_is_named(
    vertex: VertexService, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AUTOML_BENCH_VERTEX_BUCKET", "no-such-bucket")
    with pytest.raises(ResourceMissing, match="no-such-bucket") as caught:
        plugin.check_access(VertexTrial(tmp_path).context)
    assert "gcloud storage buckets create gs://no-such-bucket --location=europe-west4" in caught.value.remedy


def test_a_bucket_in_another_region_is_refused(vertex: VertexService, tmp_path: Path) -> None:
    vertex._gcs("DELETE", f"/storage/v1/b/{vertex.bucket}")
    from storage_front import StorageFront, gcs_server

    with gcs_server("us-east1") as elsewhere, StorageFront(elsewhere, vertex.tokens) as front:
        vertex.gcs_url = elsewhere
        vertex._gcs("POST", "/storage/v1/b?project=bench", {"name": vertex.bucket})
        trial = VertexTrial(tmp_path)
        trial.context.settings["storage_url"] = front.url  # type: ignore[index]
        with pytest.raises(RequestRefused, match="is in us-east1 and the region set is europe-west4"):
            plugin.check_access(trial.context)


@pytest.mark.parametrize("given", ["{id}", "projects/bench-project/locations/europe-west4/endpoints/{id}"])
def test_an_endpoint_made_by_hand_is_adopted(given: str, trial: VertexTrial, vertex: VertexService) -> None:
    trial.up()
    endpoint = given.format(id=f"{STEM}-endpoint")
    invoker: Any = plugin.invoke(trial.context, Endpoint(endpoint, adopted=True))
    url = invoker.prepare(trial.set.train[0].sample).url
    assert url == f"{vertex.fake.url}/v1/projects/123456789012/locations/europe-west4/endpoints/{STEM}-endpoint:predict"


def test_an_endpoint_with_a_host_of_its_own_is_asked_there(trial: VertexTrial, vertex: VertexService) -> None:
    trial.up()
    (endpoint,) = vertex.fake.project.serving.all.values()
    endpoint.dedicated_endpoint_enabled = True
    endpoint.dedicated_endpoint_dns = "7.europe-west4-1.prediction.vertexai.goog"
    invoker: Any = plugin.invoke(trial.context, Endpoint(f"{STEM}-endpoint", adopted=True))
    assert invoker.prepare(trial.set.train[0].sample).url.startswith(
        "https://7.europe-west4-1.prediction.vertexai.goog/v1/projects/123456789012/"
    )


def test_an_endpoint_that_cannot_be_adopted_is_refused_with_the_reason(
    trial: VertexTrial, vertex: VertexService
) -> None:
    trial.upload()
    trial.train()
    vertex.fake.project.deployment_fails = True
    trial.deploy()
    for given, kind, words in (
        ("http://somewhere", RequestRefused, "not the id of an endpoint"),
        ("projects/p/locations/us-east1/endpoints/1", RequestRefused, "is in us-east1"),
        ("12345", ResourceMissing, "does not exist"),
        (f"{STEM}-endpoint", RequestRefused, "No model is deployed"),
    ):
        with pytest.raises(kind, match=words):
            plugin.invoke(trial.context, Endpoint(given, adopted=True))


def test_without_credentials_a_server_of_one_s_own_answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with VertexService(Pace(), anonymous=True) as service:
        enter(service, monkeypatch)
        monkeypatch.delenv("GOOGLE_APPLICATION_CREDENTIALS", raising=False)
        trial = VertexTrial(tmp_path)
        trial.up()
        trial.tear_down()
        assert service.resources() == []
        assert not [seen for seen in service.requests() if "authorization" in seen.headers]


def test_the_stand_in_refuses_what_the_service_would(trial: VertexTrial, vertex: VertexService) -> None:
    """The routes and messages are the SDK's; the limits are the fake's own and worth a look."""
    import vertex_routes

    parent = vertex.fake.project.parent
    with pytest.raises(Refusal, match="no field named"):
        vertex_routes.read("POST", f"/v1/{parent}/datasets", "", b'{"displayname": "x", "colour": "red"}')
    with pytest.raises(Refusal, match="is no method"):
        vertex_routes.read("POST", f"/v1/{parent}/volcanoes", "", b"{}")
    small = VertexTrial(trial.folder, trial_id="f" * 12, shots=5)
    small.upload()
    with pytest.raises(ResourceConflict, match="at least 10 images per label"):
        plugin.train(small.context)
    assert set(COLOURS) == set(small.set.labels)
