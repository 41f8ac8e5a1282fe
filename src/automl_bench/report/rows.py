"""The rows of `results --json`: one for each trial, and one for each imported result."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from automl_bench.contract import Stage
from automl_bench.report.environments import told_environment
from automl_bench.report.fields import RESULT_FIELDS
from automl_bench.report.missing import no_experiment
from automl_bench.report.repeated import stabilities
from automl_bench.report.unanswered import reasons_of
from automl_bench.report.used import used, with_shared
from automl_bench.statistics.quantiles import describe, name_of
from automl_bench.statistics.scores import Score, score_pairs, wilson_interval
from automl_bench.store.records import (
    CallPhase,
    ImportedResult,
    ImportedRun,
    LoadRun,
    StageRecord,
    StageStatus,
    TrialRecord,
)
from automl_bench.trials.early_stop import STOPPING
from automl_bench.trials.experiment import SHARED
from automl_bench.trials.extent import SECONDS_PER_HOUR
from automl_bench.trials.price_records import table_of
from automl_bench.trials.spending import Spending, spending

if TYPE_CHECKING:
    from automl_bench.store import Store
    from automl_bench.store.answer_columns import AnswerColumns

Row = dict[str, Any]
"""One result; its fields are `fields.RESULT_FIELDS`, all of them always there."""

FROM = "predictions_from"
"""Setting of the variant that marks a trial whose answers were imported, with the name of their file."""

CHOSEN = "chosen"
"""Key of a training's result: what it chose by itself, in a word or two."""

ANSWER_COLUMNS = ("sample_id", "phase", "attempt", "outcome", "label", "predicted")
"""Columns of the invocations that tell what was answered."""

TOPS = (3, 5)
"""Numbers of labels among which the true one is looked for; of fewer classes than that it always is."""

PERCENTILES = (0.5, 0.9, 0.95, 0.99)
"""The percentiles of a latency summary."""


def result_rows(store: Store, experiment: str | None = None) -> list[Row]:
    """Return one row a trial, in the order planned; without an experiment, imported results follow.

    Args:
        store: The results file.
        experiment: Only this experiment's trials.

    Raises:
        UsageError: If there is no such experiment.
    """
    if experiment is not None and store.experiment(experiment) is None:
        raise no_experiment(store, experiment)
    rows = []
    labels: dict[str, frozenset[str]] = {}
    for trial in store.trials(experiment=experiment):
        if trial.fingerprint not in labels:
            labels[trial.fingerprint] = store.true_labels(trial.fingerprint)
        rows.append(trial_row(store, trial, labels[trial.fingerprint]))
    stable = stabilities(store, rows)
    rows = with_shared([row | {"stability": stable.get(row["trial_id"])} for row in rows])
    if experiment is None:
        rows += [imported_row(one) for one in store.imported()]
        rows += [imported_run_row(one) for one in store.imported_runs()]
    return rows


def trial_row(store: Store, trial: TrialRecord, labels: frozenset[str] = frozenset()) -> Row:
    """Build the row of one trial; its stability, which takes the other trials of its draw, is None.

    Args:
        store: The results file.
        trial: The trial.
        labels: The labels of its dataset; what is none of them is no class.
    """
    calls = store.answer_columns(trial.trial_id)
    stages, load_runs = store.stages(trial.trial_id), store.load_runs(trial.trial_id)
    spent = spending(store, trial, table_of(stages), stages=stages, calls=len(calls.sample), told=calls.told_usd)
    by_stage = {record.stage: record for record in stages}
    asked, answered = int(calls.last.sum()), int((calls.last & calls.answered).sum())
    result = score_pairs(calls.pairs(), failed=asked - answered, labels=labels)
    # Answers that were imported without a time have none; nothing that was measured takes 0 ns.
    timed = calls.measured & (calls.service_ns > 0)
    train_seconds, kind = _train_seconds(by_stage.get(Stage.TRAIN))
    invoke = by_stage.get(Stage.INVOKE)
    invoked = {} if invoke is None else invoke.result
    row: Row = {
        "provider": trial.provider,
        "variant": trial.variant,
        "dataset": trial.dataset,
        "shots": trial.shots,
        "fold": trial.fold,
        "repeat": trial.repeat,
        "seed": trial.seed,
        "source": str(trial.variant_settings.get(FROM, "measured")),
        "trial_id": trial.trial_id,
        "status": trial.status.value,
        "reason": trial.reason,
        "complete": invoke is not None and invoke.status in {StageStatus.DONE, StageStatus.UNDONE} and asked > 0,
        "train_samples": _train_samples(by_stage),
        "train_seconds": train_seconds,
        "train_seconds_kind": kind,
        "chosen": _chosen(by_stage.get(Stage.TRAIN)),
        "environment": told_environment(by_stage[Stage.TRAIN].result) if Stage.TRAIN in by_stage else None,
        "predict_seconds": float(calls.service_ns[timed].sum()) / 1e9 if timed.any() else None,
        "latency_ms": latency_summary(calls.service_ns[timed & calls.answered] / 1e6),
        "calls": calls.outcomes(),
        "cold_ms": [value / 1e6 for value in store.cold_ns(trial.trial_id)],
        "over_http": invoked.get("over_http"),
        "round_trip_ms": _round_trip(invoked.get("round_trip")),
        "latency_verdict": _verdict(invoked.get("verdict")),
        "interleaved_with": list(invoked.get("interleaved_with") or ()),
        "stopping": invoked.get(STOPPING),
        "stages": {record.stage.value: _stage(record) for record in stages},
        "cost": _cost(spent, stages),
        "usage": used(store, trial.trial_id, calls.told_usd),
        "stability": None,
        "shared": bool(invoked.get(SHARED)),
        "throughput": _throughput(load_runs),
        "load_runs": [_load_run(run) for run in load_runs],
        "configuration": configuration(
            {name: value for name, value in trial.variant_settings.items() if name != FROM},
            trial.images,
            trial.test_limit,
        ),
        "fingerprint": trial.fingerprint,
        "variant_settings": dict(trial.variant_settings),
        "images": dict(trial.images),
        "test_limit": trial.test_limit,
        "deviations": [str(text) for record in stages for text in record.result.get("deviations", ())],
        "created_at": trial.created_at,
    }
    row.update(_score_fields(result))
    row.update(
        _more_scores(calls, result), unanswered=reasons_of(store.unanswered(trial.trial_id) if answered < asked else ())
    )
    return _in_order(row)


