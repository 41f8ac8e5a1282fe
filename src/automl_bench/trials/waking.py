"""An endpoint is proven awake, untimed, right before it is measured: an answer of one that wakes up is never scored."""

from __future__ import annotations

import time
from dataclasses import replace

from automl_bench.contract import CallPhase, Invoker, OperationState, Stage
from automl_bench.errors import DeploymentFailed, RateLimited, ServiceUnavailable
from automl_bench.measurement.accuracy_pass import PassSettings
from automl_bench.measurement.call import Caller, CallResult
from automl_bench.measurement.clock import WallAnchor
from automl_bench.store.records import Invocation, Outcome
from automl_bench.trials.error_meaning import Moment
from automl_bench.trials.trial import Trial
from automl_bench.trials.waiting import Patience, wait_for

SETTLED_SECONDS = 30.0
"""Endpoints that are measured together are proven again where the slowest of them took longer than this to wake."""

PROOF_ATTEMPT = 1000
"""Attempt number under which the calls of a proof are stored, far from those of the pass."""


def woken_invoker(trial: Trial, stage: Stage, latest: float) -> tuple[Invoker, Patience]:
    """Wake a trial's endpoint, where its plugin can, and return how it is called and how long one may wait for it.

    Args:
        trial: The trial.
        stage: What the endpoint is wanted for.
        latest: `time.monotonic()` at which it must be awake.

    Raises:
        OperationUnfinished: If it is not.
        Interrupted: If the user wants to end.
        ProviderError: If the service says that it failed, or refuses.
    """
    context, endpoint, provider = trial.context(stage), trial.endpoint(), trial.bound.provider
    patience = trial.patience(stage, Moment.SERVE, latest)
    patience = replace(patience, what=f"waking the endpoint of {trial.record.label}")
    if endpoint.adopted:
        patience = replace(patience, lag=0.0)  # nobody made it a moment ago: an id that is not there is a wrong one
    operation = patience.call(lambda: provider.wake(context, endpoint))
    if operation is not None:
        ended = wait_for(
            operation,
            lambda current: provider.poll(context, current),
            patience=patience,
            on_look=lambda current: trial.around.report(trial.record, stage, 0, None, current.message or "waking"),
        )
        if ended.state is OperationState.FAILED:
            raise DeploymentFailed(f"{patience.what} failed: {ended.message or 'the provider gives no reason'}")
    invoker = patience.call(lambda: provider.invoke(context, endpoint))
    return invoker, patience


def awake_invoker(
    trial: Trial, stage: Stage, settings: PassSettings, *, moment: float | None, cold: bool
) -> tuple[Invoker, bool]:
    """Prove that a trial's endpoint is awake and return how it is called.

    A plugin that can wake its endpoints does (hook `wake`). Otherwise, and afterwards, one call is made, and repeated
    while its answer is transient. These calls are stored, as they may cost, and never count for accuracy.

    Args:
        trial: The trial.
        stage: What the endpoint is to be measured for.
        settings: How the host connects.
        moment: `time.monotonic()` at which all measuring must have ended; None for no such deadline.
        cold: Whether the first call is wanted as the cold one: it is the first since the deployment.

    Returns:
        The invoker, and whether the cold call has been made.

    Raises:
        OperationUnfinished: If the endpoint is not awake by the deadline for deployments.
        Interrupted: If the user wants to end.
        ProviderError: If the service says that it failed, or refuses.
    """
    latest = time.monotonic() + trial.around.longest(Stage.DEPLOY)
    invoker, patience = woken_invoker(trial, stage, latest if moment is None else min(latest, moment))
    if not trial.material.test:
        return invoker, False
    return invoker, _prove(trial, invoker, settings, patience, cold=cold)


def _prove(trial: Trial, invoker: Invoker, settings: PassSettings, patience: Patience, *, cold: bool) -> bool:
    """Call until the answer is not a transient one; returns whether the first answer was stored as the cold one."""
    sample, label = trial.material.test[-1]
    store, trial_id = trial.around.store, trial.record.trial_id
    earlier = store.invocations(trial_id)
    cold = cold and not earlier
    number = PROOF_ATTEMPT + sum(row.attempt >= PROOF_ATTEMPT for row in earlier)
    anchor = WallAnchor.now()

    with Caller(invoker, settings.options) as caller:

        def ask() -> None:
            nonlocal number
            result = caller.call(sample)
            number += 1
            usage = result.prediction.usage if result.prediction else None
            row = Invocation(
                trial_id=trial_id,
                sample_id=sample.sample_id,
                label=label,
                predicted=result.prediction.label if result.prediction else None,
                confidence=result.prediction.confidence if result.prediction else None,
                outcome=result.outcome,
                timing=result.timing,
                phase=CallPhase.COLD if cold and result.outcome is Outcome.OK else CallPhase.WARM_UP,
                attempt=number,
                status=result.status,
                error=result.error,
                at=anchor.at(result.timing.sent_ns),
                usd=trial.usd_of(usage),
                usage=usage,
            )
            store.add_invocations([row])
            _raise_if_transient(result)

        patience.call(ask)
    return cold


def _raise_if_transient(result: CallResult) -> None:
    """Raise what a call's answer says, where it says that later ones may be answered otherwise."""
    if result.terminal is not None:
        raise result.terminal
    if not result.passing:
        return
    if result.retry_after is not None:
        raise RateLimited(result.error, retry_after=result.retry_after)
    raise ServiceUnavailable(result.error)
