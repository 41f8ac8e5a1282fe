"""A client that was stopped, starved or throttled says so, and says what that did to the numbers.

The server tells how long each request really lay there, so the truth is known however busy the machine is: what the
client states as its own share must lie within 25 % of what it really added.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from call_scripts import ScriptedCalls, make_samples
from measured_client import measured_client, result_of

from automl_bench.contract import Prediction, Sample
from automl_bench.measurement.accuracy_pass import PassLane, PassSettings, run_pass
from automl_bench.measurement.call import CallWatch, timed_call
from automl_bench.measurement.disturbance import describe_disturbance, without_waits
from automl_bench.measurement.load import LoadSettings, describe_load_run, run_load
from automl_bench.measurement.pass_summary import summarise_pass
from automl_bench.measurement.surroundings import Throttling, read_throttling
from automl_bench.simulation.loopback_server import Behaviour, Running, loopback_server
from automl_bench.transport import HeartbeatThread

RULER_MS = 1.0
"""What the ruler itself adds, with no disturbance: its wake-up and the server's."""

CGROUP = Path("/sys/fs/cgroup/cpu")


def may_be_scheduled_first() -> bool:
    return subprocess.run(["chrt", "-f", "10", "true"], capture_output=True, check=False).returncode == 0


FIRST = ("chrt", "-f", "10") if may_be_scheduled_first() else ()
"""In front of a client that nothing but the test is to disturb, whatever else this machine does."""


@pytest.fixture(scope="module")
def server() -> Iterator[Running]:
    with loopback_server(Behaviour(hold_ms=20, sigma=0.2, seed=5)) as running:
        with suppress(OSError):  # where it may, the server keeps its processor, so that only the client is disturbed
            os.sched_setscheduler(running.pid, os.SCHED_FIFO, os.sched_param(5))
        yield running


@contextmanager
def stopped(process: subprocess.Popen[str], seconds: float) -> Iterator[float]:
    """Stop a client for a while; gives the seconds that it really was stopped."""
    time.sleep(0.5)
    begun = time.monotonic()
    os.kill(process.pid, signal.SIGSTOP)
    time.sleep(seconds)
    os.kill(process.pid, signal.SIGCONT)
    yield time.monotonic() - begun


@contextmanager
def busy_processor(number: int) -> Iterator[None]:
    """Keep a processor busy with two processes: a client that asks for little would soon be let in before one."""
    burn = f"import os\nos.sched_setaffinity(0, {{{number}}})\nwhile True: pass"
    with ExitStack() as started:
        for _ in range(2):
            process = started.enter_context(subprocess.Popen([sys.executable, "-c", burn]))
            started.callback(process.kill)
        yield


def assert_stated_effect_is_true(result: dict[str, Any], *names: str) -> None:
    """The client's own share, as stated, is within 25 % of what it really was."""
    assert not result["valid"]
    assert "disturbed" in [reason["kind"] for reason in result["reasons"]]
    disturbance = result["summary"]["disturbance"]
    for name in names:
        really = disturbance["with"][name] - result["truth"][name]
        stated = disturbance["with"][name] - disturbance["without"][name]
        assert abs(stated - really) <= 0.25 * really + RULER_MS, (name, disturbance, result["truth"])


def test_a_closed_loop_that_was_stopped_is_not_valid_and_states_throughput_and_mean(server: Running) -> None:
    settings = {"loop": "closed", "duration_seconds": 5.0, "calls": 10**6, "concurrency": 10}
    with measured_client(FIRST, url=server.url, **settings) as client, stopped(client, 2.0) as seconds:
        result = result_of(client)
    assert_stated_effect_is_true(result, "mean", "p50")
    standing = result["summary"]["client"]["standstills"]
    assert standing["ms"] == pytest.approx(1000 * seconds, rel=0.25)
    stated = result["summary"]["disturbance"]["without"]["throughput"]
    assert stated == pytest.approx(10 / (result["truth"]["mean"] + 0.3) * 1000, rel=0.1)
    assert any("This process stood still" in reason["words"] for reason in result["reasons"])


