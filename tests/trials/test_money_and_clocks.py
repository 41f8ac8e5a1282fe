"""What something has cost holds though clocks are set, and every item that is priced by the call is counted."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from automl_bench.contract import CallTiming, Counted, Outcome, Price, Resource, Stage
from automl_bench.store import Store, open_store
from automl_bench.store.elapsed import Instant, clock_stamp, seconds_between
from automl_bench.store.records import Invocation, LedgerEntry, TrialRecord
from automl_bench.trials.pricing import Cost
from automl_bench.trials.spending import spent

TRIAL = TrialRecord("0123456789ab", "toy", "default", "tiny", "f" * 64, shots=2)
EARLY, LATE = "2026-11-01T10:00:00.000+00:00", "2026-11-01T11:00:00.000+00:00"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with open_store(tmp_path / "results.sqlite") as opened:
        opened.save_trial(TRIAL)
        yield opened


def price(item: str, usd: float | None, **more: object) -> Price:
    return Price(item, usd, "unit", "2026-11-01", "invented", **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("begin", "end", "seconds"),
    [
        (Instant(EARLY, "boot:100.0"), Instant(LATE, "boot:160.0"), 60.0),
        (Instant(LATE, "boot:100.0"), Instant(EARLY, "boot:160.0"), 60.0),
        (Instant(EARLY, "boot:100.0"), Instant(LATE, "other:5.0"), 3600.0),
        (Instant(EARLY), Instant(LATE), 3600.0),
        (Instant(LATE, "boot:100.0"), Instant(EARLY, "other:5.0"), None),
        (Instant(""), Instant(LATE), None),
    ],
)
def test_how_long_it_was(begin: Instant, end: Instant, seconds: float | None) -> None:
    assert seconds_between(begin, end) == seconds


def test_this_machine_has_a_clock_that_nobody_sets() -> None:
    first, second = clock_stamp(), clock_stamp()
    assert seconds_between(Instant("", first), Instant("", second)) is not None


def endpoint(store: Store, path: Path, **columns: str) -> None:
    line = store.ledger_intend(LedgerEntry(TRIAL.trial_id, Stage.DEPLOY, "toy", "default", "endpoint", "n"))
    store.ledger_created(line.entry_id, Resource("endpoint", "n", hourly_usd=90.0))
    store.ledger_deleted(line.entry_id)
    with sqlite3.connect(path) as connection:
        for name, value in columns.items():
            connection.execute(f"UPDATE ledger SET {name} = ?", (value,))


def test_a_clock_that_was_set_back_makes_no_cost_negative(store: Store) -> None:
    endpoint(store, store.path, created_at=LATE, deleted_at=EARLY)
    assert 0.0 <= spent(store, TRIAL, [price("call", 0.0)]).total.usd < 1.0


def test_what_no_clock_tells_is_unknown_and_not_nothing(store: Store) -> None:
    endpoint(store, store.path, created_at=LATE, deleted_at=EARLY, created_clock="", deleted_clock="")
    assert spent(store, TRIAL, [price("call", 0.0)]).total == Cost(0.0, ("endpoint",))


@pytest.mark.parametrize(
    ("table", "cost"),
    [
        ([price("call", 0.5)], Cost(2.0)),
        ([price("prediction", 0.5, counted=Counted.CALLS)], Cost(2.0)),
        ([price("tokens", 0.001, counted=Counted.CALLS, units_each=500.0)], Cost(2.0)),
        ([price("tokens", 0.001)], Cost(0.0, ("tokens",))),
        ([price("call", None)], Cost(0.0, ("call",))),
        ([price("call", 0.5), price("same call", 0.4, per_trial=0.0)], Cost(2.0)),
        ([price("call", 0.5), price("set-up fee", 3.0, per_trial=1.0)], Cost(5.0)),
        ([price("sample_month", None, counted=Counted.SAMPLES)], Cost(0.0)),
    ],
)
def test_calls_are_counted_under_whatever_item_they_are_priced(store: Store, table: list[Price], cost: Cost) -> None:
    store.add_invocations(
        [Invocation(TRIAL.trial_id, f"{n}" * 64, "a", "a", 1.0, Outcome.OK, CallTiming(n, n + 1)) for n in range(4)]
    )
    assert spent(store, TRIAL, table).calls == cost
