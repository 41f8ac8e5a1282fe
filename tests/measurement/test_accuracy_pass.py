"""The accuracy pass: every sample once, each request a row, retries outside every timing."""

from __future__ import annotations

import threading
import time
from collections import Counter

import pytest
from call_scripts import ScriptedCalls, make_samples

from automl_bench.contract import HttpRequest, Limits, Prediction, Sample
from automl_bench.errors import QuotaExceeded, RateLimited, RequestRefused, ServiceUnavailable, Unauthenticated
from automl_bench.measurement.accuracy_pass import PassLane, PassProgress, PassSettings, run_pass
from automl_bench.simulation.loopback_invoker import LoopbackInvoker
from automl_bench.simulation.loopback_server import Running
from automl_bench.store.records import CallPhase, Invocation, Outcome

BARE = PassSettings(warm_up=0, cold=False)


def measured(rows: list[Invocation]) -> list[Invocation]:
    return [row for row in rows if row.phase is CallPhase.MEASURED]


def test_every_sample_is_classified_once_and_the_label_stays_with_the_host() -> None:
    rows: list[Invocation] = []
    samples = make_samples(30, "dog")
    invoker = ScriptedCalls(label="dog")
    [summary] = run_pass([PassLane("t", invoker)], samples, settings=BARE, record=rows.append)
    assert Counter(row.sample_id for row in rows) == Counter(sample.sample_id for sample, _ in samples)
    assert summary.done == summary.total == summary.correct == 30
    assert all(row.label == row.predicted == "dog" for row in rows)
    assert not any("dog" in seen for seen in invoker.seen)


def test_the_order_is_random_but_the_same_for_the_same_seed() -> None:
    samples = make_samples(50)
    orders = []
    for seed in (1, 1, 2):
        invoker = ScriptedCalls()
        settings = PassSettings(order_seed=seed, warm_up=0, cold=False)
        run_pass([PassLane("t", invoker)], samples, settings=settings, record=lambda row: None)
        orders.append(invoker.seen)
    assert orders[0] == orders[1] != orders[2]
    assert orders[0] != [sample.sample_id for sample, _ in samples]


def test_cold_and_warm_up_calls_are_rows_apart_and_never_count() -> None:
    rows: list[Invocation] = []
    wrong = Prediction("dog", 1.0)
    [summary] = run_pass(
        [PassLane("t", ScriptedCalls([wrong] * 4))], make_samples(10), settings=PassSettings(), record=rows.append
    )
    assert [row.phase for row in rows[:4]] == [CallPhase.COLD] + [CallPhase.WARM_UP] * 3
    assert len(measured(rows)) == 10
    assert summary.correct == 10
    assert summary.requests == 14


def test_cold_and_warm_up_calls_take_the_samples_that_the_pass_reaches_last() -> None:
    rows: list[Invocation] = []
    run_pass([PassLane("t", ScriptedCalls())], make_samples(10), settings=PassSettings(), record=rows.append)
    extra = [row.sample_id for row in rows[:4]]
    assert extra == [row.sample_id for row in rows[:-5:-1]]


def test_rows_are_unique_by_sample_phase_and_attempt_even_with_fewer_samples_than_warm_up_calls() -> None:
    rows: list[Invocation] = []
    settings = PassSettings(warm_up=5, idle_cold_seconds=0.0)
    run_pass([PassLane("t", ScriptedCalls())], make_samples(1), settings=settings, record=rows.append)
    keys = [(row.sample_id, row.phase, row.attempt) for row in rows]
    assert len(keys) == len(set(keys)) == 1 + 5 + 1 + 1


def test_a_cold_call_after_idling_is_recorded_apart() -> None:
    rows: list[Invocation] = []
    begun = time.monotonic()
    settings = PassSettings(warm_up=0, idle_cold_seconds=0.2)
    run_pass([PassLane("t", ScriptedCalls())], make_samples(5), settings=settings, record=rows.append)
    assert time.monotonic() - begun >= 0.2
    cold = [row for row in rows if row.phase is CallPhase.COLD]
    assert len(cold) == 2
    assert cold[0].sample_id != cold[1].sample_id
    assert rows[-1] is cold[1]
    assert rows[-1].timing.sent_ns - rows[-2].timing.received_ns >= 200_000_000


