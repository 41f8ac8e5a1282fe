"""Long work at the service as tokens, from which another process finds it again a day later.

An upload is two operations of the service after each other (create the dataset, import), and so is a deployment
(create the endpoint, deploy). A token says how far it has come; whoever looks begins the next step when its turn has
come. A step that was begun by a process that died before it could say so is found and not begun again.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from automl_bench.contract import Json, Operation, OperationState
from automl_bench.errors import ResourceMissing
from automl_bench_vertex import control, datasets, endpoints, trainings
from automl_bench_vertex.naming import DEPLOYED_MODEL
from automl_bench_vertex.naming import TRAINING as TRAINING_KIND
from automl_bench_vertex.options import TrainingOptions

if TYPE_CHECKING:
    from automl_bench.contract import TrialContext
    from automl_bench_vertex.account import Account

IMPORT = "import"
TABLE = "table"
TRAINING = "training"
DEPLOYMENT = "deployment"

SECONDS_PER_MILLI_HOUR = 3.6


def token(what: str, **details: Json) -> str:
    """Return the token of an operation: identifiers only."""
    return json.dumps({"what": what, **details}, separators=(",", ":"), sort_keys=True)


def begun(what: str, **details: Json) -> Operation:
    """Return an operation that has begun."""
    return Operation(OperationState.RUNNING, token=token(what, **details))


def look(account: Account, context: TrialContext, operation: Operation) -> Operation:
    """Look once, and begin the next step if its turn has come.

    Raises:
        ResourceMissing: If the token names nothing that exists.
    """
    try:
        known = dict(json.loads(operation.token))
        looks = {
            IMPORT: _look_at_import,
            TABLE: _look_at_table,
            TRAINING: _look_at_training,
            DEPLOYMENT: _look_at_deployment,
        }[known["what"]]
    except (ValueError, TypeError, KeyError) as error:
        raise ResourceMissing(f"{operation.token!r} names no operation of Vertex AI.") from error
    return looks(account, context, known)


def _going(known: Mapping[str, Any], message: str) -> Operation:
    return Operation(OperationState.RUNNING, token=_token_of(known), message=message)


def _failed(known: Mapping[str, Any], message: str, **more: Any) -> Operation:
    return Operation(OperationState.FAILED, token=_token_of(known), message=message, **more)


def _token_of(known: Mapping[str, Any]) -> str:
    return token(**known)


def _unfinished(account: Account, known: Mapping[str, Any], step: str, what: str) -> Operation | None:
    """Return how a step of the service stands, or None if it has ended well or its operation is not known."""
    name = known.get(step)
    if not name:
        return None
    work = control.look(account, name)
    if work.going:
        return _going(known, what)
    return _failed(known, f"{what}: {work.failure}") if work.failure else None


def _look_at_import(account: Account, context: TrialContext, known: Mapping[str, Any]) -> Operation:
    """Look at an upload: its dataset is created, then filled."""
    if "import" not in known:
        unfinished = _unfinished(account, known, "creation", "creating the dataset")
        if unfinished is not None:
            return unfinished
        return _going({**known, "import": datasets.begin_import(account, known["dataset"], known["file"])}, "importing")
    work = control.look(account, known["import"])
    if work.going:
        return _going(known, "importing")
    if work.failure:
        return _failed(known, f"the import failed: {work.failure}")
    if work.partial_failures:
        count = len(work.partial_failures)
        return _failed(known, f"the service refused images ({count} or more), such as: {work.partial_failures[0]}")
    dataset = datasets.get(account, known["dataset"])
    if dataset is None:
        raise ResourceMissing(f"The dataset {known['dataset']} is gone.")
    result = {**known["result"], "dataset": known["dataset"], "data_items": int(dataset.data_item_count)}
    return Operation(OperationState.SUCCEEDED, token=_token_of(known), result=result)


def _look_at_table(account: Account, context: TrialContext, known: Mapping[str, Any]) -> Operation:
    """Look at the upload of a table: its dataset names the file, and is done when it is there."""
    unfinished = _unfinished(account, known, "creation", "creating the dataset")
    if unfinished is not None:
        return unfinished
    if datasets.get(account, known["dataset"]) is None:
        return _going(known, "creating the dataset")  # by a request whose answer was lost
    return Operation(
        OperationState.SUCCEEDED, token=_token_of(known), result={**known["result"], "dataset": known["dataset"]}
    )


def _look_at_training(account: Account, context: TrialContext, known: Mapping[str, Any]) -> Operation:
    """Look at a training. Its times are the service's own; its bill is in node hours, which are no clock's."""
    pipeline = trainings.get(account, known["pipeline"])
    if pipeline is None:
        raise ResourceMissing(f"The training {known['pipeline']} is gone.")
    state = pipeline.state.name
    if state in trainings.GOING:
        return _going(known, state.removeprefix("PIPELINE_STATE_").lower())
    # It costs nothing any more: the ledger's line says so from here on.
    ended = trainings.resource_of(account, pipeline)
    context.resources.ensure(
        TRAINING_KIND, find=lambda _: ended, create=lambda _: ended, name=ended.name, hourly_usd=0.0
    )
    metadata = dict(pipeline.training_task_metadata or {})
    milli_hours = metadata.get("costMilliNodeHours", metadata.get("trainCostMilliNodeHours"))
    billable = None if milli_hours is None else float(milli_hours) * SECONDS_PER_MILLI_HOUR
    if state != trainings.SUCCEEDED:
        words = " ".join(pipeline.error.message.split()).rstrip(".")
        return _failed(known, words or state, billable_seconds=billable)
    return Operation(
        OperationState.SUCCEEDED,
        token=_token_of(known),
        result={
            "model": pipeline.model_to_upload.name or known["model"],
            "node_hours_billed": None if milli_hours is None else float(milli_hours) / 1000,
            "stopped_because": metadata.get("successfulStopReason"),
        },
        queue_seconds=_seconds_between(pipeline.create_time, pipeline.start_time),
        work_seconds=_seconds_between(pipeline.start_time, pipeline.end_time),
        billable_seconds=billable,
    )


def _look_at_deployment(account: Account, context: TrialContext, known: Mapping[str, Any]) -> Operation:
    """Look at a deployment: its endpoint is created, then the model is deployed on it, which is when costs begin."""
    if "deployment" not in known:
        unfinished = _unfinished(account, known, "creation", "creating the endpoint")
        if unfinished is not None:
            return unfinished
        if endpoints.get(account, known["endpoint"]) is None:
            return _going(known, "creating the endpoint")  # by a request whose answer was lost
        machine = TrainingOptions.of(context.variant).machine_for(context.modality)
        deployed = context.resources.ensure(
            DEPLOYED_MODEL,
            find=lambda name: endpoints.find_deployed(account, known["endpoint"], name, machine),
            create=lambda name: endpoints.deploy(
                account, known["endpoint"], name, known["model"], context.owner, machine
            ),
            hourly_usd=endpoints.serving_usd(machine),
        )
        known = {**known, "deployment": str(deployed.details.get("operation", "")), "name": deployed.name}
        if known["deployment"]:
            return _going(known, "deploying")
    unfinished = _unfinished(account, known, "deployment", "deploying")
    if unfinished is not None:
        return unfinished
    endpoint = endpoints.get(account, known["endpoint"])
    serving = None if endpoint is None else endpoints.deployed(endpoint, known["name"])
    if endpoint is None:
        raise ResourceMissing(f"The endpoint {known['endpoint']} is gone.")
    if serving is None:
        return _going(known, "deployed, but not shown yet")
    return Operation(
        OperationState.SUCCEEDED,
        token=_token_of(known),
        result={
            "endpoint_id": endpoint.name,
            "url": endpoints.predict_url(account, endpoint.name),
            "deployed_model_id": serving.id,
            "nodes": endpoints.NODES,
        },
    )


def _seconds_between(begin: Any, end: Any) -> float | None:
    return max(0.0, (end - begin).total_seconds()) if begin and end else None
