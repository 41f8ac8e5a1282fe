"""What answers used, and trials that stand for all shots and folds, in rows, tables and the cost of use."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import pytest
from answered_trials import answer, right

from automl_bench.contract import Counted, Price, Stage, Usage
from automl_bench.report.build import build_report
from automl_bench.report.candidates import candidates
from automl_bench.report.labels import labelled, observations
from automl_bench.report.rows import result_rows
from automl_bench.report.running_costs import Use
from automl_bench.report.used import usage_table
from automl_bench.statistics.means import over_folds
from automl_bench.store import Store, open_store
from automl_bench.store.exports import ExportFormat, export_tables
from automl_bench.store.records import StageRecord, StageStatus, TrialRecord
from automl_bench.trials.experiment import SHARED
from automl_bench.trials.price_records import PRICES, table_as_json

TABLE = [Price("input_tokens", 1.0, "1 million tokens", "2026-11-30", "somewhere", counted=Counted.INPUT_TOKENS)]


def asked(store: Store, variant: str, told: list[bool]) -> None:
    """Store a trial at 0 shots that stands for all, with the usage of each answer."""
    answer(store, variant, told, shots=0)
    trial_id = hashlib.sha256(f"{variant}pets00f".encode()).hexdigest()[:12]
    calls = store.invocations(trial_id)
    # The rows are there already; what they used comes as a provider tells it, with a second attempt at each.
    store.add_invocations(
        [
            replace(
                call,
                attempt=2,
                usd=0.0001,
                usage=Usage(100, 40, 2, 1, model="m-1", finish_reason="stop" if number else "length", text="<b>cat"),
            )
            for number, call in enumerate(calls)
        ]
    )
    store.finish_stage(
        StageRecord(
            trial_id,
            Stage.INVOKE,
            StageStatus.DONE,
            result={SHARED: True, PRICES: table_as_json(TABLE)},
            wall_seconds=1.0,
        )
    )


@pytest.fixture
def store(tmp_path: Path) -> Store:
    opened = open_store(tmp_path / "results" / "a.sqlite")
    for fold in (0, 1):
        answer(opened, "svc", right(70 + fold), shots=5, fold=fold)
        answer(opened, "svc", right(80 + fold), shots=20, fold=fold)
    asked(opened, "prompt", right(90))
    return opened


def test_one_trial_stands_at_every_point_of_the_others_and_is_paid_for_once(store: Store) -> None:
    rows = [row for row in result_rows(store) if row["variant"] == "prompt"]
    assert [(row["shots"], row["fold"]) for row in rows] == [(0, 0), (5, 0), (20, 0), (5, 1), (20, 1)]
    assert {row["accuracy"] for row in rows} == {0.9}
    assert len({row["trial_id"] for row in rows}) == 1
    assert [row["cost"] is not None for row in rows] == [True, False, False, False, False]
    assert [row["latency_ms"]["n"] > 0 for row in rows] == [True, False, False, False, False]
    assert [row["usage"] is not None for row in rows] == [True, False, False, False, False]


def test_its_copies_are_no_draws(store: Store) -> None:
    means = over_folds(observations(labelled(result_rows(store))))
    assert means["local:svc", "pets", 20].n == 2
    assert means["local:prompt", "pets", 20].n == 1
    assert means["local:prompt", "pets", 20].sem is None


def test_what_answers_used_is_summed_and_shown(store: Store) -> None:
    named = labelled(result_rows(store))
    (record,) = usage_table(named).records
    assert record["models"] == {"m-1": 100}
    assert record["endings"] == {"stop": 99, "length": 1}
    assert (record["input_tokens"], record["cached_tokens"], record["output_tokens"]) == (10_000, 4_000, 200)
    assert record["usd_per_1000"] == pytest.approx(0.1)
    (prompt,) = (one for one in candidates(store, named) if one.series == "local:prompt")
    assert prompt.running.month(Use(calls_per_month=100_000)).usd == pytest.approx(10.0)
    assert not prompt.running.month(Use()).unknown


def test_the_report_compares_it_with_trained_ones_and_shows_what_it_used(store: Store, tmp_path: Path) -> None:
    build_report(store, experiment=None, out_dir=tmp_path / "report")
    text = (tmp_path / "report" / "results.md").read_text()
    assert "What the answers used" in text
    assert "stop × 99, length × 1" in text
    assert "local:prompt" in text.partition("## What the data support")[2].partition("\n## ")[0]


def test_texts_are_kept_cleaned_and_bounded(store: Store) -> None:
    store.save_trial(TrialRecord("t1", "local", "auto", "pets", "f" * 64, 5))
    call = store.invocations(store.trials()[0].trial_id)[0]
    hostile = replace(call, trial_id="t1", usage=Usage(text="\x1b[31mcat\n" + "x" * 3000, model="m\x07"))
    store.add_invocations([hostile])
    (kept,) = store.invocations("t1")
    assert kept.usage is not None
    assert kept.usage.text.startswith("cat x")
    assert len(kept.usage.text) == 2000
    assert kept.usage.model == "m"


def test_what_answers_used_is_exported(store: Store, tmp_path: Path) -> None:
    export_tables(store, tmp_path / "out", formats=[ExportFormat.JSON], tables=["usages"])
    kept = json.loads((tmp_path / "out" / "usages.json").read_text())
    assert len(kept) == 100
    assert {row["input_tokens"] for row in kept} == {100}
    assert {row["images_read"] for row in kept} == {None}
    assert {row["finish_reason"] for row in kept} == {"stop", "length"}
