"""SIGKILL in the middle of a load run: acknowledged calls are in the store, the run is not taken for a complete one."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from automl_bench.simulation.loopback_server import Behaviour, loopback_server
from automl_bench.store import open_store
from automl_bench.store.records import CallPhase

LOAD = """
import sys
from pathlib import Path
from automl_bench.contract import Sample
from automl_bench.measurement.load import LoadSettings, run_load
from automl_bench.store import open_store
from automl_bench.store.records import LoadRun, TrialRecord
from automl_bench.simulation.loopback_invoker import LoopbackInvoker

url, path = sys.argv[1], Path(sys.argv[2])
store = open_store(path)
store.save_trial(TrialRecord("a" * 12, "null", "http", "toy", "f" * 64, 5))
settings = LoadSettings(duration_seconds=60.0, concurrency=10)
store.begin_load_run(LoadRun("run", "a" * 12, "closed", settings.as_json()))

def record(rows):
    store.add_load_calls("run", rows)
    print(" ".join(f"{row.phase.value}:{row.number}" for row in rows), flush=True)

samples = [(Sample(f"{i:064x}", Path("x"), 1, "image/png"), "cat") for i in range(50)]
invoker = LoopbackInvoker(url, "cat", body=bytes(50_000))
run_load(invoker, samples, settings, trial_id="a" * 12, load_run_id="run", record=record)
"""


@pytest.mark.parametrize("batches", [12, 15])
def test_a_killed_load_run_keeps_what_was_acknowledged_and_stays_incomplete(tmp_path: Path, batches: int) -> None:
    path = tmp_path / "results.sqlite"
    with loopback_server(Behaviour(hold_ms=2)) as server:
        process = subprocess.Popen(
            [sys.executable, "-c", LOAD, server.url, str(path)], stdout=subprocess.PIPE, text=True
        )
        assert process.stdout is not None
        acknowledged = [process.stdout.readline() for _ in range(batches)]
        process.send_signal(signal.SIGKILL)
        acknowledged += process.stdout.readlines()
        process.wait()
        process.stdout.close()
    # The kill may cut the last line short: what it names in full was acknowledged.
    words = "".join(line for line in acknowledged if line.endswith("\n")).split()
    store = open_store(path)
    try:
        calls = store.load_calls("run")
        keys = [f"{call.phase.value}:{call.number}" for call in calls]
        assert len(keys) == len(set(keys))
        assert set(words) <= set(keys)
        assert sum(call.phase is CallPhase.MEASURED for call in calls) > 100
        [run] = store.load_runs("a" * 12)
        assert not run.complete
        assert run.valid is None
        assert store.load_runs("a" * 12, complete_only=True) == []
    finally:
        store.close()
