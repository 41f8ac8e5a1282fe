"""A trial is torn down whatever happens to its rows, to whoever is told, or to the other trials of its group."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from automl_bench.cli.session import Session
from automl_bench.contract import NAME_PREFIX, Resource, Stage
from automl_bench.errors import PermissionDenied, ResourceConflict, WorkspaceError
from automl_bench.providers.host import Observers
from automl_bench.settings.workspace import Workspace
from automl_bench.simulation.cloud import SimulatedCloud
from automl_bench.store import Store
from automl_bench.store.leases import current_owner
from automl_bench.store.records import LedgerEntry, StageRecord, StageStatus, TrialRecord, TrialStatus
from automl_bench.trials.endings import Endings
from automl_bench.trials.experiment import Experiment
from automl_bench.trials.machine import Machine
from automl_bench.trials.orphans import Found, Reach
from automl_bench.trials.teardown import Leftover
from automl_bench.trials.trial import Surroundings
from automl_bench.trials.waiting import Insistence

TRIALS = [TrialRecord(f"{n:012x}", "simulated", "quick", "tiny", "f" * 64, shots=n + 2) for n in range(3)]
MADE = {"dataset": Stage.UPLOAD, "model": Stage.TRAIN, "endpoint": Stage.DEPLOY}


class Scene:
    """Trials with everything they have made, in a cloud of their own, and how they end."""

    def __init__(self, root: Path, store: Store, session: Session) -> None:
        self.cloud = SimulatedCloud(root / "cloud.sqlite", 100_000)
        self.store = store
        self.said: list[str] = []
        for trial in TRIALS:
            store.save_trial(trial)
            assert store.claim_trial(trial.trial_id, current_owner())
            for kind, stage in MADE.items():
                thing = self.cloud.create(kind, f"automl-bench-{trial.trial_id}-{kind}", "quick")
                hourly = 0.9 if kind == "endpoint" else 0.0
                line = store.ledger_intend(
                    LedgerEntry(trial.trial_id, stage, "simulated", "quick", kind, thing.name, hourly_usd=hourly)
                )
                store.ledger_created(line.entry_id, Resource(kind, thing.name, thing.id, hourly_usd=hourly))
                store.finish_stage(StageRecord(trial.trial_id, stage, StageStatus.DONE))
        around = Surroundings(
            store, Machine(), Observers(session.registry), threading.Event(), lambda *_: None, say=self.said.append
        )
        self.bound = session.bind("simulated")
        self.endings = Endings(
            Experiment("x", ("tiny",), ("simulated",), (2,)),
            {"simulated": self.bound},
            around,
            keep=False,
            keep_trained_hours=24.0,
            on_end=self._hear,
        )

    def _hear(self, *_: object) -> None:
        raise BrokenPipeError

    def end_all(self, status: TrialStatus) -> None:
        with ThreadPoolExecutor() as pool:
            for trial in TRIALS:
                pool.submit(self.endings.end, trial, status, "why")

    def kinds(self) -> list[str]:
        return sorted(thing.kind for thing in self.cloud.existing())


@pytest.fixture
def scene(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Scene]:
    monkeypatch.setenv("AUTOML_BENCH_SIMULATED_CLOUD", str(tmp_path / "cloud.sqlite"))
    monkeypatch.setenv("AUTOML_BENCH_SIMULATED_SPEED", "100000")
    session = Session(Workspace(tmp_path))
    with session.store() as store:
        yield Scene(tmp_path, store, session)


def test_whoever_is_told_may_be_gone(scene: Scene) -> None:
    scene.end_all(TrialStatus.DONE)
    assert scene.kinds() == []
    assert scene.endings.settle().interrupted == len(TRIALS), "their measuring was not done"


def test_a_failed_trial_keeps_what_was_paid_once_and_nothing_that_costs_by_the_hour(scene: Scene) -> None:
    scene.end_all(TrialStatus.FAILED)
    assert scene.kinds() == ["dataset"] * 3 + ["model"] * 3
    assert all(line.keep_until for line in scene.store.ledger(open_only=True))
    assert scene.endings.settle().left == []


@pytest.mark.parametrize("status", [TrialStatus.DONE, TrialStatus.FAILED, TrialStatus.RUNNING])
def test_rows_that_cannot_be_written_keep_no_endpoint(
    scene: Scene, status: TrialStatus, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise WorkspaceError("the disk is full.")

    for name in ("set_trial_status", "ledger_keep_until", "mark_stages_undone"):
        monkeypatch.setattr(Store, name, full)
    scene.end_all(status)
    assert "endpoint" not in scene.kinds()
    tally = scene.endings.settle()
    assert tally.unwritten
    assert "the disk is full" in scene.said[0]


def test_a_deletion_does_not_wait_for_a_locked_file(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    free = threading.Event()
    monkeypatch.setattr(Store, "set_trial_status", lambda *_: free.wait(60))
    threading.Thread(target=scene.end_all, args=(TrialStatus.DONE,), daemon=True).start()
    deadline = time.monotonic() + 40
    while "endpoint" in scene.kinds() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert "endpoint" not in scene.kinds(), "deleted while the row still waits"
    free.set()


def test_the_trouble_of_one_deletion_is_its_own(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    provider, unlucky = scene.bound.provider, f"{TRIALS[1].trial_id}-endpoint"
    delete = provider.delete_resource

    def sometimes(context: object, resource: Resource) -> object:
        if resource.name.endswith(unlucky):
            raise SystemError("a bug in the plugin")
        return delete(context, resource)  # type: ignore[arg-type]

    monkeypatch.setattr(provider, "delete_resource", sometimes)
    scene.end_all(TrialStatus.DONE)
    assert scene.kinds() == ["endpoint"]
    (left,) = scene.endings.settle().left
    assert left.resource.name.endswith(unlucky)
    assert "$0.90 an hour" in str(left)


@pytest.fixture
def in_use(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> Scene:
    """One trial's endpoint may not be deleted; what it stands on is in use."""
    provider, unlucky = scene.bound.provider, TRIALS[1].trial_id
    delete = provider.delete_resource

    def refuse(context: object, resource: Resource) -> object:
        if unlucky in resource.name and resource.kind == "endpoint":
            raise PermissionDenied("no.")
        if unlucky in resource.name:
            raise ResourceConflict(f"{resource.kind} is in use.")
        return delete(context, resource)  # type: ignore[arg-type]

    monkeypatch.setattr(provider, "delete_resource", refuse)
    return scene


