"""A command is struck at exactly the ledger write that was named, and nowhere in the product is there a hook for it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from small_workspace import command_environment, install_toy, make_workspace, write_experiment

from automl_bench.errors import ExitCode
from automl_bench.store import open_store
from automl_bench.store.leases import owner_alive
from automl_bench.testing import CrashAt, ForkServer
from automl_bench.testing.crash import LEDGER_WRITES

EXPERIMENT = """
datasets = ["tiny"]
providers = ["toy"]
shots = [2]
[parallel]
enabled = false
"""
WRITES = (
    ["ledger_intend", "ledger_created"]
    + ["ledger_intend", "ledger_created", "save_operation"]
    + ["ledger_intend", "ledger_created", "save_operation"]
    + ["submit_deleting", "submit_deleted"] * 3
)


@pytest.fixture(scope="module")
def forks() -> Iterator[ForkServer]:
    with ForkServer() as server:
        yield server


@pytest.fixture
def place(tmp_path: Path) -> tuple[Path, dict[str, str]]:
    make_workspace(tmp_path)
    write_experiment(tmp_path, EXPERIMENT)
    (tmp_path / "cloud").mkdir()
    # Two looks without news, so that one token is stored for each operation.
    return tmp_path, command_environment(tmp_path, install_toy(tmp_path))


def left(root: Path) -> int:
    return len(list((root / "cloud").glob("*=*.json")))


def test_the_ledger_writes_of_a_run_are_counted_in_order(forks: ForkServer, place: tuple[Path, dict[str, str]]) -> None:
    root, environment = place
    (root / "cloud" / "faults.json").write_text('{"polls": 0}')
    ended = forks.run("run", "small.toml", environment=environment, folder=root)
    assert ended.returncode == ExitCode.OK, ended.stderr
    assert list(ended.writes) == WRITES
    assert set(WRITES) == set(LEDGER_WRITES)


def test_before_a_write_the_provider_has_acted_and_the_store_does_not_know(
    forks: ForkServer, place: tuple[Path, dict[str, str]]
) -> None:
    root, environment = place
    crash = CrashAt(1, "before", only="ledger_created")
    ended = forks.run("run", "small.toml", environment=environment, folder=root, crash=crash)
    assert ended.returncode == -signal.SIGKILL
    assert left(root) == 1
    with open_store(root / "results" / "automl-bench.sqlite", read_only=True) as store:
        assert [line.state.value for line in store.ledger()] == ["intended"]


def test_after_a_write_it_is_durable_and_the_provider_was_not_asked(
    forks: ForkServer, place: tuple[Path, dict[str, str]]
) -> None:
    root, environment = place
    ended = forks.run("run", "small.toml", environment=environment, folder=root, crash=CrashAt(1, "after"))
    assert ended.returncode == -signal.SIGKILL
    assert left(root) == 0
    with open_store(root / "results" / "automl-bench.sqlite", read_only=True) as store:
        assert [line.state.value for line in store.ledger()] == ["intended"]


def test_a_signal_of_choice_is_ctrl_c(forks: ForkServer, place: tuple[Path, dict[str, str]]) -> None:
    root, environment = place
    crash = CrashAt(2, "after", signal=signal.SIGINT, only="ledger_created")
    ended = forks.run("run", "small.toml", environment=environment, folder=root, crash=crash)
    assert ended.returncode == ExitCode.INTERRUPTED, ended.stderr
    assert left(root) == 0


def test_the_command_line_does_the_same_in_a_fresh_process(place: tuple[Path, dict[str, str]]) -> None:
    root, environment = place
    driver = [sys.executable, "-m", "automl_bench.testing.crash"]
    struck = subprocess.run(
        [*driver, "--at", "2", "--count", "--", "run", "small.toml"],
        env=environment, cwd=root, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert struck.returncode == -signal.SIGKILL
    assert struck.stderr.count("ledger write: ") == 2
    assert left(root) == 1


def test_a_child_that_never_ends_is_killed(forks: ForkServer, place: tuple[Path, dict[str, str]]) -> None:
    root, environment = place
    (root / "cloud" / "faults.json").write_text('{"train": "hangs"}')
    ended = forks.run("run", "small.toml", environment=environment, folder=root, timeout=2.0)
    assert ended.returncode == -signal.SIGKILL


def test_a_command_that_nobody_waits_for_any_more_is_ended_and_answers_nobody(
    place: tuple[Path, dict[str, str]],
) -> None:
    root, environment = place

    def no_more_time(*_: object) -> None:
        raise TimeoutError

    def end_once_it_trains() -> None:
        writes = root / ".output" / "writes"
        while not writes.exists() or "save_operation" not in writes.read_text():
            time.sleep(0.02)
        os.kill(os.getpid(), signal.SIGUSR1)

    (root / "cloud" / "faults.json").write_text('{"train": "hangs"}')
    before = signal.signal(signal.SIGUSR1, no_more_time)  # as a test's time limit does
    threading.Thread(target=end_once_it_trains, daemon=True).start()
    with ForkServer() as server:
        with pytest.raises(TimeoutError):
            server.run("run", "small.toml", environment=environment, folder=root, timeout=600.0)
        assert server.has_ended
    signal.signal(signal.SIGUSR1, before)
    with open_store(root / "results" / "automl-bench.sqlite", read_only=True) as store:
        (trial,) = store.trials()
        lease = store.lease(trial.trial_id)
    assert lease is not None, "the training was under way"
    assert owner_alive(lease.owner) is False


def test_children_leave_the_servers_environment_alone(forks: ForkServer, tmp_path: Path) -> None:
    environment = {**os.environ, "AUTOML_BENCH_WORKSPACE": str(tmp_path)}
    for _ in range(2):
        ended = forks.run("status", environment=environment, folder=tmp_path)
        assert ended.returncode == ExitCode.NO_RESULTS
        assert "no results yet" in ended.stderr
