"""The hooks of the provider `nyckel`. Thin: each finds the module that does the work."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

from automl_bench.contract import (
    AccessReport,
    Deletion,
    Endpoint,
    Invoker,
    ManifestEntry,
    Operation,
    OperationState,
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
from automl_bench.numbers_in_words import counted, number_of
from automl_bench_nyckel.description import DESCRIPTION

FIRST_LOOK_SECONDS = 0.5


@hookimpl
def describe_provider() -> ProviderDescription:
    """See `automl_bench.hookspecs`."""
    return DESCRIPTION


@hookimpl
def check_access(context: ProviderContext) -> AccessReport:
    """Get a token and list the functions."""
    from automl_bench_nyckel import functions
    from automl_bench_nyckel.control import Control

    with Control.of(context) as control:
        count = len(functions.listed(control, ""))
        return AccessReport(
            ok=True,
            account=f"the account of these credentials at {control.server_url}",
            notes=(number_of(count, "function"),),
        )


@hookimpl
def price() -> Sequence[Price]:
    """Return the lines of prices.toml."""
    from automl_bench_nyckel.prices import price_table

    return price_table()


@hookimpl
def upload(context: TrialContext, training_set: TrainingSet) -> Operation:
    """Create the function, its labels and a table's fields, and send every sample that is not there."""
    from automl_bench_nyckel import fields, functions, labels, samples
    from automl_bench_nyckel.contents import require_sendable
    from automl_bench_nyckel.control import Control
    from automl_bench_nyckel.prices import hourly_usd

    require_sendable(training_set)

    count = len(training_set.train) + len(training_set.validation)
    with Control.of(context) as control:
        function = context.resources.ensure(
            functions.KIND,
            find=lambda name: functions.find(control, name),
            create=lambda name: functions.create(control, name, context.modality),
            hourly_usd=hourly_usd(count),
        )
        functions.wait_until_visible(context, control, function.resource_id)
        names = labels.ensure_labels(context, control, function.resource_id, training_set.labels)
        ids = fields.ensure_fields(context, control, function.resource_id, training_set.columns)
        uploaded = samples.upload_samples(context, control, function.resource_id, training_set, names, ids)
    if uploaded.collapsed:
        have = counted("[has|have] the same content as another one", uploaded.collapsed)
        context.log(
            f"{uploaded.collapsed} of {number_of(count, 'sample')} {have}, "
            f"{uploaded.contradicting} of them with another label"
        )
    return Operation(
        OperationState.SUCCEEDED,
        result={
            "function_id": function.resource_id,
            "samples": count,
            "distinct_samples": uploaded.distinct,
            "found_there": uploaded.found,
            "relabelled": uploaded.relabelled,
            "collapsed": uploaded.collapsed,
            "contradicting": uploaded.contradicting,
            "resized": False,
            "uploaded_at": time.time(),
        },
    )


@hookimpl
def train(context: TrialContext) -> Operation:
    """Begin to watch: the service trains by itself as samples arrive."""
    from automl_bench_nyckel import readiness
    from automl_bench_nyckel.options import Options

    uploaded = context.results[Stage.UPLOAD]
    watch = readiness.begin(
        str(uploaded["function_id"]), int(uploaded["distinct_samples"]), float(uploaded["uploaded_at"])
    )
    return Operation(
        OperationState.RUNNING,
        watch.to_token(),
        message="training begins by itself",
        poll_after=min(FIRST_LOOK_SECONDS, Options.of(context).poll_seconds),
    )


@hookimpl
def poll(context: TrialContext, operation: Operation) -> Operation:
    """Look once at a training."""
    from automl_bench_nyckel import readiness
    from automl_bench_nyckel.control import Control
    from automl_bench_nyckel.options import Options

    watch = readiness.Watch.from_token(operation.token)
    with Control.of(context) as control:
        return readiness.look(control, watch, Options.of(context).poll_seconds)


@hookimpl
def invoke(context: TrialContext, endpoint: Endpoint) -> Invoker:
    """Return the invoker of a function: of this trial, or one adopted by its id."""
    from automl_bench_nyckel import fields, functions
    from automl_bench_nyckel.control import Control
    from automl_bench_nyckel.invoking import NyckelInvoker

    with Control.of(context) as control:
        if endpoint.adopted:
            functions.adopt(control, endpoint.endpoint_id, context.modality)
            fields.require_fields(control, endpoint.endpoint_id, context.columns)
        return NyckelInvoker.of(
            control.server_url, control.tokens, endpoint.endpoint_id, len(context.labels), context.columns
        )


@hookimpl
def export_manifest(entries: Sequence[ManifestEntry]) -> ProviderManifest:
    """List images as `file,label`, texts and rows as the JSON lines that are posted."""
    from automl_bench_nyckel.manifests import manifest_of

    return manifest_of(entries)


@hookimpl
def resource_scope(context: ProviderContext) -> Mapping[str, str]:
    """Return the host of the service and a digest of the client id. No request."""
    from automl_bench_nyckel.control import Control

    with Control.of(context) as control:
        return control.scope


@hookimpl
def list_resources(context: ProviderContext, prefix: str) -> Sequence[Resource]:
    """List the functions under a name prefix."""
    from automl_bench_nyckel import functions
    from automl_bench_nyckel.control import Control

    with Control.of(context) as control:
        return functions.list_resources(control, prefix)


@hookimpl
def delete_resource(context: ProviderContext, resource: Resource) -> Deletion:
    """Delete a function with its labels and samples."""
    from automl_bench_nyckel import functions
    from automl_bench_nyckel.control import Control

    with Control.of(context) as control:
        return functions.delete(control, resource)
