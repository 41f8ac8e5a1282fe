"""A process just begun is never taken for a dead one: not even while the kernel has no command line for it yet."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
from automl_bench_local import processes
from local_trial import wait_until


@pytest.fixture
def role(home: Path, monkeypatch: pytest.MonkeyPatch) -> processes.Role:
    """A process that sleeps until it is killed."""
    sleeper = home / "sleeper.py"
    sleeper.write_text("import time\ntime.sleep(60)\n")
    monkeypatch.setattr(
        processes.Role,
        "arguments",
        lambda self: [sys.executable, str(sleeper), "-m", self.module, "--name", self.name, "--home", str(self.home)],
    )
    return processes.Role("automl_bench_local.no_such_module", "automl-bench-1-model", home)


def begin(role: processes.Role, folder: Path) -> bool:
    return processes.begin(role, [], folder, log=folder / "log", threads=1, clean=lambda: None)


def test_every_one_of_many_starts_is_seen_at_once(role: processes.Role) -> None:
    for number in range(30):
        folder = role.home / str(number)
        folder.mkdir()
        each = replace(role, name=f"automl-bench-{number}-model")
        assert begin(each, folder)
        pid = json.loads((folder / processes.PROCESS_FILE).read_text())["pid"]
        found = processes.find_one(each, folder)
        assert found is not None
        assert (found.pid, found.name) == (pid, each.name)
        assert processes.kill(found, within=10)
        assert processes.find_one(each, folder) is None


def test_a_noted_process_without_a_command_line_counts_while_it_is_young(
    role: processes.Role, monkeypatch: pytest.MonkeyPatch
) -> None:
    (role.home / processes.PROCESS_FILE).write_text(json.dumps({"pid": psutil.Process().pid}))
    assert processes.find_one(role, role.home) is None  # the tests' own process is somebody else
    monkeypatch.setattr(psutil.Process, "cmdline", lambda process: [])
    monkeypatch.setattr(psutil.Process, "create_time", lambda process: 0.0)
    assert processes.find_one(role, role.home) is None
    monkeypatch.setattr(processes, "STARTING_SECONDS", float("inf"))
    found = processes.find_one(role, role.home)
    assert found is not None
    assert found.pid == psutil.Process().pid


def test_a_lock_that_is_held_keeps_a_second_process_from_being_begun(role: processes.Role) -> None:
    assert begin(role, role.home)
    # even with the note of its number gone: the lock is the process's own
    (role.home / processes.PROCESS_FILE).unlink()
    assert [begin(role, role.home) for _ in range(3)] == [False] * 3

    def look() -> list[processes.Running]:
        return processes.find(role.module, role.home, "automl-bench-")

    wait_until(look, within=5)
    found = look()
    assert [running.name for running in found] == [role.name]
    assert processes.kill(found[0], within=5)
    assert begin(role, role.home)
    wait_until(look, within=5)
    assert processes.kill(look()[0], within=5)
