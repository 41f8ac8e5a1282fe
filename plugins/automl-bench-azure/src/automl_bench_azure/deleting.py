"""Deleting one resource: one step a call, never a wait. "Already gone" is success everywhere.

What is deleted is what the ledger's id names, in the workspace that it names. Under another workspace that is set, a
resource that was recorded with its scope is refused.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from automl_bench.contract import Deletion, Resource
from automl_bench.errors import ResourceMissing
from automl_bench.toolkit.certainty import require_same_scope
from automl_bench_azure import assets, computes, endpoints, folders, inventory, jobs
from automl_bench_azure.naming import (
    CODE,
    COMPUTE,
    DEPLOYMENT,
    ENDPOINT,
    ENVIRONMENT,
    FOLDER,
    JOB,
    MODEL,
    TRAIN_DATA,
    VALIDATION_DATA,
)

if TYPE_CHECKING:
    from automl_bench_azure.account import Account

_STEPS = {
    TRAIN_DATA: assets.delete,
    VALIDATION_DATA: assets.delete,
    MODEL: assets.delete,
    CODE: assets.delete,
    ENVIRONMENT: assets.delete,
    COMPUTE: computes.delete,
    JOB: jobs.delete,
    ENDPOINT: endpoints.delete_endpoint,
    DEPLOYMENT: endpoints.delete_deployment,
}


def delete(account: Account, resource: Resource) -> Deletion:
    """Take a resource one step further towards its end.

    Raises:
        RequestRefused: If it was recorded in another workspace or at another service.
        ProviderError: If the service refuses.
    """
    require_same_scope(resource, account.scope)
    if resource.kind == FOLDER:
        return folders.delete(account, resource)
    if resource.kind not in _STEPS:
        raise ResourceMissing(f"{resource.kind!r} is no kind of resource of Azure ML.")
    known = resource if resource.resource_id else _looked_up(account, resource)
    return assets.gone(account, resource) if known is None else _STEPS[resource.kind](account, known)


def _looked_up(account: Account, resource: Resource) -> Resource | None:
    """Find a resource of which only kind and name are known."""
    listed = inventory.list_everything(account, resource.name)
    return next((item for item in listed if (item.kind, item.name) == (resource.kind, resource.name)), None)
