"""Sending: what the results file says of an experiment becomes runs in MLflow, each once, however often it is sent."""

from __future__ import annotations

import logging
import os
import shutil
import tempfile
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from automl_bench.border.command_lines import quoted_command
from automl_bench.settings.workspace import Workspace
from automl_bench_mlflow import words
from automl_bench_mlflow.backlog import Backlog
from automl_bench_mlflow.models import kept, log_model

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

    from automl_bench.store import Store

PREDICTIONS = "predictions.json"
REPORT = "report"
AT_ONCE = 100
"""Parameters and tags in one request at most; MLflow refuses more."""

PAGE = 1000
QUICK = {
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
    "MLFLOW_DISABLE_TELEMETRY": "true",
}
"""MLflow's own settings, where the user has not set them: by default it waits for a dead server for minutes."""


class NotSent(Exception):
    """MLflow could not be reached, or refused something."""


@dataclass(frozen=True, slots=True)
class Outbox:
    """Where the runs of an experiment go.

    Attributes:
        client: MLflow's client.
        experiment_id: MLflow's experiment.
        workspace: The workspace that they come from.
        workspace_id: Its id.
    """

    client: MlflowClient
    experiment_id: str
    workspace: Path
    workspace_id: str


def tracking_uri(workspace: Path) -> str:
    """Return where runs go: MLFLOW_TRACKING_URI, else a file in the workspace."""
    return os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{workspace / 'results' / 'mlflow.sqlite'}"


def send_backlog(workspace: Path, *, insist: bool = False) -> Iterator[str]:
    """Send every experiment of the backlog, and yield what there is to say, a line each.

    Args:
        workspace: The workspace's folder.
        insist: Whether a failure ends this with an error; otherwise it is a line, and the rest waits for next time.

    Raises:
        NotSent: If `insist`, and something could not be sent.
    """
    backlog = Backlog(workspace)
    waiting = backlog.entries()
    if not waiting:
        if insist:
            yield "Everything has been sent to MLflow."
        return
    try:
        with backlog.sending(), _quiet():
            for name, mark in waiting.items():
                sent = send_experiment(workspace, name)
                backlog.sent(name, mark)
                if insist or sent:
                    yield f"MLflow: {sent} run{'' if sent == 1 else 's'} of {name} sent to {tracking_uri(workspace)}"
    except Exception as error:  # whatever MLflow or its store raise must end no run of ours
        reason = _reason(error)
        if insist:
            raise NotSent(reason) from error
        yield (
            f"warning: MLflow at {tracking_uri(workspace)} did not take the runs ({reason}); they are sent at the end "
            f"of the next run, or by {quoted_command('mlflow')}"
        )


def _reason(error: BaseException) -> str:
    """Return why MLflow did not take something; of a server that is not there, its client says it at great length."""
    import requests

    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, (requests.ConnectionError, requests.Timeout)):
            return "it does not answer"
        cause = cause.__cause__ or cause.__context__
    text = " ".join(str(error).split())
    return text[:300] or type(error).__name__


def send_experiment(workspace: Path, name: str) -> int:
    """Send what is new of an experiment, and return how many trials that was."""
    from automl_bench.report.rows import result_rows
    from automl_bench.store import open_store

    with open_store(Workspace(workspace).store_path, read_only=True) as store:
        record = store.experiment(name)
        if record is None:
            return 0
        rows = [row for row in result_rows(store, name) if row["trial_id"] and row["status"] in words.ENDED]
        environment = {} if record.environment_id is None else store.environment(record.environment_id) or {}
        outbox = _open(workspace, name)
        known = _runs(outbox)
        changed = [row for row in rows if _sent(known.get(row["trial_id"])) != words.digest(row)]
        if not changed and "" in known:
            return 0
        parent = _parent(outbox, name, known.get(""), record.settings, environment)
        for row in changed:
            _send_trial(outbox, store, row, known.get(row["trial_id"]), parent, name, environment)
        _finish_parent(outbox, store, name, parent, rows)
    return len(changed)


def _open(workspace: Path, name: str) -> Outbox:
    """Return where the runs of an experiment go, made where it is not there yet."""
    from mlflow import MlflowClient

    from automl_bench.settings.workspace_identity import read_marker

    marker = read_marker(Workspace(workspace))
    uri = tracking_uri(workspace)
    client = MlflowClient(tracking_uri=uri)
    found = client.get_experiment_by_name(name)
    if found is not None:
        experiment_id = found.experiment_id
    else:
        # A database in a file says nothing of where artifacts go, and MLflow would put them where it is started.
        own = uri.startswith("sqlite:")
        place = (workspace / "results" / "mlflow-artifacts" / name).as_uri() if own else None
        experiment_id = client.create_experiment(name, artifact_location=place)
    return Outbox(client, experiment_id, workspace, marker.workspace_id if marker else "")


def _runs(outbox: Outbox) -> dict[str, Run]:
    """Return the runs of this workspace that are there, by trial id; the experiment's own under ""."""
    wanted = f"tags.`{words.WORKSPACE}` = '{outbox.workspace_id}'"
    found: dict[str, Run] = {}
    token: str | None = None
    while True:
        page = outbox.client.search_runs([outbox.experiment_id], wanted, max_results=PAGE, page_token=token)
        found |= {run.data.tags.get(words.TRIAL, ""): run for run in page}
        token = page.token
        if not token:
            return found