def test_a_resumed_pass_sends_only_what_is_missing_and_is_not_cold_any_more() -> None:
    rows: list[Invocation] = []
    samples = make_samples(10)
    done = frozenset(sample.sample_id for sample, _ in samples[:7])
    lane = PassLane(
        "t", ScriptedCalls(), already_done=done, already_right=frozenset(sorted(done)[:5]), already_failed=1
    )
    progress: list[PassProgress] = []
    [summary] = run_pass(
        [lane], samples, settings=PassSettings(warm_up=0), record=rows.append, on_progress=progress.append
    )
    assert {row.sample_id for row in rows} == {sample.sample_id for sample, _ in samples[7:]}
    assert not any(row.phase is CallPhase.COLD for row in rows)
    assert (summary.done, summary.correct, summary.failed) == (10, 8, 1)
    assert [(step.done, step.total) for step in progress] == [(8, 10), (9, 10), (10, 10)]
    assert progress[-1].accuracy == 0.8


def test_a_throttled_call_is_asked_again_after_the_wait_asked_for_and_each_attempt_is_a_row() -> None:
    rows: list[Invocation] = []
    throttle = RateLimited("too many", retry_after=0.15)
    [summary] = run_pass(
        [PassLane("t", ScriptedCalls([throttle, throttle]))], make_samples(1), settings=BARE, record=rows.append
    )
    assert [(row.attempt, row.outcome) for row in rows] == [
        (1, Outcome.THROTTLED),
        (2, Outcome.THROTTLED),
        (3, Outcome.OK),
    ]
    assert rows[1].timing.sent_ns - rows[0].timing.received_ns >= 150_000_000
    assert rows[2].timing.service_ns < 100_000_000
    assert (summary.done, summary.correct, summary.failed, summary.throttled) == (1, 1, 0, 2)


def test_a_sample_that_stays_throttled_fails_after_the_last_attempt() -> None:
    rows: list[Invocation] = []
    throttle = RateLimited("too many", retry_after=0.0)
    settings = PassSettings(warm_up=0, cold=False, max_attempts=3)
    [summary] = run_pass(
        [PassLane("t", ScriptedCalls([throttle] * 3))], make_samples(2), settings=settings, record=rows.append
    )
    assert len(rows) == 4
    assert (summary.done, summary.correct, summary.failed) == (2, 1, 1)


def test_attempts_of_an_interrupted_pass_are_counted_on() -> None:
    rows: list[Invocation] = []
    [(sample, label)] = make_samples(1)
    lane = PassLane("t", ScriptedCalls(), attempts_stored={sample.sample_id: 2})
    run_pass([lane], [(sample, label)], settings=BARE, record=rows.append)
    assert [row.attempt for row in rows] == [3]


def test_a_refused_call_is_not_repeated_and_counts_as_wrong() -> None:
    rows: list[Invocation] = []
    progress: list[PassProgress] = []
    [summary] = run_pass(
        [PassLane("t", ScriptedCalls([RequestRefused("too small")]))],
        make_samples(4),
        settings=BARE,
        record=rows.append,
        on_progress=progress.append,
    )
    assert len(rows) == 4
    assert (summary.correct, summary.failed) == (3, 1)
    assert progress[-1].accuracy == 0.75


@pytest.mark.parametrize("error", [QuotaExceeded("used up"), Unauthenticated("the key has expired")])
def test_quota_and_credentials_end_the_pass_after_the_row_is_recorded(error: Exception) -> None:
    rows: list[Invocation] = []
    answer = Prediction("cat", 1.0)
    with pytest.raises(type(error)):
        run_pass(
            [PassLane("t", ScriptedCalls([answer, answer, error]))], make_samples(10), settings=BARE, record=rows.append
        )
    assert [row.outcome for row in rows] == [Outcome.OK, Outcome.OK, Outcome.REFUSED]


