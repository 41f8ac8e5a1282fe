"""Trials are found by what they are, and no two processes work on one."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
from pathlib import Path

import pytest

from automl_bench.errors import RecordsError
from automl_bench.store import Store, leases, open_store
from automl_bench.store.leases import current_owner, owner_alive
from automl_bench.store.records import ExperimentRecord, TrialRecord, TrialStatus


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


def test_a_trial_is_claimed_once(store: Store) -> None:
    owner = current_owner()
    parent = f"{owner.split(':')[0]}:{os.getppid()}:{leases._start_of(os.getppid())}"
    assert store.claim_trial("t1", owner)
    assert store.claim_trial("t1", owner), "the owner itself may claim again"
    assert not store.claim_trial("t1", parent)
    assert store.trial_owner("t1") == owner
    store.release_trial("t1", parent)
    assert not store.claim_trial("t1", parent), "only the owner gives a lease back"
    store.release_trial("t1", owner)
    assert store.claim_trial("t1", parent)
    assert not store.heartbeat("t1", owner)


def test_the_lease_of_a_dead_local_process_is_taken_over_at_once(store: Store) -> None:
    code = "from automl_bench.store.leases import current_owner; print(current_owner())"
    dead = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()
    assert owner_alive(dead) is False
    assert store.claim_trial("t1", dead)
    assert store.claim_trial("t1", current_owner())
    assert not store.heartbeat("t1", dead)


def test_a_recycled_process_id_is_not_the_old_owner() -> None:
    host, pid, start = current_owner().split(":")
    assert owner_alive(f"{host}:{pid}:{start}") is True
    assert owner_alive(f"{host}:{pid}:{int(start) - 1}") is False


def test_an_owner_that_cannot_be_judged_here_is_unknown() -> None:
    assert owner_alive("another-machine:1:2") is None
    assert owner_alive("nonsense") is None
    assert owner_alive("") is None


def test_a_lease_of_another_machine_ends_with_its_heartbeats(store_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [1_000.0]
    monkeypatch.setattr("automl_bench.store.trials_table.time.time", lambda: clock[0])
    with open_store(store_path) as store:
        store.save_trial(TrialRecord("t1", "p", "v", "d", "f", 5))
        assert store.claim_trial("t1", "far:1:1")
        clock[0] += leases.LEASE_SECONDS - 1
        assert not store.claim_trial("t1", "near:1:1")
        assert store.heartbeat("t1", "far:1:1")
        clock[0] += leases.LEASE_SECONDS - 1
        assert not store.claim_trial("t1", "near:1:1")
        clock[0] += 2
        assert store.claim_trial("t1", "near:1:1")


def test_who_lives_can_be_told_by_the_caller(store_path: Path) -> None:
    living = {"a"}
    with open_store(store_path, alive=lambda owner: owner in living) as store:
        store.save_trial(TrialRecord("t1", "p", "v", "d", "f", 5))
        assert store.claim_trial("t1", "a")
        assert not store.claim_trial("t1", "b")
        living.clear()
        assert store.claim_trial("t1", "b")
