"""Variants × where they trained and served, in one table."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from answered_trials import answer, right

from automl_bench.contract import Stage
from automl_bench.report.environments import environments_table, told_environment
from automl_bench.report.fields import ENVIRONMENT_FIELDS
from automl_bench.report.rows import result_rows
from automl_bench.store import Store, open_store
from automl_bench.store.records import StageRecord, StageStatus

VENV: Mapping[str, Any] = {
    "where": "venv",
    "python": "3.9.18",
    "packages": {"numpy": "1.24.4", "scikit-learn": "1.2.2"},
    "blas": [{"user_api": "blas", "internal_api": "openblas", "version": "0.3.21", "num_threads": 1}],
    "threads": 1,
    "megabytes": 123.4,
    "build_seconds": 20.5,
    "lock": "0011223344556677",
}


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return open_store(tmp_path / "results" / "a.sqlite")


def ran(store: Store, variant: str, fold: int, seconds: float, environment: Mapping[str, Any] | None = None) -> None:
    answer(store, variant, right(97), fold=fold)
    trial_id = hashlib.sha256(f"{variant}pets20{fold}f".encode()).hexdigest()[:12]
    result = {} if environment is None else {"environment": dict(environment)}
    done = StageStatus.DONE
    store.finish_stage(StageRecord(trial_id, Stage.TRAIN, done, result=result, work_seconds=seconds, wall_seconds=60))
    store.finish_stage(StageRecord(trial_id, Stage.DEPLOY, done, work_seconds=seconds / 10, wall_seconds=1))


def test_medians_and_intervals_of_each_environment_stand_side_by_side(store: Store) -> None:
    with store:
        for fold, seconds in enumerate((5.0, 1.0, 4.0, 2.0, 3.0, 6.0)):
            ran(store, "svc", fold, seconds)
            ran(store, "svc-old", fold, 2 * seconds, VENV)
        table = environments_table(result_rows(store))
    usual, old = table.records
    assert (usual["where"], old["where"]) == ("as usual", "venv, Python 3.9.18")
    assert usual["train_seconds"] == {"n": 6, "median": 3.5, "low": 1.0, "high": 6.0}
    assert old["train_seconds"]["median"] == 7.0
    assert old["start_seconds"]["median"] == pytest.approx(0.7)
    assert old["micro_f1"] == {"n": 6, "median": 0.97, "low": 0.97, "high": 0.97}
    assert (usual["megabytes"], old["megabytes"]) == (None, 123.4)
    assert table.rows[1][4:7] == ("7 s [2 s, 12 s] (n=6)", "200 ms [200 ms, 200 ms] (n=6)", table.rows[0][6])
    assert table.notes[1] == (
        "local:svc-old: Python 3.9.18; numpy 1.24.4, scikit-learn 1.2.2; openblas 0.3.21; 1 thread."
    )


def test_too_few_trials_have_a_median_and_no_interval(store: Store) -> None:
    with store:
        ran(store, "svc-old", 0, 1.0, VENV)
        ran(store, "svc-old", 1, 2.0, VENV)
        (record,) = environments_table(result_rows(store)).records
    assert record["train_seconds"] == {"n": 2, "median": 1.5, "low": None, "high": None}


def test_where_nobody_says_so_there_is_no_table(store: Store) -> None:
    with store:
        ran(store, "svc", 0, 1.0)
        assert environments_table(result_rows(store)).rows == ()


def test_what_a_provider_tells_is_held_to_its_type() -> None:
    told = told_environment({"environment": VENV})
    assert told is not None
    assert tuple(told) == tuple(ENVIRONMENT_FIELDS)
    assert told["packages"] == ["numpy 1.24.4", "scikit-learn 1.2.2"]
    odd = {"where": ["venv"], "python": None, "packages": "many", "blas": [3], "threads": True, "megabytes": "big"}
    assert told_environment({"environment": odd}) == {
        "where": "",
        "python": "",
        "packages": [],
        "blas": [],
        "threads": None,
        "megabytes": None,
        "build_seconds": None,
        "lock": "",
    }
    assert told_environment({"environment": "venv"}) is None
    assert told_environment({}) is None
