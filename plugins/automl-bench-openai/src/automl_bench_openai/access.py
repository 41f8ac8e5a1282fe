"""Whether an address can be reached with these credentials, and what it says of the model."""

from __future__ import annotations

from automl_bench.contract import AccessReport, ProviderContext
from automl_bench_openai.client import Client, Refused
from automl_bench_openai.options import Options
from automl_bench_openai.prices import ending_words


def look(context: ProviderContext) -> AccessReport:
    """List the models.

    Raises:
        ProviderError: If the address refuses the key or cannot be reached.
    """
    options = Options.of(context)
    client = Client.of(context, options)
    try:
        content = client.ask("/models", what="list the models")
    except Refused as refused:
        raise refused.error from None
    finally:
        client.close()
    models = {str(one.get("id")): one for one in content.get("data") or () if isinstance(one, dict)}
    notes = []
    if models and options.model not in models:
        notes.append(f"{options.model} is not among its {len(models)} models; it may be an alias.")
    told = str(models.get(options.model, {}).get("shutdown_date") or "")
    if ending := ending_words(options.model, told=told):
        notes.append(ending)
    return AccessReport(True, options.base_url, tuple(notes))
