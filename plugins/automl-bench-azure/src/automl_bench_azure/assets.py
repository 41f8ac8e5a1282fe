"""Data assets and models: versioned names in the workspace that point to a folder. Each of ours has one version."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from automl_bench.contract import Deletion, Owner, Resource
from automl_bench.errors import ResourceConflict, ServiceUnavailable
from automl_bench.toolkit.certainty import is_young
from automl_bench_azure.description import DESCRIPTION
from automl_bench_azure.naming import CODE, ENVIRONMENT, MODEL, VERSION, owner_in, tags_of

if TYPE_CHECKING:
    from automl_bench_azure.account import Account

FAILED = frozenset({"Failed", "Canceled"})
DATA = "data"
COLLECTIONS = {MODEL: "models", CODE: "codes", ENVIRONMENT: "environments"}


def collection(kind: str) -> str:
    """Return where assets of a kind lie in the workspace."""
    return COLLECTIONS.get(kind, DATA)


def find(account: Account, kind: str, name: str) -> Resource | None:
    """Return an asset's one version as a resource. A model that could not be registered is deleted.

    Raises:
        ServiceUnavailable: While it is being deleted.
    """
    path = _path(account, kind, name)
    found = account.arm.look(path)
    if found is not None and found.get("properties", {}).get("provisioningState") in FAILED:
        account.arm.delete(path)
        raise ServiceUnavailable(f"The {kind} {name}, which could not be registered, is being deleted.")
    return None if found is None else resource(account, kind, name, since=created_at(found), owner=owner_in(found))


def create_data(account: Account, kind: str, name: str, *, folder: str, owner: Owner | None) -> Resource:
    """Register an MLTable folder."""
    account.arm.put(
        _path(account, kind, name),
        {"properties": {"dataType": "mltable", "dataUri": folder, "tags": tags_of(name, owner)}},
    )
    return resource(account, kind, name, owner=owner)


def create_model(account: Account, name: str, *, job: str, owner: Owner | None) -> Resource:
    """Register the MLflow model that a job has written."""
    account.arm.put(
        _path(account, MODEL, name),
        {
            "properties": {
                "modelType": "mlflow_model",
                "modelUri": f"azureml://jobs/{job}/outputs/artifacts/outputs/mlflow-model/",
                "tags": tags_of(name, owner),
            }
        },
    )
    return resource(account, MODEL, name, owner=owner)


def create_code(account: Account, name: str, *, folder: str, owner: Owner | None) -> Resource:
    """Register a folder of blobs with a scoring script, by its https address."""
    account.arm.put(_path(account, CODE, name), {"properties": {"codeUri": folder, "tags": tags_of(name, owner)}})
    return resource(account, CODE, name, owner=owner)


def create_environment(account: Account, name: str, *, image: str, packages: str, owner: Owner | None) -> Resource:
    """Register an image and the packages that are installed on it; it is built with the first deployment."""
    properties = {"image": image, "condaFile": packages, "osType": "Linux", "tags": tags_of(name, owner)}
    account.arm.put(_path(account, ENVIRONMENT, name), {"properties": properties})
    return resource(account, ENVIRONMENT, name, owner=owner)


def model_state(account: Account, name: str) -> str:
    """Return a model's provisioning state; the service does not say one for every model, and then it is ready."""
    about = account.arm.get(_path(account, MODEL, name)).get("properties", {})
    return str(about.get("provisioningState") or "Succeeded")


def listed(account: Account, kind: str, prefix: str) -> list[Resource]:
    """Return the assets of a kind under a name prefix."""
    return [
        resource(account, kind, str(item["name"]), since=created_at(item), owner=owner_in(item))
        for item in account.arm.pages(account.path(collection(kind)))
        if str(item.get("name", "")).startswith(prefix) and str(item["name"]).endswith(f"-{kind}")
    ]


def delete(account: Account, item: Resource) -> Deletion:
    """Delete an asset: its versions, then its name."""
    path = item.resource_id.rsplit("/versions/", 1)[0]
    if account.arm.look(path) is None:
        return gone(account, item)
    try:
        account.arm.delete(f"{path}/versions/{VERSION}")
        account.arm.delete(path)
    except ResourceConflict:
        return Deletion.PENDING
    return Deletion.DELETED if account.arm.look(path) is None else Deletion.PENDING


def resource(account: Account, kind: str, name: str, since: str = "", owner: Owner | None = None) -> Resource:
    """Return an asset as a resource."""
    return Resource(
        kind,
        name,
        resource_id=_path(account, kind, name),
        hourly_usd=0.0,
        delete_by_hand=f"az resource delete --ids {account.path(collection(kind), name)}",
        since=since,
        owner=owner,
        scope=account.scope,
    )


def gone(account: Account, item: Resource) -> Deletion:
    """Return what it means that a resource is not shown: one that was just made may show later."""
    may_show = is_young(item, DESCRIPTION.settle_seconds) and not account.arm.has_deleted(item.resource_id)
    return Deletion.PENDING if may_show else Deletion.ALREADY_GONE


def created_at(found: dict[str, Any]) -> str:
    """Return when Resource Manager says that something was made, ISO 8601, or ""."""
    about = found.get("systemData")
    return str(about.get("createdAt") or "") if isinstance(about, dict) else ""


def _path(account: Account, kind: str, name: str) -> str:
    return account.path(collection(kind), name, "versions", VERSION)
