"""Trials are found by what they are, and no two processes work on one."""

from __future__ import annotations

import dataclasses
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from automl_bench.contract import CallTiming, Resource, Stage
from automl_bench.errors import LeaseLost, RecordsError, SettingsError
from automl_bench.store import Store, leases, open_store
from automl_bench.store.leases import LeaseWatch, current_owner, owner_alive
from automl_bench.store.records import (
    ExperimentRecord,
    Invocation,
    LedgerEntry,
    LoadCall,
    LoadRun,
    Outcome,
    StageRecord,
    StageStatus,
    TrialRecord,
    TrialStatus,
)


def test_saving_a_trial_again_never_resets_its_status(store: Store) -> None:
    trial = store.trial("t1")
    assert trial is not None
    store.set_trial_status("t1", TrialStatus.FAILED, "The server said no.")
    store.save_trial(trial)
    found = store.trial("t1")
    assert found == dataclasses.replace(trial, status=TrialStatus.FAILED, reason="The server said no.")


def test_a_new_status_drops_the_old_reason(store: Store) -> None:
    store.set_trial_status("t1", TrialStatus.FAILED, "No.")
    store.set_trial_status("t1", TrialStatus.RUNNING)
    found = store.trial("t1")
    assert found is not None
    assert (found.status, found.reason) == (TrialStatus.RUNNING, "")


def test_an_unknown_trial_is_none_and_its_status_cannot_be_set(store: Store) -> None:
    assert store.trial("nope") is None
    with pytest.raises(RecordsError, match="Trial nope is not in the results file"):
        store.set_trial_status("nope", TrialStatus.DONE)


def test_trials_are_found_by_each_of_their_parts(store: Store) -> None:
    store.save_trial(TrialRecord("t2", "local", "svc", "pets", "f", None))
    store.save_trial(TrialRecord("t3", "vertex", "auto", "food", "f", 5))
    store.set_trial_status("t3", TrialStatus.DONE)

    def ids(**wanted: object) -> list[str]:
        return [trial.trial_id for trial in store.trials(**wanted)]  # type: ignore[arg-type]  # one test for all filters

    assert ids() == ["t1", "t2", "t3"]
    assert ids(provider="local") == ["t1", "t2"]
    assert ids(dataset="food") == ["t3"]
    assert ids(variant="auto") == ["t1", "t3"]
    assert ids(shots=5) == ["t1", "t3"]
    assert ids(shots=None) == ["t2"]
    assert ids(status=TrialStatus.DONE) == ["t3"]
    assert ids(provider="local", shots=5) == ["t1"]


def test_an_experiment_lists_its_trials_in_its_own_order_and_can_be_replaced(store: Store) -> None:
    store.save_trial(TrialRecord("t2", "local", "svc", "pets", "f", 5))
    store.save_experiment(ExperimentRecord("x", {"a": 1}, ("t2", "t1")))
    assert [trial.trial_id for trial in store.trials(experiment="x")] == ["t2", "t1"]
    before = store.experiment("x")
    store.save_experiment(ExperimentRecord("x", {"a": 2}, ("t1",)))
    after = store.experiment("x")
    assert before is not None
    assert after is not None
    assert [trial.trial_id for trial in store.trials(experiment="x")] == ["t1"]
    assert after == dataclasses.replace(before, settings={"a": 2}, trial_ids=("t1",))
    assert store.trials(experiment="unknown") == []


OTHER = "far:1:1:another-boot:4026531836"
"""A process of another machine or container: only its heartbeat can tell whether it lives."""


