"""The command `export service`: a trained model as a folder that a container image is built from."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from automl_bench_local.serve_command import (
    BatchOption,
    DatasetArgument,
    FoldOption,
    MegabytesOption,
    ShotsArgument,
    VariantOption,
)


def export_service(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="new folder to write")],
    dataset: DatasetArgument,
    shots: ShotsArgument,
    variant: VariantOption = None,
    fold: FoldOption = 0,
    max_megabytes: MegabytesOption = 16,
    max_batch: BatchOption = 100,
    as_json: Annotated[bool, typer.Option("--json", help="Print the paths as JSON.")] = False,
) -> None:
    """Write the model of a trial as a service of its own: Dockerfile, compose.yaml, pinned requirements, README.

    The service is that of `automl-bench serve`. The folder has the model and the code that it needs, no sample of the
    data, nothing else of the workspace, and its requirements are those of answering, not of training. README.md has the
    lines that build the image, run it and ask it.

    \b
    Examples:
      automl-bench export service digits-service digits 10
      automl-bench export service ~/reviews reviews all --variant logistic-words
    """
    from automl_bench.cli.output import console, print_json, say
    from automl_bench.cli.session import parse_shots
    from automl_bench_local.found_model import find_model
    from automl_bench_local.service_folder import image_name, write_service

    found = find_model(dataset, parse_shots(shots), fold, variant, say)
    folder = folder.absolute()
    needs = write_service(folder, found.settings(max_megabytes, max_batch, loopback=False))
    if as_json:
        print_json({"folder": str(folder), "requirements": needs.requirements})
        return
    console().print(f"service: {folder}", markup=False)
    say(f"Next: docker build --tag {image_name(found.facts())} {folder}, or podman build. See its README.md.")
