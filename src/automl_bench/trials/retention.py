"""What stays after a trial has failed: what was paid for once, for a while, so that nothing is paid for twice."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta

from automl_bench.contract import Stage
from automl_bench.errors import RecordsError, WorkspaceError
from automl_bench.store import Store
from automl_bench.store.records import LedgerEntry, LedgerState, StageStatus, TrialRecord
from automl_bench.trials.teardown import Leftover, tear_down, written_if_possible
from automl_bench.trials.trial import BUILDING_STAGES, BoundProvider
from automl_bench.trials.waiting import Insistence

PAID_ONCE = frozenset({Stage.UPLOAD, Stage.TRAIN})
"""Stages whose work is paid for when it is done; what `deploy` makes is paid for as long as it is there."""


def is_paid_once(entry: LedgerEntry) -> bool:
    """Whether a resource was paid for when it was made and costs nothing while it is there."""
    return entry.hourly_usd == 0.0 and entry.stage in PAID_ONCE


def is_retained(entry: LedgerEntry, now: datetime | None = None) -> bool:
    """Whether a resource stays for now, as its retention has not ended."""
    return bool(entry.keep_until) and not is_past(entry, now)


def is_past(entry: LedgerEntry, now: datetime | None = None) -> bool:
    """Whether a resource's retention has ended."""
    return bool(entry.keep_until) and datetime.fromisoformat(entry.keep_until) <= (now or datetime.now(UTC))


def parted(
    store: Store, providers: Mapping[str, BoundProvider], trial: TrialRecord, *, hours: float
) -> tuple[list[LedgerEntry], list[LedgerEntry]]:
    """Part what a failed trial has into what stays for some hours and what goes at once.

    What stays was paid for once, by a stage that is done, at a service elsewhere; what this machine computed goes.
    """
    entries = store.open_lines(trial.trial_id)
    try:
        done = {record.stage for record in store.stages(trial.trial_id) if record.status is StageStatus.DONE}
    except (RecordsError, WorkspaceError):
        done = set()  # nothing could be found again without its records
    local = trial.provider in providers and providers[trial.provider].provider.description.on_this_machine
    kept = [] if hours <= 0 or local else [entry for entry in entries if _is_usable(entry, done)]
    return kept, [entry for entry in entries if entry not in kept]


def kept_until(hours: float) -> str:
    """Return when a retention that begins now ends: ISO 8601, UTC."""
    return (datetime.now(UTC) + timedelta(hours=hours)).isoformat(timespec="seconds")


def let_go_of(
    store: Store,
    providers: Mapping[str, BoundProvider],
    trial_id: str,
    entries: Sequence[LedgerEntry],
    insistence: Insistence,
) -> list[Leftover]:
    """Delete some of a trial's resources; a stage of which nothing is left was not done any more."""
    left = tear_down(store, providers, entries, insistence)
    remaining = {entry.stage for entry in store.open_lines(trial_id)}
    gone = {entry.stage for entry in entries} - remaining
    with written_if_possible(f"stages of trial {trial_id}"):
        store.mark_stages_undone(trial_id, [stage for stage in BUILDING_STAGES if stage in gone])
    return left


def _is_usable(entry: LedgerEntry, done: set[Stage]) -> bool:
    return is_paid_once(entry) and entry.stage in done and entry.state is LedgerState.CREATED