def said_of(left: list[Leftover]) -> list[str]:
    return [str(item).split("; ")[-1] for item in left]


def test_what_is_in_use_by_a_thing_that_stays_is_not_waited_for(in_use: Scene) -> None:
    begun = time.monotonic()
    in_use.end_all(TrialStatus.DONE)
    assert time.monotonic() - begun < 100.0, "not for the half hour that a deletion may take"
    assert in_use.kinds() == ["dataset", "endpoint", "model"], "the other trials are torn down"
    assert said_of(in_use.endings.settle().left) == ["no.", "model is in use.", "dataset is in use."]


def test_nor_is_an_orphan_that_is_in_use_by_another_one(in_use: Scene) -> None:
    listed = [
        Resource(kind, f"{NAME_PREFIX}-{trial.trial_id}-{kind}", thing.id)
        for trial in TRIALS
        for kind in MADE
        for thing in in_use.cloud.existing()
        if thing.name == f"{NAME_PREFIX}-{trial.trial_id}-{kind}"
    ]
    begun = time.monotonic()
    count, left = Found(None, Reach(everyone=True), Insistence()).delete(in_use.bound, listed)
    assert time.monotonic() - begun < 100.0
    assert (count, in_use.kinds()) == (9, ["dataset", "endpoint", "model"])
    assert said_of(left) == ["no.", "model is in use.", "dataset is in use."]
