"""From upload to teardown, hook by hook: what is asked of Azure, what is made, what it costs."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from automl_bench_azure import plugin
from automl_bench_azure.naming import COMPUTE, DEPLOYMENT, ENDPOINT, FOLDER, JOB, MODEL, short_id
from azure_fake import PATH, error
from azure_http import Hangup
from azure_service import AzureService
from azure_trial import COLOURS, AzureTrial

from automl_bench.contract import Deletion, Endpoint, Operation, OperationState, Resource, Stage
from automl_bench.errors import (
    ConnectionLost,
    PermissionDenied,
    QuotaExceeded,
    RequestRefused,
    ResourceMissing,
)

TRIAL = "0123456789ab"
PREFIX = f"automl-bench-{TRIAL}"


def bodies(azure: AzureService, operation: str) -> list[Any]:
    return [json.loads(each.request.body) for each in azure.fake.seen if each.operation == operation]


def test_a_whole_trial_makes_eight_things_and_leaves_none(azure: AzureService, tmp_path: Path) -> None:
    trial = AzureTrial(tmp_path)
    assert plugin.check_access(trial.context).ok
    done = trial.up()
    assert done.state is OperationState.SUCCEEDED
    assert [each.kind for each in trial.ledger.made] == [
        FOLDER, "train-data", "validation-data", COMPUTE, JOB, MODEL, ENDPOINT, DEPLOYMENT,
    ]  # fmt: skip
    short = short_id(f"{PREFIX}-endpoint", PATH)
    assert done.result["endpoint_id"] == short
    assert done.result["url"] == f"{azure.fake.url}/score/{short}"
    assert azure.billing() == [f"deployment {short}/main"]
    trial.tear_down()
    assert azure.resources() == []
    assert azure.blob_names() == []
    assert azure.billing() == []
    assert azure.fake.workspace.bill.deployed_seconds > 0


def test_the_bodies_are_those_of_the_definition(azure: AzureService, tmp_path: Path) -> None:
    AzureTrial(tmp_path).up()
    (cluster,) = bodies(azure, "PUT computes")
    assert cluster["properties"]["properties"]["scaleSettings"] == {
        "minNodeCount": 0, "maxNodeCount": 1, "nodeIdleTimeBeforeScaleDown": "PT2M",
    }  # fmt: skip
    (job,) = bodies(azure, "PUT jobs")
    details = job["properties"]["taskDetails"]
    assert details["limitSettings"] == {"maxTrials": 1, "maxConcurrentTrials": 1, "timeout": "PT120M"}
    assert details["modelSettings"] == {"modelName": "vitb16r224"}
    assert details["validationData"]["uri"].endswith(f"/paths/automl-bench/trials/{PREFIX}-folder/validation/")
    made, routed = bodies(azure, "PUT onlineEndpoints")
    assert made["properties"] == {"authMode": "Key", "traffic": {}}
    assert routed["properties"] == {"authMode": "Key", "traffic": {"main": 100}}
    assert "PATCH onlineEndpoints" not in azure.fake.operations(), "PATCH cannot change the traffic"
    for operation in ("PUT computes", "PUT onlineEndpoints", "PUT onlineEndpoints/deployments"):
        assert bodies(azure, operation)[0]["tags"]["automl-bench"].startswith(PREFIX)
    for operation in ("PUT jobs", "PUT data/versions", "PUT models/versions"):
        assert bodies(azure, operation)[0]["properties"]["tags"]["automl-bench"].startswith(PREFIX)


def test_the_validation_half_is_given_and_nothing_is_split_again(azure: AzureService, tmp_path: Path) -> None:
    trial = AzureTrial(tmp_path)
    done = trial.upload()
    assert done.result["validation_data"] == "validation half"
    halves = {name.split("/")[3] for name in azure.blob_names() if name.endswith("MLTable")}
    assert halves == {"train", "validation"}
    counts = [len(azure.fake.workspace.store.table(done.result[f"{half}_folder"])) for half in ("train", "validation")]
    assert counts == [12, 3]


def test_below_five_shots_the_training_half_is_both(azure: AzureService, tmp_path: Path) -> None:
    trial = AzureTrial(tmp_path, shots=2)
    done = trial.upload()
    assert done.result["validation_data"] == "training half"
    assert trial.train().state is OperationState.SUCCEEDED


def test_training_reports_the_run_s_own_clock_and_the_best_child(azure: AzureService, tmp_path: Path) -> None:
    trial = AzureTrial(tmp_path)
    trial.upload()
    done = trial.train()
    assert done.work_seconds is not None
    assert done.work_seconds >= azure.fake.workspace.pace.training
    assert done.result["model_id"] == f"{PATH}/models/{PREFIX}-model/versions/1"
    (model,) = bodies(azure, "PUT models/versions")
    assert model["properties"]["modelUri"] == (
        f"azureml://jobs/{PREFIX}-job_HD_0/outputs/artifacts/outputs/mlflow-model/"
    )


def test_a_job_costs_until_it_has_ended_and_the_ledger_says_so(azure: AzureService, tmp_path: Path) -> None:
    trial = AzureTrial(tmp_path)
    trial.upload()
    operation = plugin.train(trial.context)
    while not [each for each in trial.ledger.made if each.kind == JOB]:
        operation = plugin.poll(trial.context, operation)
        time.sleep(0.02)
    assert trial.ledger.promised[JOB] == 0.526
    assert trial.ledger.of(JOB).hourly_usd == 0.526
    trial.finish(Stage.TRAIN, operation)
    assert trial.ledger.of(JOB).hourly_usd == 0.0


def test_what_costs_money_has_its_price_before_it_exists(azure: AzureService, tmp_path: Path) -> None:
    trial = AzureTrial(tmp_path, variant={"instances": 2})
    trial.up()
    assert trial.ledger.promised[DEPLOYMENT] == pytest.approx(0.586)
    assert trial.ledger.of(DEPLOYMENT).hourly_usd == pytest.approx(0.586)
    free = {each.kind for each in trial.ledger.made if each.hourly_usd == 0.0}
    assert free == {FOLDER, "train-data", "validation-data", COMPUTE, JOB, MODEL, ENDPOINT}


def test_an_unknown_size_has_an_unknown_price(azure: AzureService, tmp_path: Path) -> None:
    trial = AzureTrial(tmp_path, variant={"instance_type": "Standard_E4s_v3"})
    trial.up()
    assert trial.ledger.of(DEPLOYMENT).hourly_usd is None


def test_another_process_goes_on_with_each_token_a_day_later(azure: AzureService, tmp_path: Path) -> None:
    trial = AzureTrial(tmp_path)
    trial.up()
    works = [json.loads(token)["what"] for token in trial.polled_tokens]
    assert works == ["cluster", "training", "publication", "roll-out", "traffic"]
    before = azure.creations()
    for token in trial.polled_tokens:
        again = trial.finish(Stage.DEPLOY, Operation(OperationState.RUNNING, token=token))
        assert again.state is OperationState.SUCCEEDED, token
        assert azure.entra.client_secret not in token
    assert azure.creations() == before, "nothing is made twice"


@pytest.mark.parametrize("token", ["", "{}", "[1]", '{"what": "dance", "name": "x"}', '{"what": "training"}'])
def test_a_token_that_names_nothing_is_missing(azure: AzureService, tmp_path: Path, token: str) -> None:
    with pytest.raises(ResourceMissing, match="names no operation"):
        plugin.poll(AzureTrial(tmp_path).context, Operation(OperationState.RUNNING, token=token))


def test_a_failed_training_says_why_while_the_service_still_knows(azure: AzureService, tmp_path: Path) -> None:
    azure.fake.workspace.training_fails = True
    trial = AzureTrial(tmp_path)
    trial.upload()
    failed = trial.train()
    assert failed.state is OperationState.FAILED
    assert failed.message == "the job ended as Failed: Training was told to fail"
    azure.fake.fail("GET history", error(503, "ServiceUnavailable"))
    again = trial.finish(Stage.TRAIN, Operation(OperationState.RUNNING, token=failed.token))
    assert f"until teardown, `az ml job show --name {PREFIX}-job" in again.message
    trial.tear_down()
    assert azure.resources() == []


def test_a_failed_deployment_says_why_while_the_service_still_knows(azure: AzureService, tmp_path: Path) -> None:
    azure.fake.workspace.deployment_fails = True
    trial = AzureTrial(tmp_path)
    failed = trial.up()
    assert failed.state is OperationState.FAILED
    assert "ImportError: the container was told to fail" in failed.message
    assert azure.billing() != [], "a failed deployment bills too"
    trial.tear_down()
    assert azure.billing() == []


def test_a_job_without_a_best_model_is_a_failed_training(azure: AzureService, tmp_path: Path) -> None:
    trial = AzureTrial(tmp_path)
    trial.upload()
    operation = plugin.train(trial.context)
    while (JOB, f"{PREFIX}-job") not in {(each.kind, each.name) for each in trial.ledger.made}:
        operation = plugin.poll(trial.context, operation)
        time.sleep(0.02)
    while azure.fake.workspace.jobs[f"{PREFIX}-job"].model is None:
        time.sleep(0.02)
    azure.fake.workspace.jobs[f"{PREFIX}-job"].model = None
    failed = trial.finish(Stage.TRAIN, operation)
    assert failed.state is OperationState.FAILED
    assert "without a best model" in failed.message


def test_an_mlflow_server_that_does_not_know_the_job_yet_is_asked_again(azure: AzureService, tmp_path: Path) -> None:
    trial = AzureTrial(tmp_path)
    trial.upload()
    azure.fake.fail("GET mlflow", error(404, "RESOURCE_DOES_NOT_EXIST"))
    assert trial.train().state is OperationState.SUCCEEDED
    assert azure.fake.operations().count("GET mlflow") == 2


def test_a_running_job_is_called_off_before_it_is_deleted(azure: AzureService, tmp_path: Path) -> None:
    azure.fake.workspace.pace.training = 60.0
    trial = AzureTrial(tmp_path)
    trial.upload()
    operation = plugin.train(trial.context)
    while not azure.billing():
        operation = plugin.poll(trial.context, Operation(OperationState.RUNNING, token=operation.token))
        time.sleep(0.02)
    cluster = plugin.list_resources(trial.context, f"{PREFIX}-{COMPUTE}")
    trial.tear_down()
    assert azure.resources() == []
    operations = azure.fake.operations()
    assert operations.index("POST jobs/cancel") < operations.index("DELETE jobs") < operations.index("DELETE computes")
    assert all(each.hourly_usd == 0.526 for each in cluster), "a cluster with a node costs"


def test_deletion_goes_in_order_and_takes_the_traffic_first(azure: AzureService, tmp_path: Path) -> None:
    trial = AzureTrial(tmp_path)
    trial.up()
    begin = len(azure.fake.seen)
    trial.tear_down()
    writes = [each.operation for each in azure.fake.seen[begin:] if not each.operation.startswith("GET")]
    order = list(dict.fromkeys(writes))
    assert order == [
        "PUT onlineEndpoints",
        "DELETE onlineEndpoints/deployments",
        "DELETE onlineEndpoints",
        "DELETE models/versions",
        "DELETE models",
        "DELETE jobs",
        "DELETE computes",
        "DELETE data/versions",
        "DELETE data",
    ]
    (compute,) = [each for each in azure.fake.seen if each.operation == "DELETE computes"]
    assert compute.request.query["underlyingResourceAction"] == "Delete"


def test_what_is_being_deleted_is_pending_and_then_gone(azure: AzureService, tmp_path: Path) -> None:
    azure.fake.workspace.pace.deleting = 0.8
    trial = AzureTrial(tmp_path)
    trial.up()
    for resource in reversed(trial.ledger.made):
        first = plugin.delete_resource(trial.context, resource)
        assert first in (Deletion.PENDING, Deletion.DELETED)
        if resource.kind in (DEPLOYMENT, ENDPOINT, JOB, COMPUTE):
            assert first is Deletion.PENDING, resource.kind
        trial.delete(resource)
        assert plugin.delete_resource(trial.context, resource) is Deletion.ALREADY_GONE


def test_an_endpoint_whose_name_is_still_being_deleted_gets_the_next_one(azure: AzureService, tmp_path: Path) -> None:
    azure.fake.workspace.pace.deleting = 60.0
    trial = AzureTrial(tmp_path)
    trial.up()
    plugin.delete_resource(trial.context, trial.ledger.of(ENDPOINT))
    assert trial.deploy().result["endpoint_id"].endswith("-r2")
    assert [each.name for each in trial.ledger.made[-2:]] == [f"{PREFIX}-endpoint-2", f"{PREFIX}-deployment-2"]


def test_after_a_failed_training_another_job_is_begun_under_another_name(azure: AzureService, tmp_path: Path) -> None:
    azure.fake.workspace.training_fails = True
    trial = AzureTrial(tmp_path)
    trial.upload()
    assert trial.train().state is OperationState.FAILED
    azure.fake.heal()
    assert trial.train().state is OperationState.SUCCEEDED
    assert [each.name for each in trial.ledger.made if each.kind == JOB] == [f"{PREFIX}-job", f"{PREFIX}-job-2"]
    assert trial.train().result["job"] == f"{PREFIX}-job-2", "what is trained is found again"
    trial.tear_down()
    assert azure.resources() == []
    trial.upload()
    assert trial.train().result["job"] == f"{PREFIX}-job-3", "names of deleted jobs stay reserved"
    trial.tear_down()
    assert azure.resources() == []


def test_after_a_failed_deployment_the_same_endpoint_gets_another_one(azure: AzureService, tmp_path: Path) -> None:
    azure.fake.workspace.deployment_fails = True
    trial = AzureTrial(tmp_path)
    assert trial.up().state is OperationState.FAILED
    azure.fake.heal()
    done = trial.deploy()
    assert done.state is OperationState.SUCCEEDED
    assert len(azure.billing()) == 1
    assert [name for name in azure.creations() if name.startswith("jobs")] == [f"jobs {PREFIX}-job"], "trained once"


def test_a_deployment_that_is_being_made_goes_with_its_endpoint(azure: AzureService, tmp_path: Path) -> None:
    trial = AzureTrial(tmp_path)
    trial.upload()
    trial.train()
    azure.fake.workspace.pace.deployment = 3600.0  # as long as the probes' delays
    operation = plugin.deploy(trial.context)
    while not azure.billing():
        operation = plugin.poll(trial.context, Operation(OperationState.RUNNING, token=operation.token))
    trial.tear_down()
    assert azure.billing() == []
    assert azure.resources() == []


def test_a_quota_that_does_not_suffice_is_told_before_anything_is_made(azure: AzureService, tmp_path: Path) -> None:
    azure.fake.workspace.cores["standardDSv2Family"] = (96, 100)
    with pytest.raises(QuotaExceeded, match="1 Standard_DS3_v2 need 5 cores of the family standardDSv2Family"):
        plugin.check_access(AzureTrial(tmp_path).context)
    azure.fake.fail("GET usages", error(403, "AuthorizationFailed"))
    report = plugin.check_access(AzureTrial(tmp_path).context)
    assert report.ok
    assert any("quota is unknown" in note for note in report.notes)
    assert azure.creations() == []


def test_everything_is_found_with_no_local_file(azure: AzureService, tmp_path: Path) -> None:
    trial = AzureTrial(tmp_path)
    trial.up()
    AzureTrial(tmp_path, trial_id="ffffffffffff").upload()
    time.sleep(azure.fake.workspace.pace.lag)
    found = plugin.list_resources(trial.context, PREFIX)
    assert [(each.kind, each.name) for each in found] == [(each.kind, each.name) for each in trial.ledger.made]
    assert [each.resource_id for each in found] == [each.resource_id for each in trial.ledger.made]
    assert found[-1].hourly_usd == 0.293
    assert all(each.since for each in found if each.kind != FOLDER)
    assert len(plugin.list_resources(trial.context, "automl-bench")) == len(found) + 3


def test_lists_are_read_to_their_last_page(azure: AzureService, tmp_path: Path) -> None:
    azure.fake.routes.page_size = 1
    trials = [AzureTrial(tmp_path, trial_id=f"{number:012x}", shots=1) for number in range(3)]
    for trial in trials:
        trial.upload()
    time.sleep(azure.fake.workspace.pace.lag)
    found = plugin.list_resources(trials[0].context, "automl-bench")
    assert [each.kind for each in found].count("train-data") == 3


def test_another_workspace_refuses_what_was_recorded_with_its_place_and_reaches_what_was_not(
    azure: AzureService, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trial = AzureTrial(tmp_path)
    trial.up()
    monkeypatch.setenv("AZUREML_WORKSPACE_NAME", "another-workspace")
    other = AzureTrial(tmp_path)
    assert other.context.settings["workspace"] == "another-workspace"
    deployment = trial.ledger.of(DEPLOYMENT)
    with pytest.raises(RequestRefused, match="in the workspace bench-workspace"):
        plugin.delete_resource(other.context, deployment)
    assert azure.billing() != []
    other.delete(replace(deployment, scope={}))  # a line of before: its id names the workspace
    assert azure.billing() == []


def test_a_resource_without_an_id_is_looked_up(azure: AzureService, tmp_path: Path) -> None:
    trial = AzureTrial(tmp_path)
    trial.upload()
    time.sleep(azure.fake.workspace.pace.lag)
    assert trial.delete(Resource("train-data", f"{PREFIX}-train-data")) is Deletion.DELETED
    assert trial.delete(Resource(COMPUTE, f"{PREFIX}-compute")) is Deletion.ALREADY_GONE
    with pytest.raises(ResourceMissing, match="no kind of resource"):
        plugin.delete_resource(trial.context, Resource("castle", f"{PREFIX}-castle"))


def test_an_answer_that_is_lost_makes_nothing_twice(azure: AzureService, tmp_path: Path) -> None:
    trial = AzureTrial(tmp_path)
    trial.upload()
    azure.fake.lose_answer()
    with pytest.raises(ConnectionLost):
        plugin.train(trial.context)
    assert azure.fake.operations().count("PUT computes") == 1
    trial.train()
    assert azure.fake.operations().count("PUT computes") == 1, "it was found by its name"


@pytest.mark.parametrize("operation", ["PUT computes", "PUT jobs", "PUT onlineEndpoints/deployments"])
def test_a_quota_is_a_quota_wherever_it_is_met(azure: AzureService, tmp_path: Path, operation: str) -> None:
    azure.fake.fail(operation, error(400, "QuotaExceeded", "Not enough cores of the family NCASv3_T4."))
    with pytest.raises(QuotaExceeded, match="Not enough cores") as caught:
        AzureTrial(tmp_path).up()
    assert "Ask for more quota" in caught.value.remedy
    assert azure.fake.operations().count(operation) == 1, "a hidden retry"


def test_a_region_full_of_endpoints_is_a_quota_too(azure: AzureService, tmp_path: Path) -> None:
    azure.fake.workspace.most_endpoints = 0
    with pytest.raises(QuotaExceeded, match="0 endpoints already"):
        plugin.deploy(AzureTrial(tmp_path).context)


def test_training_needs_a_gpu(azure: AzureService, tmp_path: Path) -> None:
    trial = AzureTrial(tmp_path, variant={"compute_size": "Standard_DS3_v2"})
    trial.upload()
    with pytest.raises(RequestRefused, match="image jobs need a GPU"):
        trial.train()


@pytest.mark.parametrize(
    ("variant", "settings"),
    [
        ({"model_name": "resnet50", "timeout_minutes": 30}, {"modelSettings": {"modelName": "resnet50"}}),
        ({"model_name": "", "max_trials": 10}, {"maxTrials": 10}),
    ],
)
def test_a_variant_chooses_the_network_or_leaves_it_to_the_service(
    azure: AzureService, tmp_path: Path, variant: dict[str, Any], settings: dict[str, Any]
) -> None:
    trial = AzureTrial(tmp_path, variant=variant)
    trial.upload()
    assert trial.train().state is OperationState.SUCCEEDED
    (job,) = bodies(azure, "PUT jobs")
    details = job["properties"]["taskDetails"]
    assert settings.items() <= {**details, **details["limitSettings"]}.items()
    assert ("modelSettings" in details) == ("modelSettings" in settings)


def test_a_deletion_that_is_refused_says_so(azure: AzureService, tmp_path: Path) -> None:
    trial = AzureTrial(tmp_path)
    trial.upload()
    azure.fake.routes.delete_fails = True
    with pytest.raises(PermissionDenied, match="AuthorizationFailed"):
        plugin.delete_resource(trial.context, trial.ledger.of("train-data"))


def test_check_access_says_what_is_wrong(azure: AzureService, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    report = plugin.check_access(AzureTrial(tmp_path).context)
    assert report.account == "workspace bench-workspace, westeurope"
    assert "about $0.29 an hour" in report.notes[0]
    azure.fake.fail("GET workspace", Hangup)
    with pytest.raises(ConnectionLost):
        plugin.check_access(AzureTrial(tmp_path).context)
    monkeypatch.setenv("AZUREML_WORKSPACE_NAME", "nowhere")
    with pytest.raises(ResourceMissing, match="no workspace 'nowhere'"):
        plugin.check_access(AzureTrial(tmp_path).context)


@pytest.mark.parametrize(("datastore", "kind"), [("files", RequestRefused), ("nowhere", ResourceMissing)])
def test_the_datastore_must_be_a_container(
    azure: AzureService, tmp_path: Path, datastore: str, kind: type[Exception]
) -> None:
    trial = AzureTrial(tmp_path)
    trial.context.settings["datastore"] = datastore  # type: ignore[index]
    with pytest.raises(kind):
        plugin.check_access(trial.context)


def test_a_container_that_does_not_exist_is_named(azure: AzureService, tmp_path: Path) -> None:
    azure.fake.routes.datastores["workspaceblobstore"]["containerName"] = "gone"
    with pytest.raises(ResourceMissing, match="container 'gone'"):
        plugin.check_access(AzureTrial(tmp_path).context)


def test_the_stand_in_learns_and_answers(azure: AzureService, tmp_path: Path) -> None:
    trial = AzureTrial(tmp_path)
    trial.up()
    model = azure.fake.workspace.model_of(short_id(f"{PREFIX}-endpoint", PATH))
    assert model.labels == tuple(COLOURS)
    assert plugin.invoke(trial.context, Endpoint(trial.results[Stage.DEPLOY]["endpoint_id"]))
