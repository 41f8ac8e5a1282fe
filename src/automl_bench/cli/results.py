"""`automl-bench results`: what was measured, and results measured elsewhere."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from automl_bench.cli.output import console, print_json, print_table
from automl_bench.settings.workspace import Workspace

if TYPE_CHECKING:
    from automl_bench.report.tables import Table

app = typer.Typer(invoke_without_command=True, no_args_is_help=False)

_AS_JSON = typer.Option("--json", help="Print JSON instead of tables.")


@app.callback()
def results(
    context: typer.Context,
    experiment: Annotated[str | None, typer.Option(help="Only the trials of this experiment.")] = None,
    provider: Annotated[str | None, typer.Option(help="Only this provider.")] = None,
    dataset: Annotated[str | None, typer.Option(help="Only this dataset.")] = None,
    trials: Annotated[bool, typer.Option("--trials", help="One line a trial instead of means.")] = False,
    as_json: Annotated[bool, _AS_JSON] = False,
) -> None:
    """Show results: accuracy ± SEM, median times, load runs, what it cost, and what failed.

    The SEM is over folds within a dataset and over datasets across datasets, with n beside it. With --json, one
    object a trial; docs/results-format.md explains its fields.

    \b
    Examples:
      automl-bench results
      automl-bench results --experiment demo --trials
      automl-bench results --dataset pets --json
      automl-bench results import measured_elsewhere.csv
    """
    if context.invoked_subcommand is not None:
        return
    from automl_bench.report.costs import cost_table
    from automl_bench.report.rows import result_rows
    from automl_bench.report.summary import accuracy_table, load_table, times_table, trials_table, unscored_table
    from automl_bench.report.unanswered import unanswered_table
    from automl_bench.store import open_store

    with open_store(Workspace.current().store_path, read_only=True) as store:
        rows = [
            row
            for row in result_rows(store, experiment)
            if provider in (None, row["provider"]) and dataset in (None, row["dataset"])
        ]
    if as_json:
        print_json(rows)
    elif not rows:
        console(stderr=True).print("No trial matches. `automl-bench status` shows what is planned.")
    elif trials:
        show_table(trials_table(rows))
    else:
        makers = (accuracy_table, times_table, load_table, cost_table, unscored_table, unanswered_table)
        for table in (make(rows) for make in makers):
            if table.rows:
                show_table(table)


@app.command("import")
def import_results(
    file: Annotated[Path, typer.Argument(help="CSV in the format of docs/results-format.md.")],
    as_json: Annotated[bool, _AS_JSON] = False,
) -> None:
    """Take in results that were measured elsewhere.

    The file names provider, dataset, shots and accuracy (0 to 1) in its first line, and may name variant, fold,
    classes, test_samples and train_seconds; the figures published in 2023 are taken as they are. A wrong line is
    refused with its number, and then nothing is imported. A result that is there already is not doubled.

    \b
    Examples:
      automl-bench results import measured_elsewhere.csv
    """
    from automl_bench.report.importing import read_results
    from automl_bench.store import open_store

    found = read_results(file)
    with open_store(Workspace.current().store_path) as store:
        new = store.add_imported(found)
    if as_json:
        print_json({"file": str(file), "results": len(found), "new": new})
        return
    known = f" ({len(found) - new} were there already)" if new < len(found) else ""
    console().print(f"Imported {new} results from {file}{known}. `automl-bench results` shows them.", markup=False)


def show_table(table: Table) -> None:
    """Print a table with its notes."""
    print_table(table.columns, table.rows, title=table.title)
    for note in table.notes:
        console().print(f"  {note}", style="dim", markup=False)
    console().print()
