"""A trial's measuring stages: the accuracy pass, alone or interleaved with others, and the load run."""

from __future__ import annotations

import logging
import secrets
import time
from collections.abc import Sequence
from dataclasses import fields
from datetime import datetime

from automl_bench.contract import Stage
from automl_bench.errors import AutomlBenchError, DeadlinePassed, Interrupted
from automl_bench.measurement.accuracy_pass import PassLane, PassProgress, PassSettings, run_pass
from automl_bench.measurement.load import LoadSettings, run_load
from automl_bench.store.records import CallPhase, Invocation, LoadCall, LoadRun, Outcome, StageStatus
from automl_bench.trials.early_stop import STOPPING, stopping_monitor, stopping_result
from automl_bench.trials.machine import Use
from automl_bench.trials.trial import Trial
from automl_bench.trials.waiting import Until, first_sentence, interrupted

log = logging.getLogger(__name__)


def is_done(trial: Trial, stage: Stage) -> bool:
    """Whether a measuring stage of a trial has ended well."""
    record = trial.around.store.stage(trial.record.trial_id, stage)
    return record is not None and record.status is StageStatus.DONE


def invoke_together(
    trials: Sequence[Trial], settings: PassSettings, *, moment: float | None = None
) -> dict[str, AutomlBenchError]:
    """Run the accuracy pass of trials that share their test samples, image by image in random order.

    With one trial this is the plain pass. Samples whose answer is in the store already are not sent again.

    Args:
        trials: The trials.
        settings: How the pass is run.
        moment: `time.monotonic()` at which it must have ended; None for no deadline.

    Returns:
        What ended single trials early, by trial id; the others went on.

    Raises:
        Interrupted: If the user wants to end; what was answered is kept.
        DeadlinePassed: If it took too long; what was answered is kept.
        ProviderError: With one trial: what ended it early (billing, quota, credentials).
    """
    around = trials[0].around
    begun = time.monotonic()
    by_id = {trial.record.trial_id: trial for trial in trials}
    lanes = [_lane(trial) for trial in trials]
    for trial in trials:
        around.store.begin_stage(trial.record.trial_id, Stage.INVOKE)

    def record(invocation: Invocation) -> None:
        around.store.add_invocations([invocation])
        around.observers.tell("invocation_recorded", trial=by_id[invocation.trial_id].record, invocation=invocation)

    def progress(state: PassProgress) -> None:
        trial = by_id[state.trial_id].record
        around.report(
            trial, Stage.INVOKE, state.done, state.total, f"accuracy {state.accuracy:.1%}" if state.done else ""
        )

    monitor = stopping_monitor(trials, settings.stop)
    use = Use.QUIET if any(trial.here for trial in trials) else Use.MEASURE
    stop = Until(around.stop, moment)
    try:
        with around.machine.use(use, stop):
            summaries = run_pass(
                lanes,
                trials[0].material.test,
                settings=settings,
                record=record,
                on_progress=progress,
                stop=stop,
                monitor=monitor,
            )
        _require_in_time(stop, not any(summary.stopped for summary in summaries))
    except Interrupted:
        raise
    except Exception as error:
        for trial in trials:
            trial.finish_measuring(Stage.INVOKE, begun, {}, error=first_sentence(error))
        raise
    if around.stop.is_set():
        raise interrupted()
    for trial, lane, summary in zip(trials, lanes, summaries, strict=True):
        result = {field.name: getattr(summary, field.name) for field in fields(summary) if field.name != "error"}
        result["interleaved_with"] = [other.record.trial_id for other in trials if other is not trial]
        result["answers_from_an_earlier_process"] = len(lane.already_done)
        result["deviations"] = _deviations(trial)
        if monitor is not None:
            result[STOPPING] = stopping_result(trial, summary, monitor)
        ended_by = first_sentence(summary.error) if summary.error else ""
        trial.finish_measuring(Stage.INVOKE, begun, result, error=ended_by)
    return {
        trial.record.trial_id: summary.error
        for trial, summary in zip(trials, summaries, strict=True)
        if summary.error is not None
    }