def _sent(run: Run | None) -> str:
    return "" if run is None else str(run.data.tags.get(words.SENT, ""))


def _parent(
    outbox: Outbox, name: str, run: Run | None, settings: Mapping[str, Any], environment: Mapping[str, Any]
) -> str:
    if run is not None:
        return str(run.info.run_id)
    tags = {
        words.KIND: "experiment",
        words.EXPERIMENT: name,
        words.WORKSPACE: outbox.workspace_id,
        **words.environment_tags(environment),
    }
    run_id = outbox.client.create_run(outbox.experiment_id, tags=tags, run_name=name).info.run_id
    _log(outbox, run_id, params={words.safe(key): str(value)[: words.LONGEST_VALUE] for key, value in settings.items()})
    return str(run_id)


def _send_trial(
    outbox: Outbox,
    store: Store,
    row: Mapping[str, Any],
    run: Run | None,
    parent: str,
    experiment: str,
    environment: Mapping[str, Any],
) -> None:
    """Make a trial's run, or complete one that was cut short or has changed since; its digest comes last."""
    begun = _milliseconds(row["created_at"])
    if run is None:
        tags = {
            words.TRIAL: row["trial_id"],
            words.WORKSPACE: outbox.workspace_id,
            words.EXPERIMENT: experiment,
            "mlflow.parentRunId": parent,
        }
        label = f"{row['provider']}:{row['variant']} {row['dataset']} {row['shots'] or 'all'} {row['fold']}"
        run_id = outbox.client.create_run(outbox.experiment_id, begun, tags, label).info.run_id
    else:
        run_id = run.info.run_id
    step = words.step_of(row)
    metrics = [(name, value, step) for name, value in words.metrics_of(row).items()]
    _log(outbox, run_id, words.params_of(row), words.tags_of(row, environment), metrics, at=begun)
    there = {item.path for item in outbox.client.list_artifacts(run_id)}
    if PREDICTIONS not in there:
        _send_predictions(outbox, store, run_id, row["trial_id"])
    model = kept(outbox.workspace, row["trial_id"])
    if model.is_dir():
        log_model(outbox.client, run_id, model)
        shutil.rmtree(model)
    outbox.client.set_terminated(run_id, words.STATUSES[row["status"]])
    outbox.client.set_tag(run_id, words.SENT, words.digest(row))


def _send_predictions(outbox: Outbox, store: Store, run_id: str, trial_id: str) -> None:
    from dataclasses import asdict

    from automl_bench.report.prediction_files import final_predictions

    rows = [asdict(one) for one in final_predictions(store, trial_id)]
    if rows:
        table = {name: [row[name] for row in rows] for name in rows[0]}
        outbox.client.log_table(run_id, data=table, artifact_file=PREDICTIONS)


def _finish_parent(outbox: Outbox, store: Store, name: str, run_id: str, rows: Sequence[Mapping[str, Any]]) -> None:
    """Give the experiment's run the learning curves, the cost, and the report with its figures."""
    from automl_bench.report.build import build_report

    costs = [row["cost"]["usd"] for row in rows if row["cost"] and row["cost"]["usd"] is not None]
    complete = len(costs) == len(rows) and not any(row["cost"]["unknown"] for row in rows)
    total = [("cost_usd" if complete else "cost_usd_at_least", sum(costs), 0)] if costs else []
    _log(outbox, run_id, metrics=[*words.curves(rows), *total], tags={f"{words.PREFIX}trials": str(len(rows))})
    with tempfile.TemporaryDirectory() as folder:
        build_report(store, experiment=name, out_dir=Path(folder), data=Workspace(outbox.workspace).data)
        outbox.client.log_artifacts(run_id, folder, REPORT)
    outbox.client.set_terminated(run_id, words.FINISHED)


def _log(
    outbox: Outbox,
    run_id: str,
    params: Mapping[str, str] | None = None,
    tags: Mapping[str, str] | None = None,
    metrics: Sequence[tuple[str, float, int]] = (),
    at: int = 0,
) -> None:
    """Log in batches; what is there already with the same value stays as it is."""
    from mlflow.entities import Metric, Param, RunTag

    outbox.client.log_batch(run_id, metrics=[Metric(name, value, at, step) for name, value, step in metrics])
    pairs = [(Param(*one), None) for one in (params or {}).items()] + [
        (None, RunTag(*one)) for one in (tags or {}).items()
    ]
    for start in range(0, len(pairs), AT_ONCE):
        part = pairs[start : start + AT_ONCE]
        outbox.client.log_batch(
            run_id, params=[param for param, _ in part if param], tags=[tag for _, tag in part if tag]
        )


def _milliseconds(moment: str) -> int:
    return round(datetime.fromisoformat(moment).timestamp() * 1000)


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep MLflow from waiting for long, from reporting home, and from telling how it does its work."""
    added = {name: value for name, value in QUICK.items() if name not in os.environ}
    os.environ.update(added)
    import mlflow  # noqa: F401  # sets up its loggers

    loggers = {logging.getLogger(name): logging.getLogger(name).level for name in ("mlflow", "alembic", "urllib3")}
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # MLflow's own, about pandas and SQLAlchemy: our users cannot fix them
            yield
    finally:
        for logger, level in loggers.items():
            logger.setLevel(level)
        for name in added:
            os.environ.pop(name, None)
