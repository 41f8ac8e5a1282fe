"""Trying the credentials: a few cheap requests that create nothing."""

from __future__ import annotations

from automl_bench.contract import AccessReport, ProviderContext
from automl_bench.errors import ResourceMissing
from automl_bench_azure import quotas
from automl_bench_azure.account import account_of
from automl_bench_azure.options import Options
from automl_bench_azure.prices import serving_usd


def check(context: ProviderContext) -> AccessReport:
    """Ask for the workspace, its datastore, the container behind that, and the cores that the region's quota leaves.

    Raises:
        Unauthenticated: If the credentials are missing, wrong or expired.
        PermissionDenied: If they may not do it.
        QuotaExceeded: If the quota does not suffice for the variant's machines.
        ResourceMissing: If there is no such workspace, datastore or container.
    """
    account = account_of(context)
    options = Options.of(context.variant)
    try:
        found = account.arm.get(account.workspace_path)
    except ResourceMissing as error:
        raise ResourceMissing(
            f"There is no workspace {context.settings['workspace']!r} in {context.settings['resource_group']!r}.",
            remedy="Check AZURE_SUBSCRIPTION_ID, AZURE_RESOURCE_GROUP and AZUREML_WORKSPACE_NAME.",
        ) from error
    storage = account.storage
    if not storage.exists():
        raise ResourceMissing(
            f"The container {storage.container!r} of the datastore {account.datastore!r} does not exist.",
            remedy="Set datastore in configs/providers/azure.toml to one whose container exists.",
        )
    usd = serving_usd(options.instance_type, options.instances)
    price = "an unknown price" if usd is None else f"about ${usd:.2f}"
    return AccessReport(
        ok=True,
        account=f"workspace {context.settings['workspace']}, {account.location or found.get('location', '')}",
        notes=(
            f"a deployment on {options.instances} {options.instance_type} costs {price} an hour until it is deleted",
            f"images go to the container {storage.container}",
            *quotas.check(account, options),
        ),
    )
