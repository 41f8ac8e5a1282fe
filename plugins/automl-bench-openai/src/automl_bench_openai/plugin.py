"""The hooks of the provider `openai`. Thin: each finds the module that does the work."""

from __future__ import annotations

from collections.abc import Sequence

from automl_bench.contract import (
    AccessReport,
    Endpoint,
    Invoker,
    Price,
    ProviderContext,
    ProviderDescription,
    TrialContext,
)
from automl_bench.hookspecs import hookimpl
from automl_bench_openai.description import DESCRIPTION


@hookimpl
def describe_provider() -> ProviderDescription:
    """See `automl_bench.hookspecs`."""
    return DESCRIPTION


@hookimpl
def check_access(context: ProviderContext) -> AccessReport:
    """List the models, and say what is known of the variant's one."""
    from automl_bench_openai.access import look

    return look(context)


@hookimpl
def price(context: ProviderContext) -> Sequence[Price]:
    """Return what the tokens of the variant's model cost."""
    from automl_bench_openai.prices import price_table

    return price_table(context)


@hookimpl
def cautions(context: ProviderContext) -> Sequence[str]:
    """Say whether the variant's model ends soon, and whether its name may lead to another one tomorrow."""
    from automl_bench_openai.options import Options
    from automl_bench_openai.prices import alias_words, ending_words

    options = Options.of(context)
    words = (ending_words(options.model), alias_words(options))
    return tuple(sentence for sentence in words if sentence)


@hookimpl
def invoke(context: TrialContext, endpoint: Endpoint) -> Invoker:
    """Find out what the address honours, and return how it is asked."""
    from automl_bench_openai.invoking import PromptInvoker

    return PromptInvoker.of(context)
