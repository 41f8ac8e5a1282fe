"""One row a trial, with every documented field; failures beside the score; no percentile without its calls."""

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
from sklearn.metrics import f1_score

from automl_bench.contract import Stage
from automl_bench.errors import UsageError
from automl_bench.report.fields import (
    COST_FIELDS,
    ENVIRONMENT_FIELDS,
    LATENCY_FIELDS,
    LOAD_RUN_FIELDS,
    RESULT_FIELDS,
    STAGE_FIELDS,
    THROUGHPUT_FIELDS,
    VERDICT_FIELDS,
)
from automl_bench.report.importing import IMPORT_COLUMNS
from automl_bench.report.labels import labelled
from automl_bench.report.latency import latency_pools, latency_table
from automl_bench.report.predictions import PREDICTION_COLUMNS
from automl_bench.report.rows import latency_summary, result_rows
from automl_bench.report.summary import accuracy_table, load_table, times_table, trials_table, unscored_table
from automl_bench.store.records import (
    CallPhase,
    CallTiming,
    ImportedResult,
    Invocation,
    LoadRun,
    Outcome,
    StageRecord,
    StageStatus,
    TrialRecord,
    TrialStatus,
)

DOCS = Path(__file__).parents[2] / "docs" / "results-format.md"


def call(number, *, label="a", predicted="a", outcome=Outcome.OK, attempt=1, ms=10.0, phase=CallPhase.MEASURED):
    sent = 1_000_000_000 + 100_000_000 * number + 20_000_000 * attempt
    timing = CallTiming(sent, sent + int(ms * 1e6))
    at = f"2026-01-01T00:00:{sent / 1e9:09.6f}+00:00"
    return Invocation("t", f"{number:064x}", label, predicted, None, outcome, timing, phase, attempt, at=at)


@pytest.fixture
def trial(store):
    """A trial whose calls each test writes itself."""
    store.save_trial(TrialRecord("t", "acme", "default", "pets", "f" * 64, 5))
    store.finish_stage(StageRecord("t", Stage.INVOKE, StageStatus.DONE))
    return store


def only_row(store):
    (row,) = result_rows(store)
    return row


def test_every_row_has_every_documented_field_in_order_and_is_json(comparison):
    comparison.add_imported([ImportedResult("elsewhere.csv", "acme", "imported", "pets", 5, 0.5)])
    rows = result_rows(comparison)
    assert len(rows) == 55
    for row in rows:
        assert list(row) == list(RESULT_FIELDS)
        assert list(row["latency_ms"]) == list(LATENCY_FIELDS)
        assert row["latency_verdict"] is None or list(row["latency_verdict"]) == list(VERDICT_FIELDS)
        assert all(list(stage) == list(STAGE_FIELDS) for stage in row["stages"].values())
        assert all(list(run) == list(LOAD_RUN_FIELDS) for run in row["load_runs"])
        assert row["cost"] is None or list(row["cost"]) == list(COST_FIELDS)
        assert row["throughput"] is None or list(row["throughput"]) == list(THROUGHPUT_FIELDS)
    assert json.loads(json.dumps(rows, allow_nan=False)) == rows


def test_the_format_page_names_exactly_these_fields():
    text = DOCS.read_text(encoding="utf-8")
    for heading, fields in (
        ("Fields of a result", RESULT_FIELDS),
        ("`latency_ms`", LATENCY_FIELDS),
        ("`latency_verdict`", VERDICT_FIELDS),
        ("`stages`", STAGE_FIELDS),
        ("`environment`", ENVIRONMENT_FIELDS),
        ("`cost`", COST_FIELDS),
        ("`throughput`", THROUGHPUT_FIELDS),
        ("`load_runs`", LOAD_RUN_FIELDS),
        ("Importing results", IMPORT_COLUMNS),
        ("Importing predictions", PREDICTION_COLUMNS),
    ):
        part = text.split(f"## {heading}\n", 1)[1].split("\n## ", 1)[0].split("\n### ", 1)[0]
        documented = re.findall(r"^\| `(\w+)` \| (.+) \|$", part, flags=re.MULTILINE)
        assert documented == list(fields.items()), heading