def test_a_pass_that_was_stopped_does_not_book_it_to_the_service(server: Running) -> None:
    with measured_client(FIRST, url=server.url, loop="pass", calls=120) as client, stopped(client, 2.0):
        result = result_of(client)
    assert_stated_effect_is_true(result, "mean", "p50")
    assert any("This process stood still" in reason["words"] for reason in result["reasons"])


@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="the server needs a processor of its own")
@pytest.mark.simulation
@pytest.mark.parametrize("loop", ["closed", "pass"])
def test_a_client_with_nice_beside_a_busy_core_is_not_valid(server: Running, loop: str) -> None:
    cpu = max(os.sched_getaffinity(0))
    settings: dict[str, Any] = {"loop": loop, "calls": 200}
    if loop == "closed":
        settings |= {"duration_seconds": 3.0, "concurrency": 10}
    with measured_client(("nice", "-n", "19"), url=server.url, cpu=cpu, **settings) as client:
        with busy_processor(cpu):
            time.sleep(2.5)
        result = result_of(client)
    assert_stated_effect_is_true(result, "mean")
    assert any("kept this client from a processor" in reason["words"] for reason in result["reasons"])


def may_set_quotas() -> bool:
    probe = CGROUP / "automl-bench-probe"
    try:
        probe.mkdir()
    except OSError:
        return False
    usable = (probe / "cpu.cfs_quota_us").exists()
    probe.rmdir()
    return usable


@pytest.mark.simulation
@pytest.mark.skipif(not may_set_quotas(), reason="needs a writable cgroup with a processor quota")
def test_a_client_under_a_processor_quota_is_not_valid_and_names_the_quota(server: Running) -> None:
    group = CGROUP / f"automl-bench-test-{os.getpid()}"
    group.mkdir()
    try:
        (group / "cpu.cfs_quota_us").write_text("4000")
        settings = {"loop": "closed", "duration_seconds": 4.0, "calls": 10**6, "concurrency": 10}
        with measured_client(url=server.url, **settings) as client:
            (group / "cgroup.procs").write_text(str(client.pid))
            time.sleep(3.0)
            (group / "cpu.cfs_quota_us").write_text("-1")
            result = result_of(client)
    finally:
        for _ in range(50):
            with suppress(OSError):
                group.rmdir()
                break
            time.sleep(0.1)
    assert_stated_effect_is_true(result, "mean", "p90")
    assert any("A processor quota (cgroup" in reason["words"] for reason in result["reasons"])


UNDISTURBED = int(os.environ.get("AUTOML_BENCH_UNDISTURBED_RUNS", "5"))
"""The long form: AUTOML_BENCH_UNDISTURBED_RUNS=50."""


@pytest.mark.simulation
@pytest.mark.timeout(600)
@pytest.mark.skipif(not FIRST, reason="a quiet client needs the right to be scheduled first")
@pytest.mark.parametrize("loop", ["closed", "open", "pass"])
def test_an_undisturbed_measurement_stays_valid(server: Running, loop: str) -> None:
    """Undisturbed: a real-time priority, as on an idle machine, whatever else runs here."""
    settings: dict[str, Any] = {"calls": 300}
    if loop == "closed":
        settings |= {"calls": 1000, "concurrency": 10}
    if loop == "open":
        settings |= {"rate": 100.0, "duration_seconds": 5.0}
    for number in range(UNDISTURBED):
        with measured_client(FIRST, url=server.url, loop=loop, **settings) as client:
            result = result_of(client)
        assert result["valid"], (number, result["reasons"])


def test_a_call_into_a_plugin_that_was_stopped_has_it_beside_its_time() -> None:
    class Slow:
        def call(self, sample: Sample) -> Prediction:
            time.sleep(0.3)
            return Prediction("cat", 1.0)

    stopper = "import os, signal, sys, time\npid = int(sys.argv[1])\ntime.sleep(0.1)\nos.kill(pid, signal.SIGSTOP)\n"
    stopper += "time.sleep(1)\nos.kill(pid, signal.SIGCONT)\n"
    heartbeat = HeartbeatThread()
    watch = CallWatch(heartbeat, alone=True)
    try:
        with subprocess.Popen([sys.executable, "-c", stopper, str(os.getpid())]):
            time.sleep(0.05)
            results = [timed_call(Slow(), make_samples(1)[0][0], watch) for _ in range(5)]
    finally:
        watch.close()
        heartbeat.close()
    worst = max(results, key=lambda one: one.timing.service_ns)
    assert worst.timing.service_ns > 900_000_000
    assert worst.unseen.most_ns == pytest.approx(1_000_000_000, rel=0.25)


