"""Closed and open loops: what is sent when, what is recorded, what comes out."""

from __future__ import annotations

import gc
import json
import sys
import threading
import time
from collections import Counter
from collections.abc import Sequence

import numpy as np
import pytest
from call_scripts import BODY, ScriptedCalls, make_samples

from automl_bench.contract import CallInvoker, Limits, Prediction, Sample
from automl_bench.errors import QuotaExceeded, UsageError
from automl_bench.measurement.arrivals import SampleOrder, schedule
from automl_bench.measurement.load import LoadSettings, describe_load_run, run_load
from automl_bench.simulation.loopback_invoker import LoopbackInvoker
from automl_bench.simulation.loopback_server import Behaviour, Running, loopback_server
from automl_bench.store.records import CallPhase, LoadCall, LoadRun, Outcome


def make_run(invoker, settings: LoadSettings, **more) -> tuple[LoadRun, list[LoadCall]]:  # type: ignore[no-untyped-def]
    rows: list[LoadCall] = []
    more.setdefault("samples", make_samples(100))
    run = run_load(invoker, more.pop("samples"), settings, trial_id="t", load_run_id="r", record=rows.extend, **more)
    return run, rows


def measured(rows: Sequence[LoadCall]) -> list[LoadCall]:
    return [row for row in rows if row.phase is CallPhase.MEASURED]


