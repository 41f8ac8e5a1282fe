"""A trial's measuring stages: the accuracy pass, alone or interleaved with others, and the load run."""

from __future__ import annotations

import logging
import secrets
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, fields, replace
from datetime import datetime

from automl_bench.contract import Invoker, Json, Stage
from automl_bench.errors import AutomlBenchError, DeadlinePassed, Interrupted, OperationUnfinished, ProviderError
from automl_bench.measurement.accuracy_pass import PassLane, PassProgress, PassSettings, PassSummary, run_pass
from automl_bench.measurement.load import LoadSettings, run_load
from automl_bench.measurement.pass_summary import summarise_pass
from automl_bench.measurement.stopping import StoppingMonitor
from automl_bench.numbers_in_words import counted
from automl_bench.store.records import CallPhase, Invocation, LoadCall, LoadRun, Outcome, StageStatus
from automl_bench.trials.early_stop import STOPPING, stopping_monitor, stopping_result
from automl_bench.trials.error_meaning import Meaning, Moment, meaning_of
from automl_bench.trials.experiment import SHARED, Learning
from automl_bench.trials.extent import MOST_IN_VAIN
from automl_bench.trials.machine import Use
from automl_bench.trials.trial import Trial
from automl_bench.trials.waiting import Until, first_sentence, interrupted
from automl_bench.trials.waking import SETTLED_SECONDS, awake_invoker

log = logging.getLogger(__name__)

MOST_SITTINGS = 4
"""How often a measurement is taken up again after the service could not be reached; after that it has failed."""


def is_done(trial: Trial, stage: Stage) -> bool:
    """Whether a measuring stage of a trial has ended well."""
    record = trial.around.store.stage(trial.record.trial_id, stage)
    return record is not None and record.status is StageStatus.DONE


def invoke_together(
    trials: Sequence[Trial], settings: PassSettings, *, moment: float | None = None
) -> dict[str, AutomlBenchError]:
    """Run the accuracy pass of trials that share their test samples, image by image in random order.

    With one trial this is the plain pass. Samples whose answer is in the store already are not sent again. A trial
    whose service cannot be reached for a while goes on alone afterwards; what it was asked meanwhile is asked again.

    Args:
        trials: The trials.
        settings: How the pass is run.
        moment: `time.monotonic()` at which it must have ended; None for no deadline.

    Returns:
        What ended single trials early, by trial id; the others went on.

    Raises:
        Interrupted: If the user wants to end; what was answered is kept.
        DeadlinePassed: If it took too long; what was answered is kept.
        AutomlBenchError: With one trial: what ended it early (billing, quota, an endpoint that does not wake).
    """
    begun = time.monotonic()
    for trial in trials:
        trial.around.store.begin_stage(trial.record.trial_id, Stage.INVOKE)
    ended: dict[str, AutomlBenchError] = {}
    notes: dict[str, Sequence[str]] = {}
    pending = list(trials)
    for sitting in range(1, MOST_SITTINGS + 1):
        awake = _awake_together(pending, settings, moment, ended)
        notes |= {trial.record.trial_id: getattr(invoker, "notes", ()) for trial, invoker, _ in awake}
        outcomes = _sit(awake, settings, moment, begun)
        pending = []
        for trial, outcome in zip([trial for trial, _, _ in awake], outcomes, strict=True):
            error = outcome.error
            if error is not None and _passes(error) and sitting < MOST_SITTINGS:
                log.warning("%s: %s Going on when it answers again.", trial.record.label, error)
                pending.append(trial)
            elif error is not None:
                ended[trial.record.trial_id] = error
                trial.finish_measuring(Stage.INVOKE, begun, outcome.result, error=first_sentence(error))
            elif settings.stop is None and sitting < MOST_SITTINGS and _asked_in_vain(trial, settings):
                pending.append(trial)
            else:
                others = [other.record.trial_id for other in trials if other is not trial]
                result = {**outcome.result, "interleaved_with": others, "resumed": sitting - 1}
                if trial.learning is Learning.NONE:
                    result[SHARED] = True
                told = [*_deviations(trial), *notes.get(trial.record.trial_id, ())]
                trial.finish_measuring(Stage.INVOKE, begun, {**result, "deviations": told})
        if not pending:
            break
    for trial in trials:
        error = ended.get(trial.record.trial_id)
        if error is not None and len(trials) == 1:
            raise error
    return ended


@dataclass(frozen=True, slots=True)
class _Sitting:
    """What came of one trial's part of a pass: its numbers, and what ended it early."""

    result: dict[str, Json]
    error: AutomlBenchError | None = None