def imported_row(result: ImportedResult) -> Row:
    """Build the row of a result measured elsewhere; what its file did not say is None."""
    size = result.test_samples
    ends = (None, None) if size is None else wilson_interval(result.accuracy * size, size)
    return _from_elsewhere(result) | {
        "complete": True,
        "classes": result.classes,
        "test_samples": result.test_samples,
        "accuracy": result.accuracy,
        "accuracy_low": ends[0],
        "accuracy_high": ends[1],
        "chance": None if result.classes is None else 1 / result.classes,
        "train_seconds": result.train_seconds,
        "train_seconds_kind": None if result.train_seconds is None else "imported",
    }


def imported_run_row(run: ImportedRun) -> Row:
    """Build the row of a load run made elsewhere: it has a throughput and nothing else."""
    rate = {"value": run.ok / run.seconds, "low": None, "high": None}
    load_run = {
        "load_run_id": "",
        "loop": run.loop,
        "complete": True,
        "valid": run.valid,
        "reasons": [],
        "settings": {} if run.concurrency is None else {"concurrency": run.concurrency},
        "summary": {"n": run.calls, "throughput": rate, "outcomes": {"ok": run.ok, "failed": run.calls - run.ok}},
        "started_at": "",
    }
    throughput = {**rate, "load_run_id": "", "valid": run.valid} if run.loop == "closed" else None
    return _from_elsewhere(run) | {"complete": False, "load_runs": [load_run], "throughput": throughput}


def _from_elsewhere(one: ImportedResult | ImportedRun) -> Row:
    row: Row = dict.fromkeys(RESULT_FIELDS)
    row.update(
        provider=one.provider,
        variant=one.variant,
        dataset=one.dataset,
        shots=one.shots,
        fold=one.fold,
        repeat=0,
        source=one.source,
        trial_id="",
        status="imported",
        reason="",
        latency_ms=latency_summary([]),
        calls={},
        shared=False,
        cold_ms=[],
        off_list_examples=[],
        interleaved_with=[],
        stages={},
        load_runs=[],
        configuration="",
        fingerprint="",
        variant_settings={},
        images={},
        unanswered=[],
        deviations=[],
        created_at="",
    )
    return row


def final_places(calls: Mapping[str, Any]) -> dict[str, int]:
    """Return sample id → place of its last measured attempt; by columns as `Store.invocation_columns` returns them."""
    last: dict[str, tuple[int, int]] = {}
    for place, (sample, phase, attempt) in enumerate(
        zip(calls["sample_id"], calls["phase"], calls["attempt"], strict=True)
    ):
        if phase == CallPhase.MEASURED.value and (sample not in last or attempt >= last[sample][0]):
            last[sample] = (int(attempt), place)
    return {sample: place for sample, (_, place) in last.items()}


def latency_summary(values_ms: Any) -> dict[str, Any]:
    """Summarise service times: n, percentiles with their interval, mean; `fields.LATENCY_FIELDS`.

    Args:
        values_ms: Service times in milliseconds.
    """
    import numpy as np

    values = np.asarray(values_ms, dtype=np.float64)
    cells = describe(values, PERCENTILES)
    summary: dict[str, Any] = {"n": len(values)}
    summary |= {name_of(p): cells[name_of(p)].get("value") for p in PERCENTILES}
    summary["mean"] = float(values.mean()) if len(values) else None
    summary["intervals"] = {name: [one["low"], one["high"]] for name, one in cells.items() if "value" in one}
    summary["needs"] = {name: one["needs"] for name, one in cells.items() if "needs" in one}
    return summary