def _deviations(trial: Trial) -> list[str]:
    """Return what a reader of this trial's accuracy must know, one sentence each."""
    store, trial_id = trial.around.store, trial.record.trial_id
    trained = store.stage(trial_id, Stage.TRAIN)
    if trained is None or not trained.finished_at:
        return []
    moment = datetime.fromisoformat(trained.finished_at)
    before = sum(datetime.fromisoformat(row.at) < moment for row in store.invocations(trial_id) if row.at)
    if not before:
        return []
    return [f"{before} answers come from a model trained before an interruption; the others from one trained again."]


def _lane(trial: Trial) -> PassLane:
    store, trial_id = trial.around.store, trial.record.trial_id
    invoker = trial.bound.provider.invoke(trial.context(Stage.INVOKE), trial.endpoint())
    done = store.invoked_sample_ids(trial_id)
    attempts: dict[str, int] = {}
    correct: set[str] = set()
    answered: set[str] = set()
    for row in store.invocations(trial_id, phase=CallPhase.MEASURED):
        attempts[row.sample_id] = max(attempts.get(row.sample_id, 0), row.attempt)
        if row.outcome is Outcome.OK:
            answered.add(row.sample_id)
            if row.predicted == row.label:
                correct.add(row.sample_id)
    return PassLane(
        trial_id=trial_id,
        invoker=invoker,
        already_done=done,
        limits=trial.bound.provider.description.limits,
        attempts_stored={sample: count for sample, count in attempts.items() if sample not in done},
        already_right=frozenset(correct & done),
        already_failed=len(done - answered),
    )


def _require_in_time(stop: Until, ended: bool) -> None:
    if stop.too_late and not ended:
        raise DeadlinePassed(
            "measuring took longer than the experiment's deadlines allow.",
            remedy="Raise measure_hours under [deadlines] and add --retry-failed: what was answered is kept.",
        )


def load(trial: Trial, settings: LoadSettings, *, moment: float | None = None) -> LoadRun:
    """Run one load run against a trial's endpoint and store every call.

    Args:
        trial: The trial.
        settings: How the load run is made.
        moment: `time.monotonic()` at which it must have ended; None for no deadline.

    Raises:
        Interrupted: If the user wants to end; the run stays marked incomplete.
        DeadlinePassed: If it took too long; the run stays marked incomplete.
        ProviderError: If the provider ends it for good.
    """
    around = trial.around
    provider = trial.bound.provider
    begun = time.monotonic()
    context = trial.context(Stage.PARALLEL)
    endpoint = trial.endpoint()
    load_run_id = secrets.token_hex(8)
    around.store.begin_stage(trial.record.trial_id, Stage.PARALLEL)
    around.store.begin_load_run(
        LoadRun(load_run_id, trial.record.trial_id, loop=settings.loop, settings=settings.as_json())
    )

    def record(calls: Sequence[LoadCall]) -> None:
        around.store.add_load_calls(load_run_id, calls)

    def progress(done: int, total: int | None, note: str) -> None:
        around.report(trial.record, Stage.PARALLEL, done, total, note)

    stop = Until(around.stop, moment)
    try:
        invoker = provider.invoke(context, endpoint)
        lanes = provider.parallel(context, endpoint, settings.concurrency)
        with around.machine.use(Use.QUIET, stop):
            run = run_load(
                invoker,
                trial.material.test,
                settings,
                trial_id=trial.record.trial_id,
                load_run_id=load_run_id,
                lanes=lanes,
                limits=provider.description.limits,
                record=record,
                on_progress=progress,
                stop=stop,
            )
        _require_in_time(stop, run.complete)
    except Interrupted:
        raise
    except Exception as error:
        trial.finish_measuring(Stage.PARALLEL, begun, {}, error=first_sentence(error))
        raise
    if around.stop.is_set():
        raise interrupted()
    around.store.finish_load_run(run)
    trial.finish_measuring(Stage.PARALLEL, begun, {"load_run_id": load_run_id, "valid": run.valid})
    around.observers.tell("load_run_finished", trial=trial.record, load_run=run)
    return run
