"""The hooks of the provider `vertex`. Thin: each finds the module that does the work."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from automl_bench.contract import (
    AccessReport,
    Deletion,
    Endpoint,
    Invoker,
    ManifestEntry,
    Modality,
    Operation,
    Price,
    ProviderContext,
    ProviderDescription,
    ProviderManifest,
    Resource,
    Stage,
    TrainingSet,
    TrialContext,
)
from automl_bench.hookspecs import hookimpl
from automl_bench.numbers_in_words import counted
from automl_bench_vertex import labels
from automl_bench_vertex.description import DESCRIPTION, prices, training_hour_usd
from automl_bench_vertex.naming import DATASET, ENDPOINT, MODEL, SAMPLES, TRAINING, import_file, sibling
from automl_bench_vertex.options import TrainingOptions

if TYPE_CHECKING:
    from automl_bench_vertex.shipping import Shipment


@hookimpl
def describe_provider() -> ProviderDescription:
    """See `automl_bench.hookspecs`."""
    return DESCRIPTION


@hookimpl
def check_access(context: ProviderContext) -> AccessReport:
    """Ask for one dataset and for the bucket."""
    from automl_bench_vertex.access import check

    TrainingOptions.of(context.variant)
    return check(context)


@hookimpl
def price(context: ProviderContext) -> Sequence[Price]:
    """Return the lines of prices.toml, with the training's budget as its reservation."""
    return prices(TrainingOptions.of(context.variant), context.modality)


@hookimpl
def upload(context: TrialContext, training_set: TrainingSet) -> Operation:
    """Write the import file, send the images, create the dataset; the import begins once it is there.

    A table is one file, which its dataset names and nobody imports.
    """
    from automl_bench_vertex import datasets, manifests, operations, shipping, table_uploads
    from automl_bench_vertex.account import account_of

    TrainingOptions.of(context.variant)
    account = account_of(context)
    if training_set.modality is Modality.TABULAR:
        return table_uploads.begin(account, context, training_set)
    shipment = shipping.pack(context.name_for(SAMPLES), training_set)
    _tell_of_copies(context, shipment)
    samples = context.resources.ensure(
        SAMPLES,
        find=lambda name: shipping.find(account, name),
        create=lambda name: shipping.begin(account, name, manifests.encode(account.bucket, shipment.rows)),
        hourly_usd=0.0,
    )
    sent = shipping.send(account, shipment, samples.name, context)
    dataset = context.resources.ensure(
        DATASET,
        find=lambda name: datasets.find(account, name),
        create=lambda name: datasets.create(account, name, context.owner),
        hourly_usd=0.0,
    )
    return operations.begun(
        operations.IMPORT,
        dataset=dataset.resource_id,
        creation=dataset.details.get("operation", ""),
        file=f"gs://{account.bucket}/{import_file(samples.name)}",
        result={
            "images": len(shipment.images),
            "images_sent": sent,
            "reencoded": False,
            "collapsed": shipment.collapsed,
            "contradicting": shipment.contradicting,
            "label_names": labels.names_of(training_set.labels),
        },
    )


def _tell_of_copies(context: TrialContext, shipment: Shipment) -> None:
    if shipment.collapsed:
        pattern = "{n} [sample has|samples have] the same content as another one and [stays|stay] out, "
        context.log(
            counted(pattern, shipment.collapsed)
            + f"{shipment.contradicting} of them with another label or in the other half"
        )