class Clock:
    """A monotonic clock that the test moves."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(store: Store) -> Clock:
    moved = Clock()
    store._watch = LeaseWatch(moved)
    return moved


def test_a_trial_is_claimed_once(store: Store) -> None:
    owner = current_owner()
    assert store.claim_trial("t1", owner)
    assert store.claim_trial("t1", owner), "the owner itself may claim again"
    assert not store.claim_trial("t1", OTHER)
    assert store.trial_owner("t1") == owner
    store.release_trial("t1", OTHER)
    assert store.trial_owner("t1") == owner, "only the owner gives a lease back"


def test_each_claim_has_a_higher_number_than_all_before(store: Store) -> None:
    fences = []
    for _ in range(3):
        assert store.claim_trial("t1", current_owner())
        lease = store.lease("t1")
        assert lease is not None
        fences.append(lease.fence)
        store.release_trial("t1", current_owner())
    assert fences == [1, 2, 3]


def test_the_lease_of_a_process_known_to_be_dead_is_taken_over_at_once(store: Store) -> None:
    code = "from automl_bench.store.leases import current_owner; print(current_owner())"
    dead = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()
    assert owner_alive(dead) is False
    assert store.claim_trial("t1", dead)
    assert store.claim_trial("t1", current_owner())
    assert not store.heartbeat("t1", dead)


def test_a_recycled_process_id_is_not_the_old_owner() -> None:
    host, pid, start, boot, namespace = current_owner().split(":")
    assert owner_alive(f"{host}:{pid}:{start}:{boot}:{namespace}") is None, "only its heartbeat says that it lives"
    assert owner_alive(f"{host}:{pid}:{int(start) - 1}:{boot}:{namespace}") is False


@pytest.mark.parametrize("field", [3, 4], ids=["another boot", "another process namespace"])
def test_a_process_id_of_elsewhere_means_nothing_here(field: int) -> None:
    parts = current_owner().split(":")
    parts[1], parts[field] = "999999999", "elsewhere"
    assert owner_alive(":".join(parts)) is None


@pytest.mark.parametrize("owner", ["another-machine:1:2", "nonsense", "", "::::"])
def test_an_owner_that_cannot_be_judged_here_is_unknown(owner: str) -> None:
    assert owner_alive(owner) is None


def test_a_lease_ends_when_its_heartbeat_has_stood_still_for_the_watcher(store: Store, clock: Clock) -> None:
    assert store.claim_trial("t1", OTHER)
    assert not store.claim_trial("t1", current_owner()), "the first look shows nothing"
    clock.now += leases.LEASE_SECONDS - 1
    assert not store.claim_trial("t1", current_owner())
    assert store.heartbeat("t1", OTHER)
    clock.now += leases.LEASE_SECONDS - 1
    assert not store.claim_trial("t1", current_owner()), "it has moved since"
    assert store.is_heard("t1")
    clock.now += leases.LEASE_SECONDS - 1
    assert not store.claim_trial("t1", current_owner())
    clock.now += 1
    assert store.claim_trial("t1", current_owner())


@pytest.mark.parametrize("days", [-3, 3])
def test_the_wall_clocks_of_two_machines_are_never_compared(store: Store, clock: Clock, days: int) -> None:
    assert store.claim_trial("t1", OTHER)
    store._write(
        lambda connection: connection.execute("UPDATE leases SET heartbeat_at = heartbeat_at + ?", (days * 86400,))
    )
    assert not store.claim_trial("t1", current_owner())
    clock.now += leases.LEASE_SECONDS - 1
    assert not store.claim_trial("t1", current_owner())
    clock.now += 1
    assert store.claim_trial("t1", current_owner())


def test_who_has_ended_can_be_told_by_the_caller(store_path: Path) -> None:
    living = {"a"}
    with open_store(store_path, alive=lambda owner: None if owner in living else False) as store:
        store.save_trial(TrialRecord("t1", "p", "v", "d", "f", 5))
        assert store.claim_trial("t1", "a")
        assert not store.claim_trial("t1", "b")
        living.clear()
        assert store.claim_trial("t1", "b")


def every_write(store: Store) -> dict[str, Callable[[], object]]:
    """Return every way to write something of the trial t1."""
    invocation = Invocation("t1", "s", "a", "a", 1.0, Outcome.OK, CallTiming(1, 2))
    line = LedgerEntry("t1", Stage.DEPLOY, "local", "auto", "endpoint", "new")
    (known,) = store.ledger(trial_id="t1")
    run = LoadRun("run", "t1", loop="closed", settings={})
    call = LoadCall(0, 0, "s", Outcome.OK, CallTiming(1, 2))
    return {
        "status": lambda: store.set_trial_status("t1", TrialStatus.FAILED, "No."),
        "begin_stage": lambda: store.begin_stage("t1", Stage.DEPLOY),
        "save_operation": lambda: store.save_operation("t1", Stage.DEPLOY, "token"),
        "finish_stage": lambda: store.finish_stage(StageRecord("t1", Stage.DEPLOY, StageStatus.DONE)),
        "undone": lambda: store.mark_stages_undone("t1", [Stage.DEPLOY]),
        "invocations": lambda: store.add_invocations([invocation]),
        "submitted invocations": lambda: store.submit_invocations([invocation]).result(),
        "begin_load_run": lambda: store.begin_load_run(LoadRun("other", "t1", loop="closed", settings={})),
        "load calls": lambda: store.add_load_calls("run", [call]),
        "finish_load_run": lambda: store.finish_load_run(run),
        "intend": lambda: store.ledger_intend(line),
        "created": lambda: store.ledger_created(known.entry_id, Resource("model", "known", resource_id="9")),
        "deleting": lambda: store.ledger_deleting(known.entry_id),
        "deleted": lambda: store.ledger_deleted(known.entry_id),
        "keep": lambda: store.ledger_keep("t1", True),
        "keep_until": lambda: store.ledger_keep_until([known.entry_id], "2026-11-30T00:00:00+00:00"),
    }


WRITES = [
    "status", "begin_stage", "save_operation", "finish_stage", "undone", "invocations", "submitted invocations",
    "begin_load_run", "load calls", "finish_load_run", "intend", "created", "deleting", "deleted", "keep",
    "keep_until",
]  # fmt: skip


def dump(path: Path) -> list[str]:
    connection = sqlite3.connect(path)
    lines = list(connection.iterdump())
    connection.close()
    return lines


@pytest.mark.parametrize("name", WRITES)
@pytest.mark.parametrize("then", ["goes on", "has finished"])
def test_a_process_that_lost_its_lease_writes_nothing(store: Store, store_path: Path, name: str, then: str) -> None:
    store.ledger_intend(LedgerEntry("t1", Stage.TRAIN, "local", "auto", "model", "known"))
    store.begin_load_run(LoadRun("run", "t1", loop="closed", settings={}))
    assert store.claim_trial("t1", current_owner())
    with open_store(store_path, alive=lambda owner: False) as other:
        assert other.claim_trial("t1", OTHER), "the first process was not heard of"
        if then == "has finished":
            other.release_trial("t1", OTHER)
    before = dump(store_path)
    writes = every_write(store)
    assert sorted(writes) == sorted(WRITES)
    with pytest.raises(LeaseLost, match="another process has taken trial t1 over"):
        writes[name]()
    with pytest.raises(LeaseLost):
        store.require_lease("t1")
    assert not store.heartbeat("t1", current_owner())
    store.release_trial("t1", current_owner())
    assert dump(store_path) == before


@pytest.mark.parametrize("name", WRITES)
def test_a_process_without_a_lease_writes_nothing_of_a_trial_that_another_one_holds(
    store: Store, store_path: Path, name: str
) -> None:
    store.ledger_intend(LedgerEntry("t1", Stage.TRAIN, "local", "auto", "model", "known"))
    store.begin_load_run(LoadRun("run", "t1", loop="closed", settings={}))
    with open_store(store_path) as other:
        assert other.claim_trial("t1", OTHER)
    before = dump(store_path)
    with pytest.raises(LeaseLost, match="another process works on trial t1"):
        every_write(store)[name]()
    assert dump(store_path) == before


@pytest.mark.parametrize("text", ["soon", "0", "-1", "inf", "nan", "²"])
def test_a_nonsensical_length_of_leases_is_refused(store: Store, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv(leases.LEASE_VARIABLE, text)
    with pytest.raises(SettingsError, match="AUTOML_BENCH_LEASE_SECONDS is"):
        store.claim_trial("t1", current_owner())
