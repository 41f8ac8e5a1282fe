"""A verb: one stage of one trial, through the same engine as a whole experiment."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from automl_bench.contract import Stage
from automl_bench.errors import LeaseLost, OperationUnfinished, OtherScope, ResourceConflict, UsageError
from automl_bench.measurement.accuracy_pass import PassSettings
from automl_bench.measurement.load import LoadSettings
from automl_bench.store.records import LedgerEntry, LoadRun, StageRecord, StageStatus, TrialStatus
from automl_bench.trials.claims import Claims
from automl_bench.trials.command_lines import trial_command
from automl_bench.trials.measuring import invoke_together, load
from automl_bench.trials.scopes import require_same_scope
from automl_bench.trials.teardown import Leftover, complain, resource_of, tear_down, written_if_possible
from automl_bench.trials.trial import Trial
from automl_bench.trials.waiting import first_sentence


@contextmanager
def working_on(trial: Trial) -> Iterator[None]:
    """Hold a trial's lease while a verb works on it.

    Raises:
        OtherScope: If what it left lies where the settings do not lead.
        ResourceConflict: If another automl-bench process works on it.
    """
    store, trial_id = trial.around.store, trial.record.trial_id
    store.save_trial(trial.record)
    with Claims(store, trial.around.say) as claims, claims.holding(trial_id, trial.around.stop) as mine:
        if not mine:
            raise ResourceConflict(
                f"another automl-bench process works on {trial.record.label}.", remedy="Wait for it, or stop it first."
            )
        require_same_scope(trial.bound, open_entries(trial))
        store.submit_trial_status(trial_id, TrialStatus.RUNNING)
        yield


def build_stage(trial: Trial, stage: Stage) -> StageRecord:
    """Do one building stage.

    What a failed or interrupted stage left that costs money while idle is deleted at once. A training whose outcome is
    not known is left as it is.

    Raises:
        UsageError: If the provider has no such stage, or an earlier one is not done.
        ResourcesLeft: If the stage failed or is not finished, and something remains that may cost by the hour.
    """
    _require_stage(trial, stage)
    _require_earlier(trial, stage)
    _use_again(trial)
    try:
        return trial.build(stage)
    except (LeaseLost, OtherScope):
        raise
    except Exception as error:
        costly = [entry for entry in open_entries(trial) if entry.stage is stage and entry.hourly_usd != 0.0]
        if isinstance(error, OperationUnfinished) and stage is not Stage.DEPLOY:
            left = [Leftover(entry.provider, resource_of(entry), first_sentence(error)) for entry in costly]
        else:
            left = tear_down(trial.around.store, {trial.record.provider: trial.bound}, costly, trial.around.insistence)
        complain(left, because=error)
        raise


def _use_again(trial: Trial) -> None:
    """End the retention of what a failed run has left: it is used again."""
    kept = [entry.entry_id for entry in open_entries(trial) if entry.keep_until]
    trial.around.store.ledger_keep_until(kept, "")


def invoke_stage(trial: Trial, settings: PassSettings) -> None:
    """Run the accuracy pass of one trial.

    Raises:
        UsageError: If it has no endpoint yet.
    """
    _require_earlier(trial, Stage.INVOKE)
    invoke_together([trial], settings)


def parallel_stage(trial: Trial, settings: LoadSettings) -> LoadRun:
    """Run one load run.

    Raises:
        UsageError: If the trial has no endpoint yet.
    """
    _require_earlier(trial, Stage.PARALLEL)
    return load(trial, settings)


def tear_down_trial(trial: Trial) -> tuple[int, list[Leftover]]:
    """Delete what one trial left; returns how many resources there were, and those that remain."""
    entries = open_entries(trial)
    store, trial_id = trial.around.store, trial.record.trial_id
    store.submit_trial_status(trial_id, TrialStatus.TEARING_DOWN)
    left = tear_down(store, {trial.record.provider: trial.bound}, entries, trial.around.insistence)
    with written_if_possible(f"status of trial {trial_id}"):
        invoked = store.stage(trial_id, Stage.INVOKE)
        done = invoked is not None and invoked.status is StageStatus.DONE
        store.set_trial_status(trial_id, TrialStatus.DONE if done else TrialStatus.INTERRUPTED)
    return len(entries), left


def open_entries(trial: Trial) -> list[LedgerEntry]:
    """Return the ledger lines of a trial that are not deleted."""
    return trial.around.store.open_lines(trial.record.trial_id)


def _require_stage(trial: Trial, stage: Stage) -> None:
    if stage not in trial.stages():
        has = ", ".join(trial.stages()) or "none"
        raise UsageError(f"{trial.record.provider} has no {stage} stage.", remedy=f"Its stages before invoke: {has}.")


def _require_earlier(trial: Trial, stage: Stage) -> None:
    for earlier in trial.stages():
        if earlier is stage:
            return
        record = trial.around.store.stage(trial.record.trial_id, earlier)
        if record is None or record.status is not StageStatus.DONE:
            command = trial_command(earlier, trial.record)
            raise UsageError(
                f"{trial.record.label}: {earlier} is not done.",
                remedy=f"First: {command}" if command else "Run its experiment again.",
            )
