"""What goes into the store comes out of it, field by field."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest

from automl_bench.contract import Resource, Stage, Usage
from automl_bench.store import Store, open_store
from automl_bench.store.call_rows import OUTCOME_CODES, PHASE_CODES
from automl_bench.store.records import (
    CallPhase,
    CallTiming,
    ExperimentRecord,
    ImportedResult,
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

TIMING = CallTiming(10**15, 10**15 + 20_000_001, 10**15 - 7, 1, 2, 3, 4, 5, 6, True)
TRIAL = TrialRecord(
    trial_id="abcdef012345",
    provider="local",
    variant="svc-1.1",
    dataset="Möbel, alt",
    fingerprint="0" * 64,
    shots=20,
    fold=2,
    repeat=3,
    seed=4,
    variant_settings={"params": {"gamma": 0.001, "list": [1, None, "é"]}},
    images={"min_side": 64},
    test_limit=100,
    status=TrialStatus.FAILED,
    reason="It failed.",
    created_at="2026-01-01T00:00:00+00:00",
)


def every_field_differs_from_its_default(record: Any) -> bool:
    if isinstance(record, tuple):
        named: Any = record
        return all(value != named._field_defaults.get(name) for name, value in named._asdict().items())
    return all(
        getattr(record, field.name) != field.default
        and (field.default_factory is dataclasses.MISSING or getattr(record, field.name) != field.default_factory())
        for field in dataclasses.fields(record)
    )


def test_a_trial_comes_back_with_every_field(store: Store) -> None:
    assert every_field_differs_from_its_default(TRIAL), "a new field of TrialRecord needs a column and a value here"
    store.save_trial(TRIAL)
    assert store.trial(TRIAL.trial_id) == TRIAL


def test_a_stage_comes_back_with_every_field(store: Store) -> None:
    record = StageRecord(
        "t1",
        Stage.TRAIN,
        StageStatus.DONE,
        "token",
        {"model": "m"},
        "2026-01-01",
        "2026-01-02",
        1.5,
        2.5,
        3.5,
        4.5,
        "ok",
        "boot:1.5",
    )
    assert every_field_differs_from_its_default(record)
    store.finish_stage(record)
    assert store.stage("t1", Stage.TRAIN) == record
    assert store.stages("t1") == [record]


def test_a_ledger_line_comes_back_with_every_field(store: Store) -> None:
    entry = store.ledger_intend(
        LedgerEntry(
            "t1", Stage.DEPLOY, "local", "auto", "server", "n1", hourly_usd=0.5, keep=True, scope={"region": "eu-1"}
        )
    )
    resource = Resource("server", "n1", "id-1", 1.25, {"pid": 7}, "kill 7")
    created = store.ledger_created(entry.entry_id, resource)
    assert (created.resource_id, created.hourly_usd, created.details, created.delete_by_hand) == (
        "id-1",
        1.25,
        {"pid": 7},
        "kill 7",
    )
    store.ledger_keep_until([entry.entry_id], "2026-01-03")
    deleted = store.ledger_deleted(entry.entry_id)
    assert every_field_differs_from_its_default(deleted)
    assert store.ledger() == [deleted]


def test_an_invocation_comes_back_with_every_field(store: Store) -> None:
    assert every_field_differs_from_its_default(TIMING)
    record = Invocation(
        "t1",
        "s" * 64,
        "a|b",
        "c",
        0.1 + 0.2,
        Outcome.FAILED,
        TIMING,
        CallPhase.COLD,
        3,
        503,
        "Broken.",
        "2026-01-01",
        9,
        4,
        2,
        0.003,
        Usage(5, 4, 3, 2, 1, 0.5, "m", "stop", "cat"),
    )
    assert every_field_differs_from_its_default(record)
    store.add_invocations([record])
    assert store.invocations("t1") == [record]


def test_a_call_without_known_phases_keeps_them_unknown(store: Store) -> None:
    record = Invocation("t1", "s1", "a", None, None, Outcome.TIMEOUT, CallTiming(5, 9))
    store.add_invocations([record])
    assert store.invocations("t1") == [record]


def test_a_load_run_and_its_calls_come_back_with_every_field(store: Store) -> None:
    run = LoadRun(
        "r1", "t1", "open", {"rate": 20}, "2026-01-01", True, False, ("too short",), {"p50": 1.5}, "2026-01-01T00", 123
    )
    call = LoadCall(7, 3, "s1", Outcome.THROTTLED, TIMING, False, CallPhase.WARM_UP, 429)
    assert every_field_differs_from_its_default(run)
    assert every_field_differs_from_its_default(call)
    store.begin_load_run(run)
    assert store.load_runs() == [dataclasses.replace(run, complete=False, valid=None)]
    store.add_load_calls("r1", [call])
    store.finish_load_run(run)
    assert store.load_runs("t1") == [run]
    assert store.load_calls("r1") == [call]


def test_an_experiment_comes_back_with_every_field(store: Store) -> None:
    number = store.record_environment({"cpu": "x"})
    record = ExperimentRecord("demo", {"shots": [5, 20]}, ("t2", "t1"), number, "2026-01-01")
    assert every_field_differs_from_its_default(record)
    store.save_experiment(record)
    assert store.experiment("demo") == record
    assert store.experiments() == [record]


def test_an_imported_result_comes_back_with_every_field(store: Store) -> None:
    record = ImportedResult("f.csv", "aws", "imported", "food", 320, 0.8596, 1, 101, 25250, 118242.0)
    assert every_field_differs_from_its_default(record)
    store.add_imported([record])
    assert store.imported() == [record]


@pytest.mark.parametrize("outcome", Outcome)
@pytest.mark.parametrize("phase", CallPhase)
def test_every_outcome_and_phase_has_the_code_that_the_file_explains(
    store: Store, outcome: Outcome, phase: CallPhase
) -> None:
    assert list(store.stream("SELECT code FROM outcomes WHERE name = ?", (outcome.value,))) == [
        [(OUTCOME_CODES[outcome],)]
    ]
    assert list(store.stream("SELECT code FROM phases WHERE name = ?", (phase.value,))) == [[(PHASE_CODES[phase],)]]


def test_all_survives_closing_and_opening_again(store_path: Path) -> None:
    with open_store(store_path) as first:
        first.save_trial(TRIAL)
    with open_store(store_path) as second:
        assert second.trials() == [TRIAL]


def test_read_only_mappings_tuples_and_paths_are_stored_as_json(store: Store) -> None:
    settings = MappingProxyType({"path": Path("a/b"), "pair": (1, 2), "set": {2, 1}})
    store.save_experiment(ExperimentRecord("x", settings))
    found = store.experiment("x")
    assert found is not None
    assert found.settings == {"path": "a/b", "pair": [1, 2], "set": [1, 2]}
