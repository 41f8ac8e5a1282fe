"""What is reserved for hours holds because the host ends them: measuring always, operations under a budget."""

from __future__ import annotations

import json
import threading
import time
from pathlib import Path

import pytest
from small_workspace import command, command_environment, install_toy, make_workspace, write_experiment

from automl_bench.errors import ExitCode
from automl_bench.store import open_store
from automl_bench.store.records import TrialStatus
from automl_bench.trials.machine import Machine, Use
from automl_bench.trials.waiting import Until

EXPERIMENT = """
datasets = ["tiny"]
providers = ["toy"]
shots = [5]
[parallel]
enabled = false
[deadlines]
"""


@pytest.fixture
def run(tmp_path: Path):
    """Run an experiment against the toy cloud; returns how it ended."""
    workspace = make_workspace(tmp_path)
    environment = command_environment(tmp_path, install_toy(tmp_path))
    (tmp_path / "cloud").mkdir()

    def go(deadlines: str, *options: str, **faults: object):
        (tmp_path / "cloud" / "faults.json").write_text(json.dumps(faults))
        load = "calls = 1000\nconcurrency = 1" if faults.get("load") else "enabled = false"
        path = write_experiment(tmp_path, EXPERIMENT.replace("enabled = false", load) + deadlines)
        return command("run", str(path), *options, environment=environment, cwd=tmp_path)

    go.workspace = workspace
    go.left = lambda: sorted(path.name for path in (tmp_path / "cloud").glob("*=*.json"))
    return go


def trial(run):
    with open_store(run.workspace.store_path, read_only=True) as store:
        (found,) = store.trials()
        return found, len(store.invocations(found.trial_id))


def test_an_operation_at_its_deadline_is_left_to_the_next_command(run) -> None:
    ended = run("train_hours = 0.0003", train="hangs")
    assert ended.returncode == ExitCode.RESOURCES_LEFT, ended.stderr
    assert len(run.left()) == 2, "still training"


def test_under_a_budget_it_is_torn_down_as_no_more_was_reserved(run) -> None:
    ended = run("train_hours = 0.0003", "--max-cost", "100", train="hangs")
    assert ended.returncode == ExitCode.PROVIDER, ended.stderr
    assert run.left() == []
    found, _ = trial(run)
    assert found.status is TrialStatus.FAILED
    assert "--max-cost reserved no more: torn down" in found.reason
    assert run("", "--max-cost", "100", "--retry-failed").returncode == ExitCode.OK


def test_measuring_ends_at_its_deadline_torn_down_and_keeps_its_answers(run) -> None:
    ended = run("measure_hours = 0.0003", call_seconds=0.3)
    assert ended.returncode == ExitCode.PROVIDER, ended.stderr
    assert run.left() == []
    found, answers = trial(run)
    assert found.status is TrialStatus.FAILED
    assert "measuring took longer than the experiment's deadlines allow" in found.reason
    assert 0 < answers < 16
    assert run("measure_hours = 1.0", "--retry-failed").returncode == ExitCode.OK
    _, all_answers = trial(run)
    assert all_answers >= 12


def test_a_load_run_ends_at_the_deadline_and_is_incomplete(run) -> None:
    ended = run("measure_hours = 0.0008", call_seconds=0.05, load=True)
    assert ended.returncode == ExitCode.PROVIDER, ended.stderr
    assert run.left() == []
    with open_store(run.workspace.store_path, read_only=True) as store:
        (load_run,) = store.load_runs()
        assert not load_run.complete


def test_a_moment_sets_the_event_and_so_does_the_user() -> None:
    stop = threading.Event()
    until = Until(stop, time.monotonic() + 0.05)
    assert not until.is_set()
    begun = time.monotonic()
    assert until.wait(10.0)
    assert time.monotonic() - begun < 5.0
    assert until.too_late
    assert not Until(stop, None).wait(0.01)
    stop.set()
    assert Until(stop, None).is_set()
    assert not until.too_late, "the user was first to be heard"


def test_whoever_waits_for_the_machine_gives_up_at_the_moment() -> None:
    machine, stop = Machine(), threading.Event()
    with machine.use(Use.QUIET):
        begun = time.monotonic()
        with machine.use(Use.QUIET, Until(stop, begun + 0.1)):
            assert 0.1 <= time.monotonic() - begun < 5.0
    with machine.use(Use.QUIET):
        pass