def test_many_failures_in_a_row_end_the_pass() -> None:
    rows: list[Invocation] = []
    settings = PassSettings(warm_up=0, cold=False, max_failures_in_a_row=4)
    script = [RequestRefused("bad"), Prediction("cat", 1), *[RequestRefused("the endpoint is gone")] * 9]
    with pytest.raises(ServiceUnavailable, match="4 samples in a row had no answer; the last: the endpoint is gone"):
        run_pass([PassLane("t", ScriptedCalls(script))], make_samples(20), settings=settings, record=rows.append)
    assert len(rows) == 6


def test_interleaved_lanes_get_each_sample_one_after_the_other_in_random_order() -> None:
    rows: list[Invocation] = []
    samples = make_samples(60)
    lanes = [PassLane(name, ScriptedCalls()) for name in "abc"]
    summaries = run_pass(lanes, samples, settings=BARE, record=rows.append)
    groups = [rows[place : place + 3] for place in range(0, 180, 3)]
    assert all(len({row.sample_id for row in group}) == 1 for group in groups)
    assert all({row.trial_id for row in group} == set("abc") for group in groups)
    firsts = Counter(group[0].trial_id for group in groups)
    assert min(firsts.values()) >= 8
    assert [summary.trial_id for summary in summaries] == ["a", "b", "c"]
    assert all(summary.correct == 60 for summary in summaries)


def test_a_lane_that_ends_early_does_not_end_the_others() -> None:
    rows: list[Invocation] = []
    lanes = [PassLane("a", ScriptedCalls([QuotaExceeded("used up")])), PassLane("b", ScriptedCalls())]
    first, second = run_pass(lanes, make_samples(10), settings=BARE, record=rows.append)
    assert isinstance(first.error, QuotaExceeded)
    assert second.error is None
    assert second.done == 10


def test_an_interleaved_lane_skips_what_it_has_done_already() -> None:
    samples = make_samples(10)
    done = frozenset(sample.sample_id for sample, _ in samples[:5])
    first, second = ScriptedCalls(), ScriptedCalls()
    run_pass(
        [PassLane("a", first, already_done=done), PassLane("b", second)],
        samples,
        settings=BARE,
        record=lambda row: None,
    )
    assert len(first.seen) == 5
    assert len(second.seen) == 10


def test_the_published_rate_is_kept() -> None:
    rows: list[Invocation] = []
    lane = PassLane("t", ScriptedCalls(), limits=Limits(requests_per_second=50))
    run_pass([lane], make_samples(11), settings=BARE, record=rows.append)
    assert rows[-1].timing.sent_ns - rows[0].timing.sent_ns >= 10 * 20_000_000 * 0.99


def test_the_published_rate_is_left_aside_on_demand() -> None:
    lane = PassLane("t", ScriptedCalls(), limits=Limits(requests_per_second=1))
    settings = PassSettings(warm_up=0, cold=False, respect_limits=False)
    begun = time.monotonic()
    run_pass([lane], make_samples(20), settings=settings, record=lambda row: None)
    assert time.monotonic() - begun < 5


def test_stopping_ends_after_the_call_under_way() -> None:
    stop = threading.Event()
    rows: list[Invocation] = []

    def record(row: Invocation) -> None:
        rows.append(row)
        if len(rows) == 3:
            stop.set()

    [summary] = run_pass([PassLane("t", ScriptedCalls())], make_samples(20), settings=BARE, record=record, stop=stop)
    assert len(rows) == 3
    assert summary.stopped
    assert summary.done == 3


