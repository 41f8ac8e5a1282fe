"""`automl-bench results`: what was measured, and results measured elsewhere."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from automl_bench.border.command_lines import quoted_command
from automl_bench.cli.decision import print_card
from automl_bench.cli.output import console, print_json, print_table, say_plainly
from automl_bench.errors import NoResults
from automl_bench.numbers_in_words import counted, number_of
from automl_bench.settings.workspace import Workspace

if TYPE_CHECKING:
    from automl_bench.report.rows import Row
    from automl_bench.report.tables import Table
    from automl_bench.store import Store

app = typer.Typer(invoke_without_command=True, no_args_is_help=False)


class CheckFormat(StrEnum):
    """How `results check` prints what it found."""

    TEXT = "text"
    JUNIT = "junit"
    GITHUB = "github"


_AS_JSON = typer.Option("--json", help="Print JSON instead of tables.")


@app.callback()
def results(
    context: typer.Context,
    experiment: Annotated[str | None, typer.Option(help="Only the trials of this experiment.")] = None,
    provider: Annotated[str | None, typer.Option(help="Only this provider.")] = None,
    dataset: Annotated[str | None, typer.Option(help="Only this dataset.")] = None,
    trials: Annotated[bool, typer.Option("--trials", help="One line for each trial instead of means.")] = False,
    candidates: Annotated[
        bool, typer.Option("--candidates", help="What each training tried before it chose, with its scores.")
    ] = False,
    as_json: Annotated[bool, _AS_JSON] = False,
) -> None:
    """Show results: accuracy ± SEM, median times, load runs, what it cost, and what failed.

    The SEM is over folds within a dataset and over datasets across datasets, with n beside it. With --json, one
    object a trial; docs/results-format.md explains its fields.

    \b
    Examples:
      automl-bench results
      automl-bench results --experiment demo --trials
      automl-bench results --experiment demo --candidates
      automl-bench results --dataset pets --json
      automl-bench results import measured_elsewhere.csv
    """
    if context.invoked_subcommand is not None:
        return
    from automl_bench.report.missing import nothing_of
    from automl_bench.report.rows import result_rows
    from automl_bench.report.summary import trials_table
    from automl_bench.store import open_store

    with open_store(Workspace.current().store_path, read_only=True) as store, store.answers_read_once():
        rows = everything = result_rows(store, experiment)
        for key, wanted in (("provider", provider), ("dataset", dataset)):
            rows = [row for row in rows if wanted in (None, row[key])]
            if wanted is not None and not rows:
                named = sorted({row[key] for row in everything})
                raise nothing_of(f"There are no results of {wanted!r}.", wanted, named)
        if not rows:
            if as_json:
                print_json(rows)
            raise NoResults("There are no results yet.", remedy=f"Try {quoted_command('demo', '--cloud')}.")
        if candidates:
            _show_candidates(store, rows, as_json=as_json)
        elif as_json:
            print_json(rows)
        elif trials:
            show_table(trials_table(rows))
        else:
            _show_means(store, rows, experiment)


def _show_means(store: Store, rows: list[Row], experiment: str | None) -> None:
    from automl_bench.report.costs import cost_table
    from automl_bench.report.environments import environments_table
    from automl_bench.report.further_scores import further_table
    from automl_bench.report.summary import accuracy_table, load_table, times_table, unscored_table
    from automl_bench.report.unanswered import unanswered_table

    makers = (
        accuracy_table,
        further_table,
        times_table,
        environments_table,
        load_table,
        cost_table,
        unscored_table,
        unanswered_table,
    )
    for table in (make(rows) for make in makers):
        if table.rows:
            show_table(table)
    print_card(store, rows, experiment)


def _show_candidates(store: Store, rows: Sequence[Mapping[str, Any]], *, as_json: bool) -> None:
    from automl_bench.report.tried import candidates_table

    table = candidates_table(store, rows)
    if as_json:
        print_json(list(table.records))
    if not table.rows:
        raise NoResults(
            "No training of these trials told what it tried.",
            remedy="Run a variant that chooses or searches by itself: the providers' pages say which do.",
        )
    if not as_json:
        show_table(table)


@app.command("import")
def import_results(
    file: Annotated[Path, typer.Argument(help="A file in a format of docs/results-format.md.")],
    provider: Annotated[str | None, typer.Option(help="Provider that answered, if the file does not say it.")] = None,
    variant: Annotated[
        str | None, typer.Option(help="Its configuration.", show_default="what the file says, or imported")
    ] = None,
    dataset: Annotated[str | None, typer.Option(help="The dataset, if the file does not say it.")] = None,
    shots: Annotated[
        str | None,
        typer.Option(help='Shots it learnt from, or "all".', show_default="what the file says, or all"),
    ] = None,
    fold: Annotated[
        int | None,
        typer.Option(min=0, help="Which draw of the training subset.", show_default="what the file says, or 0"),
    ] = None,
    sample_variable: Annotated[
        str, typer.Option(help="Variable of promptfoo's tests that names the test sample.")
    ] = "sample",
    replace: Annotated[bool, typer.Option("--replace", help="Replace results of the same point.")] = False,
    as_json: Annotated[bool, _AS_JSON] = False,
) -> None:
    """Take in results or predictions that were made elsewhere; the file's first line tells what it is.

    Results: provider, dataset, shots, accuracy (0 to 1) and further columns; the figures published in 2023 are taken as
    they are. Predictions: sample, predicted and perhaps confidence, seconds; samples are matched with the test samples
    of the dataset by content id, path or file name, and enter paired comparisons like measured ones. Files of `export
    --format predictions` say themselves whose they are. A .json file is read as a result file of promptfoo. Of the
    files that `export --format ancestor` writes, answers are scored, but name no samples; throughputs become load runs.
    A wrong line is refused with its number, and then nothing is imported. What is there already is not doubled; a
    correction needs --replace.

    \b
    Examples:
      automl-bench results import measured_elsewhere.csv
      automl-bench results import corrected.csv --replace
      automl-bench results import predictions.csv --provider acme --variant large --dataset pets --shots 20
      automl-bench results import promptfoo.json --dataset reviews --sample-variable text_file
    """
    from automl_bench.report.incoming import Given, take_in
    from automl_bench.store import open_store

    workspace = Workspace.current()
    given = Given(provider, variant, dataset, shots, fold, sample_variable)
    taken = take_in(
        file, given, data=workspace.data, store=lambda: open_store(workspace.store_path), replace_old=replace
    )
    if as_json:
        print_json({"file": str(file), "results": taken.found, "new": taken.new})
        return
    known = f" ({taken.found - taken.new} were there already)" if taken.new < taken.found else ""
    console().print(
        f"Imported {number_of(taken.new, taken.what.removesuffix('s'))} from {file}{known}. "
        f"{quoted_command('results')} shows {'it' if taken.new == 1 else 'them'}.",
        markup=False,
    )


@app.command("merge")
def merge_results(
    other: Annotated[Path, typer.Argument(help="automl-bench.sqlite of another machine; it stays as it is.")],
    as_json: Annotated[bool, _AS_JSON] = False,
) -> None:
    """Take over the finished trials, experiments and imported results of another results file: all of them or nothing.

    A trial that is here with the same rows is kept once; one that is only planned here gives way. One that was measured
    on both machines stands beside ours, marked with the name of the file. Trials that are under way there, or still own
    resources, are left out and named.

    \b
    Examples:
      automl-bench results merge /mnt/lab/results/automl-bench.sqlite
    """
    from dataclasses import asdict

    from automl_bench.report.rows import FROM
    from automl_bench.store import open_store
    from automl_bench.store.merging import merge

    with open_store(Workspace.current().store_path) as store:
        found = merge(store, other, mark=FROM)
    if as_json:
        print_json({"file": str(other), **asdict(found)})
        return
    say = console()
    say.print(
        f"Took over {number_of(len(found.added), 'trial')} and "
        f"{number_of(found.imported, 'imported result')} from {other};"
        f" {counted('{n} [trial was|trials were]', len(found.same))} here already.",
        markup=False,
    )
    if found.beside:
        were = counted("{n} [trial was|trials were]", len(found.beside))
        stand = counted("[the other one stands|theirs stand]", len(found.beside))
        say.print(
            f"{were} measured on both machines; {stand} beside ours, marked with {other.name}: "
            f"{', '.join(found.beside)}.",
            markup=False,
        )
    if found.conflicts:
        say.print(
            counted(
                "{n} imported [result was|results were] left out: others of the same point are here.", found.conflicts
            ),
            markup=False,
        )
    for trial_id, why in found.left.items():
        say.print(f"Trial {trial_id} was left out: {why}.", markup=False)


@app.command("remove")
def remove_results(
    source: Annotated[str, typer.Argument(help="Name of the file they came from, as `results --json` shows it.")],
    as_json: Annotated[bool, _AS_JSON] = False,
) -> None:
    """Remove what was imported from a file, results and predictions; what was measured here is never removed.

    \b
    Examples:
      automl-bench results remove measured_elsewhere.csv
    """
    from automl_bench.errors import UsageError
    from automl_bench.report.rows import result_rows
    from automl_bench.store import open_store

    with open_store(Workspace.current().store_path) as store:
        removed = sum(
            remove(source)
            for remove in (store.remove_imported, store.remove_imported_trials, store.remove_imported_runs)
        )
        if not removed:
            known = sorted({row["source"] for row in result_rows(store)} - {"measured"})
            raise UsageError(
                f"Nothing was imported from {source!r}.", remedy=f"Known files: {', '.join(known) or 'none'}."
            )
    if as_json:
        print_json({"source": source, "removed": removed})
    else:
        console().print(f"Removed {number_of(removed, 'imported result')} of {source}.", markup=False)


@app.command("check")
def check_results(
    fail_if: Annotated[list[str], typer.Option("--fail-if", help="A condition; may be given several times.")],
    format_: Annotated[CheckFormat, typer.Option("--format", help="What to print.")] = CheckFormat.TEXT,
    as_json: Annotated[bool, _AS_JSON] = False,
) -> None:
    """Fail, with exit code 11, if a condition on the results holds: a gate for continuous integration.

    MEASURE(VARIANT, DATASET, SHOTS) < NUMBER, or with >, <=, >=, compares a number; measures are accuracy,
    balanced_accuracy, macro_f1 (0 to 1, mean over folds), p50_ms, p95_ms, train_seconds and usd (medians over trials).
    behind(A, B) and ahead(A, B), perhaps with a dataset and shots, hold where `compare` names a winner: with the same
    tests and corrections, so noise alone fails one check in twenty at most. What cannot be judged is an error, never a
    pass. --format junit prints JUnit's XML, --format github annotations for GitHub Actions.

    \b
    Examples:
      automl-bench results check --fail-if 'accuracy(local:svc, digits, 20) < 0.9'
      automl-bench results check --fail-if 'behind(new, old)' --fail-if 'p95_ms(local:svc, digits, 20) > 50'
      automl-bench results check --format junit --fail-if 'behind(new, old)' > gates.xml
    """
    from automl_bench.errors import GateFailed
    from automl_bench.report.gate_formats import github, junit
    from automl_bench.report.gates import judge, read_gate
    from automl_bench.store import open_store

    gates = [read_gate(text) for text in fail_if]
    with open_store(Workspace.current().store_path, read_only=True) as store:
        judged = [judge(store, gate) for gate in gates]
    if as_json:
        print_json([one.as_json() for one in judged])
    elif format_ is not CheckFormat.TEXT:
        say_plainly(junit(judged) if format_ is CheckFormat.JUNIT else github(judged))
    else:
        for one in judged:
            console().print(f"{'FAIL' if one.holds else 'ok':4}  {one.condition}: {one.found}", markup=False)
    held = [one.condition for one in judged if one.holds]
    if held:
        raise GateFailed(
            f"{len(held)} of {counted('{n} [condition holds|conditions hold]', len(judged))}: {'; '.join(held)}.",
            remedy=f"Look at the numbers: {quoted_command('results', '--trials')}.",
        )


def show_table(table: Table) -> None:
    """Print a table with its notes."""
    print_table(table.columns, table.rows, title=table.title)
    for note in table.notes:
        console().print(f"  {note}", style="dim", markup=False)
    console().print()
