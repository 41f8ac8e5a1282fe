"""The online endpoint and its one deployment, which is what costs money until it is deleted."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from automl_bench.contract import Deletion, Owner, Resource
from automl_bench.errors import ProviderError, ResourceConflict, ResourceMissing, ServiceUnavailable
from automl_bench_azure.assets import FAILED, created_at, gone
from automl_bench_azure.failures import log_end
from automl_bench_azure.naming import DEPLOYMENT, DEPLOYMENT_ID, ENDPOINT, long_name, owner_in, short_id, tags_of
from automl_bench_azure.options import Options
from automl_bench_azure.prices import serving_usd

if TYPE_CHECKING:
    from automl_bench_azure.account import Account

BEING_MADE = frozenset({"Creating", "Updating", "Scaling"})
LOG_LINES = 10
SCRIPT = "score.py"

REQUEST_TIMEOUT = "PT60S"
"""Longest that the endpoint works on one prediction; the service allows 180 s."""


def path_of(account: Account, name: str) -> str:
    """Return the path of a trial's endpoint; the name may be that of its deployment too."""
    return account.path("onlineEndpoints", short_id(name, account.workspace_path))


def deployment_path(account: Account, name: str) -> str:
    """Return the path of a trial's deployment."""
    return f"{path_of(account, name)}/deployments/{DEPLOYMENT_ID}"


def state_of(found: Mapping[str, Any]) -> str:
    """Return the provisioning state of an endpoint or a deployment."""
    return str(found.get("properties", {}).get("provisioningState") or "")


def find_endpoint(account: Account, name: str) -> Resource | None:
    """Return an endpoint.

    Raises:
        ServiceUnavailable: If it is just being deleted.
    """
    found = account.arm.look(path_of(account, name))
    if found is not None and state_of(found) == "Deleting":
        raise ServiceUnavailable(f"The endpoint {name} is still being deleted.")
    return None if found is None else endpoint_resource(account, name, found)


def is_usable(account: Account, name: str) -> bool | None:
    """Return whether an endpoint of that name is there or being made; None if there is none.

    One that could not be made is deleted. Its name may be refused for a while then.
    """
    found = account.arm.look(path_of(account, name))
    if found is None:
        return None
    if state_of(found) in FAILED:
        with suppress(ResourceConflict):
            account.arm.delete(path_of(account, name))
    return state_of(found) not in {*FAILED, "Deleting"}


def create_endpoint(account: Account, name: str, owner: Owner | None) -> Resource:
    """Begin the creation of an endpoint that asks for a key."""
    found = account.arm.put(path_of(account, name), _endpoint_body(account, tags_of(name, owner), {}))
    return endpoint_resource(account, name, found)


def send_all_traffic(account: Account, name: str) -> None:
    """Begin to send every request to the deployment; a new one gets none. PATCH cannot change the traffic."""
    tags = account.arm.get(path_of(account, name)).get("tags") or {}
    account.arm.put(path_of(account, name), _endpoint_body(account, tags, {DEPLOYMENT_ID: 100}))


def traffic_of(found: Mapping[str, Any]) -> int:
    """Return the percentage of requests that an endpoint sends to our deployment."""
    return int((found.get("properties", {}).get("traffic") or {}).get(DEPLOYMENT_ID, 0))


def _endpoint_body(account: Account, tags: Mapping[str, str], traffic: Mapping[str, int]) -> dict[str, Any]:
    return {
        "location": account.location,
        "tags": dict(tags),
        "identity": {"type": "SystemAssigned"},
        "properties": {"authMode": "Key", "traffic": dict(traffic)},
    }


def _without_traffic(found: Mapping[str, Any]) -> dict[str, Any]:
    """Return what makes an endpoint as it is, but without traffic. It need not be of the workspace that is set now."""
    return {
        "location": found["location"],
        "tags": found.get("tags") or {},
        "identity": {"type": "SystemAssigned"},
        "properties": {"authMode": found.get("properties", {}).get("authMode", "Key"), "traffic": {}},
    }


def find_deployment(account: Account, name: str) -> Resource | None:
    """Return a trial's deployment. One that failed is deleted: it costs as long as it is there.

    Raises:
        ServiceUnavailable: While it is being deleted.
    """
    found = account.arm.look(deployment_path(account, name))
    if found is not None and state_of(found) in FAILED:
        with suppress(ResourceConflict):
            account.arm.delete(deployment_path(account, name))
        raise ServiceUnavailable(f"The deployment {name}, which failed, is being deleted.")
    if found is not None and state_of(found) == "Deleting":
        raise ServiceUnavailable(f"The deployment {name} is still being deleted.")
    return None if found is None else deployment_resource(account, name, found)


