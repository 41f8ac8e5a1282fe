"""SIGKILL at random moments of `run` and `invoke`: nothing acknowledged is lost or doubled, nothing is left running."""

from __future__ import annotations

import random
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from small_workspace import command, command_environment, make_workspace, write_experiment

from automl_bench.errors import ExitCode
from automl_bench.settings.workspace import Workspace
from automl_bench.store import open_store
from automl_bench.store.records import TrialStatus

KILLS_OF_RUN = 12
KILLS_OF_INVOKE = 8
EXPERIMENT = """
datasets = ["tiny"]
providers = ["local:logistic-pixels", "local:nearest-neighbour"]
shots = [5]
repeats = 6
[parallel]
calls = 300
"""


def rows_of(workspace: Workspace) -> list[tuple[object, ...]]:
    """Return every stored invocation, after checking that the file is sound."""
    if not workspace.store_path.exists():
        return []
    with sqlite3.connect(workspace.store_path) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master")}
        if "readable_invocations" not in tables:
            return []
        return connection.execute("SELECT * FROM readable_invocations").fetchall()


def killed_after(seconds: float, *arguments: str, environment: dict[str, str], cwd: Path) -> int:
    """Run a command, kill it after so long if it still runs, and return how it ended."""
    process = subprocess.Popen(
        [sys.executable, "-m", "automl_bench.cli.main", *arguments],
        env=environment,
        cwd=cwd,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        return process.wait(timeout=seconds)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGKILL)
        return process.wait(timeout=30)


def processes_of(workspace: Workspace) -> list[str]:
    """Return the command lines of processes that work for this workspace."""
    found = []
    for process in psutil.process_iter(["cmdline"]):
        line = " ".join(process.info["cmdline"] or [])
        if str(workspace.root) in line and "automl_bench_local" in line:
            found.append(line)
    return found


@pytest.mark.slow  # twenty kills of real commands, each with its start-up, and the runs that finish their work
@pytest.mark.timeout(300)
def test_a_run_killed_again_and_again_ends_complete(tmp_path: Path) -> None:
    workspace = make_workspace(tmp_path, test=40)
    environment = command_environment(tmp_path)
    path = str(write_experiment(tmp_path, EXPERIMENT))
    chance = random.Random(20261121)
    kept: set[tuple[object, ...]] = set()
    kills = 0
    for _ in range(KILLS_OF_RUN):
        kills += killed_after(chance.uniform(0.9, 3.5), "run", path, environment=environment, cwd=tmp_path) == -9
        rows = set(rows_of(workspace))
        assert kept <= rows, "an acknowledged row was lost"
        kept = rows
    assert kills >= KILLS_OF_RUN // 2, "most commands were killed in the middle of their work"
    ended = command("run", path, environment=environment, cwd=tmp_path, timeout=120)
    assert ended.returncode == ExitCode.OK, ended.stderr
    assert kept <= set(rows_of(workspace))
    with open_store(workspace.store_path, read_only=True) as store:
        trials = store.trials()
        assert len(trials) == 12
        for trial in trials:
            assert trial.status is TrialStatus.DONE
            measured = [row for row in store.invocations(trial.trial_id) if row.phase.value == "measured"]
            assert len(measured) == len({row.sample_id for row in measured}) == 120
        assert all(run.complete for run in store.load_runs(complete_only=True))
        assert len(store.load_runs(complete_only=True)) == 2
        assert store.ledger(open_only=True) == []
    assert command("teardown", "--all", environment=environment, cwd=tmp_path).returncode == ExitCode.OK
    assert processes_of(workspace) == []


@pytest.mark.slow  # eight kills of real commands, each with its start-up
@pytest.mark.timeout(240)
def test_an_invoke_killed_again_and_again_answers_each_image_once(tmp_path: Path) -> None:
    workspace = make_workspace(tmp_path, test=400)
    environment = command_environment(tmp_path)
    trial = ("local:logistic-pixels", "tiny", "5")
    for verb in ("upload", "train", "deploy"):
        ended = command(verb, *trial, environment=environment, cwd=tmp_path)
        assert ended.returncode == ExitCode.OK, ended.stderr
    assert len(processes_of(workspace)) == 1
    chance = random.Random(7)
    kept: set[tuple[object, ...]] = set()
    for _ in range(KILLS_OF_INVOKE):
        killed_after(chance.uniform(0.8, 2.0), "invoke", *trial, environment=environment, cwd=tmp_path)
        rows = set(rows_of(workspace))
        assert kept <= rows, "an acknowledged row was lost"
        kept = rows
    ended = command("invoke", *trial, environment=environment, cwd=tmp_path)
    assert ended.returncode == ExitCode.OK, ended.stderr
    with open_store(workspace.store_path, read_only=True) as store:
        (record,) = store.trials()
        measured = [row for row in store.invocations(record.trial_id) if row.phase.value == "measured"]
        assert len(measured) == len({row.sample_id for row in measured}) == 1200
    assert command("teardown", "--all", environment=environment, cwd=tmp_path).returncode == ExitCode.OK
    assert processes_of(workspace) == []