@hookimpl
def train(context: TrialContext) -> Operation:
    """Begin the training. The model that it will make has its line in the ledger first."""
    from automl_bench_vertex import operations, tasks, trainings
    from automl_bench_vertex.account import account_of

    options = TrainingOptions.of(context.variant)
    account = account_of(context)
    uploaded = context.results[Stage.UPLOAD]
    dataset = str(uploaded["dataset"])
    is_table = context.modality is Modality.TABULAR
    task = tasks.of_table(options, uploaded["transformations"]) if is_table else tasks.of_images(options)
    model = context.resources.ensure(
        MODEL,
        find=lambda name: trainings.find_model(account, name),
        create=lambda name: trainings.announce_model(account, name, context.owner),
        hourly_usd=0.0,
    )
    training = context.resources.ensure(
        TRAINING,
        find=lambda name: trainings.find(account, name),
        create=lambda name: trainings.create(
            account, name, dataset=dataset, model_name=sibling(name, MODEL), task=task, owner=context.owner
        ),
        hourly_usd=training_hour_usd(of_table=is_table),
    )
    return operations.begun(operations.TRAINING, pipeline=training.resource_id, model=model.resource_id)


@hookimpl
def deploy(context: TrialContext) -> Operation:
    """Create the endpoint; the model is deployed once it is there. From then on a node is billed by the hour."""
    from automl_bench_vertex import endpoints, operations, trainings
    from automl_bench_vertex.account import account_of

    account = account_of(context)
    served_by = trainings.DEDICATED if context.modality is Modality.TABULAR else trainings.AUTOMATIC
    trainings.require_servable(account, str(context.results[Stage.TRAIN]["model"]), served_by)
    endpoint = context.resources.ensure(
        ENDPOINT,
        find=lambda name: endpoints.find(account, name),
        create=lambda name: endpoints.create(account, name, context.owner),
        hourly_usd=0.0,
    )
    return operations.begun(
        operations.DEPLOYMENT,
        endpoint=endpoint.resource_id,
        creation=endpoint.details.get("operation", ""),
        model=str(context.results[Stage.TRAIN]["model"]),
    )


@hookimpl
def poll(context: TrialContext, operation: Operation) -> Operation:
    """Look once at an upload, a training or a deployment, and begin its next step when that is due."""
    from automl_bench_vertex import operations
    from automl_bench_vertex.account import account_of

    return operations.look(account_of(context), context, operation)


@hookimpl
def invoke(context: TrialContext, endpoint: Endpoint) -> Invoker:
    """Return the invoker of an endpoint: of this trial, or one adopted by its id."""
    from automl_bench_vertex import endpoints
    from automl_bench_vertex.account import account_of
    from automl_bench_vertex.invoking import RowInvoker, VertexInvoker

    account = account_of(context)
    if endpoint.adopted:
        found = endpoints.adopt(account, endpoint.endpoint_id)
        dns = found.dedicated_endpoint_dns if found.dedicated_endpoint_enabled else ""
        url = endpoints.predict_url(account, found.name, dns)
    else:
        url = endpoints.predict_url(account, endpoint.endpoint_id)
    if context.modality is Modality.TABULAR:
        return RowInvoker(url, account.tokens, context.labels, context.columns)
    return VertexInvoker(url, account.tokens, context.labels)


@hookimpl
def export_manifest(context: ProviderContext, dataset: str, entries: Sequence[ManifestEntry]) -> ProviderManifest:
    """List samples in the service's own CSV, for an upload by hand."""
    from automl_bench_vertex import tables
    from automl_bench_vertex.manifests import describe

    if any(entry.sample.row is not None for entry in entries):
        return tables.describe(entries)
    return describe(context.settings["bucket"], dataset, entries)


@hookimpl
def resource_scope(context: ProviderContext) -> Mapping[str, str]:
    """Return project, region and host of the service. No request."""
    from automl_bench_vertex.account import account_of

    return account_of(context).scope


@hookimpl
def list_resources(context: ProviderContext, prefix: str) -> Sequence[Resource]:
    """List the bucket's objects by trial, datasets, models, trainings, endpoints, and what is deployed."""
    from automl_bench_vertex.account import account_of
    from automl_bench_vertex.inventory import list_everything

    return list_everything(account_of(context), prefix)


@hookimpl
def delete_resource(context: ProviderContext, resource: Resource) -> Deletion:
    """Undeploy, cancel or delete one resource."""
    from automl_bench_vertex.account import account_of
    from automl_bench_vertex.deleting import delete

    return delete(account_of(context), resource, context.log)
