"""Deleting one resource: one step a call, never a wait. "Already gone" is success everywhere."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from automl_bench.contract import Deletion, Resource
from automl_bench.errors import ResourceConflict, ResourceMissing
from automl_bench.toolkit.certainty import is_young, require_same_scope
from automl_bench_rekognition import claims, inventory, projects
from automl_bench_rekognition.description import DESCRIPTION, STALE_SECONDS
from automl_bench_rekognition.failures import aws_errors
from automl_bench_rekognition.naming import (
    MODEL,
    PROJECT,
    RUNNING_MODEL,
    SAMPLES,
    TEST_DATASET,
    TRAIN_DATASET,
    UNCLAIMED,
)

if TYPE_CHECKING:
    from automl_bench_rekognition.account import Account

NOT_YET = frozenset({"TRAINING_IN_PROGRESS", "COPYING_IN_PROGRESS"})
"""States in which the service refuses both to stop and to delete: a training cannot be cancelled."""

_BEFORE_START = frozenset({"", "TRAINING_COMPLETED", "STOPPED"})
"""What a stale look may show of a model that was just started."""


def delete(account: Account, resource: Resource, log: Callable[[str], None]) -> Deletion:
    """Take a resource one step further towards its end.

    Raises:
        RequestRefused: If it is in another account or region, or its files in another bucket.
        ProviderError: If the service refuses.
    """
    here = {**account.scope, "bucket": account.bucket}
    require_same_scope(resource, here, known=_place(resource))
    if resource.kind == SAMPLES:
        return claims.release(account, resource.name)
    if resource.kind == UNCLAIMED:
        return claims.remove_unclaimed(account)
    known = resource if resource.details else _looked_up(account, resource)
    if known is None:
        return _gone(account, resource)
    steps = {
        RUNNING_MODEL: _stop,
        MODEL: _delete_model,
        TRAIN_DATASET: _delete_dataset,
        TEST_DATASET: _delete_dataset,
        PROJECT: _delete_project,
    }
    if known.kind not in steps:
        raise ResourceMissing(f"{known.kind!r} is no kind of resource of Rekognition.")
    return steps[known.kind](account, known, log)


def _place(resource: Resource) -> dict[str, str]:
    """Return where a resource's id says that it is."""
    found = {key: str(resource.details[key]) for key in ("bucket",) if key in resource.details}
    parts = resource.resource_id.split(":")
    if parts[0] == "arn" and len(parts) > 5:
        found |= {"region": parts[3], "account": parts[4]}
    return found


def _gone(account: Account, resource: Resource) -> Deletion:
    """Return what it means that a resource is not shown: one that was just made may show later."""
    may_show = resource.resource_id not in account.deleted and is_young(resource, DESCRIPTION.settle_seconds)
    return Deletion.PENDING if may_show else Deletion.ALREADY_GONE


def _looked_up(account: Account, resource: Resource) -> Resource | None:
    """Find a resource of which only kind and name are known."""
    listed = inventory.list_everything(account, resource.name)
    return next((item for item in listed if (item.kind, item.name) == (resource.kind, resource.name)), None)


def _status(account: Account, model: Resource) -> str:
    version = projects.describe_version(account, str(model.details["project_arn"]), str(model.details["version"]))
    return "" if version is None else str(version["Status"])


def _stop(account: Account, model: Resource, log: Callable[[str], None]) -> Deletion:
    """Stop a started model. It is billed until it is STOPPED, so only that is the end."""
    status = _status(account, model)
    if status not in projects.BILLED:
        is_stale = status in _BEFORE_START and model.resource_id not in account.stopped
        if is_stale and is_young(model, STALE_SECONDS):
            log(f"{model.name} was just started and is shown as {status or 'missing'}; the next look tells")
            return Deletion.PENDING
        return Deletion.ALREADY_GONE
    if status == "STOPPING":
        account.stopped.add(model.resource_id)
    else:
        log(f"stopping {model.resource_id}")
        try:
            with aws_errors(model.resource_id):
                account.rekognition.stop_project_version(ProjectVersionArn=model.resource_id)
        except (ResourceConflict, ResourceMissing):
            return Deletion.PENDING  # it is starting, or has just stopped: the next look tells
        account.stopped.add(model.resource_id)
    return Deletion.PENDING if _status(account, model) in projects.BILLED else Deletion.DELETED


def _delete_model(account: Account, model: Resource, log: Callable[[str], None]) -> Deletion:
    status = _status(account, model)
    if not status:
        return _gone(account, model)
    if status in NOT_YET:
        log(f"{model.name} is in training; the service cannot cancel a training, so its end is awaited")
        return Deletion.PENDING
    if status in projects.BILLED:  # started by hand, or by a call whose answer was lost
        _stop(account, model, log)
        return Deletion.PENDING
    if status != "DELETING":
        with aws_errors(model.resource_id):
            account.rekognition.delete_project_version(ProjectVersionArn=model.resource_id)
    account.deleted.add(model.resource_id)
    return Deletion.PENDING if _status(account, model) else Deletion.DELETED


def _delete_dataset(account: Account, dataset: Resource, _log: Callable[[str], None]) -> Deletion:
    arn = str(dataset.details["arn"])
    try:
        status = projects.describe_dataset(account, arn)["Status"]
    except ResourceMissing:
        return _gone(account, dataset)
    if status in ("CREATE_IN_PROGRESS", "UPDATE_IN_PROGRESS"):
        return Deletion.PENDING
    if status != "DELETE_IN_PROGRESS":
        with aws_errors(arn):
            account.rekognition.delete_dataset(DatasetArn=arn)
    account.deleted.add(dataset.resource_id)
    try:
        projects.describe_dataset(account, arn)
    except ResourceMissing:
        return Deletion.DELETED
    return Deletion.PENDING


def _delete_project(account: Account, project: Resource, log: Callable[[str], None]) -> Deletion:
    found = projects.look_up(account, project.name)
    if found is None:
        return _gone(account, project)
    if found.status != "DELETING":
        try:
            with aws_errors(found.arn):
                account.rekognition.delete_project(ProjectArn=found.arn)
        except ResourceConflict as error:
            if _something_stays(account, project.name):
                raise
            log(f"{project.name} is not empty yet: {error}")
            return Deletion.PENDING
    account.deleted.add(project.resource_id)
    return Deletion.PENDING if projects.look_up(account, project.name) else Deletion.DELETED


def _something_stays(account: Account, name: str) -> bool:
    """Tell whether a project holds a dataset or model that is not being deleted: then no wait will empty it."""
    project = projects.look_up(account, name)
    if project is None:
        return False
    versions = projects.iterate_versions(account, project.arn)
    return bool(project.datasets) or any(version["Status"] != "DELETING" for version in versions)
