"""Exports hold what the store holds, in the ancestor's names and in common formats, and are whole or not there."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from automl_bench.errors import UsageError, WorkspaceError
from automl_bench.store import Store
from automl_bench.store.ancestor_files import export_results, export_throughputs, results_names
from automl_bench.store.exports import TABLES, ExportFormat, export_tables
from automl_bench.store.records import (
    CallPhase,
    CallTiming,
    ExperimentRecord,
    Invocation,
    LoadCall,
    LoadRun,
    Outcome,
    TrialRecord,
)

TRIAL = TrialRecord("t1", "local", "default", "pets", "f", 5)


def read(path: Path) -> list[list[str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.reader(file))


def fill_load_runs(store: Store, load_call: Callable[..., LoadCall]) -> None:
    for name in ("whole", "cut-short"):
        store.begin_load_run(LoadRun(name, "t1", "closed", {"calls": 100, "concurrency": 10}))
        calls = [load_call(number, Outcome.FAILED if number == 7 else Outcome.OK) for number in range(100)]
        store.add_load_calls(name, [*calls, load_call(0)._replace(phase=CallPhase.WARM_UP)])
    store.finish_load_run(
        LoadRun("whole", "t1", "closed", {"calls": 100, "concurrency": 10}, complete=True, valid=False)
    )


def test_results_are_the_ancestors_four_columns_with_seconds(store: Store, tmp_path: Path) -> None:
    def call(sample: str, outcome: Outcome, **more: object) -> Invocation:
        row = Invocation("t1", sample, "cat, big", "dög", 0.5, outcome, CallTiming(1, 20_000_001), at=sample)
        return replace(row, **more)  # type: ignore[arg-type]  # test data by name

    store.add_invocations(
        [
            call("1", Outcome.OK),
            call("2", Outcome.THROTTLED, predicted=None, confidence=None),
            call("3", Outcome.OK, attempt=2, confidence=None),
            call("4", Outcome.FAILED, predicted=None, confidence=None),
            call("5", Outcome.OK, phase=CallPhase.COLD),
        ]
    )
    (path,) = export_results(store, tmp_path, default_variants={"local": "auto"})
    assert path.name == "pets-local-results-5.csv"
    assert read(path) == [
        ["actual_class", "predicted_class", "confidence", "invoke_time"],
        ["cat, big", "dög", "0.5", "0.020000000"],
        ["cat, big", "dög", "", "0.020000000"],
        ["cat, big", "", "", "0.020000000"],
    ]


def test_a_trial_that_was_never_invoked_has_no_results_file(store: Store, tmp_path: Path) -> None:
    assert export_results(store, tmp_path / "out") == []
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({}, "pets-local-results-5.csv"),
        ({"variant": "svc-1.1"}, "pets-local-svc-1.1-results-5.csv"),
        ({"shots": None}, "pets-local-results-all.csv"),
        ({"fold": 2}, "pets-local-results-5-fold2.csv"),
        ({"repeat": 3}, "pets-local-results-5-repeat3.csv"),
        ({"fold": 2, "repeat": 3, "variant": "x"}, "pets-local-x-results-5-fold2-repeat3.csv"),
        ({"variant": "a/../b"}, "pets-local-a_.._b-results-5.csv"),
    ],
)
def test_the_results_files_name_says_what_is_not_the_default(changes: dict[str, object], name: str) -> None:
    assert results_names([replace(TRIAL, **changes)], {}) == [name]  # type: ignore[arg-type]  # test data by name


def test_trials_that_would_share_a_file_name_are_told_apart() -> None:
    twin = replace(TRIAL, trial_id="t2", seed=7)
    assert results_names([TRIAL, twin], {}) == ["pets-local-results-5.csv", "pets-local-results-5-t2.csv"]


def test_throughputs_begin_with_service_and_seconds_and_leave_out_incomplete_runs(
    store: Store, tmp_path: Path, load_call: Callable[..., LoadCall]
) -> None:
    fill_load_runs(store, load_call)
    path = export_throughputs(store, tmp_path, default_variants={"local": "auto"})
    assert path.name == "image-classification-throughputs.csv"
    header, *rows = read(path)
    assert header[:2] == ["service", "seconds"]
    assert len(rows) == 1
    row = dict(zip(header, rows[0], strict=True))
    seconds = (99 * 1_000_000 + 20_000_000) / 1e9
    assert row == {
        "service": "local",
        "seconds": f"{seconds:.6f}",
        "calls": "100",
        "ok": "99",
        "calls_per_second": f"{99 / seconds:.3f}",
        "concurrency": "10",
        "loop": "closed",
        "valid": "false",
        "dataset": "pets",
        "shots": "5",
        "fold": "0",
        "repeat": "0",
        "load_run_id": "whole",
    }


def test_every_table_is_written_in_every_format(
    store: Store, tmp_path: Path, invocation: Callable[..., Invocation], load_call: Callable[..., LoadCall]
) -> None:
    store.save_experiment(ExperimentRecord("x", {"a": {"b": 1}}, ("t1",)))
    store.add_invocations([invocation("s1"), invocation("s2", Outcome.FAILED)])
    fill_load_runs(store, load_call)
    files = export_tables(store, tmp_path, formats=list(ExportFormat))
    assert {path.name for path in files} == {f"{name}.{ending}" for name in TABLES for ending in ExportFormat}
    assert all(path.is_file() for path in files)
    assert not list(tmp_path.glob(".*")), "no temporary file is left"

    from_csv = pd.read_csv(tmp_path / "invocations.csv")
    from_parquet = pd.read_parquet(tmp_path / "invocations.parquet")
    from_json = json.loads((tmp_path / "invocations.json").read_text())
    assert sorted(from_csv["sample_id"]) == sorted(from_parquet["sample_id"]) == ["s1", "s2"]
    assert {row["sample_id"]: row["predicted"] for row in from_json} == {"s1": "cat", "s2": None}
    assert from_csv["service_ns"].tolist() == [20_999_000] * 2
    assert from_parquet["service_ns"].dtype == "Int64"
    assert json.loads((tmp_path / "experiments.json").read_text())[0]["settings"] == {"a": {"b": 1}}
    lines = (tmp_path / "invocations.md").read_text().splitlines()
    assert len(lines) == 4
    assert lines[0].startswith("| trial_id | provider |")


def test_incomplete_load_runs_are_exported_only_on_request(
    store: Store, tmp_path: Path, load_call: Callable[..., LoadCall]
) -> None:
    fill_load_runs(store, load_call)
    export_tables(store, tmp_path / "a", tables=["load_runs", "load_calls"])
    export_tables(store, tmp_path / "b", tables=["load_runs", "load_calls"], incomplete_load_runs=True)
    assert [len(read(tmp_path / "a" / f"{name}.csv")) - 1 for name in ("load_runs", "load_calls")] == [1, 101]
    assert [len(read(tmp_path / "b" / f"{name}.csv")) - 1 for name in ("load_runs", "load_calls")] == [2, 202]


def test_column_types_do_not_depend_on_the_rows(
    store: Store, tmp_path: Path, invocation: Callable[..., Invocation], monkeypatch: pytest.MonkeyPatch
) -> None:
    import pyarrow.parquet as pq

    export_tables(store, tmp_path / "empty", formats=[ExportFormat.PARQUET])
    rows = [replace(invocation(f"s{number}"), status=None if number < 5 else 200) for number in range(10)]
    store.add_invocations(rows)
    # Small blocks: the first holds only unknown statuses, and the file still has one schema.
    stream = store.stream
    monkeypatch.setattr(store, "stream", lambda sql: stream(sql, rows=3))
    export_tables(store, tmp_path / "filled", formats=list(ExportFormat))
    for name in TABLES:
        empty, filled = (pq.read_schema(tmp_path / folder / f"{name}.parquet") for folder in ("empty", "filled"))
        assert empty.remove_metadata() == filled.remove_metadata()
    assert len(pd.read_parquet(tmp_path / "filled" / "invocations.parquet")) == 10
    assert len(pd.read_csv(tmp_path / "filled" / "invocations.csv")) == 10
    assert len(json.loads((tmp_path / "filled" / "invocations.json").read_text())) == 10
    assert len((tmp_path / "filled" / "invocations.md").read_text().splitlines()) == 12


def test_markdown_cells_cannot_break_the_table(store: Store, tmp_path: Path) -> None:
    store.add_invocations([Invocation("t1", "s1", "a|b\nc", None, None, Outcome.OK, CallTiming(1, 2))])
    export_tables(store, tmp_path, formats=[ExportFormat.MARKDOWN], tables=["invocations"])
    lines = (tmp_path / "invocations.md").read_text().splitlines()
    assert len(lines) == 3
    assert "a\\|b c" in lines[2]


def test_an_unknown_table_is_refused_with_the_names_there_are(store: Store, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no table 'invocation'") as caught:
        export_tables(store, tmp_path, tables=["invocation"])
    assert "invocations" in caught.value.remedy


def test_a_failed_export_leaves_the_older_file_and_no_other(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "out").mkdir()
    target = tmp_path / "out" / "trials.csv"
    target.write_text("old")

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(pd.DataFrame, "to_csv", full)
    with pytest.raises(WorkspaceError, match="No space left on device") as caught:
        export_tables(store, tmp_path / "out", tables=["trials"])
    assert str(target) in caught.value.message
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["trials.csv"]
    assert target.read_text() == "old"


def test_a_file_in_the_folders_place_is_one_sentence(store: Store, tmp_path: Path) -> None:
    (tmp_path / "out").write_text("a file")
    with pytest.raises(WorkspaceError, match="cannot write"):
        export_throughputs(store, tmp_path / "out")
