"""What a trial left is found by its name and goes, whatever state it was left in; what cannot go is told."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from automl_bench_vertex import objects, plugin
from google.cloud.aiplatform_v1 import types
from vertex_routes import Refusal
from vertex_service import VertexService
from vertex_trial import TRIAL_ID, VertexTrial

from automl_bench.contract import NAME_PREFIX, Deletion, Operation, OperationState, Resource
from automl_bench.errors import PermissionDenied, ResourceConflict, ResourceMissing

STEM = f"{NAME_PREFIX}-{TRIAL_ID}"
KINDS = ["samples", "dataset", "model", "training", "endpoint", "deployed-model"]


def look(trial: VertexTrial, operation: Operation) -> Operation:
    return plugin.poll(trial.context, Operation(OperationState.RUNNING, token=operation.token))


def test_a_resource_that_is_just_being_created_is_not_taken_for_gone(trial: VertexTrial, vertex: VertexService) -> None:
    vertex.fake.project.pace.creating = 0.3
    plugin.upload(trial.context, trial.set)
    (dataset,) = [item for item in trial.ledger.made if item.kind == "dataset"]
    assert plugin.delete_resource(trial.context, dataset) is Deletion.PENDING
    trial.tear_down()
    time.sleep(0.35)
    assert vertex.resources() == []


def test_what_this_process_has_deleted_is_not_taken_for_new(trial: VertexTrial, vertex: VertexService) -> None:
    trial.upload()
    trial.train()
    trial.deploy()
    for resource in reversed(trial.ledger.made):
        young = replace(resource, since=datetime.now(UTC).isoformat())
        trial.delete(young)
        young = replace(resource, since=datetime.now(UTC).isoformat())
        assert plugin.delete_resource(trial.context, young) is Deletion.ALREADY_GONE, resource.kind
    assert vertex.resources() == []


def test_what_is_created_between_two_looks_is_not_taken_for_gone(
    trial: VertexTrial, vertex: VertexService, monkeypatch: pytest.MonkeyPatch
) -> None:
    from automl_bench_vertex import deleting

    goes_on = deleting._is_being_made
    looks = []

    def late(*arguments: Any) -> bool:
        looks.append(time.sleep(0.35))
        return goes_on(*arguments)

    monkeypatch.setattr(deleting, "_is_being_made", late)
    vertex.fake.project.pace.creating = 0.3
    plugin.upload(trial.context, trial.set)
    trial.tear_down()
    assert looks, "it did not show at first"
    assert vertex.resources() == []


def test_all_datasets_of_a_name_go(trial: VertexTrial, vertex: VertexService) -> None:
    from automl_bench_vertex import datasets
    from automl_bench_vertex.account import account_of

    trial.upload()
    datasets.create(account_of(trial.context), f"{STEM}-dataset", None)  # as after a lost answer and a list that lags
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
    for method in ("UndeployModel", "DeleteDataset"):  # a second time only where the first ended between two looks
        assert vertex.fake.count(method) <= 2, "asked for, then awaited"


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
    trial.delete(endpoint)
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
    assert trial.delete(found) is Deletion.DELETED
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
    assert trial.delete(samples) is Deletion.DELETED
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
