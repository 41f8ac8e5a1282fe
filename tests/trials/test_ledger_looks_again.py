"""A provider's lists lag: what an earlier line of the ledger speaks of is looked for again before it is made anew."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from automl_bench.cli.session import Session
from automl_bench.contract import Deletion, Resource, Stage
from automl_bench.errors import ConnectionLost, PermissionDenied
from automl_bench.settings.workspace import Workspace
from automl_bench.store import Store, open_store
from automl_bench.store.leases import current_owner
from automl_bench.store.records import TrialRecord
from automl_bench.trials import teardown
from automl_bench.trials.ledger import TrialLedger

TRIAL = TrialRecord("0123456789ab", "toy", "default", "tiny", "f" * 64, shots=2, fold=0, repeat=0, seed=0)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with open_store(tmp_path / "results.sqlite") as opened:
        opened.save_trial(TRIAL)
        assert opened.claim_trial(TRIAL.trial_id, current_owner())
        yield opened


def test_a_refusal_to_create_is_marked_as_one_to_begin(store: Store) -> None:
    def refuse(name: str) -> Resource:
        raise PermissionDenied("no.")

    with pytest.raises(PermissionDenied) as refused:
        ledger(store).ensure("thing", find=lambda name: None, create=refuse)
    assert refused.value.begins
    with pytest.raises(PermissionDenied) as refused:
        ledger(store).ensure("another", find=refuse, create=lambda name: Resource("another", name))
    assert not refused.value.begins, "only looked for"


class LaggingService:
    """Shows a resource in its list only some time after it was created."""

    def __init__(self, lag: float) -> None:
        self.lag = lag
        self.created: list[float] = []

    def find(self, name: str) -> Resource | None:
        return Resource("thing", name, "id") if self.created and time.monotonic() - self.created[0] > self.lag else None

    def create(self, name: str) -> Resource:
        self.created.append(time.monotonic())
        return Resource("thing", name, "id")

    def lose_the_answer(self, name: str) -> Resource:
        self.create(name)
        raise ConnectionLost("gone.")


def ledger(store: Store, settle_seconds: float = 3.0) -> TrialLedger:
    return TrialLedger(
        store,
        TRIAL,
        Stage.UPLOAD,
        name_for=lambda kind: f"automl-bench-{kind}",
        settle_seconds=settle_seconds,
        stop=threading.Event(),
        bound=Session(Workspace(store.path.parent)).bind("simulated"),
    )


def test_what_was_created_a_moment_ago_is_not_created_twice_though_the_list_lags(store: Store) -> None:
    service = LaggingService(lag=0.5)
    ledger(store).ensure("thing", find=service.find, create=service.create)
    ledger(store).ensure("thing", find=service.find, create=service.create)
    assert len(service.created) == 1


def test_a_creation_whose_answer_was_lost_is_found_though_the_list_lags(store: Store) -> None:
    service = LaggingService(lag=0.5)
    with pytest.raises(ConnectionLost):
        ledger(store).ensure("thing", find=service.find, create=service.lose_the_answer)
    ledger(store).ensure("thing", find=service.find, create=service.create)
    assert len(service.created) == 1


def test_the_first_creation_waits_for_nothing(store: Store) -> None:
    service = LaggingService(lag=0.0)
    begun = time.monotonic()
    ledger(store, settle_seconds=60).ensure("thing", find=service.find, create=service.create)
    assert time.monotonic() - begun < 5


@pytest.mark.parametrize(("age", "asked"), [(0.0, 3), (3600.0, 1), (None, 1)], ids=["young", "old", "unknown"])
def test_already_gone_is_not_believed_of_what_was_made_a_moment_ago(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, age: float | None, asked: int
) -> None:
    bound = Session(Workspace(tmp_path)).bind("simulated")
    lag = bound.provider.description.settle_seconds
    answers: list[Deletion] = []

    def delete_resource(context: object, resource: Resource) -> Deletion:
        answers.append(Deletion.DELETED if len(answers) == 2 else Deletion.ALREADY_GONE)
        return answers[-1]

    monkeypatch.setattr(bound.provider, "delete_resource", delete_resource)
    monkeypatch.setattr(teardown, "FIRST_DELAY", lag / 10)
    since = "" if age is None else (datetime.now(UTC) - timedelta(seconds=age)).isoformat()
    teardown.delete(bound, bound.context(), Resource("endpoint", "e", "1", since=since))
    assert len(answers) == asked
    assert answers[-1] is (Deletion.DELETED if asked > 1 else Deletion.ALREADY_GONE)
