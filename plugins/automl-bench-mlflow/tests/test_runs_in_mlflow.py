"""What MLflow's own client reads back: every trial once, whatever was killed, cut short or dead meanwhile."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from small_workspace import command, command_environment, make_workspace, write_experiment

from automl_bench.report.prediction_files import final_predictions
from automl_bench.report.rows import result_rows
from automl_bench.store import open_store
from automl_bench.store.records import TrialStatus

pytestmark = [
    pytest.mark.integrations,
    pytest.mark.timeout(600),  # real trainings, a real server
    pytest.mark.filterwarnings("default"),  # warnings of MLflow itself, which we cannot fix
]

SMALL = """
    datasets = ["tiny"]
    providers = ["local:logistic-pixels", "null"]
    shots = [4, "all"]
    [parallel]
    enabled = false
"""
NULL = """
    datasets = ["tiny"]
    providers = ["null"]
    shots = [4]
    [parallel]
    enabled = false
"""
WAIT_SECONDS = 280.0


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory, machine_folder: Path) -> Path:
    """Return a workspace whose experiment was killed after its first trial, and run a second time."""
    root = tmp_path_factory.mktemp("killed")
    make_workspace(root)
    path = write_experiment(root, SMALL)
    environment = environment_of(root) | {"AUTOML_BENCH_MACHINE_FOLDER": str(machine_folder)}
    words = [sys.executable, "-m", "automl_bench.cli.main", "run", str(path), "--jobs", "1"]
    process = subprocess.Popen(words, env=environment, cwd=root, stderr=subprocess.DEVNULL, start_new_session=True)
    until = time.monotonic() + WAIT_SECONDS
    while not done(root):
        assert process.poll() is None, "it ended before it could be killed"
        assert time.monotonic() < until
        time.sleep(0.05)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert not (root / "results" / "mlflow.sqlite").exists(), "nothing is sent while trials run"
    ended = command("run", str(path), environment=environment, cwd=root, timeout=WAIT_SECONDS)
    assert ended.returncode == 0, ended.stderr
    assert "MLflow: 4 runs of small sent to sqlite:///" in ended.stderr
    return root


def environment_of(root: Path, **more: str) -> dict[str, str]:
    found = {name: value for name, value in command_environment(root).items() if not name.startswith("MLFLOW_")}
    # Warnings of MLflow's own are not ours to fail on.
    return {**found, "PYTHONWARNINGS": "default", **more}


def done(root: Path) -> bool:
    path = root / "results" / "automl-bench.sqlite"
    if not path.exists():
        return False
    with open_store(path, read_only=True) as store:
        return any(trial.status is TrialStatus.DONE for trial in store.trials())


def client_of(uri: str):
    from mlflow import MlflowClient

    return MlflowClient(tracking_uri=uri)


def runs_of(uri: str, name: str = "small"):
    """Return the experiment's own run, and its trials' runs by trial id."""
    client = client_of(uri)
    found = client.search_runs([client.get_experiment_by_name(name).experiment_id])
    kinds = [run.data.tags["automl_bench.kind"] for run in found]
    assert kinds.count("experiment") == 1
    trials = [run for run in found if run.data.tags["automl_bench.kind"] == "trial"]
    by_id = {run.data.tags["automl_bench.trial_id"]: run for run in trials}
    assert len(by_id) == len(trials), "no trial has two runs"
    return found[kinds.index("experiment")], by_id


def rows_of(root: Path, name: str = "small") -> dict[str, dict]:
    with open_store(root / "results" / "automl-bench.sqlite", read_only=True) as store:
        return {row["trial_id"]: row for row in result_rows(store, name)}


def predictions_of(root: Path, trial_id: str) -> dict[str, str | None]:
    with open_store(root / "results" / "automl-bench.sqlite", read_only=True) as store:
        return {one.sample: one.predicted for one in final_predictions(store, trial_id)}


def own_file(root: Path) -> str:
    return f"sqlite:///{root / 'results' / 'mlflow.sqlite'}"


def test_every_trial_is_one_run_with_its_numbers_after_a_kill_and_a_second_run(killed):
    parent, runs = runs_of(own_file(killed))
    rows = rows_of(killed)
    assert runs.keys() == rows.keys()
    assert len(runs) == 4
    for trial_id, run in runs.items():
        row = rows[trial_id]
        assert run.info.status == "FINISHED"
        assert run.data.tags["mlflow.parentRunId"] == parent.info.run_id
        assert run.data.tags["automl_bench.fingerprint"] == row["fingerprint"]
        assert run.data.tags["automl_bench.environment.python"] == sys.version.split()[0]
        assert run.data.params["variant"] == row["variant"]
        assert run.data.params["shots"] == str(row["shots"] or "all")
        assert run.data.metrics["accuracy"] == row["accuracy"]
        assert run.data.metrics["latency_ms_mean"] == row["latency_ms"]["mean"]
        assert "throughput" not in run.data.metrics, "what is unknown is not there"
        (point,) = client_of(own_file(killed)).get_metric_history(run.info.run_id, "accuracy")
        assert point.step == (row["shots"] or 12)


def test_the_experiments_run_has_learning_curves_and_the_report(killed):
    client = client_of(own_file(killed))
    parent, _ = runs_of(own_file(killed))
    points = client.get_metric_history(parent.info.run_id, "accuracy/tiny/local.logistic-pixels")
    assert {point.step for point in points} == {4, 12}
    report = {item.path for item in client.list_artifacts(parent.info.run_id, "report")}
    assert {"report/report.html", "report/results.csv", "report/figures"} <= report
    assert client.list_artifacts(parent.info.run_id, "report/figures")


def test_the_predictions_are_those_of_the_results_file(killed):
    client = client_of(own_file(killed))
    _, runs = runs_of(own_file(killed))
    for trial_id, run in runs.items():
        table = json.loads(Path(client.download_artifacts(run.info.run_id, "predictions.json")).read_text())
        found = {
            row[table["columns"].index("sample")]: row[table["columns"].index("predicted")] for row in table["data"]
        }
        assert found == predictions_of(killed, trial_id)


def test_the_logged_model_predicts_the_labels_that_were_measured(killed):
    """Also that of the trial that was done, and torn down, when the first command was killed."""
    import mlflow.pyfunc
    import pandas as pd

    from automl_bench.ablations.selection import samples_of
    from automl_bench.datasets.manifest import read_manifest

    manifest = read_manifest(killed / "data" / "tiny")
    content = {sample.sample_id: sample.content() for sample in samples_of(manifest, range(manifest.table.num_rows))}
    before = mlflow.get_tracking_uri()
    mlflow.set_tracking_uri(own_file(killed))
    try:
        _, runs = runs_of(own_file(killed))
        local = {trial_id: run for trial_id, run in runs.items() if run.data.params["provider"] == "local"}
        assert len(local) == 2
        for trial_id, run in local.items():
            model = mlflow.pyfunc.load_model(f"runs:/{run.info.run_id}/model")
            expected = predictions_of(killed, trial_id)
            answered = model.predict(pd.DataFrame({"image": [content[sample] for sample in expected]}))
            assert list(answered["label"]) == list(expected.values())
            assert answered["confidence"].between(0, 1).all()
    finally:
        mlflow.set_tracking_uri(before)
    assert not list((killed / ".automl-bench" / "mlflow" / "models").iterdir()), "what was sent is not kept twice"


def test_sending_that_was_cut_short_is_completed_and_doubles_nothing(killed, tmp_path, monkeypatch):
    from automl_bench_mlflow import sending
    from automl_bench_mlflow.backlog import Backlog

    uri = f"sqlite:///{tmp_path / 'other.sqlite'}"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    real, calls = sending._send_predictions, []

    def fails_at_the_second(*arguments):
        calls.append(arguments)
        if len(calls) == 2:
            raise OSError("the disk is gone")
        real(*arguments)

    Backlog(killed).add("small")
    monkeypatch.setattr(sending, "_send_predictions", fails_at_the_second)
    (line,) = sending.send_backlog(killed)
    assert line.startswith(f"warning: MLflow at {uri} did not take the runs (the disk is gone)")
    monkeypatch.setattr(sending, "_send_predictions", real)
    (line,) = sending.send_backlog(killed)
    assert line == f"MLflow: 3 runs of small sent to {uri}"
    _, runs = runs_of(uri)
    assert runs.keys() == rows_of(killed).keys()
    assert all(client_of(uri).list_artifacts(run.info.run_id) for run in runs.values())
    assert list(sending.send_backlog(killed)) == []


@contextmanager
def mlflow_server(root: Path, port: int) -> Iterator[None]:
    words = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    words += ["--backend-store-uri", f"sqlite:///{root / 'server.sqlite'}", "--artifacts-destination", str(root / "a")]
    environment = environment_of(root, MLFLOW_DISABLE_TELEMETRY="true")
    with (root / "server.log").open("wb") as log:
        process = subprocess.Popen(words, env=environment, cwd=root, stdout=log, stderr=log, start_new_session=True)
    try:
        until = time.monotonic() + WAIT_SECONDS
        while not answers(port):
            assert process.poll() is None, (root / "server.log").read_text()
            assert time.monotonic() < until
            time.sleep(0.2)
        yield
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def answers(port: int) -> bool:
    import requests

    try:
        return requests.get(f"http://127.0.0.1:{port}/health", timeout=2).ok
    except requests.RequestException:
        return False


def free_port() -> int:
    with closing(socket.socket()) as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def test_a_dead_server_is_one_warning_and_gets_everything_once_it_lives(tmp_path):
    make_workspace(tmp_path)
    path = write_experiment(tmp_path, NULL)
    port = free_port()
    uri = f"http://127.0.0.1:{port}"
    environment = environment_of(tmp_path, MLFLOW_TRACKING_URI=uri)
    ended = command("run", str(path), environment=environment, cwd=tmp_path, timeout=WAIT_SECONDS)
    assert ended.returncode == 0, ended.stderr
    assert ended.stderr.lower().count("warning") == 1, ended.stderr
    assert f"warning: MLflow at {uri} did not take the runs (it does not answer)" in ended.stderr
    assert "Traceback" not in ended.stderr
    with mlflow_server(tmp_path, port):
        sent = command("mlflow", environment=environment, cwd=tmp_path, timeout=WAIT_SECONDS)
        assert (sent.returncode, sent.stderr.strip()) == (0, f"MLflow: 1 run of small sent to {uri}")
        again = command("mlflow", "small", environment=environment, cwd=tmp_path, timeout=WAIT_SECONDS)
        assert "MLflow: 0 runs of small sent" in again.stderr
        parent, runs = runs_of(uri)
        (run,) = runs.values()
        assert run.data.metrics["accuracy"] == next(iter(rows_of(tmp_path).values()))["accuracy"]
        client = client_of(uri)
        assert "predictions.json" in {item.path for item in client.list_artifacts(run.info.run_id)}
        page = client.download_artifacts(parent.info.run_id, "report/report.html", str(tmp_path))
        assert "<!doctype html" in Path(page).read_text().lower()


def test_switched_off_nothing_is_kept_or_sent(tmp_path):
    make_workspace(tmp_path)
    path = write_experiment(tmp_path, NULL)
    environment = environment_of(tmp_path, AUTOML_BENCH_MLFLOW="off")
    ended = command("run", str(path), environment=environment, cwd=tmp_path)
    assert (ended.returncode, "MLflow" in ended.stderr) == (0, False)
    assert not (tmp_path / ".automl-bench" / "mlflow").exists()
