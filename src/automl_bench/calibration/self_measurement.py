"""What automl-bench itself adds to a measurement on this machine: overhead, highest rate, timing error."""

from __future__ import annotations

import os
import platform
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from automl_bench import __version__
from automl_bench.contract import Json, Sample
from automl_bench.measurement.call import Caller
from automl_bench.measurement.load import LoadSettings, run_load
from automl_bench.measurement.quantiles import describe
from automl_bench.simulation.loopback_invoker import LoopbackInvoker
from automl_bench.simulation.loopback_server import Behaviour, loopback_server
from automl_bench.simulation.null_plugin import NullCall
from automl_bench.store import open_store
from automl_bench.store.records import LoadCall, LoadRun, TrialRecord

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from automl_bench.store import Store

BODY = bytes(50_000)
"""The size of a typical image."""

SHOWN = (0.5, 0.99)
IN_PROCESS_CALLS = 5000
ONE_AT_A_TIME = Behaviour(hold_ms=5.0)
ONE_AT_A_TIME_CALLS = 400
TEN_IN_FLIGHT = Behaviour(hold_ms=20.0)
HIGHEST_RATE_SECONDS = 3.0
LATENESS_RATE = 300.0
LATENESS_SECONDS = 4.0

TRIAL = TrialRecord("0" * 12, "null", "http", "bench-self", "", None)


def measure_self(on_step: Callable[[int, int, str], None] | None = None) -> dict[str, Json]:
    """Measure automl-bench against services that take a known time; about 12 seconds.

    Args:
        on_step: Hears (steps done, steps in all, what is measured next).

    Returns:
        JSON: when and where it was measured, and for each part the numbers with their n and 95 % intervals.
    """
    steps: Sequence[tuple[str, str, Callable[[], dict[str, Json]]]] = (
        ("in_process", "calls in process", measure_in_process),
        ("one_at_a_time", "one request at a time", measure_one_at_a_time),
        ("ten_in_flight", "ten requests in flight", measure_ten_in_flight),
        ("highest_rate", "highest rate", measure_highest_rate),
        ("lateness", "lateness of scheduled sends", measure_lateness),
    )
    result: dict[str, Json] = {
        "measured_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "automl_bench": __version__,
        "machine": _machine(),
    }
    for place, (name, words, measure) in enumerate(steps):
        if on_step is not None:
            on_step(place, len(steps), words)
        result[name] = measure()
    if on_step is not None:
        on_step(len(steps), len(steps), "")
    return result


def measure_in_process() -> dict[str, Json]:
    """Time a function that does nothing: what the clock around a call costs, in microseconds."""
    sample = _samples(1)[0][0]
    with Caller(NullCall("")) as caller:
        times = [caller.call(sample).timing.service_ns / 1000 for _ in range(IN_PROCESS_CALLS)]
    return {"overhead_us": describe(times, SHOWN)}


def measure_one_at_a_time() -> dict[str, Json]:
    """Time requests that the server holds for 5 ms; reported time minus true hold, in milliseconds."""
    sample = _samples(1)[0][0]
    with loopback_server(ONE_AT_A_TIME) as server:
        invoker = LoopbackInvoker(server.url, "", body=BODY, keep_holds=True)
        with Caller(invoker) as caller:
            times = [caller.call(sample).timing.service_ns for _ in range(ONE_AT_A_TIME_CALLS)]
    return {"overhead_ms": describe(_overhead_ms(times, invoker)[1:], SHOWN), "hold_ms": ONE_AT_A_TIME.hold_ms}


def measure_ten_in_flight() -> dict[str, Json]:
    """As one at a time, in a closed loop with ten requests under way and a hold of 20 ms."""
    rows: list[LoadCall] = []
    with loopback_server(TEN_IN_FLIGHT) as server:
        invoker = LoopbackInvoker(server.url, "", body=BODY, keep_holds=True)
        settings = LoadSettings(calls=1000, concurrency=10, warm_up_calls=0)
        run_load(invoker, _samples(100), settings, trial_id=TRIAL.trial_id, load_run_id="ten", record=rows.extend)
    overhead = _overhead_ms([row.timing.service_ns for row in rows], invoker)
    reused = np.array([row.timing.new_connection is False for row in rows])
    return {"overhead_ms": describe(overhead[reused], SHOWN), "hold_ms": TEN_IN_FLIGHT.hold_ms}


