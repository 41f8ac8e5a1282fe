"""The rows that are kept: one immutable class a table. No I/O here; `automl_bench.store` reads and writes them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

from automl_bench.contract import CallPhase, CallTiming, Json, Outcome, Stage, Usage

__all__ = [
    "CallPhase",
    "CallTiming",
    "ExperimentRecord",
    "ImportedResult",
    "Invocation",
    "LedgerEntry",
    "LedgerState",
    "LoadCall",
    "LoadRun",
    "Outcome",
    "StageRecord",
    "StageStatus",
    "TrialRecord",
    "TrialStatus",
    "WorkspaceRecord",
]


@dataclass(frozen=True, slots=True)
class WorkspaceRecord:
    """Which workspace a results file belongs to.

    Attributes:
        workspace_id: Six hex digits.
        root: The workspace's folder when it was last written to.
    """

    workspace_id: str
    root: str


class TrialStatus(StrEnum):
    """Where a trial stands."""

    PLANNED = "planned"
    RUNNING = "running"
    """Begun; if no process works on it, the next `run` continues it."""
    TEARING_DOWN = "tearing_down"
    DONE = "done"
    FAILED = "failed"
    """Ended with a reason; `run --retry-failed` tries again."""
    INTERRUPTED = "interrupted"
    """Stopped by the user after teardown; the next `run` continues it."""
    INFEASIBLE = "infeasible"
    """Refused before any request, with the reason."""


@dataclass(frozen=True, slots=True)
class TrialRecord:
    """Provider variant × ablation × repeat.

    Attributes:
        trial_id: Twelve hex digits derived from everything below that defines the trial.
        provider: Provider's name.
        variant: Variant's name.
        variant_settings: The variant as resolved.
        dataset: Dataset's name.
        fingerprint: Fingerprint of the dataset's manifest.
        shots: Labelled samples per class, or None for all.
        fold: Which draw of the subsets.
        repeat: Which repetition of the same trial.
        seed: Seed of the draw.
        images: The experiment's image setting, as resolved; empty means "as they are".
        test_limit: Test samples used, drawn by seed, or None for the whole test set.
        status: Where it stands.
        reason: Why it failed or is infeasible; one sentence.
        created_at: ISO 8601, UTC.
    """

    trial_id: str
    provider: str
    variant: str
    dataset: str
    fingerprint: str
    shots: int | None
    fold: int = 0
    repeat: int = 0
    seed: int = 0
    variant_settings: Mapping[str, Json] = field(default_factory=dict)
    images: Mapping[str, Json] = field(default_factory=dict)
    test_limit: int | None = None
    status: TrialStatus = TrialStatus.PLANNED
    reason: str = ""
    created_at: str = ""

    @property
    def label(self) -> str:
        """The trial in words: `local:auto pets 10-shot fold 0`."""
        shots = "all" if self.shots is None else f"{self.shots}-shot"
        tail = f" repeat {self.repeat}" if self.repeat else ""
        return f"{self.provider}:{self.variant} {self.dataset} {shots} fold {self.fold}{tail}"


class StageStatus(StrEnum):
    """How a stage ended, or that it has not."""

    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    UNDONE = "undone"
    """It was done, but teardown has deleted what it made."""


@dataclass(frozen=True, slots=True)
class StageRecord:
    """One stage of one trial, the latest attempt. Times in seconds.

    Attributes:
        trial_id: The trial.
        stage: The stage.
        status: How it ended.
        token: The operation's token, from before the wait; "" if there is none.
        result: `Operation.result`.
        started_at: ISO 8601, UTC.
        finished_at: ISO 8601, UTC, or "".
        wall_seconds: Begin to end as this machine saw it, waiting included.
        queue_seconds: What the provider spent before it began, or None if it does not say.
        work_seconds: What the provider spent working, or None if it does not say.
        billable_seconds: What the provider will bill, or None if it does not say.
        message: The provider's words, or the error.
        started_clock: `elapsed.clock_stamp()` of the begin, or "".
    """

    trial_id: str
    stage: Stage
    status: StageStatus
    token: str = ""
    result: Mapping[str, Json] = field(default_factory=dict)
    started_at: str = ""
    finished_at: str = ""
    wall_seconds: float | None = None
    queue_seconds: float | None = None
    work_seconds: float | None = None
    billable_seconds: float | None = None
    message: str = ""
    started_clock: str = ""


class LedgerState(StrEnum):
    """What is known of a resource."""

    INTENDED = "intended"
    """Written before the call; the resource may or may not exist."""
    CREATED = "created"
    DELETING = "deleting"
    DELETED = "deleted"


@dataclass(frozen=True, slots=True)
class LedgerEntry:
    """One resource in the write-ahead record. `entry_id` grows with each line; teardown goes from high to low.

    Attributes:
        entry_id: Number of the line; 0 before it is stored.
        trial_id: The trial it belongs to.
        stage: The stage that made it.
        provider: Provider's name.
        variant: Variant's name, for the context of the hooks that find and delete it.
        kind: The plugin's word for it.
        name: Its deterministic name.
        resource_id: The provider's id, once known.
        state: What is known of it.
        hourly_usd: Cost per idle hour, or None if unknown.
        details: What deleting it needs.
        delete_by_hand: Console command or address.
        keep: Whether the user asked to keep it (`--keep`).
        intended_at: ISO 8601, UTC.
        created_at: ISO 8601, UTC, or "".
        deleted_at: ISO 8601, UTC, or "".
        created_clock: `elapsed.clock_stamp()` of the creation, or "".
        deleted_clock: `elapsed.clock_stamp()` of the deletion, or "".
        keep_until: ISO 8601, UTC: until when it stays after its trial has failed, as it was paid for once; or "".
        scope: Account, region, namespace and so on in which it lies, as the hook `resource_scope` said; empty if
            unknown.
    """

    trial_id: str
    stage: Stage
    provider: str
    variant: str
    kind: str
    name: str
    entry_id: int = 0
    resource_id: str = ""
    state: LedgerState = LedgerState.INTENDED
    hourly_usd: float | None = None
    details: Mapping[str, Json] = field(default_factory=dict)
    delete_by_hand: str = ""
    keep: bool = False
    intended_at: str = ""
    created_at: str = ""
    deleted_at: str = ""
    created_clock: str = ""
    deleted_clock: str = ""
    keep_until: str = ""
    scope: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Invocation:
    """One measured classification of the accuracy pass. (trial_id, sample_id, phase, attempt) is unique.

    Attributes:
        trial_id: The trial.
        sample_id: SHA-256 of the test sample.
        label: The true label; known to the host only.
        predicted: The predicted label, or None if the service abstained or the call failed.
        confidence: The prediction's score, or None.
        outcome: What became of the request.
        timing: The clock.
        phase: Cold, warm-up, measured, or with a training sample.
        attempt: 1 for the first request of this sample; later ones come from waiting after a throttle.
        status: HTTP status, or None.
        error: One sentence if the outcome is not OK.
        at: ISO 8601, UTC: the wall clock when it was sent.
        unseen_ns: How long the answer lay unread because this process was kept from looking, at most; None if unknown.
        unseen_least_ns: How long at least.
        true_rank: Place of the true label among the scores that came with the answer, from 1; 0 if it is not among
            them; None without scores.
        usd: What this answer cost in US dollars, where whoever answered says so, or says how many tokens it used and
            these have a price; else None.
        usage: What it used, where it says so.
    """

    trial_id: str
    sample_id: str
    label: str
    predicted: str | None
    confidence: float | None
    outcome: Outcome
    timing: CallTiming
    phase: CallPhase = CallPhase.MEASURED
    attempt: int = 1
    status: int | None = None
    error: str = ""
    at: str = ""
    unseen_ns: int | None = None
    unseen_least_ns: int | None = None
    true_rank: int | None = None
    usd: float | None = None
    usage: Usage | None = None


class LoadCall(NamedTuple):
    """One request of a load run. A tuple, as tens of thousands a second are made beside the sending loop.

    Attributes:
        number: Place in the schedule, from 0.
        worker: Lane that sent it.
        sample_id: The sample sent.
        outcome: What became of it.
        timing: The clock.
        correct: Whether the answer was right; None if there was no answer.
        phase: Warm-up or measured.
        status: HTTP status, or None.
    """

    number: int
    worker: int
    sample_id: str
    outcome: Outcome
    timing: CallTiming
    correct: bool | None = None
    phase: CallPhase = CallPhase.MEASURED
    status: int | None = None


@dataclass(frozen=True, slots=True)
class LoadRun:
    """One `parallel`.

    Attributes:
        load_run_id: Hex id.
        trial_id: The trial.
        loop: "closed", "open" or "sweep-step".
        settings: Calls, concurrency, rate, duration, arrivals, seed, sweep: as resolved.
        started_at: ISO 8601, UTC.
        complete: False until its end was stored; an incomplete run is never mixed with complete ones.
        valid: Whether it may be compared; None while incomplete.
        reasons: Why it is not valid, one sentence each.
        summary: Throughput, quantiles with their n and intervals, outcomes, connections, client CPU: JSON.
        anchor_wall: ISO 8601 wall clock at `anchor_ns`.
        anchor_ns: Monotonic clock at the anchor.
    """

    load_run_id: str
    trial_id: str
    loop: str
    settings: Mapping[str, Json]
    started_at: str = ""
    complete: bool = False
    valid: bool | None = None
    reasons: tuple[str, ...] = ()
    summary: Mapping[str, Json] = field(default_factory=dict)
    anchor_wall: str = ""
    anchor_ns: int = 0


@dataclass(frozen=True, slots=True)
class ExperimentRecord:
    """One experiment: its name, its settings as resolved (secrets as references only), its trials."""

    name: str
    settings: Mapping[str, Json]
    trial_ids: tuple[str, ...] = ()
    environment_id: int | None = None
    created_at: str = ""


@dataclass(frozen=True, slots=True)
class ImportedResult:
    """A result measured elsewhere, brought in with `results import`.

    Attributes:
        source: File it came from.
        provider: Service's name as given.
        variant: Variant, or "imported".
        dataset: Dataset's name.
        classes: Number of classes, if given.
        shots: Samples per class.
        fold: Draw, 0 if not given.
        accuracy: 0 to 1.
        test_samples: Number of test samples, if given.
        train_seconds: Training time, if given.
    """

    source: str
    provider: str
    variant: str
    dataset: str
    shots: int | None
    accuracy: float
    fold: int = 0
    classes: int | None = None
    test_samples: int | None = None
    train_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class ImportedRun:
    """A load run made elsewhere, brought in with `results import`.

    Attributes:
        source: File it came from.
        provider: Service's name.
        variant: Variant, or "imported".
        dataset: Dataset's name.
        shots: Samples per class, or None for all.
        fold: Draw.
        seconds: From the first call sent to the last one received.
        calls: Calls made in that time.
        ok: Those that were answered.
        concurrency: Calls in flight, if given.
        loop: "closed", "open" or "sweep".
        valid: Whether it may be compared, if given.
    """

    source: str
    provider: str
    variant: str
    dataset: str
    shots: int | None
    fold: int
    seconds: float
    calls: int
    ok: int
    concurrency: int | None = None
    loop: str = "closed"
    valid: bool | None = None