class Sleeper:
    """A CallInvoker that takes its time and counts how many of its calls are under way."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.under_way = self.most = 0
        self._lock = threading.Lock()

    def call(self, sample: Sample) -> Prediction:
        with self._lock:
            self.under_way += 1
            self.most = max(self.most, self.under_way)
        time.sleep(self.seconds)
        with self._lock:
            self.under_way -= 1
        return Prediction("cat", 1.0)


# --- closed loop -----------------------------------------------------------------------------------------


def test_a_closed_loop_makes_exactly_the_calls_asked_for_with_n_under_way(holding_invoker: LoopbackInvoker) -> None:
    run, rows = make_run(holding_invoker, LoadSettings(calls=600, concurrency=8))
    calls = measured(rows)
    assert sorted(row.number for row in calls) == list(range(600))
    assert run.complete
    assert run.summary["n"] == 600
    assert run.summary["outcomes"]["ok"] == 600
    assert {row.worker for row in calls} == set(range(8))
    little = run.summary["little"]
    assert little["concurrency"] == 8
    assert little["mean_in_flight"] == pytest.approx(8, rel=0.1)
    assert little["throughput_times_mean"] == pytest.approx(8, rel=0.15)


def test_the_interpreter_is_kept_quiet_during_a_run_and_as_before_after_it() -> None:
    during: list[tuple[int, float]] = []

    class Watcher:
        def call(self, sample: Sample) -> Prediction:
            during.append((gc.get_freeze_count(), sys.getswitchinterval()))
            return Prediction("cat", 1.0)

    before = (gc.get_freeze_count(), sys.getswitchinterval())
    make_run(Watcher(), LoadSettings(calls=20, concurrency=2))
    assert len(during) >= 20
    assert all(frozen > before[0] and interval < before[1] for frozen, interval in during)
    assert (gc.get_freeze_count(), sys.getswitchinterval()) == before


def test_reported_latencies_are_true_holds_plus_little(holding_invoker: LoopbackInvoker) -> None:
    run, rows = make_run(holding_invoker, LoadSettings(calls=500, concurrency=4, warm_up_calls=0))
    assert holding_invoker.holds_ns is not None
    extra = np.array([row.timing.service_ns for row in rows]) - np.array(holding_invoker.holds_ns)
    assert extra.min() >= 0
    assert np.median(extra) / 1e6 < 2.0
    p50 = run.summary["service_ms"]["p50"]
    assert p50["low"] <= p50["value"] <= p50["high"]
    assert p50["value"] == pytest.approx(np.median([row.timing.service_ns for row in rows]) / 1e6)


def test_connections_are_opened_by_the_warm_up_and_then_reused(holding_invoker: LoopbackInvoker) -> None:
    run, rows = make_run(holding_invoker, LoadSettings(calls=100, concurrency=5))
    warm_up = [row for row in rows if row.phase is CallPhase.WARM_UP]
    assert len(warm_up) == 5
    assert all(row.timing.new_connection for row in warm_up)
    assert run.summary["connections"] == {"new": 0, "known": 100}
    assert run.summary["phases_ms"]["n"] == 100
    phases = [value for name, value in run.summary["phases_ms"].items() if name != "n"]
    assert sum(phases) == pytest.approx(run.summary["mean_ms"]["service"], rel=0.02)


def test_a_closed_loop_can_be_limited_by_time(holding_invoker: LoopbackInvoker) -> None:
    run, rows = make_run(holding_invoker, LoadSettings(duration_seconds=0.5, concurrency=4))
    assert run.complete
    assert 0.4 < run.summary["seconds"] < 1.5
    assert len(measured(rows)) == run.summary["n"] > 20


def test_the_published_rate_and_the_published_number_in_flight_are_kept(holding_invoker: LoopbackInvoker) -> None:
    limits = Limits(requests_per_second=100, in_flight=3)
    run, rows = make_run(holding_invoker, LoadSettings(calls=40, concurrency=10), limits=limits)
    calls = measured(rows)
    assert {row.worker for row in calls} <= {0, 1, 2}
    sent = sorted(row.timing.sent_ns for row in calls)
    assert sent[-1] - sent[0] >= 39 * 10_000_000 * 0.99
    assert run.summary["little"]["concurrency"] == 3
    free, rows = make_run(holding_invoker, LoadSettings(calls=40, concurrency=10, respect_limits=False), limits=limits)
    assert free.summary["little"]["concurrency"] == 10
    assert free.summary["seconds"] < 0.35


def test_a_provider_without_http_gets_threads_and_its_phases_are_unknown() -> None:
    sleeper = Sleeper(0.01)
    run, rows = make_run(sleeper, LoadSettings(calls=100, concurrency=5))
    assert sleeper.most == 5
    assert run.summary["phases_ms"] is None
    assert run.summary["connections"]["new"] is None
    assert {row.worker for row in measured(rows)} == set(range(5))
    assert run.summary["service_ms"]["p50"]["value"] >= 10


def test_a_provider_brings_its_own_lanes_and_they_are_closed() -> None:
    class OwnLanes:
        opened = 0
        closed = False

        def open(self, count: int) -> Sequence[CallInvoker]:
            self.opened = count
            return [ScriptedCalls() for _ in range(count)]

        def close(self) -> None:
            self.closed = True

    lanes = OwnLanes()
    run, _ = make_run(ScriptedCalls(label="wrong"), LoadSettings(calls=50, concurrency=4), lanes=lanes)
    assert lanes.opened == 4
    assert lanes.closed
    assert run.summary["accuracy"]["correct"] == 50


def test_accuracy_under_load_counts_right_answers(holding_invoker: LoopbackInvoker) -> None:
    samples = [*make_samples(50), *((sample, "dog") for sample, _ in make_samples(100)[50:])]
    run, rows = make_run(holding_invoker, LoadSettings(calls=400), samples=samples)
    accuracy = run.summary["accuracy"]
    assert accuracy["n"] == 400
    assert accuracy["distinct"] == 100
    assert accuracy["correct"] == sum(bool(row.correct) for row in measured(rows))
    assert 0.35 < accuracy["value"] < 0.65
    assert accuracy["low"] < accuracy["value"] < accuracy["high"]


# --- open loop -------------------------------------------------------------------------------------------


def test_an_open_loop_sends_on_its_schedule_and_counts_from_the_scheduled_moment(
    holding_invoker: LoopbackInvoker,
) -> None:
    settings = LoadSettings(loop="open", rate=200, duration_seconds=1.0, seed=3)
    run, rows = make_run(holding_invoker, settings)
    calls = sorted(measured(rows), key=lambda row: row.number)
    planned = schedule(200, 1.0, "poisson", 3)
    moments = np.array([row.timing.scheduled_ns for row in calls])
    assert np.array_equal(moments - moments[0], planned - planned[0])
    assert all(row.timing.sent_ns >= row.timing.scheduled_ns for row in calls if row.timing.scheduled_ns)
    assert run.summary["n"] == planned.size
    late = run.summary["lateness_ms"]
    assert late["n"] == planned.size
    assert 0 <= late["p50"] <= late["p90"] <= late["p99"] <= late["max"]
    response = [row.timing.response_ns / 1e6 for row in calls]
    assert run.summary["response_ms"]["p50"]["value"] == pytest.approx(np.median(response))
    assert run.summary["offered_rate"] == pytest.approx(planned.size)


def test_a_slow_service_does_not_slow_the_schedule_down() -> None:
    sleeper = Sleeper(0.3)
    run, rows = make_run(sleeper, LoadSettings(loop="open", rate=50, duration_seconds=0.6, arrivals="constant"))
    sent = [row.timing.sent_ns for row in measured(rows)]
    assert sleeper.most >= 10
    assert (max(sent) - min(sent)) / 1e9 == pytest.approx(0.58, abs=0.1)
    assert run.summary["schedule"] == {"planned": 30, "dropped": 0, "abandoned": 0}


def test_sends_beyond_the_cap_are_dropped_counted_and_spoil_the_run() -> None:
    settings = LoadSettings(loop="open", rate=100, duration_seconds=0.5, arrivals="constant", warm_up_calls=0)
    run, rows = make_run(Sleeper(0.2), settings, limits=Limits(in_flight=2))
    assert run.summary["in_flight_cap"] == 2
    assert run.summary["schedule"]["dropped"] == 50 - len(rows) > 10
    assert not run.valid
    assert any("dropped because 2 were under way" in reason for reason in run.reasons)


def test_the_rate_stays_below_the_published_one(holding_invoker: LoopbackInvoker) -> None:
    settings = LoadSettings(loop="open", rate=500, duration_seconds=0.5, arrivals="constant")
    run, _ = make_run(holding_invoker, settings, limits=Limits(requests_per_second=40))
    assert run.summary["offered_rate"] == pytest.approx(40)
    assert run.settings["rate"] == 500
    assert run.settings["rate_limit"] == 40


def test_poisson_arrivals_come_from_their_seed_and_have_the_rate_asked_for() -> None:
    first, again, other = (schedule(100, 50, "poisson", seed) for seed in (1, 1, 2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first[:100], other[:100])
    assert first.size == pytest.approx(5000, rel=0.05)
    gaps = np.diff(first) / 1e9
    assert gaps.std() == pytest.approx(gaps.mean(), rel=0.1)
    assert first[-1] < 50e9


def test_constant_arrivals_are_evenly_spaced() -> None:
    assert set(np.diff(schedule(200, 1, "constant", 0)).tolist()) == {5_000_000}


# --- samples ---------------------------------------------------------------------------------------------


def test_every_tenth_request_repeats_a_sample_sent_shortly_before() -> None:
    order = SampleOrder(1000, seed=1, lag=20)
    places = [order.next() for _ in range(500)]
    assert len(set(places[:29])) == 29
    repeats = [number for number in range(500) if places[number] in places[:number]]
    assert repeats == [number for number in range(29, 500) if number % 10 == 9]
    assert all(places[number] == places[number - 25] for number in repeats)


def test_all_samples_are_sent_before_any_comes_again_by_itself() -> None:
    order = SampleOrder(50, seed=1, lag=5)
    places = [order.next() for _ in range(200)]
    assert set(places[:60]) == set(range(50))
    assert max(Counter(places).values()) - min(Counter(places).values()) <= 3


def test_a_cache_is_noticed_and_its_absence_too() -> None:
    class Cache(Sleeper):
        def __init__(self) -> None:
            super().__init__(0.01)
            self.known: set[str] = set()

        def call(self, sample: Sample) -> Prediction:
            if sample.sample_id not in self.known:
                time.sleep(self.seconds)
            self.known.add(sample.sample_id)
            return Prediction("cat", 1.0)

    cached, _ = make_run(Cache(), LoadSettings(calls=200, concurrency=4))
    repeats = cached.summary["repeats"]
    assert repeats["suspicious"]
    assert repeats["ratio"] < 0.5
    assert repeats["pairs"] >= 80
    honest, _ = make_run(Sleeper(0.005), LoadSettings(calls=200, concurrency=4))
    assert not honest.summary["repeats"]["suspicious"]
    few, _ = make_run(Sleeper(0.001), LoadSettings(calls=20, concurrency=2))
    assert few.summary["repeats"]["needs"] == 20


def test_all_payloads_are_prepared_before_the_first_request(quick_server: Running) -> None:
    invoker = LoopbackInvoker(quick_server.url, "cat", body=BODY)
    make_run(invoker, LoadSettings(calls=500))
    assert len(invoker.prepared) == len(set(invoker.prepared)) == 100


def test_expiring_payloads_are_made_again_ahead_of_their_moment(holding_server: Running) -> None:
    moments: list[int] = []

    class Signing(LoopbackInvoker):
        def prepare(self, sample: Sample):  # type: ignore[no-untyped-def]  # as the parent's
            moments.append(time.monotonic_ns())
            return super().prepare(sample)

    invoker = Signing(holding_server.url, "cat", body=b"x", valid_for_seconds=1.0)
    run, _ = make_run(invoker, LoadSettings(duration_seconds=1.5, concurrency=2), samples=make_samples(20))
    assert len(moments) > 40
    assert run.summary["payloads_made_late"] <= 0.05 * run.summary["n"]
    assert run.summary["outcomes"]["ok"] == run.summary["n"]


# --- failures --------------------------------------------------------------------------------------------


def test_throttles_and_errors_are_counted_beside_the_latencies() -> None:
    with loopback_server(Behaviour(throttle_above=50)) as server:
        run, rows = make_run(LoopbackInvoker(server.url, "cat", body=b"x"), LoadSettings(calls=200, concurrency=4))
    counts = Counter(row.outcome for row in measured(rows))
    assert run.summary["outcomes"]["throttled"] == counts[Outcome.THROTTLED] > 100
    assert run.summary["service_ms"]["p50"]["n"] == counts[Outcome.OK]
    assert "throttles" in run.summary["errors"]["throttled"]
    assert any("throttled" in reason for reason in run.reasons)
    assert all(row.correct is None for row in measured(rows) if row.outcome is not Outcome.OK)


def test_quota_ends_a_load_run() -> None:
    script = [Prediction("cat", 1.0)] * 30 + [QuotaExceeded("used up")] * 1000
    with pytest.raises(QuotaExceeded):
        make_run(ScriptedCalls(script), LoadSettings(calls=1000, concurrency=2))


def test_a_stopped_run_is_not_complete_and_has_no_verdict() -> None:
    stop = threading.Event()
    threading.Timer(0.3, stop.set).start()
    begun = time.monotonic()
    run, rows = make_run(Sleeper(0.01), LoadSettings(calls=100_000, concurrency=2), stop=stop)
    assert time.monotonic() - begun < 5
    assert not run.complete
    assert run.valid is None
    assert measured(rows)


def test_a_store_that_fails_ends_the_run_with_its_own_error() -> None:
    def full(rows: list[LoadCall]) -> None:
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space left"):
        run_load(
            Sleeper(0.005), make_samples(5), LoadSettings(calls=10_000), trial_id="t", load_run_id="r", record=full
        )


@pytest.mark.parametrize(
    "settings",
    [
        LoadSettings(loop="spiral"),
        LoadSettings(calls=0),
        LoadSettings(concurrency=0),
        LoadSettings(loop="open"),
        LoadSettings(loop="open", rate=5, arrivals="never"),
        LoadSettings(loop="sweep", sweep_from=10, sweep_to=1),
        LoadSettings(loop="sweep"),
    ],
)
def test_settings_that_make_no_run_are_refused_with_a_remedy(settings: LoadSettings) -> None:
    with pytest.raises(UsageError) as caught:
        make_run(ScriptedCalls(), settings)
    assert caught.value.remedy


def test_a_run_without_samples_is_refused() -> None:
    with pytest.raises(UsageError, match="at least one test sample"):
        make_run(ScriptedCalls(), LoadSettings(), samples=[])


# --- what comes out --------------------------------------------------------------------------------------


def test_the_summary_is_json_and_no_quantile_stands_without_its_n(holding_invoker: LoopbackInvoker) -> None:
    run, _ = make_run(holding_invoker, LoadSettings(calls=100, concurrency=4))
    text = json.loads(json.dumps(dict(run.summary)))
    assert text["service_ms"]["p99"] == {"needs": 299, "n": 100}
    assert text["service_ms"]["p95"]["n"] == 100
    assert any("p99 needs 299" in reason for reason in run.reasons)
    lines = "\n".join(describe_load_run(run))
    assert "p99 needs 299 calls" in lines
    assert "not VALID" in lines
    json.dumps(dict(run.settings))


def test_rows_are_handed_on_in_batches_while_the_run_goes_on() -> None:
    batches: list[tuple[float, int]] = []

    def record(rows: list[LoadCall]) -> None:
        batches.append((time.monotonic(), len(rows)))

    run_load(
        Sleeper(0.005),
        make_samples(10),
        LoadSettings(duration_seconds=0.8, concurrency=4, warm_up_calls=0),
        trial_id="t",
        load_run_id="r",
        record=record,
    )
    assert 4 <= len(batches) <= 12
    assert batches[-1][0] - batches[0][0] > 0.4


def test_goodput_counts_only_answers_within_the_limit(holding_invoker: LoopbackInvoker) -> None:
    all_late, _ = make_run(holding_invoker, LoadSettings(calls=50, latency_limit_ms=1.0))
    assert all_late.summary["goodput"]["value"] == 0
    assert all_late.summary["throughput"]["value"] > 0
    in_time, _ = make_run(holding_invoker, LoadSettings(calls=50, latency_limit_ms=10_000.0))
    assert in_time.summary["goodput"]["n"] == 50


def test_the_timeline_holds_every_call(holding_invoker: LoopbackInvoker) -> None:
    run, _ = make_run(holding_invoker, LoadSettings(calls=300, concurrency=4))
    assert sum(slot["answered"] for slot in run.summary["timeline"]) == 300
    assert run.summary["timeline"][0]["second"] == 0


def test_the_round_trip_is_probed_before_during_and_after(holding_invoker: LoopbackInvoker) -> None:
    run, _ = make_run(holding_invoker, LoadSettings(calls=100))
    assert {moment: cell["n"] for moment, cell in run.summary["round_trip_ms"].items()} == {
        "before": 5,
        "during": 5,
        "after": 5,
    }
