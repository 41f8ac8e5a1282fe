"""Trainings and the models that come out of them.

A training is a pipeline of the service. It makes the model itself, hours later; so the model's line in the ledger is
written before the pipeline is asked for, under the id that the pipeline is told to give it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from automl_bench.contract import Resource
from automl_bench.errors import ResourceMissing
from automl_bench_vertex.account import ONCE
from automl_bench_vertex.datasets import SCHEMAS, delete_by_hand
from automl_bench_vertex.failures import google_errors
from automl_bench_vertex.manifests import TRAINING as TRAINING_HALF
from automl_bench_vertex.manifests import VALIDATION
from automl_bench_vertex.naming import MODEL, TRAINING, labels_of

if TYPE_CHECKING:
    from automl_bench_vertex.account import Account
    from automl_bench_vertex.options import TrainingOptions

TASK = f"{SCHEMAS}/trainingjob/definition/automl_image_classification_1.0.0.yaml"
ML_USE = "labels.aiplatform.googleapis.com/ml_use"
NOTHING = "-"
"""A filter that matches nothing: without a test set of ours, the service may have none of its own either."""

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
CALLED_OFF = frozenset({"PIPELINE_STATE_CANCELLING", "PIPELINE_STATE_CANCELLED"})
SUCCEEDED = "PIPELINE_STATE_SUCCEEDED"


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
    """Return a training by display name as a resource; one that was called off does not count."""
    found = [pipeline for pipeline in listed(account, name) if pipeline.state.name not in CALLED_OFF]
    return resource_of(account, found[0]) if found else None


def create(account: Account, name: str, *, dataset: str, model_name: str, options: TrainingOptions) -> Resource:
    """Begin a training on the halves that the import file names, and on nothing else.

    The filters are sent always: without them the service would split anew.
    """
    pipeline = {
        "display_name": name,
        "labels": labels_of(name),
        "input_data_config": {
            "dataset_id": dataset.rsplit("/", 1)[-1],
            "filter_split": {
                "training_filter": f"{ML_USE}={TRAINING_HALF}",
                "validation_filter": f"{ML_USE}={VALIDATION}",
                "test_filter": NOTHING,
            },
        },
        "model_to_upload": {"display_name": model_name, "labels": labels_of(model_name)},
        "model_id": model_name,
        "training_task_definition": TASK,
        "training_task_inputs": {
            "modelType": options.model_type,
            "multiLabel": False,
            "budgetMilliNodeHours": options.budget_milli_node_hours,
            "disableEarlyStopping": not options.early_stopping,
        },
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
    """Call a training off. What it has taken so far is billed."""
    with google_errors(resource_id):
        account.pipelines.cancel_training_pipeline({"name": resource_id}, **ONCE)


def delete(account: Account, resource_id: str) -> str:
    """Begin to delete a training that has ended; return the operation's name."""
    with google_errors(resource_id):
        answer = account.pipelines.delete_training_pipeline({"name": resource_id}, **ONCE)
    return str(answer.operation.name)


def resource_of(account: Account, pipeline: Any) -> Resource:
    """Return a training as the ledger knows it: what it costs is billed once and not by the hour of its existence."""
    return Resource(
        TRAINING,
        pipeline.display_name,
        resource_id=pipeline.name,
        hourly_usd=0.0,
        delete_by_hand=delete_by_hand(account, pipeline.name),
        since=pipeline.create_time.isoformat() if pipeline.create_time else "",
    )


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


def announce_model(account: Account, name: str) -> Resource:
    """Return the model that a training will make, as the ledger knows it. Nothing is sent."""
    return model_resource(account, name, model_id(account, name))


def find_model(account: Account, name: str) -> Resource | None:
    """Return a trial's model as a resource if its training has made it."""
    model = get_model(account, model_id(account, name))
    return None if model is None else model_resource(account, name, model.name)


def delete_model(account: Account, resource_id: str) -> str:
    """Begin to delete a model with all its versions; return the operation's name."""
    with google_errors(resource_id):
        answer = account.models.delete_model({"name": resource_id}, **ONCE)
    return str(answer.operation.name)


def model_resource(account: Account, name: str, resource_id: str, since: str = "") -> Resource:
    """Return a model as the ledger knows it: kept, it costs nothing."""
    return Resource(
        MODEL,
        name,
        resource_id=resource_id,
        hourly_usd=0.0,
        delete_by_hand=f"gcloud ai models delete {resource_id.rsplit('/', 1)[-1]} --region={account.region}",
        since=since,
    )
