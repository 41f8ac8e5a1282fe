"""Whether a variant can embed: its address with these credentials, or the packages on this machine."""

from __future__ import annotations

import json

from automl_bench_openai.client import Client, Refused
from automl_bench_openai.local_vectors import PIP_LINE, missing

from automl_bench.contract import AccessReport, Modality, ProviderContext
from automl_bench.errors import Infeasible
from automl_bench_embed.items import Item
from automl_bench_embed.options import Options
from automl_bench_embed.vectors import request_for

WORD = "automl-bench"


def look(context: ProviderContext) -> AccessReport:
    """List the models; where there is no such list, have one word embedded.

    Raises:
        ImportError: If what fits the head is not installed.
        ProviderError: If the address refuses the key or cannot be reached, or a package is missing here.
    """
    import sklearn  # noqa: F401  # the head needs it: said here, before anything is embedded and paid for

    options = Options.of(context)
    if options.is_local:
        absent = missing(context.modality or Modality.IMAGE)
        if absent:
            raise Infeasible(f"Embedding on this machine: {absent}.", remedy=PIP_LINE)
        return AccessReport(True, "this machine")
    headers = options.headers(context)
    client = Client(options, headers)
    try:
        if options.shape_name == "openai":
            client.ask("/models", what="list the models")
        else:
            body = json.loads(request_for(options, headers, [Item(WORD, identity=WORD)]).body)
            client.ask(options.shape.path, body, what="embed a word")
    except Refused as refused:
        raise refused.error from None
    finally:
        client.close()
    return AccessReport(True, options.base_url)
