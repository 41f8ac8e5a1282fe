"""Endpoints and what is deployed on them: the one thing here that costs money while it idles."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from automl_bench.contract import Owner, Resource, owner_from_tags
from automl_bench.errors import RequestRefused, ResourceConflict, ResourceMissing
from automl_bench_vertex import control
from automl_bench_vertex.account import ONCE
from automl_bench_vertex.description import node_hour_usd
from automl_bench_vertex.failures import google_errors
from automl_bench_vertex.naming import DEPLOYED_MODEL, ENDPOINT, ENDPOINT_ID, ENDPOINT_NAME, labels_of

if TYPE_CHECKING:
    from automl_bench_vertex.account import Account

NODES = 1
THE_NEW_ONE = "0"
"""What a model that is just being deployed is called in the traffic split."""


def serving_usd(machine: str) -> float | None:
    """Return what a deployed model costs an hour: on a machine that is named, or else on the service's own."""
    usd = node_hour_usd(machine)
    return None if usd is None else NODES * usd


def endpoint_id(account: Account, name: str) -> str:
    """Return the service's name of a trial's endpoint."""
    return f"{account.parent}/endpoints/{name}"


def listed(account: Account) -> list[Any]:
    """Return the project's endpoints in order of creation."""
    with google_errors():
        found = list(account.endpoints.list_endpoints({"parent": account.parent, "page_size": 100}, **ONCE))
    return sorted(found, key=lambda each: each.create_time)


def get(account: Account, resource_id: str) -> Any | None:
    """Return one endpoint, or None if it is not there."""
    try:
        with google_errors(resource_id):
            return account.endpoints.get_endpoint({"name": resource_id}, **ONCE)
    except ResourceMissing:
        return None


def find(account: Account, name: str) -> Resource | None:
    """Return a trial's endpoint as a resource."""
    endpoint = get(account, endpoint_id(account, name))
    return None if endpoint is None else resource_of(account, endpoint)


def create(account: Account, name: str, owner: Owner | None) -> Resource:
    """Begin to create an endpoint. Its id is its name, so that a second request for it is refused, never obeyed."""
    request = {
        "parent": account.parent,
        "endpoint": {"display_name": name, "labels": labels_of(name, owner)},
        "endpoint_id": name,
    }
    account.deletions.pop(endpoint_id(account, name), None)  # that was of an earlier one of this name
    try:
        with google_errors(name):
            begun = account.endpoints.create_endpoint(request, **ONCE)
    except ResourceConflict:  # an earlier request whose answer was lost is still being carried out
        return _resource(account, name, endpoint_id(account, name), owner=owner)
    return _resource(account, name, endpoint_id(account, name), operation=begun.operation.name, owner=owner)


def deployed(endpoint: Any, name: str) -> Any | None:
    """Return what is deployed on an endpoint under a display name, or None."""
    return next((each for each in endpoint.deployed_models if each.display_name == name), None)


def find_deployed(account: Account, resource_id: str, name: str, machine: str = "") -> Resource | None:
    """Return a deployed model as a resource, also one whose deployment is going on."""
    endpoint = get(account, resource_id)
    if endpoint is None:
        return None
    owner = owner_from_tags(dict(endpoint.labels))
    if deployed(endpoint, name) is not None:
        return deployed_resource(account, name, resource_id, owner=owner, machine=machine)
    going = control.going(account, resource_id, control.DEPLOY)
    if going is None:
        return None
    return deployed_resource(account, name, resource_id, operation=going.name, owner=owner, machine=machine)


def deploy(
    account: Account, resource_id: str, name: str, model: str, owner: Owner | None, machine: str = ""
) -> Resource:
    """Begin to deploy a model on one node, for all of the endpoint's traffic.

    A model of images has nodes of the service's choice; one of tables is served by a machine that is named.
    """
    nodes: dict[str, Any] = {"min_replica_count": NODES, "max_replica_count": NODES}
    resources = (
        {"dedicated_resources": {"machine_spec": {"machine_type": machine}, **nodes}}
        if machine
        else {"automatic_resources": nodes}
    )
    request = {
        "endpoint": resource_id,
        "deployed_model": {
            "model": model,
            "display_name": name,
            **resources,
        },
        "traffic_split": {THE_NEW_ONE: 100},
    }
    with google_errors(resource_id):
        begun = account.endpoints.deploy_model(request, **ONCE)
    return deployed_resource(account, name, resource_id, operation=begun.operation.name, owner=owner, machine=machine)


