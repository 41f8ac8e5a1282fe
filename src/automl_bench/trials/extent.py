"""How much one trial takes: what is planned, and the most that it can come to before the host ends it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from automl_bench.contract import Limits, Stage
from automl_bench.store.records import TrialRecord

if TYPE_CHECKING:
    from automl_bench.trials.experiment import Experiment
    from automl_bench.trials.trial import Trial

SECONDS_PER_HOUR = 3600.0

DEADLINES: Mapping[Stage, float] = {
    Stage.UPLOAD: 24 * SECONDS_PER_HOUR,
    Stage.TRAIN: 72 * SECONDS_PER_HOUR,
    Stage.DEPLOY: 2 * SECONDS_PER_HOUR,
    Stage.INVOKE: 24 * SECONDS_PER_HOUR,
}
"""Longest waits in seconds unless the experiment says otherwise: for one operation each; for invoke, all measuring of a
trial together, from the end of its deployment to the end of its load run."""

MOST_CALLS_PER_SECOND = 1000.0
"""Rate assumed of a load run without a published limit, when money is reserved for it."""

SWEEP_STEPS = 20
"""Steps assumed of a sweep, when money is reserved for it."""

PROOF_CALLS = 5
"""Calls that prove the endpoint awake before its pass, what is asked once more, and its load run; those answered "not
yet" are not billed."""

MOST_IN_VAIN = 20
"""Most samples that are asked once more after the pass, because a fault that passes kept them from being answered. With
more of them the service itself is unreliable, and they are scored as failed."""

MOST_WARM_UP_CALLS = 10
"""Calls before a load run where the experiment does not say."""


@dataclass(frozen=True, slots=True)
class Extent:
    """What one trial takes.

    Attributes:
        samples: Labelled samples that are uploaded.
        tests: Test samples, each asked once if all goes well.
        load_calls: Calls of the load run, or None where only its length is given; 0 without one.
        most_calls: Requests that it may take at most, repetitions and warm-up included.
        training_hours: From the begin of the training to the host's deadline for it and the longest deletion.
        serving_hours: From the begin of the deployment to the host's deadlines for it and for measuring, and the
            longest deletion.
        total_hours: From the begin of the upload to the end of measuring, at most.
    """

    samples: int
    tests: int
    load_calls: int | None
    most_calls: int
    training_hours: float
    serving_hours: float
    total_hours: float


def deadline(experiment: Experiment, stage: Stage) -> float:
    """Return the longest wait of a stage in seconds."""
    return experiment.deadline_seconds.get(stage, DEADLINES[stage])


def extent_of(
    experiment: Experiment,
    trial: TrialRecord,
    *,
    samples: int,
    tests: int,
    limits: Limits,
    deletion_seconds: float = 1800.0,
) -> Extent:
    """Return what a trial of an experiment takes.

    Args:
        experiment: Its settings.
        trial: The trial.
        samples: Labelled samples of its ablation.
        tests: Test samples.
        limits: The provider's published limits.
        deletion_seconds: How long one deletion may take at the provider.
    """
    upload, train, deploy, measure = (
        deadline(experiment, stage) for stage in (Stage.UPLOAD, Stage.TRAIN, Stage.DEPLOY, Stage.INVOKE)
    )
    # Endpoints of an interleaved group wait for the slowest of the group before the first call.
    waiting = upload + train if experiment.interleave else 0.0
    planned, most = _load_calls(experiment, trial, limits)
    invoke = experiment.invoke
    asked = tests + min(tests, MOST_IN_VAIN) + (samples if invoke.training else 0)
    return Extent(
        samples=samples,
        tests=tests,
        load_calls=planned,
        most_calls=asked * invoke.max_attempts + 2 * invoke.warm_up + PROOF_CALLS + 2 + most,
        training_hours=(train + deletion_seconds) / SECONDS_PER_HOUR,
        serving_hours=(deploy + waiting + measure + deletion_seconds) / SECONDS_PER_HOUR,
        total_hours=(upload + train + deploy + waiting + measure) / SECONDS_PER_HOUR,
    )


def extent_of_trial(experiment: Experiment, trial: Trial) -> Extent:
    """Return the most that a trial may take whose samples are known."""
    drawn, description = trial.material.training_set, trial.bound.provider.description
    return extent_of(
        experiment,
        trial.record,
        samples=len(drawn.train) + len(drawn.validation),
        tests=len(trial.material.test),
        limits=trial.limits,
        deletion_seconds=description.deletion_seconds,
    )


def _load_calls(experiment: Experiment, trial: TrialRecord, limits: Limits) -> tuple[int | None, int]:
    """Return a trial's load calls as planned (None where only a length is given), and at most."""
    if not experiment.parallel.wants(trial):
        return 0, 0
    run = experiment.parallel.settings
    warm_up = MOST_WARM_UP_CALLS if run.warm_up_calls is None else run.warm_up_calls
    if not run.duration_seconds:
        return run.calls, run.calls + warm_up
    rate = run.rate or run.sweep_to or limits.requests_per_second or MOST_CALLS_PER_SECOND
    most = int(rate * run.duration_seconds * (SWEEP_STEPS if run.loop == "sweep" else 1))
    planned = round(run.rate * run.duration_seconds) if run.loop == "open" and run.rate else None
    return planned, max(run.calls, most) + warm_up
