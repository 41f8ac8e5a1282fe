"""Trainings and the models that come out of them.

A training is a pipeline of the service. It makes the model itself, hours later; so the model's line in the ledger is
written before the pipeline is asked for, under the id that the pipeline is told to give it.
"""

from __future__ import annotations

import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from automl_bench.contract import Owner, Resource, owner_from_tags
from automl_bench.errors import DeploymentFailed, ResourceConflict, ResourceMissing, ServiceUnavailable
from automl_bench_vertex.account import ONCE
from automl_bench_vertex.datasets import by_hand
from automl_bench_vertex.description import training_hour_usd
from automl_bench_vertex.failures import google_errors
from automl_bench_vertex.naming import MODEL, TRAINING, labels_of
from automl_bench_vertex.tasks import TABLES

if TYPE_CHECKING:
    from automl_bench_vertex.account import Account
    from automl_bench_vertex.tasks import Task

GOING = frozenset(
    {
        "PIPELINE_STATE_UNSPECIFIED",
        "PIPELINE_STATE_QUEUED",
        "PIPELINE_STATE_PENDING",
        "PIPELINE_STATE_RUNNING",
        "PIPELINE_STATE_CANCELLING",
        "PIPELINE_STATE_PAUSED",
    }
)
CANCELLED = frozenset({"PIPELINE_STATE_CANCELLING", "PIPELINE_STATE_CANCELLED"})
SUCCEEDED = "PIPELINE_STATE_SUCCEEDED"

AUTOMATIC, DEDICATED = "AUTOMATIC_RESOURCES", "DEDICATED_RESOURCES"
"""How models are deployed here, those of images and those of tables; a model says which ways it supports."""

SHOWN_AFTER_SECONDS = 600.0
"""How long after the end of a training its model may not show yet. Before that, a missing model is no reason to train
again, which would be paid twice."""


def listed(account: Account, name: str = "") -> list[Any]:
    """Return the project's training pipelines in order of creation: those of exactly this display name, or all."""
    request = {"parent": account.parent, "page_size": 100}
    if name:
        request["filter"] = f'display_name="{name}"'
    with google_errors(name):
        found = list(account.pipelines.list_training_pipelines(request, **ONCE))
    return sorted((each for each in found if not name or each.display_name == name), key=lambda each: each.create_time)


def get(account: Account, resource_id: str) -> Any | None:
    """Return one training pipeline, or None if it is not there."""
    try:
        with google_errors(resource_id):
            return account.pipelines.get_training_pipeline({"name": resource_id}, **ONCE)
    except ResourceMissing:
        return None


def find(account: Account, name: str) -> Resource | None:
    """Return a training by display name that goes on or has left its model.

    One that failed, was cancelled or has lost its model is deleted, so that it can be begun anew.

    Raises:
        ServiceUnavailable: If it has just succeeded and its model does not show yet.
    """
    for pipeline in listed(account, name):
        if _is_usable(account, pipeline):
            return resource_of(account, pipeline)
        if pipeline.state.name not in GOING:
            with suppress(ResourceConflict, ResourceMissing):  # it is being deleted already
                delete(account, pipeline.name)
    return None


def _is_usable(account: Account, pipeline: Any) -> bool:
    state = pipeline.state.name
    if state != SUCCEEDED:
        return state in GOING - CANCELLED
    if get_model(account, pipeline.model_to_upload.name) is not None:
        return True
    if pipeline.end_time and time.time() - pipeline.end_time.timestamp() < SHOWN_AFTER_SECONDS:
        raise ServiceUnavailable(f"The model of the training {pipeline.display_name} does not show yet.")
    return False


def create(account: Account, name: str, *, dataset: str, model_name: str, task: Task, owner: Owner | None) -> Resource:
    """Begin a training on the halves that the upload named, and on nothing else."""
    pipeline = {
        "display_name": name,
        "labels": labels_of(name, owner),
        "input_data_config": {
            "dataset_id": dataset.rsplit("/", 1)[-1],
            **task.split,
        },
        "model_to_upload": {"display_name": model_name, "labels": labels_of(model_name, owner)},
        "model_id": model_name,
        "training_task_definition": task.definition,
        "training_task_inputs": dict(task.inputs),
    }
    with google_errors(name):
        made = account.pipelines.create_training_pipeline(
            {"parent": account.parent, "training_pipeline": _message(pipeline)}, **ONCE
        )
    return resource_of(account, made)


def _message(pipeline: dict[str, Any]) -> Any:
    """Return a pipeline as the SDK's message; its task inputs are a value of any JSON."""
    from google.cloud.aiplatform_v1.types import TrainingPipeline
    from google.protobuf import json_format, struct_pb2

    inputs = json_format.ParseDict(pipeline.pop("training_task_inputs"), struct_pb2.Value())
    return TrainingPipeline(**pipeline, training_task_inputs=inputs)


