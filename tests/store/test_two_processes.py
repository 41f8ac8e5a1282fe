"""Several processes share one results file: writers take turns, readers never wait."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from automl_bench.contract import Stage
from automl_bench.errors import RecordsError, WorkspaceError
from automl_bench.store import Store, open_store
from automl_bench.store.records import Invocation, LedgerEntry, TrialRecord

WRITER = """
import sys
from pathlib import Path
from automl_bench.store import open_store
from automl_bench.store.records import CallTiming, Invocation, Outcome, TrialRecord

with open_store(Path(sys.argv[1])) as store:
    store.save_trial(TrialRecord("t1", "p", "v", "d", "f", 5))
    print("ready", flush=True)
    sys.stdin.readline()
    for number in range(200):
        # Samples are shared by all processes, rows are not.
        row = Invocation("t1", f"s{number}", "a", "a", 1.0, Outcome.OK, CallTiming(1, 2), attempt=int(sys.argv[2]))
        assert store.add_invocations([row]) == 1
"""
CLAIMER = """
import sys
from pathlib import Path
from automl_bench.store import open_store
from automl_bench.store.leases import current_owner

with open_store(Path(sys.argv[1])) as store:
    print("ready", flush=True)
    sys.stdin.readline()
    print(store.claim_trial("t1", current_owner()), flush=True)
    sys.stdin.readline()
"""


def start(code: str, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", code, *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )


def say(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    process.stdin.write("\n")
    process.stdin.flush()


def hear(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def test_processes_that_create_and_write_one_file_at_the_same_time_lose_nothing(store_path: Path) -> None:
    children = [start(WRITER, str(store_path), str(number)) for number in range(3)]
    assert [hear(child) for child in children] == ["ready"] * 3
    for child in children:
        say(child)
    with open_store(store_path, read_only=True) as reader:
        seen = len(reader.invocations("t1"))
        for child in children:
            child.communicate(timeout=60)
        assert seen <= len(reader.invocations("t1")) == 600
    assert [child.returncode for child in children] == [0, 0, 0]


def test_only_one_of_several_processes_gets_a_trial(store: Store, store_path: Path) -> None:
    children = [start(CLAIMER, str(store_path)) for _ in range(3)]
    assert [hear(child) for child in children] == ["ready"] * 3
    for child in children:
        say(child)
    answers = [hear(child) for child in children]
    for child in children:
        child.communicate("\n", timeout=60)
    assert sorted(answers) == ["False", "False", "True"]


def test_a_read_only_store_sees_new_rows_of_the_writer_and_refuses_to_write(
    store: Store, store_path: Path, invocation: Callable[..., Invocation]
) -> None:
    with open_store(store_path, read_only=True) as reader:
        assert reader.invocations("t1") == []
        store.add_invocations([invocation("s1")])
        assert reader.invocations("t1") == [invocation("s1")]
        with pytest.raises(RecordsError, match="opened for reading only"):
            reader.add_invocations([invocation("s2")])


def test_a_write_waits_for_another_process_that_holds_the_lock(
    store: Store, store_path: Path, invocation: Callable[..., Invocation]
) -> None:
    other = sqlite3.connect(store_path, isolation_level=None, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")
    future = store.submit_invocations([invocation("s1")])
    assert not future.done()
    release = threading.Timer(0.2, other.execute, ("COMMIT",))
    release.start()
    assert future.result(30) == 1
    release.join()
    other.close()


def test_a_lock_that_is_never_released_ends_in_one_sentence(
    store_path: Path, invocation: Callable[..., Invocation]
) -> None:
    with open_store(store_path, patience=0.1) as store:
        store.save_trial(TrialRecord("t1", "p", "v", "d", "f", 5))
        other = sqlite3.connect(store_path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(WorkspaceError, match="Another process keeps .* locked"):
            store.add_invocations([invocation("s1")])
        other.execute("ROLLBACK")
        other.close()
        assert store.add_invocations([invocation("s1")]) == 1


def test_a_command_that_is_to_end_waits_for_a_lock_once_and_not_for_each_of_its_rows(
    store_path: Path, invocation: Callable[..., Invocation]
) -> None:
    """Forty rows, each given up after its own two seconds, would keep a stopped command for over a minute."""
    with open_store(store_path) as store:
        store.save_trial(TrialRecord("t1", "p", "v", "d", "f", 5))
        stop = threading.Event()
        store.hurry_with(stop)
        other = sqlite3.connect(store_path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        waiting = [store.submit_invocations([invocation(f"s{number}")]) for number in range(40)]
        stop.set()
        begun = time.monotonic()
        for future in waiting:
            with pytest.raises(WorkspaceError, match="Another process keeps .* locked"):
                future.result()
        with pytest.raises(WorkspaceError):
            store.add_invocations([invocation("t1")])
        assert time.monotonic() - begun < 15
        other.execute("ROLLBACK")
        other.close()
        assert store.add_invocations([invocation("s1")]) == 1


def test_what_was_deleted_is_not_said_to_exist_because_its_row_could_not_be_written(store_path: Path) -> None:
    with open_store(store_path, patience=0.1) as store:
        store.save_trial(TrialRecord("t1", "p", "v", "d", "f", 5))
        line = store.ledger_intend(LedgerEntry("t1", Stage.DEPLOY, "p", "v", "endpoint", "name"))
        other = sqlite3.connect(store_path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(WorkspaceError):
            store.ledger_deleted(line.entry_id)
        assert store.ledger(open_only=True) == store.remembered_lines() == []
        other.execute("ROLLBACK")
        other.close()
        again = store.ledger_intend(LedgerEntry("t1", Stage.DEPLOY, "p", "v", "endpoint", "name"))
        assert store.ledger(open_only=True) == [again], "made anew, it exists again"
    with open_store(store_path, read_only=True) as store:
        assert [line.entry_id for line in store.ledger(open_only=True)] == [line.entry_id]