def test_a_service_that_drifts_is_named_in_a_pass_too() -> None:
    rows = passed(lambda number: 2.0 if number < 60 else 6.0)
    [reason] = summarise_pass(columns_of(rows), quiet_client())["verdict"]["reasons"]
    assert reason["kind"] == "drifting"
    assert "from the first half to the second" in reason["words"]


def test_a_slower_service_after_a_resume_is_several_sittings_with_their_medians() -> None:
    rows = passed(lambda number: 2.0 if number < 60 else 6.0)
    summary = summarise_pass(columns_of(rows), quiet_client(), began_at=rows[60]["at"])
    assert [one["n"] for one in summary["sittings"]] == [60, 60]
    [reason] = summary["verdict"]["reasons"]
    assert reason["kind"] == "several sittings"
    assert "Measured in 2 sittings, the slowest 3.0 times as slow as the quickest" in reason["words"]


def test_a_long_pause_begins_a_sitting_and_a_usual_one_does_not() -> None:
    rows = passed(lambda number: 2.0)
    later = [{**row, "at": moved(row["at"], 3600.0 if place >= 90 else 0.0)} for place, row in enumerate(rows)]
    assert [one["n"] for one in summarise_pass(columns_of(later), quiet_client())["sittings"]] == [90, 30]
    spaced = [{**row, "at": moved(row["at"], 60.0 * place)} for place, row in enumerate(rows)]
    assert [one["n"] for one in summarise_pass(columns_of(spaced), quiet_client())["sittings"]] == [120]


def test_a_pass_reports_what_happened_to_its_process() -> None:
    [summary] = run_pass(
        [PassLane("t", ScriptedCalls())], make_samples(3), settings=PassSettings(), record=lambda row: None
    )
    assert set(summary.client) >= {"starved_share", "standstills", "suspended_seconds", "clock_moved_seconds"}
    assert summary.client["suspended_seconds"] < 0.01
    assert abs(summary.client["clock_moved_seconds"]) < 1


def test_a_sweep_with_few_calls_a_step_is_not_valid() -> None:
    settings = LoadSettings(loop="sweep", sweep_from=5, sweep_to=10, duration_seconds=0.6, max_late_ms=500)
    run = run_load(ScriptedCalls(), make_samples(20), settings, trial_id="t", load_run_id="r", record=lambda rows: None)
    assert not run.valid
    assert any("Steps with too few calls" in reason for reason in run.reasons)
    assert not any("[, " in line for line in describe_load_run(run))


def moved(at: str, seconds: float) -> str:
    return (datetime.fromisoformat(at) + timedelta(seconds=seconds)).isoformat(timespec="milliseconds")


def quiet_client() -> dict[str, Any]:
    return {"starved_share": 0.0, "standstills": {"count": 0, "ms": 0.0}, "seconds": 10.0}


def passed(service_ms: Any) -> list[dict[str, Any]]:
    chance = np.random.default_rng(4)
    begun = datetime(2026, 11, 29, 12, tzinfo=UTC)
    return [
        {
            "outcome": "ok",
            "service_ns": int(service_ms(number) * 1e6 * chance.lognormal(0, 0.05)),
            "at": (begun + timedelta(milliseconds=20 * number)).isoformat(timespec="milliseconds"),
            "unseen_ns": 0.0,
            "unseen_least_ns": np.nan,
        }
        for number in range(120)
    ]


def columns_of(rows: list[dict[str, Any]]) -> dict[str, Any]:
    return {name: np.array([row[name] for row in rows]) for name in rows[0]}


# --- the estimate itself, where the truth is drawn ----------------------------------------------------------------


