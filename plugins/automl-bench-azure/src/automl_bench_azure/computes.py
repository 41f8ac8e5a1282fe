"""The training cluster: one for each trial, without a node as long as nothing runs.

A cluster of one's own costs nothing while it has no node, needs no agreement between trials about who may delete it,
and makes the service's wait for machines the trial's own. Its fuse: with no job, it lets its node go after two minutes.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

from automl_bench.contract import Deletion, Owner, Resource
from automl_bench.errors import ResourceConflict, ServiceUnavailable
from automl_bench_azure.assets import created_at, gone
from automl_bench_azure.naming import COMPUTE, first_of, long_name, owner_in, short_id, tags_of
from automl_bench_azure.options import Options
from automl_bench_azure.prices import vm_hour_usd

if TYPE_CHECKING:
    from automl_bench_azure.account import Account

IDLE_BEFORE_SCALE_DOWN = "PT2M"
FAILED = frozenset({"Failed", "Canceled"})


def path_of(account: Account, name: str) -> str:
    """Return the path of a trial's cluster."""
    return account.path("computes", short_id(first_of(name, COMPUTE), account.workspace_path))


def find(account: Account, name: str) -> Resource | None:
    """Return a trial's cluster. One that could not be made is deleted.

    Raises:
        ServiceUnavailable: While it is being deleted.
    """
    found = account.arm.look(path_of(account, name))
    if found is not None and state_of(found) in FAILED:
        with suppress(ResourceConflict):
            account.arm.delete(path_of(account, name), underlyingResourceAction="Delete")
        raise ServiceUnavailable(f"The cluster {name}, which could not be made, is being deleted.")
    if found is not None and state_of(found) == "Deleting":
        raise ServiceUnavailable(f"The cluster {name} is still being deleted.")
    return None if found is None else resource(account, name, found)


def create(account: Account, name: str, options: Options, owner: Owner | None) -> Resource:
    """Begin the creation of a cluster."""
    body = {
        "location": account.location,
        "tags": tags_of(name, owner),
        "properties": {
            "computeType": "AmlCompute",
            "disableLocalAuth": True,  # nobody logs in there
            "properties": {
                "vmSize": options.compute_size,
                "vmPriority": "LowPriority" if options.low_priority else "Dedicated",
                "scaleSettings": {
                    "minNodeCount": 0,
                    "maxNodeCount": 1,
                    "nodeIdleTimeBeforeScaleDown": IDLE_BEFORE_SCALE_DOWN,
                },
            },
        },
    }
    return resource(account, name, account.arm.put(path_of(account, name), body))


def state_of(found: dict[str, Any]) -> str:
    """Return a cluster's provisioning state."""
    return str(found.get("properties", {}).get("provisioningState") or "")


def reason_of(found: dict[str, Any]) -> str:
    """Return why a cluster could not be made, in the service's words."""
    errors = found.get("properties", {}).get("provisioningErrors") or []
    words = [error.get("error", {}).get("message") or "" for error in errors if isinstance(error, dict)]
    return "; ".join(filter(None, words)).rstrip(".") or "the cluster could not be made"


def listed(account: Account, prefix: str) -> list[Resource]:
    """Return our clusters under a name prefix."""
    found = []
    for item in account.arm.pages(account.path("computes")):
        name = long_name(item, COMPUTE, account.workspace_path)
        if name and name.startswith(prefix):
            found.append(resource(account, name, item))
    return found


def delete(account: Account, item: Resource) -> Deletion:
    """Delete a cluster with its machines."""
    found = account.arm.look(item.resource_id)
    if found is None:
        return gone(account, item)
    if state_of(found) != "Deleting":
        try:
            account.arm.delete(item.resource_id, underlyingResourceAction="Delete")
        except ResourceConflict:
            return Deletion.PENDING  # it is still being made, or its node is still leaving
    return Deletion.DELETED if account.arm.look(item.resource_id) is None else Deletion.PENDING


def resource(account: Account, name: str, found: dict[str, Any]) -> Resource:
    """Return a cluster as a resource; what it costs now depends on the nodes that it has now."""
    about = found.get("properties", {}).get("properties") or {}
    nodes = about.get("currentNodeCount") or 0
    usd = vm_hour_usd(str(about.get("vmSize", "")))
    short = short_id(name, account.workspace_path)
    return Resource(
        COMPUTE,
        name,
        resource_id=path_of(account, name),
        hourly_usd=0.0 if not nodes else None if usd is None else usd * nodes,
        delete_by_hand=f"az ml compute delete --yes --name {short} {account.where}",
        since=created_at(found),
        owner=owner_in(found),
        scope=account.scope,
    )
