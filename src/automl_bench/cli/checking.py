"""`automl-bench data check`: what is wrong with a dataset."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING, Annotated

import typer

from automl_bench.cli import completion
from automl_bench.cli.dataset_output import print_report, raise_for
from automl_bench.cli.output import print_json, progress_bar
from automl_bench.errors import UsageError
from automl_bench.settings.workspace import Workspace

if TYPE_CHECKING:
    from automl_bench.contract import Modality
    from automl_bench.datasets.check_report import CheckReport
    from automl_bench.datasets.manifest import Manifest


def _shot_counts(text: str) -> list[int]:
    try:
        shots = [int(part) for part in text.split(",") if part.strip()]
    except ValueError as error:
        raise UsageError(f"{text!r} is no list of shots.", remedy="Give numbers, as in --shots 5,20,80.") from error
    if any(number < 1 for number in shots):
        raise UsageError(f"{text!r} has a number below 1.", remedy="Give numbers, as in --shots 5,20,80.")
    return shots


def check(
    name: Annotated[
        str,
        typer.Argument(
            help="Dataset, as `data list` shows it.",
            autocompletion=completion.datasets,
        ),
    ],
    shots: Annotated[str, typer.Option(help="Shots that experiments will ask for, as in 5,20,80.")] = "",
    label_suspects: Annotated[
        bool,
        typer.Option("--label-suspects", help="Also list images that do not look like their label; takes minutes."),
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Check a dataset: leaks, duplicates, look-alikes, damaged or odd images, classes too small. Exit code 4 on a leak.

    \b
    Examples:
      automl-bench data check pets
      automl-bench data check pets --shots 5,20,80 --json
      automl-bench data check pets --label-suspects
    """
    from automl_bench.contract import Modality
    from automl_bench.datasets.check_report import as_json as report_values
    from automl_bench.datasets.checks import check_dataset
    from automl_bench.datasets.label_suspects import check_that_suspects_can_be_found
    from automl_bench.datasets.manifest import read_manifest

    numbers = _shot_counts(shots)
    if label_suspects:
        check_that_suspects_can_be_found()
    workspace = Workspace.current()
    manifest = read_manifest(workspace.dataset(name))
    if label_suspects and manifest.modality is not Modality.IMAGE:
        raise UsageError("--label-suspects looks at images.", remedy="Leave it out for texts and tables.")
    with progress_bar("checking") as advance:
        report = check_dataset(
            manifest,
            shots=numbers,
            most_bytes=_most_bytes(manifest.modality),
            processes=os.cpu_count() or 1,
            progress=advance,
        )
    if label_suspects:
        report = _examine_labels(report, manifest, workspace)
    if as_json:
        print_json(report_values(report))
    else:
        print_report(report)
    raise_for(report)


def _most_bytes(modality: Modality) -> dict[str, int]:
    """Return the largest text or row that each installed provider takes; images are judged by `plan`."""
    from automl_bench.contract import Modality
    from automl_bench.errors import AutomlBenchError
    from automl_bench.providers.discovery import PluginRegistry
    from automl_bench.providers.dispatch import Provider
    from automl_bench.providers.feasibility import limits_for

    if modality is Modality.IMAGE:
        return {}
    found = {}
    registry = PluginRegistry()
    for plugin in registry.plugins:
        with suppress(AutomlBenchError):  # one that does not load is told of by `providers list`
            description = Provider(registry, plugin.name).description
            most = limits_for(description, modality).max_request_bytes
            if modality in description.modalities and most:
                found[plugin.name] = most
    return found


def _examine_labels(report: CheckReport, manifest: Manifest, workspace: Workspace) -> CheckReport:
    import numpy as np

    from automl_bench.datasets.check_report import with_suspects
    from automl_bench.datasets.label_suspects import find_suspects
    from automl_bench.providers.host import embeddings

    columns = (manifest.table[name].to_pylist() for name in ("sample_id", "path", "label"))
    first = {sample_id: (path, label) for sample_id, path, label in zip(*columns, strict=True)}
    broken = {item.partition(" ")[0] for one in report.findings if one.check == "unreadable" for item in one.items}
    wanted = [(path, label) for path, label in first.values() if path not in broken]
    vectors = []
    with progress_bar("embedding") as advance:
        paths = [manifest.folder / path for path, _ in wanted]
        for vector in embeddings(paths, workspace.cache / "embeddings"):
            vectors.append(vector)
            advance(len(vectors), len(paths))
    suspects = find_suspects(np.asarray(vectors), [label for _, label in wanted])
    return with_suspects(report, [path for path, _ in wanted], suspects)
