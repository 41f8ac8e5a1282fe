"""The hooks of the provider `rekognition`. Thin: each finds the module that does the work."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from automl_bench.contract import (
    AccessReport,
    Deletion,
    Endpoint,
    Invoker,
    ManifestEntry,
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
from automl_bench.errors import Infeasible, ServiceUnavailable
from automl_bench.hookspecs import hookimpl
from automl_bench.toolkit.setting_values import variant_settings_of
from automl_bench_rekognition.description import (
    DESCRIPTION,
    INFERENCE_UNITS,
    VARIANT_SETTINGS,
    most_images,
    prices,
    training_hour_usd,
    unit_hour_usd,
)
from automl_bench_rekognition.naming import MODEL, PROJECT, RUNNING_MODEL, SAMPLES, TEST_DATASET, TRAIN_DATASET

if TYPE_CHECKING:
    from automl_bench_rekognition.account import Account


@hookimpl
def describe_provider() -> ProviderDescription:
    """See `automl_bench.hookspecs`."""
    return DESCRIPTION


@hookimpl
def check_access(context: ProviderContext) -> AccessReport:
    """Ask for one project and for the bucket."""
    from automl_bench_rekognition.access import check

    _inference_units(context)
    return check(context)


@hookimpl
def price(context: ProviderContext) -> Sequence[Price]:
    """Return the price table for the variant's inference units."""
    return prices(_inference_units(context))


@hookimpl
def upload(context: TrialContext, training_set: TrainingSet) -> Operation:
    """Claim and send the images, then begin the import of both datasets."""
    from automl_bench_rekognition import bucket_policy, claims, operations, projects, shipping
    from automl_bench_rekognition.account import account_of

    _inference_units(context)
    account = account_of(context)
    _require_few_enough(account.region, len(training_set.train), len(training_set.validation))
    shipment = shipping.pack(account.bucket, training_set)
    samples = context.resources.ensure(
        SAMPLES,
        find=lambda name: claims.find(account, name),
        create=lambda name: claims.make(account, name, shipment.manifests),
        hourly_usd=0.0,
    )
    if account.manages_policy:
        bucket_policy.grant(account)
    sent = shipping.send(account, shipment, context)
    project = context.resources.ensure(
        PROJECT,
        find=lambda name: projects.find_project(account, name),
        create=lambda name: projects.create_project(account, name, context.owner),
        hourly_usd=0.0,
    )
    datasets = {
        kind: _ensure_dataset(
            context, account, kind, project_arn=project.resource_id, manifest=f"{samples.details['folder']}{file}"
        )
        for kind, file in ((TRAIN_DATASET, claims.TRAIN), (TEST_DATASET, claims.TEST))
    }
    return operations.begun(
        operations.IMPORT,
        datasets={kind: dataset.resource_id for kind, dataset in datasets.items()},
        result={
            "samples": samples.name,
            "project_arn": project.resource_id,
            "images": len(shipment.images),
            "images_sent": sent,
            "test_dataset": "training half" if shipment.test_is_training else "validation half",
        },
    )


def _ensure_dataset(context: TrialContext, account: Account, kind: str, *, project_arn: str, manifest: str) -> Resource:
    from automl_bench_rekognition import projects

    return context.resources.ensure(
        kind,
        find=lambda name: projects.find_dataset(account, kind, name),
        create=lambda name: projects.create_dataset(
            account, kind, name, project_arn=project_arn, manifest=manifest, owner=context.owner
        ),
        hourly_usd=0.0,
    )


@hookimpl
def train(context: TrialContext) -> Operation:
    """Begin the training."""
    from automl_bench_rekognition import bucket_policy, operations, projects
    from automl_bench_rekognition.account import account_of

    account = account_of(context)
    uploaded = context.results[Stage.UPLOAD]
    project_arn = str(uploaded["project_arn"])
    if account.manages_policy:
        bucket_policy.grant(account)
    model = context.resources.ensure(
        MODEL,
        find=lambda name: projects.find_version(account, name),
        create=lambda name: projects.create_version(
            account, name, project_arn=project_arn, samples_name=str(uploaded["samples"]), owner=context.owner
        ),
        hourly_usd=training_hour_usd(),
    )
    return operations.begun(operations.TRAINING, project_arn=project_arn, name=model.name)


