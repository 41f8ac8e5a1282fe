"""One sum of reservations for all processes of a workspace; a trial waits while waiting can help."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from automl_bench.store import Store, open_store
from automl_bench.store.leases import current_owner
from automl_bench.store.records import TrialRecord
from automl_bench.trials import budget as budgets
from automl_bench.trials.budget import Budget
from automl_bench.trials.extent import Extent
from automl_bench.trials.pricing import Cost, Line, Part, Reservation
from automl_bench.trials.spending import Spending

TRIALS = [TrialRecord(f"{n:012x}", "toy", "default", "tiny", "f" * 64, shots=n + 2) for n in range(4)]
EXTENT = Extent(1, 1, 0, 1, 1.0, 1.0, 1.0)
HERE, THERE = current_owner(), "elsewhere:1:1"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with open_store(tmp_path / "results.sqlite", alive=lambda owner: owner in (HERE, THERE)) as opened:
        for trial in TRIALS:
            opened.save_trial(trial)
        yield opened


@pytest.fixture
def prices(monkeypatch: pytest.MonkeyPatch) -> dict[str, float]:
    """Each trial reserves 10 dollars and costs what stands here; None of it is asked of a provider."""
    costs: dict[str, float] = {}

    def spent(store: Store, trial: TrialRecord, table: object) -> Spending:
        none = Cost(0.0)
        return Spending(Cost(costs.get(trial.trial_id, 0.0)), none, none, None, 0.0, 0, "")

    monkeypatch.setattr(budgets, "ASK_AGAIN_SECONDS", 0.02)
    monkeypatch.setattr(budgets, "prices", lambda bound, trial, modality: ())
    monkeypatch.setattr(budgets, "spent", spent)
    line = Line("everything", Part.OTHER, 10.0, 1.0, 10.0)
    monkeypatch.setattr(budgets, "reservation", lambda table, extent, own: Reservation((line,)))
    return costs


def budget(store: Store, limit: float, said: list[str] | None = None) -> Budget:
    class Bound:
        budget: dict[str, float] = {}  # never changed

    return Budget(limit, store, {"toy": Bound()}, (said if said is not None else []).append)  # type: ignore[dict-item]


def wanted(*trials: TrialRecord) -> dict[str, tuple[TrialRecord, Extent]]:
    return {trial.trial_id: (trial, EXTENT) for trial in trials}


def test_two_processes_reserve_together(store: Store) -> None:
    first = store.reserve({TRIALS[0].trial_id: 10.0}, {}, limit=15.0, owner=HERE)
    second = store.reserve({TRIALS[1].trial_id: 10.0}, {}, limit=15.0, owner=THERE)
    assert first.granted == {TRIALS[0].trial_id}
    assert (second.granted, second.wait, second.shared, second.committed) == (frozenset(), True, True, 10.0)
    store.settle_reservation(TRIALS[0].trial_id, 4.0, HERE)
    third = store.reserve({TRIALS[1].trial_id: 10.0}, {}, limit=15.0, owner=THERE)
    assert (third.granted, third.committed) == ({TRIALS[1].trial_id}, 4.0)


def test_what_a_dead_process_reserved_is_free(store: Store) -> None:
    store.reserve({TRIALS[0].trial_id: 10.0}, {}, limit=15.0, owner="dead:1:1")
    found = store.reserve({TRIALS[1].trial_id: 10.0}, {}, limit=15.0, owner=HERE)
    assert (found.granted, found.committed) == ({TRIALS[1].trial_id}, 0.0)


def test_a_trial_waits_for_money_that_is_only_reserved(store: Store, prices: dict[str, float]) -> None:
    said: list[str] = []
    gate, stop = budget(store, 15.0, said), threading.Event()
    order: list[str] = []

    def other() -> None:
        with gate.reserved(wanted(TRIALS[1]), stop) as refused:
            order.append(f"second begins, refused {len(refused)}")

    with gate.opened(TRIALS):
        with gate.reserved(wanted(TRIALS[0]), stop) as refused:
            assert refused == {}
            thread = threading.Thread(target=other)
            thread.start()
            deadline = time.monotonic() + 20
            while not said and time.monotonic() < deadline:
                time.sleep(0.01)
            order.append("first ends")
            prices[TRIALS[0].trial_id] = 3.0
        thread.join(20)
    assert order == ["first ends", "second begins, refused 0"]
    assert "waiting for money" in said[0]


def test_it_is_refused_at_once_where_waiting_cannot_help(store: Store, prices: dict[str, float]) -> None:
    gate, stop = budget(store, 15.0), threading.Event()
    prices[TRIALS[2].trial_id] = 9.0
    with gate.opened(TRIALS), gate.reserved(wanted(TRIALS[0]), stop) as refused:
        assert "and $9.00 of $15.00 are committed" in str(refused[TRIALS[0].trial_id])


def test_a_group_reserves_together_and_holds_nothing_while_it_waits(store: Store, prices: dict[str, float]) -> None:
    gate, stop = budget(store, 25.0), threading.Event()
    with gate.opened(TRIALS), gate.reserved(wanted(TRIALS[0]), stop):
        group = store.reserve({trial.trial_id: 10.0 for trial in TRIALS[1:3]}, {}, limit=25.0, owner=THERE)
        assert (group.granted, group.wait) == (frozenset(), True)
        single = store.reserve({TRIALS[3].trial_id: 10.0}, {}, limit=25.0, owner=HERE)
        assert single.granted == {TRIALS[3].trial_id}


def test_what_cannot_be_told_afterwards_counts_as_reserved(
    store: Store, prices: dict[str, float], monkeypatch: pytest.MonkeyPatch
) -> None:
    gate, stop = budget(store, 15.0), threading.Event()
    with gate.opened(TRIALS):
        with gate.reserved(wanted(TRIALS[0]), stop):
            none = Cost(0.0)
            unknown = Spending(Cost(0.0, ("tokens",)), none, none, None, 0.0, 0, "")
            monkeypatch.setattr(budgets, "spent", lambda store, trial, table: unknown)
        with gate.reserved(wanted(TRIALS[1]), stop) as refused:
            assert list(refused) == [TRIALS[1].trial_id]
