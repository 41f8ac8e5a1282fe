"""The hooks of the provider `embed`. Thin: each finds the module that does the work."""

from __future__ import annotations

from collections.abc import Sequence

from automl_bench.contract import (
    AccessReport,
    Deletion,
    Endpoint,
    Invoker,
    Operation,
    Price,
    ProviderContext,
    ProviderDescription,
    Resource,
    TrialContext,
)
from automl_bench.hookspecs import hookimpl
from automl_bench_embed.description import DESCRIPTION


@hookimpl
def describe_provider() -> ProviderDescription:
    """See `automl_bench.hookspecs`."""
    return DESCRIPTION


@hookimpl
def check_access(context: ProviderContext) -> AccessReport:
    """List the models, or have one word embedded."""
    from automl_bench_embed.access import look

    return look(context)


@hookimpl
def price(context: ProviderContext) -> Sequence[Price]:
    """Return what the model's tokens cost."""
    from automl_bench_embed.prices import price_table

    return price_table(context)


@hookimpl
def train(context: TrialContext) -> Operation:
    """Embed the training samples that are not in the cache, and fit the head."""
    from automl_bench_embed.training import train as fit_head

    return fit_head(context)


@hookimpl
def invoke(context: TrialContext, endpoint: Endpoint) -> Invoker:
    """Return how a sample is embedded and labelled."""
    from automl_bench_embed.invoking import invoker_of

    return invoker_of(context)


@hookimpl
def list_resources(context: ProviderContext, prefix: str) -> Sequence[Resource]:
    """Return nothing: nothing is ever made at the address."""
    return ()


@hookimpl
def delete_resource(context: ProviderContext, resource: Resource) -> Deletion:
    """Say that it is gone: nothing is ever made at the address."""
    return Deletion.ALREADY_GONE
