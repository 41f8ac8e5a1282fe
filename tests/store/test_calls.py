"""Invocations and load calls: never doubled, never lost, quickly read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from automl_bench.errors import RecordsError
from automl_bench.store import Store
from automl_bench.store.call_rows import ROWS_PER_STATEMENT
from automl_bench.store.records import CallPhase, CallTiming, Invocation, LoadCall, LoadRun, Outcome, TrialRecord

MakeInvocation = Callable[..., Invocation]
MakeCall = Callable[..., LoadCall]


def test_a_repeated_row_is_not_doubled_and_the_first_one_stays(store: Store, invocation: MakeInvocation) -> None:
    first = invocation("s1")
    assert store.add_invocations([first, first]) == 1
    assert store.add_invocations([replace(first, predicted="dog"), invocation("s2")]) == 1
    assert store.invocations("t1") == [first, invocation("s2")]


def test_attempts_and_phases_of_one_sample_are_different_rows(store: Store, invocation: MakeInvocation) -> None:
    rows = [
        replace(invocation("s1"), phase=CallPhase.COLD),
        invocation("s1", Outcome.THROTTLED, attempt=1),
        invocation("s1", attempt=2),
    ]
    assert store.add_invocations(rows) == 3
    assert len(store.invocations("t1")) == 3
    assert [row.attempt for row in store.invocations("t1", CallPhase.MEASURED)] == [1, 2]


@pytest.mark.parametrize("outcome", [Outcome.OK, Outcome.REFUSED, Outcome.TIMEOUT, Outcome.FAILED])
def test_a_sample_with_a_final_outcome_is_done(store: Store, invocation: MakeInvocation, outcome: Outcome) -> None:
    store.add_invocations([invocation("s1", outcome)])
    assert store.invoked_sample_ids("t1") == {"s1"}


def test_a_throttled_or_unmeasured_sample_is_not_done(store: Store, invocation: MakeInvocation) -> None:
    store.add_invocations(
        [
            invocation("s1", Outcome.THROTTLED),
            replace(invocation("s2"), phase=CallPhase.COLD),
            replace(invocation("s3"), phase=CallPhase.WARM_UP),
        ]
    )
    assert store.invoked_sample_ids("t1") == frozenset()
    store.add_invocations([invocation("s1", attempt=2)])
    assert store.invoked_sample_ids("t1") == {"s1"}


def test_an_invocation_of_an_unknown_trial_is_refused_and_none_of_its_batch_is_stored(
    store: Store, invocation: MakeInvocation
) -> None:
    with pytest.raises(RecordsError, match="Trial t9 is not in the results file"):
        store.add_invocations([invocation("s1"), invocation("s2", trial_id="t9")])
    assert store.invocations("t1") == []
    assert store.add_invocations([invocation("s1")]) == 1, "keys learned in the failed batch are forgotten"


def test_a_value_that_no_column_takes_is_one_sentence(store: Store, invocation: MakeInvocation) -> None:
    with pytest.raises(RecordsError, match="cannot be stored"):
        store.add_invocations([replace(invocation("s1"), label="\udcff")])
    with pytest.raises(RecordsError, match="cannot be stored"):
        store.add_invocations([replace(invocation("s1"), timing=CallTiming(2**63, 2**63 + 1))])


def test_a_list_changed_after_submitting_does_not_change_what_is_stored(
    store: Store, invocation: MakeInvocation
) -> None:
    rows = [invocation("s1")]
    future = store.submit_invocations(rows)
    rows.clear()
    assert future.result(10) == 1


def test_invocation_columns_hold_the_same_numbers_as_the_rows(store: Store, invocation: MakeInvocation) -> None:
    store.save_trial(TrialRecord("t2", "local", "svc", "pets", "f", 5))
    rows = [replace(invocation(f"s{i}"), timing=CallTiming(100 * i, 100 * i + 50 + i, 100 * i - 3)) for i in range(5)]
    failed = Invocation("t2", "s1", "cat", None, None, Outcome.FAILED, CallTiming(7, 9), error="No.")
    store.add_invocations([*rows, failed])
    columns = store.invocation_columns(["t2", "t1"])
    assert columns["trial_id"].tolist() == ["t2"] + ["t1"] * 5
    assert columns["service_ns"].tolist() == [2] + [row.timing.service_ns for row in rows]
    assert columns["response_ns"].tolist() == [2] + [row.timing.response_ns for row in rows]
    assert columns["scheduled_ns"].tolist() == [7] + [row.timing.scheduled_ns for row in rows]
    assert columns["predicted"].tolist() == [None] + ["cat"] * 5
    assert columns["outcome"].tolist() == ["failed"] + ["ok"] * 5
    assert np.isnan(columns["confidence"][0])
    assert np.isnan(columns["wait_ns"]).all()
    assert columns["service_ns"].dtype == np.int64
    assert columns["confidence"].dtype == np.float64


def test_columns_of_nothing_are_empty_but_typed(store: Store) -> None:
    columns = store.invocation_columns(["t1"])
    assert {len(column) for column in columns.values()} == {0}
    assert columns["sent_ns"].dtype == np.int64
    assert columns["label"].dtype == np.object_


def test_invocation_columns_leave_out_other_phases_unless_asked(store: Store, invocation: MakeInvocation) -> None:
    store.add_invocations([invocation("s1"), replace(invocation("s1"), phase=CallPhase.COLD)])
    assert len(store.invocation_columns(["t1"])["phase"]) == 1
    assert sorted(store.invocation_columns(["t1"], phase=None)["phase"]) == ["cold", "measured"]


def test_answer_columns_count_the_last_measured_attempt_of_each_sample(store: Store) -> None:
    chance, labels = np.random.default_rng(3), ["cat", 'a "dog"', "x,y", "ü\\n", "null"]
    rows = []
    for place in range(400):
        attempts = int(chance.integers(1, 4))
        for attempt in range(1, attempts + 1):
            outcome = Outcome.OK if attempt == attempts and chance.random() < 0.8 else Outcome.THROTTLED
            told = None if outcome is not Outcome.OK or chance.random() < 0.1 else labels[chance.integers(5)]
            phase = CallPhase.COLD if place % 50 == 0 else CallPhase.MEASURED
            timing = CallTiming(1000 * place, 1000 * place + int(chance.integers(1, 2**40)))
            sure = None if told is None else float(chance.random())
            rows.append(Invocation("t1", f"s{place}", labels[place % 3], told, sure, outcome, timing, phase, attempt))
    store.add_invocations([rows[place] for place in chance.permutation(len(rows))])
    last = {row.sample_id: row for row in sorted(rows, key=lambda row: row.attempt) if row.phase is CallPhase.MEASURED}
    found = store.answer_columns("t1", confidence=True)
    assert found.pairs() == Counter((row.label, row.predicted) for row in last.values())
    assert found.outcomes() == {
        one.value: sum(row.outcome is one and row.phase is CallPhase.MEASURED for row in rows) for one in Outcome
    }
    assert Counter(found.service_ns.tolist()) == Counter(row.timing.service_ns for row in rows)
    assert found.confidence is not None
    kept = found.confidence[found.last]
    assert Counter(kept[~np.isnan(kept)].tolist()) == Counter(
        row.confidence for row in last.values() if row.confidence is not None
    )
    assert Counter(store.unanswered("t1")) == {"throttled": sum(row.outcome is not Outcome.OK for row in last.values())}


def test_answer_columns_of_nothing_are_empty(store: Store) -> None:
    found = store.answer_columns("t1")
    assert (found.pairs(), len(found.sample), store.cold_ns("t1")) == ({}, 0, [])


@pytest.mark.parametrize("count", [1, ROWS_PER_STATEMENT - 1, ROWS_PER_STATEMENT, 3 * ROWS_PER_STATEMENT + 5])
def test_load_calls_of_any_number_are_stored_once(store: Store, load_call: MakeCall, count: int) -> None:
    store.begin_load_run(LoadRun("r1", "t1", "closed", {}))
    calls = [load_call(number) for number in range(count)]
    assert store.submit_load_calls("r1", calls).result(10) == count
    assert store.add_load_calls("r1", calls) == 0
    assert store.load_calls("r1") == calls


def test_load_call_columns_hold_the_same_numbers_as_the_rows(store: Store, load_call: MakeCall) -> None:
    store.begin_load_run(LoadRun("r1", "t1", "open", {}))
    calls = [load_call(number, Outcome.FAILED if number == 3 else Outcome.OK) for number in range(300)]
    store.add_load_calls("r1", calls)
    columns: dict[str, Any] = store.load_call_columns("r1")
    assert columns["number"].tolist() == list(range(300))
    assert columns["response_ns"].tolist() == [call.timing.response_ns for call in calls]
    assert columns["scheduled_ns"].tolist() == [call.timing.scheduled_ns for call in calls]
    assert columns["outcome"].tolist().count("failed") == 1
    assert columns["status"].tolist() == [200.0] * 300
    assert store.load_run_extent("r1") == (300, 299, 299 * 1_000_000 + 20_000_000)


def test_an_unfinished_load_run_is_incomplete_and_kept_apart(store: Store, load_call: MakeCall) -> None:
    for name in ("r1", "r2"):
        store.begin_load_run(LoadRun(name, "t1", "closed", {"calls": 10}, complete=True, valid=True))
        store.add_load_calls(name, [load_call(0)])
    store.finish_load_run(LoadRun("r2", "t1", "closed", {"calls": 10}, complete=True, valid=True))
    assert [(run.load_run_id, run.complete, run.valid) for run in store.load_runs("t1")] == [
        ("r1", False, None),
        ("r2", True, True),
    ]
    assert [run.load_run_id for run in store.load_runs(complete_only=True)] == ["r2"]
    assert len(store.load_calls("r1")) == 1


def test_beginning_a_load_run_twice_keeps_the_first(store: Store) -> None:
    store.begin_load_run(LoadRun("r1", "t1", "closed", {"calls": 1}))
    store.finish_load_run(LoadRun("r1", "t1", "closed", {"calls": 1}, complete=True, valid=True))
    store.begin_load_run(LoadRun("r1", "t1", "closed", {"calls": 2}))
    assert [(run.complete, run.settings) for run in store.load_runs()] == [(True, {"calls": 1})]


def test_calls_of_a_load_run_that_never_began_are_refused(store: Store, load_call: MakeCall) -> None:
    with pytest.raises(RecordsError, match="Load run r9 is not in the results file"):
        store.add_load_calls("r9", [load_call(0)])
    with pytest.raises(RecordsError, match="Load run r9 is not in the results file"):
        store.finish_load_run(LoadRun("r9", "t1", "closed", {}))
    with pytest.raises(RecordsError, match="Trial t9 is not in the results file"):
        store.begin_load_run(LoadRun("r9", "t9", "closed", {}))