def _awake_together(
    trials: Sequence[Trial], settings: PassSettings, moment: float | None, ended: dict[str, AutomlBenchError]
) -> list[tuple[Trial, Invoker, bool]]:
    """Prove the endpoints of trials awake, side by side, and return those that are, with how each is called.

    What goes wrong with one is its own end and stands in `ended`; the others go on.
    """
    found: dict[str, tuple[Invoker, bool]] = {}
    waiting = list(trials)
    while waiting:
        begun = time.monotonic()
        with ThreadPoolExecutor(max_workers=len(waiting), thread_name_prefix="wake") as pool:
            futures = [
                pool.submit(awake_invoker, trial, Stage.INVOKE, settings, moment=moment, cold=settings.cold)
                for trial in waiting
            ]
        for trial, future in zip(waiting, futures, strict=True):
            trial_id = trial.record.trial_id
            try:
                invoker, cold = future.result()
            except Interrupted:
                raise
            except Exception as error:  # noqa: BLE001  # the end of this trial alone
                ended[trial_id] = _own(error)
                if not isinstance(error, OperationUnfinished):
                    trial.finish_measuring(Stage.INVOKE, begun, {}, error=first_sentence(error))
            else:
                found[trial_id] = (invoker, cold or found.get(trial_id, (invoker, False))[1])
        waiting = [trial for trial in waiting if trial.record.trial_id not in ended]
        if len(waiting) <= 1 or time.monotonic() - begun < SETTLED_SECONDS:
            break
    return [(trial, *found[trial.record.trial_id]) for trial in waiting]


def _sit(
    awake: Sequence[tuple[Trial, Invoker, bool]], settings: PassSettings, moment: float | None, begun: float
) -> list[_Sitting]:
    """Ask for what is missing, in turn, of endpoints that are awake."""
    if not awake:
        return []
    around = awake[0][0].around
    trials = [trial for trial, _, _ in awake]
    by_id = {trial.record.trial_id: trial for trial in trials}
    lanes = [_lane(trial, invoker, settings) for trial, invoker, _ in awake]
    # The proof of an endpoint that was never called before was its cold call.
    settings = replace(settings, cold=settings.cold and not any(cold for _, _, cold in awake))

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
        if len(trials) == 1 and isinstance(error, ProviderError):
            return [_Sitting({}, error)]
        for trial in trials:
            trial.finish_measuring(Stage.INVOKE, begun, {}, error=first_sentence(error))
        raise
    if around.stop.is_set():
        raise interrupted()
    return [
        _sitting(trial, lane, summary, monitor) for trial, lane, summary in zip(trials, lanes, summaries, strict=True)
    ]


def _sitting(trial: Trial, lane: PassLane, summary: PassSummary, monitor: StoppingMonitor | None) -> _Sitting:
    result = {field.name: getattr(summary, field.name) for field in fields(summary) if field.name != "error"}
    result["answers_from_an_earlier_process"] = len(lane.already_done)
    calls = trial.around.store.invocation_columns([trial.record.trial_id])
    result |= summarise_pass(calls, summary.client, summary.began_at if lane.already_done else "")
    if monitor is not None:
        result[STOPPING] = stopping_result(trial, summary, monitor)
    return _Sitting(result, summary.error)


def _passes(error: Exception) -> bool:
    """Whether an error says nothing of the endpoint: it is looked on, and what was asked meanwhile is asked again."""
    return meaning_of(error, Moment.SERVE) is Meaning.UNKNOWN


def _own(error: Exception) -> AutomlBenchError:
    if isinstance(error, AutomlBenchError):
        return error
    log.error("an unexpected error before measuring", exc_info=error)
    return ProviderError(f"unexpected {type(error).__name__}: {error} (see the log)")


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
    come = counted("{n} [answer comes|answers come]", before)
    return [f"{come} from a model trained before an interruption; the others from one trained again."]


def _lane(trial: Trial, invoker: Invoker, settings: PassSettings) -> PassLane:
    store, trial_id = trial.around.store, trial.record.trial_id
    rows = store.invocations(trial_id, phase=CallPhase.MEASURED)
    done = store.invoked_sample_ids(trial_id) - _unanswered_at_the_end(rows)
    if settings.stop is None:
        done -= _asked_in_vain(trial, settings)
    training = trial.material.training_calls() if settings.training else ()
    asked = store.invocations(trial_id, phase=CallPhase.TRAINING) if training else []
    known = {row.sample_id for row in asked if not _has_no_answer(row)}
    attempts = {row.sample_id: row.attempt for row in sorted(asked, key=lambda row: row.attempt)}
    correct: set[str] = set()
    answered: set[str] = set()
    for row in rows:
        attempts[row.sample_id] = max(attempts.get(row.sample_id, 0), row.attempt)
        if row.outcome is Outcome.OK:
            answered.add(row.sample_id)
            if row.predicted == row.label:
                correct.add(row.sample_id)
    return PassLane(
        trial_id=trial_id,
        invoker=invoker,
        already_done=done,
        limits=trial.limits,
        attempts_stored={sample: count for sample, count in attempts.items() if sample not in done},
        already_right=frozenset(correct & done),
        already_failed=len(done - answered),
        training=[(sample, label) for sample, label in training if sample.sample_id not in known],
        usd_of=trial.usd_of,
    )