def create_deployment(
    account: Account,
    name: str,
    options: Options,
    *,
    model_id: str,
    beside: Mapping[str, str],
    owner: Owner | None,
) -> Resource:
    """Begin the deployment of a model. Its machines are billed from now on, whether asked or not.

    Args:
        account: The workspace.
        name: The deployment's name.
        options: The variant's settings.
        model_id: The model.
        beside: Ids of our scoring script and its environment; empty where the service serves the model by itself.
        owner: Whose it is.
    """
    scored_by_us = (
        {
            "codeConfiguration": {"codeId": beside["code"], "scoringScript": SCRIPT},
            "environmentId": beside["environment"],
        }
        if beside
        else {}
    )
    delay = f"PT{options.probe_delay_seconds}S"
    body = {
        "location": account.location,
        "tags": tags_of(name, owner),
        "sku": {"name": "Default", "capacity": options.instances},
        "properties": {
            "endpointComputeType": "Managed",
            "model": model_id,
            "instanceType": options.instance_type,
            "requestSettings": {"requestTimeout": REQUEST_TIMEOUT},
            "livenessProbe": {"initialDelay": delay},
            "readinessProbe": {"initialDelay": delay},
            **scored_by_us,
        },
    }
    return deployment_resource(account, name, account.arm.put(deployment_path(account, name), body))


def listed(account: Account, prefix: str) -> list[Resource]:
    """Return our endpoints and deployments under a name prefix, an endpoint before its deployment."""
    found = []
    for item in account.arm.pages(account.path("onlineEndpoints")):
        name = long_name(item, ENDPOINT, account.workspace_path)
        if not name:
            continue
        found.append(endpoint_resource(account, name, item))
        its_deployment = long_name(item, DEPLOYMENT, account.workspace_path)
        if its_deployment.startswith(prefix):
            deployment = account.arm.look(deployment_path(account, its_deployment))
            if deployment is not None:
                found.append(deployment_resource(account, its_deployment, deployment))
    return [each for each in found if each.name.startswith(prefix)]


def delete_deployment(account: Account, item: Resource) -> Deletion:
    """Take the traffic from a deployment, then delete it: with traffic the service refuses.

    One that is still being made cannot be deleted before its probes have ended, up to half an hour later. Its endpoint
    can, and takes it along; it is the trial's own and serves nothing else.
    """
    endpoint_path = item.resource_id.rsplit("/deployments/", 1)[0]
    endpoint = account.arm.look(endpoint_path)
    found = None if endpoint is None else account.arm.look(item.resource_id)
    if endpoint is None or found is None:
        return gone(account, item)
    try:
        if state_of(found) in BEING_MADE:
            if state_of(endpoint) != "Deleting":
                account.arm.delete(endpoint_path)
            return Deletion.PENDING
        if state_of(found) != "Deleting":
            if traffic_of(endpoint):
                account.arm.put(endpoint_path, _without_traffic(endpoint))
                return Deletion.PENDING
            account.arm.delete(item.resource_id)
    except (ResourceConflict, ResourceMissing):
        return Deletion.PENDING  # something else is still going on with it
    return Deletion.DELETED if account.arm.look(item.resource_id) is None else Deletion.PENDING


def delete_endpoint(account: Account, item: Resource) -> Deletion:
    """Delete an endpoint; what is deployed there goes with it."""
    found = account.arm.look(item.resource_id)
    if found is None:
        return gone(account, item)
    if state_of(found) != "Deleting":
        try:
            account.arm.delete(item.resource_id)
        except ResourceConflict:
            return Deletion.PENDING
    return Deletion.DELETED if account.arm.look(item.resource_id) is None else Deletion.PENDING


def endpoint_resource(account: Account, name: str, found: Mapping[str, Any]) -> Resource:
    """Return an endpoint as a resource; by itself it costs nothing."""
    short = short_id(name, account.workspace_path)
    return Resource(
        ENDPOINT,
        name,
        resource_id=path_of(account, name),
        hourly_usd=0.0,
        delete_by_hand=f"az ml online-endpoint delete --yes --name {short} {account.where}",
        since=created_at(dict(found)),
        owner=owner_in(found),
        scope=account.scope,
    )


def deployment_resource(account: Account, name: str, found: Mapping[str, Any]) -> Resource:
    """Return a deployment as a resource, with what its machines cost an hour."""
    about, sku = found.get("properties", {}), found.get("sku") or {}
    short = short_id(name, account.workspace_path)
    return Resource(
        DEPLOYMENT,
        name,
        resource_id=deployment_path(account, name),
        hourly_usd=serving_usd(str(about.get("instanceType", "")), int(sku.get("capacity") or 1)),
        delete_by_hand=f"az ml online-endpoint delete --yes --name {short} {account.where}",
        since=created_at(dict(found)),
        owner=owner_in(found),
        scope=account.scope,
    )


def why(account: Account, name: str) -> str:
    """Return the last lines that a deployment's container printed, or "": nothing depends on it."""
    try:
        answer = account.arm.post(
            f"{deployment_path(account, name)}/getLogs", {"containerType": "InferenceServer", "tail": LOG_LINES}
        )
    except ProviderError:
        return ""
    return log_end(str(answer.get("content") or ""))
