"""`automl-bench report` and `automl-bench export`: results for people and for other programs."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from automl_bench.cli.output import console, print_json
from automl_bench.settings.workspace import Workspace

if TYPE_CHECKING:
    from automl_bench.providers.discovery import PluginRegistry
    from automl_bench.store import Store

ALL_FOLDER = "all"
"""Folder below reports/ of the report on everything."""


class Format(StrEnum):
    """What `export` writes."""

    CSV = "csv"
    JSON = "json"
    PARQUET = "parquet"
    MARKDOWN = "markdown"
    ANCESTOR = "ancestor"
    PREDICTIONS = "predictions"
    FIFTYONE = "fiftyone"


OF_TRIALS = frozenset({Format.ANCESTOR, Format.PREDICTIONS, Format.FIFTYONE})
"""Formats with a file for each trial or dataset; the others write whole tables."""


def report(
    experiment: Annotated[str | None, typer.Argument(help="Name of an experiment.", show_default="everything")] = None,
    out: Annotated[Path | None, typer.Option(help="Folder to write to.", show_default="reports/EXPERIMENT")] = None,
    without: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Label suspects: give the verdict with and without them.")
    ] = None,
    cascade: Annotated[
        str, typer.Option(metavar="A,B", help="What asking B only where A is not sure would bring.", show_default=False)
    ] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print the paths as JSON.")] = False,
) -> None:
    """Write a report: one HTML file that stands alone, figures as PNG and SVG, numbers as CSV, JSON and Markdown.

    Without an experiment, everything in the results file is reported, imported results included. --without takes a CSV
    with the columns dataset, sample and perhaps label, as the page saves what was marked on it. --cascade judges two
    variants in a row from the answers that are there: accuracy, cost and p95 for each share of samples passed on.

    \b
    Examples:
      automl-bench report demo
      automl-bench report
      automl-bench report demo --out ~/shared/demo
      automl-bench report demo --without suspects.csv
      automl-bench report demo --cascade local:logistic-pixels,local:auto
    """
    path = write_report(experiment, out, without=without, cascade=cascade)
    if as_json:
        print_json({"report": str(path), "folder": str(path.parent)})
    else:
        console().print(f"report: {path}", markup=False)


def write_report(
    experiment: str | None = None, out: Path | None = None, *, without: Path | None = None, cascade: str = ""
) -> Path:
    """Write the report of an experiment, or of everything, and return the path of its HTML file.

    Args:
        experiment: Name of the experiment; None for everything.
        out: Folder to write to; by default `reports/<experiment>` in the workspace.
        without: File of label suspects, or None.
        cascade: "A,B": two variants in a row; empty for none.

    Raises:
        UsageError: If there is no such experiment, or the file of suspects is wrong.
        RecordsError: If there are no results.
        WorkspaceError: If a file cannot be written.
    """
    from copy import deepcopy

    from automl_bench.providers.discovery import PluginRegistry
    from automl_bench.providers.host import report_sections
    from automl_bench.report.build import build_report
    from automl_bench.report.rows import result_rows
    from automl_bench.report.suspects import read_suspects
    from automl_bench.store import open_store

    workspace = Workspace.current()
    folder = out or workspace.reports / (experiment or ALL_FOLDER)
    registry = PluginRegistry()
    registry.load_all()
    with open_store(workspace.store_path, read_only=True) as store, store.answers_read_once():
        rows = result_rows(store, experiment)
        sections = report_sections(registry, deepcopy(rows))  # an observer may change what it is given
        suspects = None if without is None else read_suspects(without, store)
        return build_report(
            store,
            experiment=experiment,
            out_dir=folder,
            sections=sections,
            rows=rows,
            data=workspace.data,
            suspects=suspects,
            cascade=cascade,
        )


export_app = typer.Typer(invoke_without_command=True, no_args_is_help=False)


@export_app.callback()
def export(
    context: typer.Context,
    experiment: Annotated[
        str | None, typer.Option(help="Only this experiment (ancestor, predictions, fiftyone).")
    ] = None,
    format_: Annotated[Format, typer.Option("--format", help="File format.")] = Format.CSV,
    out: Annotated[Path | None, typer.Option(help="Folder to write to.", show_default="results/export")] = None,
    incomplete: Annotated[bool, typer.Option("--incomplete", help="Include load runs that were cut short.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the paths as JSON.")] = False,
) -> None:
    """Write the stored tables as files, or predictions for other tools.

    csv, json, parquet and markdown write one file a table, with every call. ancestor writes
    DATASET-PROVIDER-results-SHOTS.csv (actual_class, predicted_class, confidence, invoke_time) for each trial and
    image-classification-throughputs.csv. predictions writes one CSV a trial, with the answer for each test sample,
    which `results import` reads back in another workspace. fiftyone writes DATASET.fiftyone.json, for
    fiftyone.Dataset.from_json, with ground_truth and the predictions of each trial.

    \b
    Examples:
      automl-bench export
      automl-bench export --format parquet --out ~/analysis
      automl-bench export --format ancestor --experiment demo
      automl-bench export --format fiftyone --experiment demo
    """
    if context.invoked_subcommand is not None:
        return
    from automl_bench.store import open_store

    workspace = Workspace.current()
    folder = out or workspace.results / "export"
    with open_store(workspace.store_path, read_only=True) as store:
        if format_ in OF_TRIALS:
            written = _of_trials(store, folder, experiment, format_)
        else:
            from automl_bench.errors import UsageError
            from automl_bench.store.exports import ExportFormat, export_tables

            if experiment is not None:
                raise UsageError(
                    f"--experiment does not go with --format {format_.value}, which writes whole tables.",
                    remedy="Leave it out, or use --format ancestor, predictions or fiftyone.",
                )
            wanted = ExportFormat.MARKDOWN if format_ is Format.MARKDOWN else ExportFormat(format_.value)
            written = export_tables(store, folder, formats=(wanted,), incomplete_load_runs=incomplete)
    if as_json:
        print_json([str(path) for path in written])
    else:
        for path in written:
            console().print(str(path), markup=False)


def _of_trials(store: Store, folder: Path, experiment: str | None, wanted: Format) -> list[Path]:
    """Write the files of trials; a provider's default variant is not named in them."""
    from automl_bench.providers.discovery import PluginRegistry
    from automl_bench.report.missing import no_experiment

    if experiment is not None and store.experiment(experiment) is None:
        raise no_experiment(store, experiment)
    trials = store.trials(experiment=experiment)
    defaults = _default_variants(PluginRegistry(), {trial.provider for trial in trials})
    if wanted is Format.PREDICTIONS:
        from automl_bench.report.prediction_files import export_predictions

        return export_predictions(store, folder, trials=trials, default_variants=defaults)
    if wanted is Format.FIFTYONE:
        from automl_bench.datasets.manifest import read_manifest
        from automl_bench.report.prediction_files import export_fiftyone

        data = Workspace.current().data
        return export_fiftyone(
            store, folder, trials=trials, default_variants=defaults, manifest_of=lambda name: read_manifest(data / name)
        )
    from automl_bench.store.ancestor_files import export_results, export_throughputs

    written = export_results(store, folder, trials=trials, default_variants=defaults)
    return [*written, export_throughputs(store, folder, trials=trials, default_variants=defaults)]


def _default_variants(registry: PluginRegistry, names: set[str]) -> dict[str, str]:
    """Return each provider's default variant; one whose plugin does not load any more keeps all names in full."""
    from automl_bench.errors import AutomlBenchError
    from automl_bench.providers.dispatch import Provider

    found = {}
    for name in sorted(names):
        try:
            found[name] = Provider(registry, name).description.default_variant
        except AutomlBenchError:
            continue
    return found
