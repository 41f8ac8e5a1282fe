"""The hooks of the provider `azure`. Thin: each finds the module that does the work."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

from automl_bench.contract import (
    AccessReport,
    Deletion,
    Endpoint,
    Invoker,
    ManifestEntry,
    Modality,
    Operation,
    OperationState,
    Price,
    ProviderContext,
    ProviderDescription,
    ProviderManifest,
    Resource,
    TrainingSet,
    TrialContext,
)
from automl_bench.hookspecs import hookimpl
from automl_bench_azure.description import DESCRIPTION
from automl_bench_azure.naming import COMPUTE, ENDPOINT, FOLDER, TRAIN_DATA, VALIDATION_DATA, attempts
from automl_bench_azure.options import Options


@hookimpl
def describe_provider() -> ProviderDescription:
    """See `automl_bench.hookspecs`."""
    return DESCRIPTION


@hookimpl
def check_access(context: ProviderContext) -> AccessReport:
    """Ask for the workspace, its datastore and the container."""
    from automl_bench_azure.access import check

    return check(context)


@hookimpl
def price(context: ProviderContext) -> Sequence[Price]:
    """Return the prices of the machines that the variant asks for."""
    from automl_bench_azure.prices import all_prices

    return all_prices(context.variant, context.modality)


@hookimpl
def upload(context: TrialContext, training_set: TrainingSet) -> Operation:
    """Claim the trial's folder, send the images and tables, and register both halves."""
    from automl_bench_azure import assets, folders, rows, shipping
    from automl_bench_azure.account import account_of

    Options.of(context.variant, context.modality)
    account = account_of(context)
    of_images = training_set.modality is Modality.IMAGE
    pack = shipping.pack if of_images else rows.pack
    shipment = pack(account.datastore_uri, context.name_for(FOLDER), training_set)
    folder = context.resources.ensure(
        FOLDER,
        find=lambda name: folders.find(account, name),
        create=lambda name: folders.claim(account, name, training_set.dataset),
        hourly_usd=0.0,
    )
    sent = shipping.send(account.storage, folder.name, shipment, context)
    for kind, half in ((TRAIN_DATA, shipping.TRAIN), (VALIDATION_DATA, shipping.VALIDATION)):
        folder_of_half = shipment.folders[half]
        context.resources.ensure(
            kind,
            find=partial(assets.find, account, kind),
            create=partial(assets.create_data, account, kind, folder=folder_of_half, owner=context.owner),
            hourly_usd=0.0,
        )
    return Operation(
        OperationState.SUCCEEDED,
        result={
            "train_folder": shipment.folders[shipping.TRAIN],
            "validation_folder": shipment.folders[shipping.VALIDATION],
            **({"images": len(shipment.images), "images_sent": sent} if of_images else rows.about(training_set)),
            "validation_data": "training half" if shipment.validation_is_training else "validation half",
        },
    )


@hookimpl
def train(context: TrialContext) -> Operation:
    """Make the trial's cluster; `poll` begins the job as soon as it is there."""
    from automl_bench_azure import computes, operations
    from automl_bench_azure.account import account_of

    account, options = account_of(context), Options.of(context.variant, context.modality)
    cluster = context.resources.ensure(
        COMPUTE,
        find=lambda name: computes.find(account, name),
        create=lambda name: computes.create(account, name, options, context.owner),
        hourly_usd=0.0,
    )
    return operations.begun(operations.CLUSTER, cluster.name)


@hookimpl
def deploy(context: TrialContext) -> Operation:
    """Make the endpoint; `poll` deploys the model there, and sends it the traffic."""
    from automl_bench_azure import endpoints, operations
    from automl_bench_azure.account import account_of

    account = account_of(context)
    Options.of(context.variant)

    def ensure(name: str) -> Resource:
        return context.resources.ensure(
            ENDPOINT,
            name=name,
            find=lambda own: endpoints.find_endpoint(account, own),
            create=lambda own: endpoints.create_endpoint(account, own, context.owner),
            hourly_usd=0.0,
        )

    names = attempts(context.name_for(ENDPOINT))
    endpoint = operations.ensure_one(names, lambda own: endpoints.is_usable(account, own), ensure)
    return operations.begun(operations.PUBLICATION, endpoint.name)


@hookimpl
def poll(context: TrialContext, operation: Operation) -> Operation:
    """Look once at a training or deployment, and begin its next part when one has ended."""
    from automl_bench_azure import operations
    from automl_bench_azure.account import account_of

    return operations.look(account_of(context), context, operation)


@hookimpl
def invoke(context: TrialContext, endpoint: Endpoint) -> Invoker:
    """Return the invoker of an endpoint: of this trial, or one adopted by its name or its scoring address."""
    from automl_bench_azure.account import account_of, secret_or_nothing
    from automl_bench_azure.invoking import RowInvoker, ScoringInvoker, at_address, at_endpoint

    if "://" in endpoint.endpoint_id:
        url, key = at_address(endpoint.endpoint_id, secret_or_nothing(context, "endpoint_key"))
    else:
        url, key = at_endpoint(account_of(context), endpoint)
    if context.modality is Modality.IMAGE:
        return ScoringInvoker(url, key)
    return RowInvoker(url, key, context.modality, context.columns)


@hookimpl
def export_manifest(context: ProviderContext, dataset: str, entries: Sequence[ManifestEntry]) -> ProviderManifest:
    """List samples as `image_url,label`, at the addresses they would have in the datastore; texts and rows as such."""
    from automl_bench_azure import rows
    from automl_bench_azure.account import datastore_uri, workspace_path_of
    from automl_bench_azure.tables import describe

    if any(entry.sample.text is not None or entry.sample.row is not None for entry in entries):
        return rows.describe(entries)

    return describe(datastore_uri(workspace_path_of(context), context.settings["datastore"]), dataset, entries)


@hookimpl
def resource_scope(context: ProviderContext) -> Mapping[str, str]:
    """Return subscription, resource group, workspace and host of the service. No request."""
    from automl_bench_azure.account import account_of

    return account_of(context).scope


@hookimpl
def list_resources(context: ProviderContext, prefix: str) -> Sequence[Resource]:
    """List folders, data assets, clusters, jobs, models, endpoints and deployments."""
    from automl_bench_azure.account import account_of
    from automl_bench_azure.inventory import list_everything

    return list_everything(account_of(context), prefix)


@hookimpl
def delete_resource(context: ProviderContext, resource: Resource) -> Deletion:
    """Call off or delete one resource."""
    from automl_bench_azure.account import account_of
    from automl_bench_azure.deleting import delete

    return delete(account_of(context), resource)
