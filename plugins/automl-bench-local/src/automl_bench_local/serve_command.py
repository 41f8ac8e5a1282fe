"""`automl-bench serve`: a trained model as a service, until it is asked to end."""

from __future__ import annotations

from typing import Annotated

import typer

LOOPBACK = "127.0.0.1"

DatasetArgument = Annotated[str, typer.Argument(metavar="DATASET", help="name of a dataset in the workspace")]
ShotsArgument = Annotated[str, typer.Argument(metavar="SHOTS", help='labelled samples per class, or "all"')]
VariantOption = Annotated[
    str | None, typer.Option(help="Which variant of the provider local.", show_default="the one that was trained")
]
FoldOption = Annotated[int, typer.Option(min=0, help="Which draw of the subsets.")]
MegabytesOption = Annotated[float, typer.Option(min=0.001, help="Largest body of a request.")]
BatchOption = Annotated[int, typer.Option(min=1, help="Most samples in one request.")]


def serve(
    dataset: DatasetArgument,
    shots: ShotsArgument,
    variant: VariantOption = None,
    fold: FoldOption = 0,
    host: Annotated[str, typer.Option(help="Address to listen on; 0.0.0.0 lets other machines ask.")] = LOOPBACK,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on; 0 takes a free one.")] = 8000,
    workers: Annotated[int, typer.Option(min=1, max=256, help="Processes that answer, each with the model.")] = 1,
    max_megabytes: MegabytesOption = 16,
    max_batch: BatchOption = 100,
) -> None:
    """Serve the model of a trial that was trained on this machine, until Ctrl-C or SIGTERM.

    POST /predict takes an image's bytes, a text or a row, or a batch of them in JSON; /health, /metrics and
    /openapi.json say the rest. It listens on this machine only unless --host says otherwise, and asks nobody who they
    are. A trial's model that teardown deleted is trained again from the same samples.

    \b
    Examples:
      automl-bench serve digits 10
      automl-bench serve reviews all --variant logistic-words --port 9000 --workers 2
      automl-bench serve digits 10 --host 0.0.0.0
    """
    from automl_bench.cli.output import say
    from automl_bench.cli.session import parse_shots
    from automl_bench_local.found_model import find_model
    from automl_bench_local.service_process import is_loopback, run_service

    found = find_model(dataset, parse_shots(shots), fold, variant, say)
    settings = found.settings(max_megabytes, max_batch, loopback=is_loopback(host))
    run_service(settings, host, port, workers, say)
