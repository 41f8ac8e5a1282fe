"""`automl-bench status`: where every trial stands, in rows and in totals, once or again and again."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from automl_bench.border.command_lines import command_line
from automl_bench.cli.output import console, print_json, print_table
from automl_bench.errors import NoResults

if TYPE_CHECKING:
    from automl_bench.store import Store

WATCH_SECONDS = 2.0
"""Pause between two looks of `status --watch`."""


class Standing(StrEnum):
    """Where a trial may stand; the words of `TrialStatus`, repeated so that `--help` need not load the store."""

    PLANNED = "planned"
    RUNNING = "running"
    TEARING_DOWN = "tearing_down"
    DONE = "done"
    FAILED = "failed"
    INTERRUPTED = "interrupted"
    INFEASIBLE = "infeasible"


UNDER_WAY = (Standing.RUNNING, Standing.TEARING_DOWN)


def status(
    experiment: Annotated[str | None, typer.Option(help="Only the trials of this experiment.")] = None,
    provider: Annotated[str | None, typer.Option(help="Only this provider.")] = None,
    dataset: Annotated[str | None, typer.Option(help="Only this dataset.")] = None,
    standing: Annotated[
        list[Standing] | None, typer.Option("--status", help="Only trials with this status; may be given again.")
    ] = None,
    watch: Annotated[
        bool, typer.Option("--watch", help="Look again every two seconds until nothing runs any more.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")] = False,
) -> None:
    """Show where every trial stands, its stages, totals, and what exists at providers.

    \b
    Examples:
      automl-bench status
      automl-bench status --experiment demo --status failed --status running
      automl-bench status --watch
      automl-bench status --json
    """
    from automl_bench.cli.session import Session
    from automl_bench.report.standings import totals

    session = Session()
    seen = None
    while True:
        with session.store_to_read() as store:
            rows = _rows(store, experiment, provider, dataset, standing or ())
            left = len(store.ledger(open_only=True))
        if as_json:
            print_json({"trials": rows, "totals": totals(rows), "resources": left})
        elif rows != seen:
            _print(rows, left, watched=watch)
        seen = rows
        if not watch or not any(row["status"] in UNDER_WAY for row in rows):
            return
        time.sleep(WATCH_SECONDS)


def _rows(
    store: Store, experiment: str | None, provider: str | None, dataset: str | None, standing: Sequence[Standing]
) -> list[dict[str, Any]]:
    """Return the rows of the trials that match.

    Raises:
        NoResults: If none does.
        UsageError: If something asked for is in no trial.
    """
    from automl_bench.report.missing import no_experiment, nothing_of
    from automl_bench.report.standings import standings

    if experiment is not None and store.experiment(experiment) is None:
        raise no_experiment(store, experiment)
    everything = store.trials(experiment=experiment)
    for wanted, known in (
        (provider, {trial.provider for trial in everything}),
        (dataset, {trial.dataset for trial in everything}),
    ):
        if wanted is not None and wanted not in known:
            raise nothing_of(f"No trial is of {wanted!r}.", wanted, sorted(known))
    wanted_statuses = {one.value for one in standing}
    trials = [
        trial
        for trial in everything
        if provider in (None, trial.provider)
        and dataset in (None, trial.dataset)
        and (not standing or trial.status.value in wanted_statuses)
    ]
    if not trials:
        raise NoResults("No trial matches.", remedy=f"All trials: {command_line('status')}")
    return standings(store, trials)


def _print(rows: Sequence[Mapping[str, Any]], left: int, *, watched: bool) -> None:
    from automl_bench.report.standings import totals, totals_in_words

    out = console()
    if watched:
        if out.is_terminal:
            out.clear()
        out.print(f"{datetime.now():%H:%M:%S}", markup=False)
    columns = ["trial", "status", "stages done", "reason"]
    cells = [[row["trial"], row["status"], " ".join(row["stages_done"]), row["reason"]] for row in rows]
    if not any(row["reason"] for row in rows):
        columns, cells = columns[:-1], [line[:-1] for line in cells]
    print_table(columns, cells)
    out.print(f"{len(rows)} trial{'s' if len(rows) != 1 else ''}: {totals_in_words(totals(rows))}", markup=False)
    if left:
        out.print(f"{left} resource{'s exist' if left > 1 else ' exists'}: {command_line('resources')}", markup=False)
    else:
        out.print("no resources exist", markup=False)