def configuration(variant_settings: Mapping[str, Any], images: Mapping[str, Any], test_limit: int | None) -> str:
    """Return eight hex digits that tell apart trials of one variant name which were not set up alike."""
    text = json.dumps([variant_settings, images, test_limit], sort_keys=True, default=dict)
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def _score_fields(result: Score) -> Row:
    return {
        "classes": result.classes or None,
        "test_samples": result.test_samples,
        "correct": result.correct,
        "failed": result.failed,
        "abstained": result.abstained,
        "off_list": result.off_list.count,
        "off_list_near": result.off_list.near,
        "off_list_empty": result.off_list.empty,
        "off_list_examples": [f"{answer!r} × {count}" for answer, count in result.off_list.examples],
        "accuracy": result.accuracy,
        "accuracy_low": result.accuracy_low,
        "accuracy_high": result.accuracy_high,
        "accuracy_answered": result.accuracy_answered,
        "balanced_accuracy": result.balanced_accuracy,
        "majority": result.majority,
        "chance": result.chance,
        "macro_f1": result.macro_f1,
        "micro_f1": result.micro_f1,
    }


def _more_scores(calls: AnswerColumns, result: Score) -> Row:
    """Return the scores that need more than a label: of ranked labels, and of training samples."""
    asked, right = calls.training_score()
    tops = {f"top{k}_accuracy": calls.top(k) if k < result.classes else None for k in TOPS}
    return {**tops, "training_asked": asked, "training_accuracy": right / asked if asked else None}


def _in_order(row: Row) -> Row:
    return {name: row[name] for name in RESULT_FIELDS}


def _train_seconds(stage: StageRecord | None) -> tuple[float | None, str | None]:
    if stage is None or stage.status not in {StageStatus.DONE, StageStatus.UNDONE}:
        return None, None
    if stage.work_seconds is not None:
        return stage.work_seconds, "work"
    return (None, None) if stage.wall_seconds is None else (stage.wall_seconds, "wall")


def _chosen(stage: StageRecord | None) -> str | None:
    """Return what a training chose by itself, as its result says; None where it chose nothing or does not tell."""
    chosen = None if stage is None else stage.result.get(CHOSEN)
    return chosen if isinstance(chosen, str) and chosen else None


def _train_samples(stages: Mapping[Stage, StageRecord]) -> int | None:
    for stage in (Stage.UPLOAD, Stage.TRAIN):
        value = stages[stage].result.get("train_samples") if stage in stages else None
        if isinstance(value, int):
            return value
    return None


def _round_trip(readings: Any) -> dict[str, float | None] | None:
    if not isinstance(readings, Mapping) or not readings:
        return None
    return {str(moment): reading.get("ms") for moment, reading in readings.items()}


def _verdict(stored: Any) -> Row | None:
    return dict(stored) if isinstance(stored, Mapping) else None


def _stage(record: StageRecord) -> Row:
    return {
        "status": record.status.value,
        "queue_seconds": record.queue_seconds,
        "work_seconds": record.work_seconds,
        "wall_seconds": record.wall_seconds,
        "billable_seconds": record.billable_seconds,
    }


def _cost(spent: Spending, stages: Sequence[StageRecord]) -> Row:
    wall = [record.wall_seconds for record in stages if record.wall_seconds is not None]
    return {
        **spent.total.as_json(),
        "train_usd": spent.train.as_json()["usd"],
        "serve_usd": spent.serve.as_json()["usd"],
        "calls_usd": spent.calls.as_json()["usd"],
        "train_hours": spent.train_hours,
        "serve_hours": spent.serve_hours,
        "wall_hours": sum(wall) / SECONDS_PER_HOUR,
        "calls": spent.call_count,
        "prices_as_of": spent.as_of or None,
        "simulated": spent.simulated,
    }


def _throughput(load_runs: Sequence[LoadRun]) -> Row | None:
    for run in reversed(load_runs):
        found = run.summary.get("throughput")
        if run.complete and run.loop == "closed" and isinstance(found, Mapping) and found.get("value") is not None:
            ends = {"low": found.get("low"), "high": found.get("high")}
            return {"value": found["value"], **ends, "load_run_id": run.load_run_id, "valid": run.valid}
    return None


def _load_run(run: LoadRun) -> Row:
    return {
        "load_run_id": run.load_run_id,
        "loop": run.loop,
        "complete": run.complete,
        "valid": run.valid,
        "reasons": list(run.reasons),
        "settings": dict(run.settings),
        "summary": dict(run.summary),
        "started_at": run.started_at,
    }
