"""The hooks: models are kept aside while they exist, and everything is sent after the last trial.

Nothing is sent while trials run, as it would share the processors with the clock. What is sent is read from the results
file, so a killed run loses nothing: the next one sends what is missing.
"""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from automl_bench.contract import Stage
from automl_bench.hookspecs import hookimpl

if TYPE_CHECKING:
    from automl_bench.store.records import StageRecord, TrialRecord

SWITCH = "AUTOML_BENCH_MLFLOW"
"""Set to "off", nothing is kept or sent."""

_lock = threading.Lock()
_folder: list[Path] = []
"""The workspace of the experiment that runs; none outside of one."""


def _is_on() -> bool:
    return os.environ.get(SWITCH, "").lower() not in ("off", "0", "false", "no")


@hookimpl
def experiment_started(name: str, folder: Path) -> None:
    """Note that the experiment is to be sent, whatever becomes of this process."""
    if not _is_on():
        return
    from automl_bench_mlflow.backlog import Backlog

    with _lock:
        _folder[:] = [folder]
    Backlog(folder).add(name)


@hookimpl
def stage_finished(trial: TrialRecord, stage: StageRecord) -> None:
    """Keep a model that was trained on this machine: its trial's teardown deletes it."""
    if stage.stage is not Stage.TRAIN or not _folder or not _is_on():
        return
    from automl_bench_mlflow.models import keep_model

    keep_model(_folder[0], trial.trial_id, stage.result)


@hookimpl
def experiment_finished(name: str) -> None:
    """Send this experiment and what earlier runs could not send; a failure is one line."""
    with _lock:
        folder = _folder.pop() if _folder else None
    if folder is None or not _is_on():
        return
    from automl_bench.cli.output import say
    from automl_bench_mlflow.sending import send_backlog

    for line in send_backlog(folder):
        say(line)


@hookimpl
def register_commands(app: typer.Typer) -> None:
    """Add `automl-bench mlflow`."""
    app.command("mlflow")(mlflow)


def mlflow(
    experiment: Annotated[
        str | None, typer.Argument(help="Name of an experiment.", show_default="what is not sent yet")
    ] = None,
) -> None:
    """Send finished trials to MLflow: what the end of a run could not send, or an experiment that was run before.

    MLFLOW_TRACKING_URI says where to; without it, results/mlflow.sqlite in the workspace.

    \b
    Examples:
      automl-bench mlflow
      automl-bench mlflow first
    """
    from automl_bench.cli.output import say
    from automl_bench.errors import ServiceUnavailable
    from automl_bench.settings.workspace import Workspace
    from automl_bench.store import open_store
    from automl_bench_mlflow.backlog import Backlog
    from automl_bench_mlflow.sending import NotSent, send_backlog, tracking_uri

    folder = Workspace.current().root
    if experiment is not None:
        from automl_bench.report.missing import no_experiment

        with open_store(Workspace(folder).store_path, read_only=True) as store:
            if store.experiment(experiment) is None:
                raise no_experiment(store, experiment)
        Backlog(folder).add(experiment)
    try:
        for line in send_backlog(folder, insist=True):
            say(line)
    except NotSent as error:
        raise ServiceUnavailable(
            f"MLflow at {tracking_uri(folder)} did not take the runs: {error}.",
            remedy="Set MLFLOW_TRACKING_URI to where it is.",
        ) from error