def test_stopping_ends_a_long_wait_for_a_throttle_at_once() -> None:
    stop = threading.Event()
    begun = time.monotonic()
    threading.Timer(0.2, stop.set).start()
    [summary] = run_pass(
        [PassLane("t", ScriptedCalls([RateLimited("later", retry_after=60.0)]))],
        make_samples(1),
        settings=BARE,
        record=lambda row: None,
        stop=stop,
    )
    assert time.monotonic() - begun < 5
    assert summary.stopped
    assert summary.done == 0


def test_over_http_one_connection_serves_the_whole_pass_and_the_round_trip_is_probed(
    holding_invoker: LoopbackInvoker,
) -> None:
    rows: list[Invocation] = []
    [summary] = run_pass(
        [PassLane("t", holding_invoker)], make_samples(40), settings=PassSettings(), record=rows.append
    )
    assert summary.new_connections == 1
    assert rows[0].timing.new_connection
    assert rows[0].phase is CallPhase.COLD
    assert all(row.timing.new_connection is False for row in rows[1:])
    assert all(row.status == 200 for row in rows)
    for moment in ("before", "during", "after"):
        assert summary.round_trip[moment]["n"] == 5
        assert 0 < summary.round_trip[moment]["ms"] < 50


def test_a_provider_that_is_called_through_its_sdk_is_marked() -> None:
    [summary] = run_pass([PassLane("t", ScriptedCalls())], make_samples(2), settings=BARE, record=lambda row: None)
    assert not summary.over_http
    assert summary.new_connections is None
    assert summary.round_trip["before"] == {"ms": None, "n": 0}


def test_a_request_is_prepared_after_the_wait_for_its_turn_so_that_its_signature_is_fresh(
    quick_server: Running,
) -> None:
    class Signing(LoopbackInvoker):
        prepared_ns: list[int] = []

        def prepare(self, sample: Sample) -> HttpRequest:
            self.prepared_ns.append(time.monotonic_ns())
            return super().prepare(sample)

    rows: list[Invocation] = []
    invoker = Signing(quick_server.url, "cat", body=b"x", valid_for_seconds=5)
    lane = PassLane("t", invoker, limits=Limits(requests_per_second=20))
    run_pass([lane], make_samples(5), settings=BARE, record=rows.append)
    ages = [row.timing.sent_ns - moment for row, moment in zip(rows, invoker.prepared_ns, strict=True)]
    assert max(ages[1:]) < 40_000_000


def test_a_row_tells_the_wall_clock_of_its_sending() -> None:
    from datetime import UTC, datetime

    rows: list[Invocation] = []
    before = datetime.now(UTC)
    run_pass([PassLane("t", ScriptedCalls())], make_samples(1), settings=BARE, record=rows.append)
    assert abs((datetime.fromisoformat(rows[0].at) - before).total_seconds()) < 2


def test_training_samples_are_asked_for_after_the_pass_and_are_in_none_of_its_counts() -> None:
    rows: list[Invocation] = []
    training = make_samples(16)[10:]
    answers = [*[Prediction("cat", 0.6, {"cat": 0.6, "dog": 0.4})] * 10, Unauthenticated("No."), Prediction("dog", 1.0)]
    [summary] = run_pass(
        [PassLane("t", ScriptedCalls(answers), training=training)], make_samples(10), settings=BARE, record=rows.append
    )
    assert [row.phase for row in rows] == [CallPhase.MEASURED] * 10 + [CallPhase.TRAINING]
    assert {row.true_rank for row in measured(rows)} <= {1, 2}
    assert (summary.done, summary.failed, summary.error) == (10, 0, None), "a bad end there does not end the trial"


def test_of_training_samples_so_many_failures_in_a_row_are_enough() -> None:
    rows: list[Invocation] = []
    training = make_samples(60)[10:]
    lane = PassLane("t", ScriptedCalls([Prediction("cat", 1.0)] * 10 + [RequestRefused("No.")] * 50), training=training)
    run_pass([lane], make_samples(10), settings=BARE, record=rows.append)
    assert sum(row.phase is CallPhase.TRAINING for row in rows) == BARE.max_failures_in_a_row
