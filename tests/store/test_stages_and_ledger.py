"""Stages continue where they were, and the ledger knows of everything that may exist."""

from __future__ import annotations

import dataclasses

import pytest

from automl_bench.contract import Resource, Stage
from automl_bench.errors import RecordsError
from automl_bench.store import Store
from automl_bench.store.records import LedgerEntry, LedgerState, StageRecord, StageStatus, TrialRecord

ENTRY = LedgerEntry("t1", Stage.DEPLOY, "local", "auto", "server", "automl-bench-t1-server", hourly_usd=1.0)


def test_a_running_stage_keeps_its_token_and_start_when_begun_again(store: Store) -> None:
    first = store.begin_stage("t1", Stage.TRAIN)
    assert first.status is StageStatus.RUNNING
    assert first.token == ""
    store.save_operation("t1", Stage.TRAIN, "job-1")
    assert store.begin_stage("t1", Stage.TRAIN) == dataclasses.replace(first, token="job-1")


@pytest.mark.parametrize("ended", [StageStatus.FAILED, StageStatus.DONE, StageStatus.UNDONE])
def test_a_stage_that_ended_begins_afresh(store: Store, ended: StageStatus) -> None:
    store.begin_stage("t1", Stage.TRAIN)
    store.save_operation("t1", Stage.TRAIN, "job-1")
    store.finish_stage(StageRecord("t1", Stage.TRAIN, ended, result={"a": 1}, wall_seconds=3.0, message="m"))
    again = store.begin_stage("t1", Stage.TRAIN)
    assert (again.status, again.token, again.result, again.wall_seconds, again.message) == (
        StageStatus.RUNNING,
        "",
        {},
        None,
        "",
    )


def test_every_token_stays_on_record(store: Store) -> None:
    store.begin_stage("t1", Stage.TRAIN)
    store.save_operation("t1", Stage.TRAIN, "job-1")
    store.finish_stage(StageRecord("t1", Stage.TRAIN, StageStatus.FAILED))
    store.begin_stage("t1", Stage.TRAIN)
    store.save_operation("t1", Stage.TRAIN, "job-2")
    store.save_operation("t1", Stage.TRAIN, "job-2")
    assert [(stage, token) for stage, token, _ in store.operations("t1")] == [
        (Stage.TRAIN, "job-1"),
        (Stage.TRAIN, "job-2"),
    ]


def test_finishing_keeps_what_the_record_leaves_empty(store: Store) -> None:
    begun = store.begin_stage("t1", Stage.TRAIN)
    store.save_operation("t1", Stage.TRAIN, "job-1")
    store.finish_stage(StageRecord("t1", Stage.TRAIN, StageStatus.DONE, wall_seconds=2.0))
    found = store.stage("t1", Stage.TRAIN)
    assert found is not None
    assert (found.token, found.started_at, found.wall_seconds) == ("job-1", begun.started_at, 2.0)
    assert found.finished_at > begun.started_at


def test_stages_come_in_the_order_they_run(store: Store) -> None:
    for stage in (Stage.TEARDOWN, Stage.INVOKE, Stage.UPLOAD, Stage.PARALLEL):
        store.begin_stage("t1", stage)
    assert [record.stage for record in store.stages("t1")] == [
        Stage.UPLOAD,
        Stage.INVOKE,
        Stage.PARALLEL,
        Stage.TEARDOWN,
    ]
    assert store.stage("t1", Stage.DEPLOY) is None


def test_teardown_undoes_done_and_running_stages_but_not_failures(store: Store) -> None:
    store.finish_stage(StageRecord("t1", Stage.TRAIN, StageStatus.DONE, token="job-1"))
    store.finish_stage(StageRecord("t1", Stage.UPLOAD, StageStatus.FAILED, message="m"))
    store.save_operation("t1", Stage.DEPLOY, "job-2")
    store.mark_stages_undone("t1", [Stage.UPLOAD, Stage.TRAIN, Stage.DEPLOY])
    found = {record.stage: (record.status, record.token) for record in store.stages("t1")}
    assert found == {
        Stage.UPLOAD: (StageStatus.FAILED, ""),
        Stage.TRAIN: (StageStatus.UNDONE, ""),
        Stage.DEPLOY: (StageStatus.UNDONE, ""),
    }