@hookimpl
def deploy(context: TrialContext) -> Operation:
    """Start the model. From here until it is stopped, each inference unit is billed by the hour."""
    from automl_bench_rekognition import operations, projects
    from automl_bench_rekognition.account import account_of
    from automl_bench_rekognition.failures import aws_errors

    account = account_of(context)
    units = _inference_units(context)
    hourly_usd = units * unit_hour_usd()
    trained = context.results[Stage.TRAIN]
    model = projects.version_resource(
        account,
        str(trained["model"]),
        str(trained["project_arn"]),
        {"ProjectVersionArn": trained["model_arn"]},
        context.owner,
    )
    before = ""

    def find(name: str) -> Resource | None:
        nonlocal before
        version = projects.describe_version(account, str(trained["project_arn"]), model.name)
        before = status = "" if version is None else str(version["Status"])
        if status == "STOPPING":
            raise ServiceUnavailable(f"The model {model.name} is still being stopped.", resource=model.resource_id)
        return projects.running_resource(name, model, hourly_usd) if status in projects.BILLED else None

    def start(name: str) -> Resource:
        account.stopped.discard(model.resource_id)
        with aws_errors(model.resource_id):
            account.rekognition.start_project_version(ProjectVersionArn=model.resource_id, MinInferenceUnits=units)
        return projects.running_resource(name, model, hourly_usd)

    context.resources.ensure(RUNNING_MODEL, find=find, create=start, hourly_usd=hourly_usd)
    return operations.begun(
        operations.START,
        project_arn=str(trained["project_arn"]),
        name=model.name,
        result={INFERENCE_UNITS: units},
        before=before,
        at=time.time(),
    )


@hookimpl
def poll(context: TrialContext, operation: Operation) -> Operation:
    """Look once at an import, a training or a start."""
    from automl_bench_rekognition import operations
    from automl_bench_rekognition.account import account_of

    return operations.look(account_of(context), context, operation)


@hookimpl
def invoke(context: TrialContext, endpoint: Endpoint) -> Invoker:
    """Return the invoker of a running model: of this trial, or one adopted by its ARN."""
    from automl_bench_rekognition.account import account_of
    from automl_bench_rekognition.invoking import CustomLabelsInvoker

    return CustomLabelsInvoker(account_of(context), endpoint.endpoint_id, context.labels)


@hookimpl
def export_manifest(context: ProviderContext, dataset: str, entries: Sequence[ManifestEntry]) -> ProviderManifest:
    """List samples in Ground Truth's format, at the addresses they would have in the bucket."""
    from automl_bench_rekognition.manifests import describe

    return describe(context.settings["bucket"], dataset, entries)


@hookimpl
def resource_scope(context: ProviderContext) -> Mapping[str, str]:
    """Return account, region and host of the service: one request, which asks whose credentials these are."""
    from automl_bench_rekognition.account import account_of

    return account_of(context).scope


@hookimpl
def list_resources(context: ProviderContext, prefix: str) -> Sequence[Resource]:
    """List the bucket's objects by trial, projects, datasets, models, and models that run."""
    from automl_bench_rekognition.account import account_of
    from automl_bench_rekognition.inventory import list_everything

    return list_everything(account_of(context), prefix)


@hookimpl
def delete_resource(context: ProviderContext, resource: Resource) -> Deletion:
    """Stop or delete one resource."""
    from automl_bench_rekognition.account import account_of
    from automl_bench_rekognition.deleting import delete

    return delete(account_of(context), resource, context.log)


def _require_few_enough(region: str, *halves: int) -> None:
    most = most_images(region)
    if max(halves) > most:
        raise Infeasible(
            f"A dataset may have {most:,} images in {region}, and this one has {max(halves):,}.",
            remedy="Use fewer shots, or another region.",
        )


def _inference_units(context: ProviderContext) -> int:
    """Return the variant's inference units, after checking all of its keys."""
    return int(variant_settings_of(VARIANT_SETTINGS, context.variant)[INFERENCE_UNITS])