def test_score_counts_failures_and_abstentions_as_wrong(trial):
    trial.add_invocations(
        [
            call(0),
            call(1, label="b", predicted="a"),
            call(2, label="b", predicted=None, outcome=Outcome.TIMEOUT, ms=900),
            call(3, label="a", predicted=None),
            call(4, label="b", predicted="b"),
        ]
    )
    row = only_row(trial)
    assert [row[name] for name in ("test_samples", "correct", "failed", "abstained")] == [5, 2, 1, 1]
    assert row["accuracy"] == 0.4
    truth, told = ["a", "b", "b", "a", "b"], ["a", "a", "none", "none", "b"]
    for average in ("macro", "micro"):
        assert row[f"{average}_f1"] == pytest.approx(f1_score(truth, told, labels=["a", "b"], average=average))
    assert row["latency_ms"]["n"] == 4
    assert row["predict_seconds"] == pytest.approx(0.94)
    assert row["calls"] == {"ok": 4, "throttled": 0, "timeout": 1, "refused": 0, "failed": 0}


def test_the_last_attempt_of_a_sample_decides_and_each_attempt_is_timed_alone(trial):
    trial.add_invocations(
        [
            call(0, predicted=None, outcome=Outcome.THROTTLED, attempt=1, ms=1),
            call(0, predicted=None, outcome=Outcome.THROTTLED, attempt=2, ms=1),
            call(0, attempt=3, ms=10),
            call(1, predicted=None, outcome=Outcome.FAILED, attempt=1, ms=5),
        ]
    )
    row = only_row(trial)
    assert (row["test_samples"], row["correct"], row["failed"]) == (2, 1, 1)
    assert row["calls"]["throttled"] == 2
    assert row["latency_ms"]["n"] == 1
    assert row["latency_ms"]["mean"] == pytest.approx(10)


def test_cold_and_warm_up_calls_are_kept_out_of_score_and_latency(trial):
    trial.add_invocations(
        [
            call(0, predicted="wrong", ms=5000, phase=CallPhase.COLD),
            call(1, predicted="wrong", ms=70, phase=CallPhase.WARM_UP),
            call(0),
        ]
    )
    row = only_row(trial)
    assert (row["test_samples"], row["accuracy"]) == (1, 1.0)
    assert row["cold_ms"] == [pytest.approx(5000)]
    assert row["latency_ms"]["mean"] == pytest.approx(10)


@pytest.mark.parametrize(
    ("n", "given"),
    [(5, ["p50"]), (29, ["p50", "p90"]), (59, ["p50", "p90", "p95"]), (299, ["p50", "p90", "p95", "p99"])],
)
def test_a_percentile_below_its_smallest_n_is_null_and_says_what_it_needs(n, given):
    summary = latency_summary([float(value) for value in range(n)])
    assert [name for name in ("p50", "p90", "p95", "p99") if summary[name] is not None] == given
    assert list(summary["intervals"]) == given
    assert summary["needs"] == {
        name: count for name, count in {"p50": 5, "p90": 29, "p95": 59, "p99": 299}.items() if name not in given
    }
    summary = latency_summary([float(value) for value in range(n - 1)])
    assert summary[given[-1]] is None
    assert summary["needs"][given[-1]] == n


def test_train_seconds_are_the_providers_work_and_else_the_wall_and_say_which(store):
    for name, work in (("says", 7.0), ("silent", None)):
        store.save_trial(TrialRecord(name, "acme", name, "pets", "f" * 64, 5))
        record = StageRecord(name, Stage.TRAIN, StageStatus.DONE, wall_seconds=9.0, queue_seconds=2.0)
        store.finish_stage(replace(record, work_seconds=work))
    says, silent = result_rows(store)
    assert (says["train_seconds"], says["train_seconds_kind"]) == (7.0, "work")
    assert (silent["train_seconds"], silent["train_seconds_kind"]) == (9.0, "wall")
    assert says["stages"]["train"]["queue_seconds"] == 2.0


def test_a_failed_training_has_no_training_time(trial):
    trial.finish_stage(StageRecord("t", Stage.TRAIN, StageStatus.FAILED, wall_seconds=9.0))
    assert only_row(trial)["train_seconds"] is None


def test_a_pass_that_was_cut_short_is_shown_but_enters_no_mean(store):
    store.save_trial(TrialRecord("t", "acme", "default", "pets", "f" * 64, 5))
    store.begin_stage("t", Stage.INVOKE)
    store.add_invocations([call(0), call(1)])
    (row,) = rows = result_rows(store)
    assert (row["accuracy"], row["complete"]) == (1.0, False)
    assert accuracy_table(rows).records == ()
    assert trials_table(rows).rows[0][5] == "planned, partial"


def test_a_planned_trial_is_a_row_without_numbers(store):
    store.save_trial(
        TrialRecord("t", "acme", "default", "pets", "f" * 64, 5, status=TrialStatus.INFEASIBLE, reason="No.")
    )
    row = only_row(store)
    assert (row["status"], row["reason"], row["test_samples"], row["accuracy"]) == ("infeasible", "No.", 0, None)
    assert row["latency_ms"]["mean"] is None
    assert unscored_table([row]).rows == (("acme:default", "pets", "5", "0", "0", "infeasible", "No."),)