def test_a_stage_of_an_unknown_trial_is_refused(store: Store) -> None:
    with pytest.raises(RecordsError, match="Trial t9 is not in the results file"):
        store.begin_stage("t9", Stage.TRAIN)


def test_intending_twice_gives_the_same_line(store: Store) -> None:
    first = store.ledger_intend(ENTRY)
    assert first.entry_id > 0
    assert first.state is LedgerState.INTENDED
    created = store.ledger_created(first.entry_id, Resource("server", ENTRY.name, "id-1"))
    assert store.ledger_intend(ENTRY) == created
    assert store.ledger() == [created]


def test_intending_after_deletion_gives_a_new_line(store: Store) -> None:
    first = store.ledger_intend(ENTRY)
    store.ledger_deleted(first.entry_id)
    second = store.ledger_intend(ENTRY)
    assert second.entry_id > first.entry_id
    assert [entry.entry_id for entry in store.ledger(open_only=True)] == [second.entry_id]
    assert [entry.entry_id for entry in store.ledger()] == [first.entry_id, second.entry_id]


def test_an_unknown_price_does_not_overwrite_the_intended_one(store: Store) -> None:
    line = store.ledger_intend(ENTRY)
    assert store.ledger_created(line.entry_id, Resource("server", ENTRY.name)).hourly_usd == 1.0
    assert store.ledger_created(line.entry_id, Resource("server", ENTRY.name, hourly_usd=0.0)).hourly_usd == 0.0


def test_a_line_goes_through_its_states_and_stays_deleted(store: Store) -> None:
    line = store.ledger_intend(ENTRY)
    assert store.ledger_created(line.entry_id, Resource("server", ENTRY.name)).state is LedgerState.CREATED
    assert store.ledger_deleting(line.entry_id).state is LedgerState.DELETING
    assert [entry.state for entry in store.ledger(open_only=True)] == [LedgerState.DELETING]
    deleted = store.ledger_deleted(line.entry_id)
    assert deleted.state is LedgerState.DELETED
    assert store.ledger_deleting(line.entry_id) == deleted
    assert store.ledger_deleted(line.entry_id) == deleted
    with pytest.raises(RecordsError, match="was closed by its deletion"):
        store.ledger_created(line.entry_id, Resource("server", ENTRY.name))


def test_the_ledger_is_filtered_and_ordered(store: Store) -> None:
    store.save_trial(TrialRecord("t2", "vertex", "v", "pets", "f", 5))
    for trial, provider, name in (("t1", "local", "b"), ("t2", "vertex", "a"), ("t1", "local", "a")):
        store.ledger_intend(dataclasses.replace(ENTRY, trial_id=trial, provider=provider, name=name))
    assert [entry.name for entry in store.ledger("t1")] == ["b", "a"]
    assert [entry.trial_id for entry in store.ledger(provider="vertex")] == ["t2"]
    assert [entry.entry_id for entry in store.ledger()] == [1, 2, 3]


def test_keep_marks_what_is_not_deleted(store: Store) -> None:
    gone = store.ledger_intend(dataclasses.replace(ENTRY, name="gone"))
    store.ledger_deleted(gone.entry_id)
    store.ledger_intend(ENTRY)
    store.ledger_keep("t1", True)
    assert [entry.keep for entry in store.ledger()] == [False, True]
    store.ledger_keep("t1", False)
    assert [entry.keep for entry in store.ledger()] == [False, False]


def test_a_line_that_was_never_written_is_refused(store: Store) -> None:
    for change in (store.ledger_deleting, store.ledger_deleted):
        with pytest.raises(RecordsError, match="has no line 99"):
            change(99)
    with pytest.raises(RecordsError, match="has no line 99"):
        store.ledger_created(99, Resource("server", "n"))
    with pytest.raises(RecordsError, match="Trial t9 is not in"):
        store.ledger_intend(dataclasses.replace(ENTRY, trial_id="t9"))
