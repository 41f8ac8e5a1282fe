"""The accuracy pass: every test sample once, one call at a time, each call timed and recorded.

Several lanes make an interleaved pass: each sample goes to all of them in random order, call by call, so that time
of day and the client's own noise hit all alike.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field

from automl_bench.contract import Invoker, Json, Limits, Sample, Usage
from automl_bench.errors import AutomlBenchError, ServiceUnavailable
from automl_bench.measurement.call import Caller, CallResult
from automl_bench.measurement.clock import ClientMeter, WallAnchor
from automl_bench.measurement.disturbance import describe_standstills
from automl_bench.measurement.pacing import Pacer, back_off_seconds
from automl_bench.measurement.round_trip import RoundTrips
from automl_bench.measurement.stopping import StoppingMonitor, StopSettings
from automl_bench.measurement.surroundings import Surroundings
from automl_bench.measurement.true_rank import true_rank
from automl_bench.store.records import CallPhase, Invocation, Outcome
from automl_bench.transport import TransportOptions

LabelledTestSample = tuple[Sample, str]


@dataclass(frozen=True, slots=True)
class PassLane:
    """One trial's part of a pass.

    Attributes:
        trial_id: The trial.
        invoker: How its endpoint is called.
        already_done: Ids of the samples whose final attempt is stored; they are not sent again.
        limits: The provider's published limits.
        attempts_stored: Attempts of unfinished samples that an earlier, interrupted pass stored; numbering goes on.
        already_right: Correct ones among `already_done`.
        already_failed: Ones without an answer among `already_done`.
        training: Training samples with their labels that are asked for after the pass, under rows of their own phase.
        usd_of: What an answer costs, by what it used; None if unknown.
    """

    trial_id: str
    invoker: Invoker
    already_done: frozenset[str] = frozenset()
    limits: Limits = field(default_factory=Limits)
    attempts_stored: Mapping[str, int] = field(default_factory=dict)
    already_right: frozenset[str] = frozenset()
    already_failed: int = 0
    training: Sequence[LabelledTestSample] = ()
    usd_of: Callable[[Usage | None], float | None] = lambda usage: None if usage is None else usage.usd


@dataclass(frozen=True, slots=True)
class PassSettings:
    """How a pass is run.

    Attributes:
        order_seed: Seed of the samples' order and of the lanes' order within each sample.
        warm_up: Untimed calls before the pass; they use test samples but never count.
        cold: Whether to record the first call apart. Skipped where the trial has stored calls already.
        idle_cold_seconds: Idle so long after the pass, then record one more cold call; None for no such call.
        max_attempts: Most requests for one sample.
        max_failures_in_a_row: Samples without an answer, one after the other, that end a lane.
        options: How the transport connects.
        respect_limits: Whether to keep to the published request rate.
        stop: Whether, and what for, an interleaved pass ends early; None to send every sample.
        training: Whether each trial's own training samples are asked for, too, after the pass.
    """

    order_seed: int = 0
    warm_up: int = 3
    cold: bool = True
    idle_cold_seconds: float | None = None
    max_attempts: int = 5
    max_failures_in_a_row: int = 20
    options: TransportOptions = field(default_factory=TransportOptions)
    respect_limits: bool = True
    stop: StopSettings | None = None
    training: bool = False


@dataclass(frozen=True, slots=True)
class PassProgress:
    """How far one lane is; samples stored before this pass are counted in.

    Attributes:
        trial_id: The trial.
        done: Samples with a final attempt.
        total: Samples of the test set.
        correct: Right answers so far.
        failed: Samples without an answer so far.
    """

    trial_id: str
    done: int
    total: int
    correct: int
    failed: int

    @property
    def accuracy(self) -> float | None:
        """Running accuracy, failures counted as wrong; None before the first sample."""
        return self.correct / self.done if self.done else None


@dataclass(frozen=True, slots=True)
class PassSummary:
    """How one lane's pass went.

    Attributes:
        trial_id: The trial.
        done: Samples with a final attempt, stored ones included.
        total: Samples of the test set.
        correct: Right answers.
        failed: Samples without an answer.
        requests: Requests of this pass: cold, warm-up and repeated ones included.
        throttled: Requests that were answered "too many".
        new_connections: Requests that opened a connection, or None where that is unknown.
        over_http: Whether the host sent the calls itself.
        round_trip: TCP round trip to the endpoint's host before, during and after: {"ms", "n"} each.
        began_at: ISO 8601, UTC.
        client: What happened to this process meanwhile: "starved_share", "standstills" and what `Surroundings.since`
            returns.
        stopped: Whether it was ended by the stop event.
        error: What ended the lane early, or None.
    """

    trial_id: str
    done: int
    total: int
    correct: int
    failed: int
    requests: int
    throttled: int
    new_connections: int | None
    over_http: bool
    round_trip: Mapping[str, Json]
    began_at: str
    client: Mapping[str, Json]
    stopped: bool = False
    error: AutomlBenchError | None = None


def run_pass(
    lanes: Sequence[PassLane],
    samples: Sequence[LabelledTestSample],
    *,
    settings: PassSettings,
    record: Callable[[Invocation], None],
    on_progress: Callable[[PassProgress], None] | None = None,
    stop: threading.Event | None = None,
    monitor: StoppingMonitor | None = None,
) -> list[PassSummary]:
    """Classify every sample in every lane and record each request.

    Throttled calls and passing faults are asked again after the wait the service asked for, outside every timing;
    each attempt is a row of its own and only the last one of a sample counts for accuracy.

    Args:
        lanes: The trials; one for a plain pass, several for an interleaved one.
        samples: The test samples with their labels. Plugins see the samples only.
        settings: How to run it.
        record: Takes each row as soon as its call has ended; a row is out of this function's hands when it returns.
        on_progress: Hears about each finished sample.
        stop: Ends the pass after the call that is under way.
        monitor: Hears each sample's answers and ends the pass once its comparisons are decided.

    Returns:
        One summary a lane, in the order of `lanes`.

    Raises:
        AutomlBenchError: With a single lane: what ended it early (quota, billing or credentials; too many failures in
            a row). With several lanes that error stands in the lane's summary and the others go on.
    """
    stop = stop or threading.Event()
    order = list(samples)
    chance = random.Random(f"accuracy pass {settings.order_seed}")
    chance.shuffle(order)
    with ExitStack() as stack:
        runs = [stack.enter_context(_LaneRun(lane, order, settings, record, on_progress, stop)) for lane in lanes]
        _turns(runs, chance, stop, lambda run: run.begin())
        for place, sample in enumerate(order):
            if stop.is_set():
                break
            if place == len(order) // 2:
                _turns(runs, chance, stop, lambda run: run.probe("during"))
            _turns(runs, chance, stop, lambda run, sample=sample: run.measure(sample))  # type: ignore[misc]  # bound now
            if monitor is not None and _all_decided(monitor, runs, sample[0].sample_id):
                break
        _turns(runs, chance, stop, lambda run: run.probe("after"))
        _turns(runs, chance, stop, lambda run: run.measure_training())
        if settings.idle_cold_seconds is not None and order and not stop.wait(settings.idle_cold_seconds):
            _turns(runs, chance, stop, lambda run: run.cold_after_idle())
        summaries = [run.summary() for run in runs]
    if len(summaries) == 1 and summaries[0].error is not None:
        raise summaries[0].error
    return summaries


def _all_decided(monitor: StoppingMonitor, runs: Sequence[_LaneRun], sample_id: str) -> bool:
    monitor.add({run.lane.trial_id: run.right[sample_id] for run in runs if sample_id in run.right})
    return monitor.decided()


def _turns(
    runs: Sequence[_LaneRun], chance: random.Random, stop: threading.Event, turn: Callable[[_LaneRun], None]
) -> None:
    """Give every lane that is still alive one turn, in random order."""
    alive = [run for run in runs if run.error is None]
    chance.shuffle(alive)
    for run in alive:
        if stop.is_set():
            return
        turn(run)


class _LaneRun:
    """The state of one lane while the pass runs."""

    def __init__(
        self,
        lane: PassLane,
        order: Sequence[LabelledTestSample],
        settings: PassSettings,
        record: Callable[[Invocation], None],
        on_progress: Callable[[PassProgress], None] | None,
        stop: threading.Event,
    ) -> None:
        self.lane = lane
        self.error: AutomlBenchError | None = None
        self._order = order
        self._settings = settings
        self._record = record
        self._on_progress = on_progress
        self._stop = stop
        self._chance = random.Random(f"back-off {settings.order_seed} {lane.trial_id}")
        self._caller = Caller(lane.invoker, settings.options)
        self._pacer = Pacer(lane.limits.requests_per_second if settings.respect_limits else None)
        self._anchor = WallAnchor.now()
        self._trips = RoundTrips()
        self._before, self._meter = Surroundings.now(), ClientMeter()
        known = {sample.sample_id for sample, _ in order}
        self._done = len(known & lane.already_done)
        self.right = {sample: sample in lane.already_right for sample in known & lane.already_done}
        self._correct = sum(self.right.values())
        self._failed = lane.already_failed
        self._failures_in_a_row = 0
        self._requests = self._throttled = self._new_connections = 0

    def __enter__(self) -> _LaneRun:
        return self

    def __exit__(self, *_: object) -> None:
        self._caller.close()

    def begin(self) -> None:
        """Make the cold call and the warm-up calls. They take the samples that the pass will reach last."""
        last = self._order[::-1]
        if self._settings.cold and last and not self.lane.already_done:
            self._extra_call(last[0], CallPhase.COLD, 1)
        for number in range(self._settings.warm_up if last else 0):
            if self._stop.is_set() or self.error is not None:
                return
            place = 1 + number
            self._extra_call(last[place % len(last)], CallPhase.WARM_UP, 1 + place // len(last))
        self.probe("before")

    def measure(self, labelled: LabelledTestSample) -> None:
        """Classify one sample, asking again as often as the settings allow."""
        sample, label = labelled
        if sample.sample_id in self.lane.already_done:
            return
        result = self._ask(sample, label, CallPhase.MEASURED)
        if result is not None:
            self._count(result, sample.sample_id, label)

    def measure_training(self) -> None:
        """Classify the training samples; they are in no count of this pass, and a bad end does not end the trial."""
        failures = 0
        for sample, label in self.lane.training:
            result = self._ask(sample, label, CallPhase.TRAINING)
            failures = 0 if result is not None and result.outcome is Outcome.OK else failures + 1
            if result is None or result.terminal or failures >= self._settings.max_failures_in_a_row:
                return

    def _ask(self, sample: Sample, label: str, phase: CallPhase) -> CallResult | None:
        """Return the last of so many attempts as it takes, or None if the pass was stopped in between."""
        result = None
        stored = self.lane.attempts_stored.get(sample.sample_id, 0)
        for attempt in range(1, self._settings.max_attempts + 1):
            if not self._pacer.wait(self._stop):
                return None
            result = self._request(sample, label, phase, stored + attempt)
            if result.terminal is not None or not result.passing:
                break
            if attempt < self._settings.max_attempts and self._stop.wait(
                back_off_seconds(attempt, result.retry_after, self._chance)
            ):
                return None
        return result

    def cold_after_idle(self) -> None:
        """Make the cold call after idling, with a sample that no other cold call has used."""
        self._extra_call(self._order[0], CallPhase.COLD, 2 if len(self._order) == 1 else 1)

    def probe(self, moment: str) -> None:
        """Probe the round trip, between two calls."""
        self._trips.probe(moment, self._caller.url)

    def summary(self) -> PassSummary:
        """Return how it went."""
        return PassSummary(
            trial_id=self.lane.trial_id,
            done=self._done,
            total=len(self._order),
            correct=self._correct,
            failed=self._failed,
            requests=self._requests,
            throttled=self._throttled,
            new_connections=self._new_connections if self._caller.over_http else None,
            over_http=self._caller.over_http,
            round_trip=self._trips.summary(),
            began_at=self._anchor.iso,
            client={
                "starved_share": self._meter.read().starved_share,
                **describe_standstills(self._caller.standstills, self._before.monotonic_ns),
                **self._before.since(),
            },
            stopped=self._stop.is_set() and self.error is None and self._done < len(self._order),
            error=self.error,
        )

    def _extra_call(self, labelled: LabelledTestSample, phase: CallPhase, attempt: int) -> None:
        sample, label = labelled
        if self._pacer.wait(self._stop):
            self._request(sample, label, phase, attempt)

    def _request(self, sample: Sample, label: str, phase: CallPhase, attempt: int) -> CallResult:
        result = self._caller.call(sample)
        prediction = result.prediction
        self._record(
            Invocation(
                trial_id=self.lane.trial_id,
                sample_id=sample.sample_id,
                label=label,
                predicted=prediction.label if prediction else None,
                confidence=prediction.confidence if prediction else None,
                outcome=result.outcome,
                timing=result.timing,
                phase=phase,
                attempt=attempt,
                status=result.status,
                error=result.error,
                at=self._anchor.at(result.timing.sent_ns),
                unseen_ns=result.unseen.most_ns,
                unseen_least_ns=result.unseen.least_ns,
                true_rank=true_rank(prediction, label) if prediction else None,
                usd=self.lane.usd_of(prediction.usage) if prediction else None,
                usage=prediction.usage if prediction else None,
            )
        )
        self._pacer.hold(result.pause if self._settings.respect_limits else 0.0)
        self._requests += 1
        self._throttled += result.outcome is Outcome.THROTTLED
        self._new_connections += bool(result.timing.new_connection)
        if phase is not CallPhase.TRAINING:
            self.error = self.error or result.terminal
        return result

    def _count(self, result: CallResult, sample_id: str, label: str) -> None:
        self._done += 1
        right = result.outcome is Outcome.OK and result.prediction is not None and result.prediction.label == label
        self.right[sample_id] = right
        if result.outcome is Outcome.OK:
            self._failures_in_a_row = 0
            self._correct += right
        else:
            self._failed += 1
            self._failures_in_a_row += 1
            if self.error is None and self._failures_in_a_row >= self._settings.max_failures_in_a_row:
                self.error = ServiceUnavailable(
                    f"{self._failures_in_a_row} samples in a row had no answer; the last: {result.error}",
                    remedy="See whether the endpoint is up, then run the same command again: it continues here.",
                )
        if self._on_progress is not None:
            self._on_progress(
                PassProgress(self.lane.trial_id, self._done, len(self._order), self._correct, self._failed)
            )
