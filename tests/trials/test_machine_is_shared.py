"""Who measures or computes on this machine does so alone: across processes, workspaces and users."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from automl_bench.trials import machine_lock
from automl_bench.trials.machine import Machine, Use
from automl_bench.trials.machine_lock import MachineLock, shared_folder

HOLDER = """
import sys
from pathlib import Path
from automl_bench.trials.machine import Machine, Use
from automl_bench.trials.machine_lock import MachineLock

machine = Machine(MachineLock("/their/workspace", print, Path(sys.argv[1])))
with machine.use(Use(sys.argv[2])):
    print("in use", flush=True)
    sys.stdin.readline()
print("left", flush=True)
"""


class Other:
    """Another process that holds the machine until it is told to let go."""

    def __init__(self, folder: Path, use: Use) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", HOLDER, str(folder), use.value],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip

    def hear(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def let_go(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        assert self.hear() == "left"


@pytest.fixture
def others(tmp_path: Path) -> Iterator[list[Other]]:
    started: list[Other] = []
    yield started
    for other in started:
        other.process.kill()
        other.process.communicate()


def in_thread(
    machine: Machine, use: Use, stop: threading.Event | None = None
) -> tuple[threading.Thread, threading.Event, threading.Event]:
    """Use the machine in a thread; gives the events "in use" and "let go"."""
    inside, go = threading.Event(), threading.Event()

    def work() -> None:
        with machine.use(use, stop):
            inside.set()
            go.wait(60)

    thread = threading.Thread(target=work)
    thread.start()
    return thread, inside, go


@pytest.mark.parametrize("theirs", list(Use))
@pytest.mark.parametrize("ours", list(Use))
def test_no_use_overlaps_one_of_another_process_and_who_waits_says_for_whom(
    tmp_path: Path, others: list[Other], theirs: Use, ours: Use
) -> None:
    others.append(Other(tmp_path, theirs))
    assert others[0].hear() == "in use"
    said: list[str] = []
    machine = Machine(MachineLock("/my/workspace", said.append, tmp_path))
    thread, inside, go = in_thread(machine, ours)
    until = time.monotonic() + 30
    while not said and time.monotonic() < until:
        time.sleep(0.05)
    assert not inside.is_set()
    assert f"process {others[0].process.pid} of " in said[0]
    assert "in workspace /their/workspace (since 20" in said[0]
    others[0].let_go()
    assert inside.wait(30)
    go.set()
    thread.join()
    assert len(said) == 1


def test_a_killed_process_leaves_the_machine_free(tmp_path: Path, others: list[Other]) -> None:
    others.append(Other(tmp_path, Use.QUIET))
    assert others[0].hear() == "in use"
    others[0].process.kill()
    others[0].process.wait()
    thread, inside, go = in_thread(Machine(MachineLock("/w", print, tmp_path)), Use.QUIET)
    assert inside.wait(30)
    go.set()
    thread.join()


def test_work_of_one_process_joins_itself_but_not_past_another_process_that_waits(
    tmp_path: Path, others: list[Other]
) -> None:
    machine = Machine(MachineLock("/w", print, tmp_path))
    first = in_thread(machine, Use.COMPUTE)
    assert first[1].wait(30)
    second = in_thread(machine, Use.COMPUTE)
    assert second[1].wait(30), "nobody else waits: both compute"
    others.append(Other(tmp_path, Use.MEASURE))
    until = time.monotonic() + 30
    while not (machine._shared and machine._shared.is_wanted()) and time.monotonic() < until:
        time.sleep(0.05)
    third = in_thread(machine, Use.COMPUTE)
    assert not third[1].wait(1.5), "it waits behind the other process"
    first[2].set()
    second[2].set()
    assert others[0].hear().startswith("waiting for this machine: process ")
    assert others[0].hear() == "in use"
    assert not third[1].wait(1.0)
    others[0].let_go()
    assert third[1].wait(30)
    third[2].set()
    for thread, *_ in (first, second, third):
        thread.join()


def test_the_user_can_end_the_wait(tmp_path: Path, others: list[Other]) -> None:
    others.append(Other(tmp_path, Use.QUIET))
    assert others[0].hear() == "in use"
    stop = threading.Event()
    thread, inside, go = in_thread(Machine(MachineLock("/w", print, tmp_path)), Use.QUIET, stop)
    assert not inside.wait(0.5)
    stop.set()
    assert inside.wait(10), "the work begins, sees the event itself and ends"
    go.set()
    thread.join()


def test_the_folder_is_shared_by_all_users_and_nobody_may_remove_what_others_put_there(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv(machine_lock.FOLDER_VARIABLE)
    folder = shared_folder()
    found = folder.stat()
    assert not folder.is_symlink()
    if found.st_uid == os.getuid() and folder.name == "automl-bench-machine":
        assert stat.S_IMODE(found.st_mode) == 0o1777


def test_two_users_share_the_lock() -> None:
    folder = Path("/tmp") / f"automl-bench-machine-test-{os.getpid()}"
    folder.mkdir()
    machine_lock.prepare(folder)

    def is_free_for_another_user() -> bool:
        pid = os.fork()
        if pid == 0:
            if os.getuid() == 0:
                os.setuid(65534)  # only root can become another user; others meet themselves
            _, machine = MachineLock("/w", print, folder)._files()
            os._exit(0 if machine_lock._taken(machine) else 1)
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0

    try:
        lock = MachineLock("/w", print, folder)
        assert lock.acquire()
        assert not is_free_for_another_user()
        lock.release()
        assert is_free_for_another_user()
        assert machine_lock._is_usable(folder)
    finally:
        for path in folder.iterdir():
            path.unlink()
        folder.rmdir()