@pytest.mark.parametrize("spread", [0.05, 0.5])
@pytest.mark.parametrize("waits_ms", [[3.0], [30.0], [2.0, 80.0]])
def test_waits_at_random_moments_are_estimated_within_a_tenth(spread: float, waits_ms: list[float]) -> None:
    """Answers arrive at random moments; the client looks only between its waits, and knows no more than that."""
    chance = np.random.default_rng(7)
    true = 20 * chance.lognormal(0, spread, 20_000)
    lengths = chance.choice(waits_ms, 200_000) * chance.uniform(0.5, 1.5, 200_000)
    edges = np.cumsum(np.stack([chance.exponential(10.0, 200_000), lengths], axis=1).ravel())
    moment = chance.uniform(0, edges[-1], true.size)
    place = np.searchsorted(edges, moment)
    within = place % 2 == 1
    seen = np.where(within, edges[np.minimum(place, edges.size - 1)], moment)
    begin = np.where(within, edges[place - 1], moment)
    service = true + (seen - moment)
    found = without_waits(service, seen - begin, np.zeros(true.size))
    for estimate, truth, measured in [
        (found.mean(), true.mean(), service.mean()),
        (np.quantile(found, 0.9), np.quantile(true, 0.9), np.quantile(service, 0.9)),
    ]:
        assert abs(estimate - truth) <= 0.1 * (measured - truth) + 0.02 * truth


def test_an_answer_meets_long_waits_more_often() -> None:
    """Waits of 1 and 99 ms, equally frequent: the mean an answer waits is E[w²]/2E[w] = 49 ms, not 25."""
    chance = np.random.default_rng(1)
    lengths = chance.choice([1.0, 99.0], 2000)
    met = chance.choice(lengths, 20_000, p=lengths / lengths.sum())
    true = chance.uniform(0, 400, 20_000)
    service = true + met * chance.random(20_000)
    told = describe_disturbance(service, (met * 1e6).astype(np.int64), np.zeros(20_000, dtype=np.int64))
    expected = (lengths**2).mean() / (2 * lengths.mean())
    assert told["with"]["mean"] - told["without"]["mean"] == pytest.approx(expected, rel=0.1)


def test_nothing_unseen_changes_nothing() -> None:
    service = np.random.default_rng(2).lognormal(3, 0.3, 500)
    told = describe_disturbance(service, np.zeros(500, dtype=np.int64), np.zeros(500, dtype=np.int64))
    assert told["with"] == told["without"]
    assert told["late"] == 0
    assert describe_disturbance(service[:0], np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64))["n"] == 0


# --- cgroups ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("own", "files", "found"),
    [
        ("0::/a/b\n", {"a/b/cpu.stat": "usage_usec 5\nnr_throttled 3\nthrottled_usec 70\n"}, Throttling(3, 70_000)),
        ("0::/a/b\n", {"a/cpu.stat": "nr_throttled 3\nthrottled_usec 70\n"}, Throttling(3, 70_000)),
        ("0::/host/only\n", {"cpu.stat": "nr_throttled 1\nthrottled_usec 2\n"}, Throttling(1, 2000)),
        (
            "4:cpu,cpuacct:/x\n",
            {"cpu,cpuacct/x/cpu.stat": "nr_throttled 2\nthrottled_time 9\n"},
            Throttling(2, 9),
        ),
        ("1:cpu:/\n0::/\n", {"cpu/cpu.stat": "nr_periods 0\nnr_throttled 2\nthrottled_time 9\n"}, Throttling(2, 9)),
        ("0::/\n", {"cpu.stat": "usage_usec 5\n"}, None),
        ("0::/\n", {"cpu.stat": "broken"}, None),
        ("", {}, None),
    ],
)
def test_throttling_is_read_of_both_versions_and_of_groups_further_out(
    tmp_path: Path, own: str, files: dict[str, str], found: Throttling | None
) -> None:
    (tmp_path / "own").write_text(own)
    for name, text in files.items():
        path = tmp_path / "fs" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    assert read_throttling(tmp_path / "fs", tmp_path / "own") == found