def machine_of(deployed_model: Any) -> str:
    """Return the machine that serves a deployed model, or "" where the service chose it."""
    return str(deployed_model.dedicated_resources.machine_spec.machine_type)


def undeploy(account: Account, resource_id: str, deployed_model_id: str) -> str:
    """Begin to take a model off an endpoint; return the operation's name."""
    request = {"endpoint": resource_id, "deployed_model_id": deployed_model_id}
    with google_errors(resource_id):
        answer = account.endpoints.undeploy_model(request, **ONCE)
    return str(answer.operation.name)


def delete(account: Account, resource_id: str) -> str:
    """Begin to delete an endpoint on which nothing is deployed; return the operation's name."""
    with google_errors(resource_id):
        answer = account.endpoints.delete_endpoint({"name": resource_id}, **ONCE)
    return str(answer.operation.name)


def adopt(account: Account, given: str) -> Any:
    """Return an endpoint that was made by hand, by its id or its whole name.

    Raises:
        RequestRefused: If it is neither, is in another region, or has no model deployed.
        ResourceMissing: If there is none.
    """
    whole = ENDPOINT_NAME.fullmatch(given)
    if whole is None and not ENDPOINT_ID.fullmatch(given):
        raise RequestRefused(
            f"{given!r} is not the id of an endpoint.",
            remedy="Give a number, or projects/PROJECT/locations/REGION/endpoints/ID.",
        )
    if whole is not None and whole["region"] != account.region:
        raise RequestRefused(
            f"The endpoint is in {whole['region']} and the region set is {account.region}.",
            remedy=f"export GOOGLE_CLOUD_REGION={whole['region']}",
        )
    resource_id = given if whole is not None else endpoint_id(account, given)
    with google_errors(resource_id):
        endpoint = account.endpoints.get_endpoint({"name": resource_id}, **ONCE)
    if not endpoint.deployed_models:
        raise RequestRefused(f"No model is deployed on the endpoint {resource_id}.", remedy="Deploy one first.")
    return endpoint


def predict_url(account: Account, resource_id: str, dns: str = "") -> str:
    """Return where predictions of an endpoint are asked for; one of its own name has its own host."""
    return f"{f'https://{dns}' if dns else account.api_url}/v1/{resource_id}:predict"


def resource_of(account: Account, endpoint: Any) -> Resource:
    """Return an endpoint as the ledger knows it: with nothing deployed, it costs nothing."""
    since = endpoint.create_time.isoformat() if endpoint.create_time else ""
    owner = owner_from_tags(dict(endpoint.labels))
    return _resource(account, endpoint.display_name, endpoint.name, since=since, owner=owner)


def _resource(
    account: Account, name: str, resource_id: str, *, operation: str = "", since: str = "", owner: Owner | None
) -> Resource:
    short = resource_id.rsplit("/", 1)[-1]
    return Resource(
        ENDPOINT,
        name,
        resource_id=resource_id,
        hourly_usd=0.0,
        details={"operation": operation} if operation else {},
        delete_by_hand=f"gcloud ai endpoints delete {short} --region={account.region}",
        since=since,
        owner=owner,
        scope=account.scope,
    )


def deployed_resource(
    account: Account,
    name: str,
    resource_id: str,
    *,
    operation: str = "",
    since: str = "",
    owner: Owner | None,
    machine: str = "",
) -> Resource:
    """Return a deployed model as the ledger knows it."""
    short = resource_id.rsplit("/", 1)[-1]
    return Resource(
        DEPLOYED_MODEL,
        name,
        resource_id=resource_id,
        hourly_usd=serving_usd(machine),
        details={"endpoint": resource_id, **({"operation": operation} if operation else {})},
        delete_by_hand=(
            f"gcloud ai endpoints undeploy-model {short} --region={account.region} --deployed-model-id="
            f"$(gcloud ai endpoints describe {short} --region={account.region} --format='value(deployedModels.id)')"
        ),
        since=since,
        owner=owner,
        scope=account.scope,
    )
