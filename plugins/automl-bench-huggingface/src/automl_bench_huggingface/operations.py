"""Long work, and one look at it: everything needed stands in the token."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from automl_bench.contract import Operation, OperationState
from automl_bench.errors import RequestRefused, ResourceMissing
from automl_bench_huggingface import endpoints, repositories, training_jobs
from automl_bench_huggingface.naming import MODEL

if TYPE_CHECKING:
    from huggingface_hub import JobInfo

    from automl_bench_huggingface.account import Account

TRAINING = "training"
START = "start"
WAKING = "waking"
KEPT_OF_REPORT = ("best_epoch", "validation_accuracy", "validation_loss", "device", "torch", "transformers")


def training_begun(job_id: str, model: str) -> Operation:
    """Return the operation of a job that was just begun."""
    token = json.dumps({"kind": TRAINING, "job": job_id, "model": model})
    return Operation(OperationState.RUNNING, token=token, message="waiting for hardware")


def start_begun(name: str) -> Operation:
    """Return the operation of an endpoint that was just created."""
    token = json.dumps({"kind": START, "endpoint": name})
    return Operation(OperationState.RUNNING, token=token, message="waiting for hardware")


def waking_begun(url: str) -> Operation:
    """Return the operation of waking an endpoint of which only its address is known."""
    token = json.dumps({"kind": WAKING, "url": url})
    return Operation(OperationState.RUNNING, token=token, message="waking")


def job_of(token: str) -> str:
    """Return the job that a token is of, or nothing for one of another kind."""
    known: Mapping[str, Any] = json.loads(token)
    return str(known["job"]) if known.get("kind") == TRAINING else ""


def look(account: Account, operation: Operation) -> Operation:
    """Look once at a training or a start.

    Raises:
        ResourceMissing: If it is gone.
        ProviderError: If looking failed.
    """
    known: Mapping[str, Any] = json.loads(operation.token)
    if known.get("kind") == TRAINING:
        return _look_at_training(account, str(known["job"]), str(known["model"]), operation.token)
    if known.get("kind") == START:
        return _look_at_start(account, str(known["endpoint"]), operation.token)
    if known.get("kind") == WAKING:
        awake = endpoints.is_awake(account, str(known["url"]))
        state = OperationState.SUCCEEDED if awake else OperationState.RUNNING
        return Operation(state, token=operation.token, message="awake" if awake else "waking")
    raise RequestRefused("The token is not one of the provider huggingface.")


def _look_at_training(account: Account, job_id: str, model: str, token: str) -> Operation:
    job = training_jobs.inspect(account, job_id)
    stage = training_jobs.stage_of(job)
    queued, billed = _seconds(job)
    if stage == training_jobs.COMPLETED:
        return _trained(account, job, model, token)
    if stage == "RUNNING":
        message = training_jobs.last_words(account, job_id, ours=True) or "starting"
        return Operation(OperationState.RUNNING, token=token, message=message)
    if stage in training_jobs.ACTIVE:
        return Operation(OperationState.RUNNING, token=token, message="waiting for hardware")
    said = job.status.message or training_jobs.last_words(account, job_id, ours=False)
    message = f"the job ended as {stage}" + (f": {said}" if said else "")
    return Operation(OperationState.FAILED, token=token, message=message, queue_seconds=queued, billable_seconds=billed)


def _trained(account: Account, job: JobInfo, model: str, token: str) -> Operation:
    """Return the end of a training.

    Its time is the script's own, from the prepared samples to the trained model: installing packages, downloads and the
    push are billed with the job and belong to no training.
    """
    queued, billed = _seconds(job)
    revision = repositories.revision_of(account, MODEL, model)
    try:
        report = repositories.read_report(account, model, revision)
    except ResourceMissing:
        return Operation(
            OperationState.FAILED, token=token, message="the job ended without a model", billable_seconds=billed
        )
    return Operation(
        OperationState.SUCCEEDED,
        token=token,
        result={
            "model": model,
            "model_revision": revision,
            "job": job.id,
            "job_seconds": billed,
            **{key: report.get(key) for key in KEPT_OF_REPORT},
        },
        queue_seconds=queued,
        work_seconds=float(report["training_seconds"]),
        billable_seconds=billed,
    )


def _seconds(job: JobInfo) -> tuple[float | None, float | None]:
    """Return how long a job waited and how long it ran, by the service's own clock."""
    queued = job.durations.scheduling_secs if job.durations else None
    ran = job.durations.running_secs if job.durations else None
    if queued is None and job.created_at and job.started_at:
        queued = (job.started_at - job.created_at).total_seconds()  # type: ignore[assignment]  # whole or not
    if ran is None and job.started_at and job.finished_at:
        ran = (job.finished_at - job.started_at).total_seconds()  # type: ignore[assignment]
    return (None if queued is None else float(queued), None if ran is None else float(ran))


def _look_at_start(account: Account, name: str, token: str) -> Operation:
    endpoint = endpoints.look(account, name)
    state = str(getattr(endpoint.status, "value", endpoint.status))
    if state in endpoints.DEAD:
        return Operation(OperationState.FAILED, token=token, message=endpoints.why(endpoint))
    if not endpoint.url:
        return Operation(OperationState.RUNNING, token=token, message=state)
    # Asking wakes an endpoint that went to sleep; only one that runs and answers is ready to be measured.
    if not endpoints.serves(account, endpoint.url, endpoint.health_route) or state != "running":
        return Operation(OperationState.RUNNING, token=token, message=f"{state}, not answering yet")
    compute = endpoint.raw.get("compute") or {}
    return Operation(
        OperationState.SUCCEEDED,
        token=token,
        result={
            "endpoint_id": name,
            "url": endpoint.url,
            "model_revision": endpoint.revision,
            "instance": f"{compute.get('instanceType')} {compute.get('instanceSize')}",
        },
    )