def test_only_a_complete_closed_loop_gives_the_throughput(comparison):
    rows = [row for row in result_rows(comparison, "demo") if row["load_runs"]]
    assert len(rows) == 3
    assert [row["throughput"]["load_run_id"] for row in rows] == ["0a", "1a", "2a"]
    assert [row["throughput"]["valid"] for row in rows] == [True, False, True]
    verdicts = [row[-1] for row in load_table(rows).rows]
    assert sum(text == "INCOMPLETE" for text in verdicts) == 3
    assert "INVALID: The client's CPU was at 93 %." in verdicts


def test_the_accuracy_table_averages_folds_then_datasets_and_shows_n(comparison):
    rows = result_rows(comparison, "demo")
    table = accuracy_table(rows)
    cells = {row[:2]: row[2:] for row in table.rows}
    values = [row["accuracy"] for row in rows if (row["variant"], row["dataset"], row["shots"]) == ("auto", "pets", 5)]
    mean = sum(values) / 3
    sem = (sum((value - mean) ** 2 for value in values) / 2 / 3) ** 0.5
    assert cells["pets", "local:auto"][0] == f"{100 * mean:.1f} ± {100 * sem:.1f} (n=3) [80.1, 88.0]"
    assert "(n=2) [" in cells["pets", "local:svc"][1]
    assert cells["all datasets", "local:auto"][2].endswith("(n=2)")
    assert "1 of 54 trials has no complete score and is left out of the means." in table.notes
    assert any("test samples got no answer; they count as wrong" in note for note in table.notes)


def test_medians_are_taken_over_folds_and_repeats_with_their_n(store, make_trial):
    for repeat, seconds in enumerate((4.0, 1.0, 2.0, 50.0, 3.0)):
        make_trial(variant="svc", repeat=repeat, train_seconds=seconds, samples=20)
    (record,) = times_table(result_rows(store)).records
    assert (record["median_train_seconds"], record["train_n"], record["train_kind"]) == (3.0, 5, "work")
    assert record["predict_n"] == 5


def test_rows_that_were_not_set_up_alike_are_not_averaged_under_one_name(store, make_trial):
    for gamma in (0.1, 0.2):
        make_trial(variant="svc", settings={"gamma": gamma}, samples=20)
    names = {one.series for one in labelled(result_rows(store))}
    assert len(names) == 2
    assert all(re.fullmatch(r"local:svc \[[0-9a-f]{4}\]", name) for name in names)
    assert all("(n=1)" in row[2] for row in accuracy_table(result_rows(store)).rows)


def test_an_unknown_experiment_is_a_usage_error_that_names_the_known_ones(comparison):
    with pytest.raises(UsageError, match="no experiment 'dmo'") as caught:
        result_rows(comparison, "dmo")
    assert "demo" in caught.value.remedy


def test_latencies_of_models_that_a_training_chose_differently_are_never_pooled(store, make_trial):
    for fold, (choice, wait) in enumerate((("embedding", 11.0), ("hog", 2.0), ("hog", 2.0))):
        trial = make_trial(variant="auto", fold=fold, wait_ms=wait, samples=70)
        result = {"chosen": choice}
        store.finish_stage(StageRecord(trial, Stage.TRAIN, StageStatus.DONE, result=result, wall_seconds=1.0))
    rows = result_rows(store)
    assert [row["chosen"] for row in rows] == ["embedding", "hog", "hog"]
    pools = latency_pools(store, labelled(rows))
    assert [(pool.name, pool.trials) for pool in pools] == [("local:auto (embedding)", 1), ("local:auto (hog)", 2)]
    assert "chose different models" in " ".join(latency_table(pools).notes)


def test_load_runs_show_response_times_with_n_and_interval(store, make_trial):
    trial = make_trial(variant="svc", samples=8)
    cell = {"value": 12.0, "low": 11.0, "high": 13.5, "n": 1000}
    summary = {"n": 1000, "response_ms": {"p50": cell, "p95": {"needs": 59, "n": 9}}, "service_ms": {}}
    store.begin_load_run(LoadRun("a", trial, "open", {"rate": 20.0}, summary=summary))
    store.finish_load_run(LoadRun("a", trial, "open", {"rate": 20.0}, complete=True, valid=True, summary=summary))
    (row,) = load_table(result_rows(store)).rows
    assert row[6:9] == ("12 [11, 13.5] n=1,000", "needs 59 calls", "—")