def _asked_in_vain(trial: Trial, settings: PassSettings) -> frozenset[str]:
    """Return the samples of a pass that are asked once more: each attempt met a fault that passes.

    An endpoint that falls asleep in the middle answers so until it is awake, which says nothing of the model.
    """
    last: dict[str, Invocation] = {}
    for row in trial.around.store.invocations(trial.record.trial_id, phase=CallPhase.MEASURED):
        if row.sample_id not in last or row.attempt > last[row.sample_id].attempt:
            last[row.sample_id] = row
    # Only after a fault that passes are all attempts made; the numbers of what is asked once more go on beyond them.
    vain = {sample for sample, row in last.items() if row.attempt == settings.max_attempts and _has_no_answer(row)}
    return frozenset(vain if settings.max_attempts > 1 and len(vain) <= MOST_IN_VAIN else ())


def _has_no_answer(row: Invocation) -> bool:
    unreadable = row.outcome is Outcome.FAILED and row.status is not None and row.status < 500
    return row.outcome in (Outcome.THROTTLED, Outcome.TIMEOUT, Outcome.FAILED) and not unreadable


def _unanswered_at_the_end(rows: Sequence[Invocation]) -> frozenset[str]:
    """Return the samples without an answer, one after the other, with which an earlier sitting ended.

    It ended because the service could not be reached or a login expired. That says nothing of the model, so these
    samples are not scored: they are asked again.
    """
    streak: set[str] = set()
    for row in sorted(rows, key=lambda row: row.timing.sent_ns, reverse=True):
        if row.outcome is Outcome.OK:
            break
        streak.add(row.sample_id)
    return frozenset(streak)


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
        OperationUnfinished: If the endpoint does not wake in time.
        DeadlinePassed: If it took too long; the run stays marked incomplete.
        ProviderError: If the provider ends it for good.
    """
    around = trial.around
    begun = time.monotonic()
    around.store.begin_stage(trial.record.trial_id, Stage.PARALLEL)
    for sitting in range(1, MOST_SITTINGS + 1):
        try:
            run = _load_once(trial, settings, moment)
        except (Interrupted, OperationUnfinished):
            raise
        except Exception as error:
            if _passes(error) and sitting < MOST_SITTINGS:
                log.warning("%s: %s The load run is made again when it answers.", trial.record.label, error)
                continue
            trial.finish_measuring(Stage.PARALLEL, begun, {}, error=first_sentence(error))
            raise
        break
    if around.stop.is_set():
        raise interrupted()
    around.store.finish_load_run(run)
    trial.finish_measuring(Stage.PARALLEL, begun, {"load_run_id": run.load_run_id, "valid": run.valid})
    around.observers.tell("load_run_finished", trial=trial.record, load_run=run)
    return run


def _load_once(trial: Trial, settings: LoadSettings, moment: float | None) -> LoadRun:
    around, provider = trial.around, trial.bound.provider
    context, endpoint = trial.context(Stage.PARALLEL), trial.endpoint()
    stop = Until(around.stop, moment)

    def awake() -> Invoker:
        return awake_invoker(trial, Stage.PARALLEL, PassSettings(), moment=moment, cold=False)[0]

    invoker = awake()
    patience = trial.patience(Stage.PARALLEL, Moment.SERVE, moment)
    lanes = patience.call(lambda: provider.parallel(context, endpoint, settings.concurrency))
    load_run_id = secrets.token_hex(8)

    def record(calls: Sequence[LoadCall]) -> None:
        around.store.add_load_calls(load_run_id, calls)

    def progress(done: int, total: int | None, note: str) -> None:
        around.report(trial.record, Stage.PARALLEL, done, total, note)

    proven = time.monotonic()
    with around.machine.use(Use.QUIET, stop):
        if time.monotonic() - proven > SETTLED_SECONDS:
            invoker = awake()  # it may have fallen asleep while this trial waited for its turn
        around.store.begin_load_run(
            LoadRun(load_run_id, trial.record.trial_id, loop=settings.loop, settings=settings.as_json())
        )
        run = run_load(
            invoker,
            trial.material.test,
            settings,
            trial_id=trial.record.trial_id,
            load_run_id=load_run_id,
            lanes=lanes,
            limits=trial.limits,
            record=record,
            on_progress=progress,
            stop=stop,
        )
    _require_in_time(stop, run.complete)
    return run
