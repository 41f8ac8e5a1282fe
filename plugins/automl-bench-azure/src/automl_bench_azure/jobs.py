"""The AutoML job: begun, looked at, cancelled. What it found stands in the workspace's MLflow server."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from automl_bench.contract import Deletion, Owner, Resource
from automl_bench.errors import ProviderError, ResourceConflict, ResourceMissing, ServiceUnavailable
from automl_bench_azure.assets import created_at, gone
from automl_bench_azure.failures import log_end
from automl_bench_azure.naming import JOB, TAG, is_of_kind, owner_in, tags_of
from automl_bench_azure.options import Options
from automl_bench_azure.prices import vm_hour_usd

if TYPE_CHECKING:
    from automl_bench_azure.account import Account

EXPERIMENT = "automl-bench"
ENDED = frozenset({"Completed", "Failed", "Canceled", "NotResponding"})
CANCELLING = "CancelRequested"
UNUSABLE = ENDED - {"Completed"} | {CANCELLING}
"""States of a job that will leave no model. It stays until teardown, so that its log can be read."""
BEST_CHILD = "automl_best_child_run_id"


@dataclass(frozen=True, slots=True)
class Run:
    """What MLflow knows of a job.

    Attributes:
        best_child: Job that trained the best model, or "".
        seconds: From its begin to its end, or None.
    """

    best_child: str
    seconds: float | None


def path_of(account: Account, name: str) -> str:
    """Return the path of a job."""
    return account.path("jobs", name)


def find(account: Account, name: str) -> Resource | None:
    """Return a job."""
    found = account.arm.look(path_of(account, name))
    return None if found is None else resource(account, name, found)


def is_usable(account: Account, name: str) -> bool | None:
    """Return whether a job of that name trains or has trained; None if there is none."""
    found = account.arm.look(path_of(account, name))
    return None if found is None else status_of(found) not in UNUSABLE


def create(
    account: Account,
    name: str,
    options: Options,
    *,
    compute_id: str,
    details: Mapping[str, Any],
    owner: Owner | None,
) -> Resource:
    """Begin the training."""
    body = {
        "properties": {
            "jobType": "AutoML",
            "displayName": name,
            "experimentName": EXPERIMENT,
            "computeId": compute_id,
            "tags": tags_of(name, owner),
            "properties": {"vm-size": options.compute_size},
            "taskDetails": dict(details),
        }
    }
    return resource(account, name, account.arm.put(path_of(account, name), body))


def status_of(found: Mapping[str, Any]) -> str:
    """Return a job's status."""
    return str(found.get("properties", {}).get("status") or "")


def look_up_run(account: Account, name: str) -> Run:
    """Ask the workspace's MLflow server for a job's best child and its times; Resource Manager has neither.

    Raises:
        ServiceUnavailable: If the server does not know the job yet.
    """
    try:
        answer = account.arm.ask("GET", f"{account.tracking_url}/api/2.0/mlflow/runs/get", {"run_id": name})
    except ResourceMissing as error:
        raise ServiceUnavailable(f"The MLflow server does not know the job {name} yet.") from error
    run = answer.get("run") or {}
    info, data = run.get("info") or {}, run.get("data") or {}
    tags = {str(tag.get("key")): str(tag.get("value")) for tag in data.get("tags") or []}
    begin, end = info.get("start_time"), info.get("end_time")
    return Run(tags.get(BEST_CHILD, ""), (float(end) - float(begin)) / 1000.0 if begin and end else None)


def listed(account: Account, prefix: str) -> list[Resource]:
    """Return our jobs under a name prefix; only AutoML jobs with our tag are asked for."""
    return [
        resource(account, str(item["name"]), item)
        for item in account.arm.pages(account.path("jobs"), jobType="AutoML", tag=TAG, listViewType="All")
        if str(item.get("name", "")).startswith(prefix) and is_of_kind(str(item["name"]), JOB)
    ]


def delete(account: Account, item: Resource) -> Deletion:
    """Cancel a job if it runs, and delete it once it has ended."""
    found = account.arm.look(item.resource_id)
    if found is None:
        return gone(account, item)
    try:
        if status_of(found) not in ENDED:
            if status_of(found) != CANCELLING:
                account.arm.post(f"{item.resource_id}/cancel")
            return Deletion.PENDING
        account.arm.delete(item.resource_id)
    except (ResourceConflict, ResourceMissing):
        return Deletion.PENDING  # it has just ended, or is still ending: the next look tells
    return Deletion.DELETED if account.arm.look(item.resource_id) is None else Deletion.PENDING


def resource(account: Account, name: str, found: Mapping[str, Any]) -> Resource:
    """Return a job as a resource. As long as it has not ended it holds a machine."""
    about = found.get("properties", {})
    size = str((about.get("properties") or {}).get("vm-size", ""))
    return Resource(
        JOB,
        name,
        resource_id=path_of(account, name),
        hourly_usd=0.0 if status_of(found) in ENDED else vm_hour_usd(size),
        delete_by_hand=f"az ml job cancel --name {name} {account.where}",
        since=created_at(dict(found)),
        owner=owner_in(found),
        scope=account.scope,
    )


def why(account: Account, name: str) -> str:
    """Return why a job failed in the service's words: its error, else the last lines of its log, else "".

    They are asked for as long as the job is there: teardown deletes it. Nothing depends on it, so a failure to get it
    is none.
    """
    try:
        details = account.arm.ask("GET", f"{account.history_url}/runs/{name}/details", {})
        error = (details.get("error") or {}).get("error") or {}
        said = str(error.get("message") or "")
        logs = details.get("logFiles") or {}
        own = next((each for each in sorted(logs) if each.endswith("std_log.txt")), next(iter(sorted(logs)), ""))
        return log_end(said or (account.arm.last_lines(str(logs[own])) if own else ""))
    except ProviderError:
        return ""
