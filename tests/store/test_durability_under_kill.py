"""A row that was acknowledged survives SIGKILL at any moment, and none is doubled."""

from __future__ import annotations

import random
import select
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from automl_bench.store import open_store
from automl_bench.store.records import LoadRun, TrialRecord

TRIALS = 20
CHILD = """
import os, sys, threading
from pathlib import Path
from automl_bench.store import open_store
from automl_bench.store.records import CallTiming, Invocation, LoadCall, Outcome

store = open_store(Path(sys.argv[1]))
name = sys.argv[2]
timing = CallTiming(1, 2)

def single(thread):
    for number in range(10**9):
        sample = f"{name}-{thread}-{number}"
        # Half of all rows are sent again, as after a lost acknowledgement.
        for _ in range(1 + number % 2):
            store.add_invocations([Invocation("t1", sample, "a", "a", 1.0, Outcome.OK, timing)])
        os.write(1, f"i {sample}\\n".encode())

def bulk(run):
    for batch in range(10**9):
        numbers = range(batch * 50, batch * 50 + 50)
        store.add_load_calls(run, [LoadCall(n, 0, "s", Outcome.OK, timing) for n in numbers])
        os.write(1, "".join(f"c {run} {n}\\n" for n in numbers).encode())

for thread in range(4):
    threading.Thread(target=single, args=(thread,)).start()
bulk(f"run-{name}")
"""


def killed_after(path: Path, name: str, seconds: float) -> list[str]:
    """Run the child, kill it that long after its first acknowledgement, and return what it acknowledged."""
    with subprocess.Popen([sys.executable, "-c", CHILD, str(path), name], stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        heard = b""
        deadline: float | None = None
        while deadline is None or time.monotonic() < deadline:
            patience = 30.0 if deadline is None else max(0.0, deadline - time.monotonic())
            if select.select([child.stdout], [], [], patience)[0]:
                heard += child.stdout.read1(1 << 16)  # type: ignore[attr-defined]  # the pipe is a BufferedReader
                deadline = deadline or time.monotonic() + seconds
        child.send_signal(signal.SIGKILL)
        heard += child.stdout.read()
    assert child.returncode == -signal.SIGKILL
    # A write to the pipe that was cut short acknowledges only its whole lines.
    return heard.decode().rpartition("\n")[0].splitlines()


def check(path: Path, acknowledged: set[str]) -> int:
    with open_store(path) as store:
        rows = [f"i {row.sample_id}" for row in store.invocations("t1")]
        for run in store.load_runs():
            assert not run.complete
            rows += [f"c {run.load_run_id} {call.number}" for call in store.load_calls(run.load_run_id)]
        assert store.save_trial(TrialRecord("t2", "p", "v", "d", "f", 5)) is None, "the file still takes rows"
    assert len(rows) == len(set(rows)), "no row is doubled"
    assert acknowledged <= set(rows), "every acknowledged row is there"
    connection = sqlite3.connect(path)
    assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
    connection.close()
    return len(rows)


@pytest.mark.parametrize("part", range(4))  # five kills each, so that the parts run side by side
def test_twenty_kills_at_random_moments_lose_and_double_nothing(tmp_path: Path, part: int) -> None:
    moment = random.Random(part)
    path = tmp_path / "results.sqlite"
    acknowledged: set[str] = set()
    names = [f"{part}{number}" for number in range(TRIALS // 4)]
    with open_store(path) as store:
        store.save_trial(TrialRecord("t1", "p", "v", "d", "f", 5))
        for name in names:
            store.begin_load_run(LoadRun(f"run-{name}", "t1", "closed", {}))
    for name in names:
        heard = killed_after(path, name, moment.uniform(0.0, 0.15))
        assert heard
        acknowledged |= set(heard)
        assert check(path, acknowledged) >= len(acknowledged)
