"""A look at a trial's service: a fixed set of test samples, asked once each; nothing is timed and nothing is built."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from automl_bench.contract import Stage
from automl_bench.errors import CouldNotLook
from automl_bench.measurement.accuracy_pass import LabelledTestSample, PassLane, PassProgress, PassSettings, run_pass
from automl_bench.store.looks_table import LookAnswer
from automl_bench.store.records import Invocation, Outcome, StageStatus
from automl_bench.trials.machine import Use
from automl_bench.trials.scopes import require_same_scope
from automl_bench.trials.trial import Trial
from automl_bench.trials.waiting import Until, interrupted
from automl_bench.trials.waking import woken_invoker

IN_VAIN = 5
"""Probes in a row without any answer after which a look ends: the service cannot be reached."""
MOST_MISSING = 0.1
"""Share of probes without an answer up to which a look still counts."""
SHUT_OUT = frozenset({401, 402, 403, 404, 410})
"""Statuses of a refusal that is about who asks and what exists, not about the probe."""
SETTINGS = PassSettings(warm_up=0, cold=False, max_attempts=4)


@dataclass(frozen=True, slots=True)
class Seen:
    """What a look brought back.

    Attributes:
        at: When it began, ISO 8601, UTC.
        answers: One for each probe that was answered, refused ones and unreadable answers included.
        usd: What all requests cost; None where no answer says.
    """

    at: str
    answers: tuple[LookAnswer, ...]
    usd: float | None


def probes_of(test: Sequence[LabelledTestSample], count: int, seed: int) -> list[LabelledTestSample]:
    """Return the first `count` test samples in an order that depends on their content and the seed alone."""

    def place(one: LabelledTestSample) -> bytes:
        return hashlib.sha256(f"probe\0{seed}\0{one[0].sample_id}".encode()).digest()

    return sorted(test, key=place)[:count]


def why_not_watched(trial: Trial) -> str:
    """Return why a trial has nothing that could be asked now, or "" if it has."""
    stages = trial.stages()
    if not stages:
        return ""
    # A teardown takes back that a stage is done.
    last = trial.around.store.stage(trial.record.trial_id, stages[-1])
    return "" if last is not None and last.status is StageStatus.DONE else f"it has no {stages[-1]} that is done"


def look(trial: Trial, probes: Sequence[LabelledTestSample], *, wait_seconds: float) -> Seen:
    """Ask for each probe once.

    A refusal and an answer that cannot be read are answers, and wrong ones. A probe without any answer after a few
    attempts is left out.

    Args:
        trial: The trial; its service must exist.
        probes: What to ask, with the labels, which no plugin sees.
        wait_seconds: How long a service that does not answer yet is waited for.

    Raises:
        CouldNotLook: If too few probes were answered.
        Interrupted: If the user wants to end.
        AutomlBenchError: What the provider says: no login, no credit, nothing there.
    """
    around = trial.around
    require_same_scope(trial.bound, around.store.open_lines(trial.record.trial_id))
    trial.bound.cache_dir.mkdir(parents=True, exist_ok=True)
    at = datetime.now(UTC).isoformat(timespec="milliseconds")
    with around.machine.use(Use.MEASURE, around.stop):
        invoker, _ = woken_invoker(trial, Stage.INVOKE, time.monotonic() + wait_seconds)
        heard = _Heard(around.stop)
        lane = PassLane(trial.record.trial_id, invoker, limits=trial.limits, usd_of=trial.usd_of)

        def progress(state: PassProgress) -> None:
            around.report(trial.record, Stage.INVOKE, state.done, state.total, "")

        run_pass(
            [lane],
            probes,
            settings=replace(SETTINGS, order_seed=trial.record.seed, max_failures_in_a_row=len(probes) + 1),
            record=heard.hear,
            on_progress=progress,
            stop=heard,
        )
    if around.stop.is_set():
        raise interrupted()
    missing = len(probes) - len(heard.answers)
    if not heard.answered or heard.in_vain >= IN_VAIN or missing > MOST_MISSING * len(probes):
        raise CouldNotLook(
            f"{missing or len(probes)} of {len(probes)} probes had no answer; the last: {heard.last_error}",
            remedy="See whether the service is up; the next look asks again.",
        )
    return Seen(at, tuple(heard.answers.values()), heard.usd)


class _Heard(Until):
    """Collects what is answered, and ends the pass once nothing is any more."""

    def __init__(self, stop: threading.Event) -> None:
        super().__init__(stop, None)
        self.answers: dict[str, LookAnswer] = {}
        self.usd: float | None = None
        self.answered = 0
        self.last_error = ""
        self._silent: set[str] = set()

    @property
    def in_vain(self) -> int:
        """Probes, one after the other up to the last one, that had no answer."""
        return len(self._silent)

    def is_set(self) -> bool:
        """Whether the pass must end."""
        return super().is_set() or self.in_vain > IN_VAIN

    def hear(self, row: Invocation) -> None:
        """Take the row of one request; the last one of a sample counts."""
        if row.usd is not None:
            self.usd = (self.usd or 0.0) + row.usd
        self.answers.pop(row.sample_id, None)
        self.last_error = row.error or self.last_error
        if row.outcome is Outcome.OK or (row.outcome is Outcome.REFUSED and row.status not in SHUT_OUT):
            self._silent.clear()
        else:
            # A fault that passes is asked again up to the last attempt; what is not asked again is an answer that
            # cannot be read.
            unreadable = row.outcome is Outcome.FAILED and row.status is not None and row.status < 500
            if not unreadable or row.attempt >= SETTINGS.max_attempts:
                self._silent.add(row.sample_id)
                return
        model = row.usage.model if row.usage else ""
        self.answered += row.outcome is Outcome.OK
        self.answers[row.sample_id] = LookAnswer(row.sample_id, row.label, row.predicted, model)
