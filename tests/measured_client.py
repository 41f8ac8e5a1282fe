"""A measuring client in a process of its own, so that a test can stop, starve and throttle it.

`python measured_client.py '{"loop": "closed", "url": …}'` measures and prints
{"valid", "reasons", "notes", "summary", "truth"}.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

TESTS = Path(__file__).resolve().parent


def measure(settings: dict[str, Any]) -> dict[str, Any]:
    from call_scripts import BODY, make_samples

    from automl_bench.measurement.load import LoadSettings, run_load
    from automl_bench.simulation.loopback_invoker import LoopbackInvoker

    if "cpu" in settings:
        os.sched_setaffinity(0, {settings.pop("cpu")})
    invoker = LoopbackInvoker(settings.pop("url"), "cat", body=BODY, keep_holds=True)
    if settings["loop"] == "pass":
        return _measure_pass(invoker, settings["calls"])
    run = run_load(
        invoker, make_samples(400), LoadSettings(**settings), trial_id="t", load_run_id="r", record=lambda rows: None,
        on_progress=_say_once(),
    )  # fmt: skip
    return {"summary": dict(run.summary), "truth": _truth(invoker, run.summary["n"]), **run.summary["verdict"]}


def _measure_pass(invoker: Any, calls: int) -> dict[str, Any]:
    import numpy as np
    from call_scripts import make_samples

    from automl_bench.measurement.accuracy_pass import PassLane, PassSettings, run_pass
    from automl_bench.measurement.pass_summary import summarise_pass
    from automl_bench.store.records import CallPhase, Invocation

    rows: list[Invocation] = []
    say = _say_once()
    [passed] = run_pass(
        [PassLane("t", invoker)],
        make_samples(calls),
        settings=PassSettings(),
        record=rows.append,
        on_progress=lambda state: say(state.done, state.total, ""),
    )
    measured = [row for row in rows if row.phase is CallPhase.MEASURED]
    columns = {
        "outcome": np.array([row.outcome.value for row in measured], dtype=object),
        "service_ns": np.array([row.timing.service_ns for row in measured]),
        "at": np.array([row.at for row in measured], dtype=object),
        "unseen_ns": np.array([row.unseen_ns for row in measured], dtype=float),
        "unseen_least_ns": np.array([row.unseen_least_ns for row in measured], dtype=float),
    }
    summary = summarise_pass(columns, passed.client)
    return {"summary": summary, "truth": _truth(invoker, summary["n"]), **summary["verdict"]}


def _truth(invoker: Any, calls: int) -> dict[str, float]:
    """Return how long the requests really lay at the server: mean and quantiles in ms."""
    import numpy as np

    holds = np.array(invoker.holds_ns[-calls:]) / 1e6
    p50, p90, p95, p99 = np.quantile(holds, [0.5, 0.9, 0.95, 0.99])
    return {"mean": float(holds.mean()), "p50": float(p50), "p90": float(p90), "p95": float(p95), "p99": float(p99)}


def _say_once() -> Callable[[int, int | None, str], None]:
    said: list[bool] = []

    def say(done: int, total: int | None, note: str) -> None:
        if not said and done:
            said.append(True)
            print("measuring", file=sys.stderr, flush=True)

    return say


@contextmanager
def measured_client(prefix: tuple[str, ...] = (), **settings: Any) -> Iterator[subprocess.Popen[str]]:
    """Start a client and wait until it measures; `result_of` reads what it found."""
    environment = {**os.environ, "PYTHONPATH": str(TESTS), "OPENBLAS_NUM_THREADS": "1"}
    process = subprocess.Popen(
        [*prefix, sys.executable, __file__, json.dumps(settings)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
    )
    assert process.stderr is not None
    try:
        for line in process.stderr:
            if line.strip() == "measuring":
                break
        yield process
    finally:
        process.kill()
        process.communicate()


def result_of(process: subprocess.Popen[str]) -> dict[str, Any]:
    """Wait for a client and return what it measured."""
    output, errors = process.communicate(timeout=100)
    assert process.returncode == 0, errors
    return dict(json.loads(output))


if __name__ == "__main__":
    print(json.dumps(measure(json.loads(sys.argv[1]))))