def measure_highest_rate() -> dict[str, Json]:
    """Post 50 KB over ten connections as fast as it goes, every row stored; requests per second."""
    with loopback_server() as server, _store() as store:
        run = _stored_run(
            store, LoopbackInvoker(server.url, "", body=BODY), LoadSettings(duration_seconds=HIGHEST_RATE_SECONDS)
        )
    return {
        "per_second": run.summary["throughput"],
        "cpu_us_per_call": run.summary["client"]["cpu_us_per_call"],
        "cpu_share": run.summary["client"]["cpu_share"],
    }


def measure_lateness() -> dict[str, Json]:
    """Send 300 requests a second on a Poisson schedule; sent − scheduled in milliseconds, every row stored."""
    with loopback_server(ONE_AT_A_TIME) as server, _store() as store:
        settings = LoadSettings(loop="open", rate=LATENESS_RATE, duration_seconds=LATENESS_SECONDS)
        run = _stored_run(store, LoopbackInvoker(server.url, "", body=BODY), settings)
    return {"late_ms": run.summary["lateness_ms"], "rate": LATENESS_RATE}


def table_rows(result: dict[str, Json]) -> list[tuple[str, str, str, int]]:
    """Return (what, p50 or value, p99 or interval, n) for the terminal."""
    rows = [
        ("clock around a call in process", *_cells(result["in_process"]["overhead_us"], "µs")),
        ("added to a request, one at a time", *_cells(result["one_at_a_time"]["overhead_ms"], "ms")),
        ("added to a request, ten in flight", *_cells(result["ten_in_flight"]["overhead_ms"], "ms")),
    ]
    late, rate = result["lateness"]["late_ms"], result["highest_rate"]["per_second"]
    rows.append(
        (f"lateness of sends at {LATENESS_RATE:.0f}/s", f"{late['p50']:.3f} ms", f"{late['p99']:.3f} ms", late["n"])
    )
    interval = "" if rate["low"] is None else f"[{rate['low']:,.0f}, {rate['high']:,.0f}]"
    rows.append(("highest rate, ten connections, 50 KB", f"{rate['value']:,.0f}/s", interval, rate["n"]))
    return rows


def _cells(quantiles: dict[str, Json], unit: str) -> tuple[str, str, int]:
    p50, p99 = quantiles["p50"], quantiles["p99"]
    return f"{p50['value']:.3f} {unit}", f"{p99['value']:.3f} {unit}", p50["n"]


def _overhead_ms(service_ns: Sequence[int], invoker: LoopbackInvoker) -> NDArray[np.float64]:
    """Return reported time minus true hold; both stand in the order in which the answers were read."""
    assert invoker.holds_ns is not None
    difference: NDArray[np.float64] = np.array(service_ns, dtype=float) - np.array(invoker.holds_ns, dtype=float)
    return difference / 1e6


def _samples(count: int) -> list[tuple[Sample, str]]:
    return [(Sample(f"{number:064x}", Path(f"{number}.png"), len(BODY), "image/png"), "") for number in range(count)]


@contextmanager
def _store() -> Iterator[Store]:
    with tempfile.TemporaryDirectory(prefix="automl-bench-self-") as folder:
        store = open_store(Path(folder) / "self.sqlite")
        try:
            store.save_trial(TRIAL)
            yield store
        finally:
            store.close()


def _stored_run(store: Store, invoker: LoopbackInvoker, settings: LoadSettings) -> LoadRun:
    run_id = f"{time.monotonic_ns():x}"
    store.begin_load_run(LoadRun(run_id, TRIAL.trial_id, settings.loop, settings.as_json()))

    def record(rows: list[LoadCall]) -> None:
        store.add_load_calls(run_id, rows)

    run = run_load(invoker, _samples(100), settings, trial_id=TRIAL.trial_id, load_run_id=run_id, record=record)
    store.finish_load_run(run)
    return run


def _machine() -> dict[str, Json]:
    import pycurl

    return {
        "system": platform.platform(),
        "processor": _processor(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "libcurl": pycurl.version_info()[1],
    }


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()