def cancel(account: Account, resource_id: str) -> None:
    """Cancel a training. What it has taken so far is billed."""
    with google_errors(resource_id):
        account.pipelines.cancel_training_pipeline({"name": resource_id}, **ONCE)


def delete(account: Account, resource_id: str) -> str:
    """Begin to delete a training that has ended; return the operation's name."""
    with google_errors(resource_id):
        answer = account.pipelines.delete_training_pipeline({"name": resource_id}, **ONCE)
    return str(answer.operation.name)


def resource_of(account: Account, pipeline: Any) -> Resource:
    """Return a training as the ledger knows it: it costs while it goes on, and nothing afterwards."""
    going = pipeline.state.name in GOING
    return Resource(
        TRAINING,
        pipeline.display_name,
        resource_id=pipeline.name,
        hourly_usd=training_hour_usd(of_table=pipeline.training_task_definition == TABLES) if going else 0.0,
        delete_by_hand=_by_hand(account, pipeline.name, going=going),
        since=pipeline.create_time.isoformat() if pipeline.create_time else "",
        owner=owner_from_tags(dict(pipeline.labels)),
        scope=account.scope,
    )


def _by_hand(account: Account, resource_id: str, *, going: bool) -> str:
    """Return the command that ends a training and deletes it: the service refuses to delete one that has not ended."""
    delete_it = by_hand(account, "DELETE", resource_id)
    if not going:
        return delete_it
    cancel_it = by_hand(account, "POST", f"{resource_id}:cancel")
    return f"{cancel_it}; for try in $(seq 60); do {delete_it} && break; sleep 10; done"


# --- models --------------------------------------------------------------------------------------------------


def list_models(account: Account) -> list[Any]:
    """Return the project's models in order of creation."""
    with google_errors():
        found = list(account.models.list_models({"parent": account.parent, "page_size": 100}, **ONCE))
    return sorted(found, key=lambda each: each.create_time)


def get_model(account: Account, resource_id: str) -> Any | None:
    """Return one model, or None if it is not there."""
    try:
        with google_errors(resource_id):
            return account.models.get_model({"name": resource_id}, **ONCE)
    except ResourceMissing:
        return None


def model_id(account: Account, name: str) -> str:
    """Return the service's name of the model that a training was told to make."""
    return f"{account.parent}/models/{name}"


def announce_model(account: Account, name: str, owner: Owner | None) -> Resource:
    """Return the model that a training will make, as the ledger knows it. Nothing is sent."""
    return model_resource(account, name, model_id(account, name), owner=owner)


def find_model(account: Account, name: str) -> Resource | None:
    """Return a trial's model as a resource if its training has made it."""
    model = get_model(account, model_id(account, name))
    return None if model is None else resource_of_model(account, model)


def resource_of_model(account: Account, model: Any) -> Resource:
    """Return a model that exists as the ledger knows it."""
    since = model.create_time.isoformat() if model.create_time else ""
    owner = owner_from_tags(dict(model.labels))
    return model_resource(account, model.display_name, model.name, since=since, owner=owner)


def require_servable(account: Account, resource_id: str, served_by: str = AUTOMATIC) -> None:
    """Check that the service can deploy a model, before anything is made for it.

    Raises:
        ResourceMissing: If there is no such model.
        DeploymentFailed: If it cannot be deployed, as models for export to devices cannot.
    """
    with google_errors(resource_id):
        model = account.models.get_model({"name": resource_id}, **ONCE)
    kinds = [kind.name for kind in model.supported_deployment_resources_types]
    if served_by not in kinds:
        raise DeploymentFailed(
            f"Vertex AI cannot deploy the model {resource_id}: it supports {', '.join(kinds) or 'no deployment'} "
            f"and not {served_by}.",
            remedy="Train another model type.",
            resource=resource_id,
        )


def delete_model(account: Account, resource_id: str) -> str:
    """Begin to delete a model with all its versions; return the operation's name."""
    with google_errors(resource_id):
        answer = account.models.delete_model({"name": resource_id}, **ONCE)
    return str(answer.operation.name)


def model_resource(
    account: Account, name: str, resource_id: str, *, since: str = "", owner: Owner | None = None
) -> Resource:
    """Return a model as the ledger knows it: kept, it costs nothing."""
    return Resource(
        MODEL,
        name,
        resource_id=resource_id,
        hourly_usd=0.0,
        delete_by_hand=f"gcloud ai models delete {resource_id.rsplit('/', 1)[-1]} --region={account.region}",
        since=since,
        owner=owner,
        scope=account.scope,
    )
