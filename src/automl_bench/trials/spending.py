"""What a trial has cost so far, as far as the provider's words, the ledger's hours and the calls stored can tell."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from automl_bench.contract import Price, Stage
from automl_bench.store import Store
from automl_bench.store.records import LedgerEntry, StageRecord, TrialRecord
from automl_bench.trials.extent import SECONDS_PER_HOUR
from automl_bench.trials.pricing import CALL, EVERYTHING, TRAINING, Cost, together


@dataclass(frozen=True, slots=True)
class Spending:
    """What a trial has cost so far.

    Attributes:
        train: What the training cost.
        serve: What everything in the ledger cost by the hour: endpoints and storage.
        calls: What the calls cost.
        train_hours: Hours of training that are billed, or None if the provider does not say.
        serve_hours: Hours for which something existed that costs money while idle.
        call_count: Requests stored, those of load runs included.
        as_of: Oldest date of the prices used, or "".
    """

    train: Cost
    serve: Cost
    calls: Cost
    train_hours: float | None
    serve_hours: float
    call_count: int
    as_of: str

    @property
    def total(self) -> Cost:
        """Everything together; an item without a price is named as unknown."""
        return together((self.train, self.serve, self.calls))


def spent(store: Store, trial: TrialRecord, table: Sequence[Price]) -> Spending:
    """Return what a trial has cost so far."""
    calls = len(store.invocations(trial.trial_id))
    return spending(store, trial, table, stages=store.stages(trial.trial_id), calls=calls)


def spending(
    store: Store, trial: TrialRecord, table: Sequence[Price], *, stages: Iterable[StageRecord], calls: int
) -> Spending:
    """Return what a trial has cost so far, given what was read of it already.

    Without a price table nothing is known but the ledger's hours.

    Args:
        store: The results file.
        trial: The trial.
        table: Its price table.
        stages: Its stages.
        calls: Its stored invocations.
    """
    stages, entries = list(stages), store.ledger(trial_id=trial.trial_id)
    by_item = {price.item: price for price in table}
    train, train_hours = _training(by_item, next((one for one in stages if one.stage is Stage.TRAIN), None))
    serve, serve_hours = _existing(entries)
    calls += sum(store.load_run_extent(run.load_run_id)[0] for run in store.load_runs(trial_id=trial.trial_id))
    if not table and (stages or entries or calls):
        train = Cost(0.0, (EVERYTHING,))
    return Spending(train, serve, _calls(by_item, calls), train_hours, serve_hours, calls, _oldest(table))


def _training(by_item: Mapping[str, Price], stage: StageRecord | None) -> tuple[Cost, float | None]:
    if stage is None:
        return Cost(0.0), 0.0
    seconds = next((value for value in (stage.billable_seconds, stage.work_seconds) if value is not None), None)
    hours = None if seconds is None else seconds / SECONDS_PER_HOUR
    price = by_item.get(TRAINING)
    if price is None or price.usd == 0:
        return Cost(0.0), hours
    if price.usd is None or hours is None:
        return Cost(0.0, (TRAINING,)), hours
    return Cost(price.usd * hours), hours


def _existing(entries: Iterable[LedgerEntry]) -> tuple[Cost, float]:
    """Return what existed by the hour, and the longest of those hours."""
    usd, longest, unknown = 0.0, 0.0, []
    for entry in entries:
        if not entry.created_at:
            continue
        if entry.hourly_usd is None:
            unknown.append(entry.kind)
        elif entry.hourly_usd:
            hours = _hours(entry.created_at, entry.deleted_at)
            usd += entry.hourly_usd * hours
            longest = max(longest, hours)
    return Cost(usd, tuple(dict.fromkeys(unknown))), longest


def _calls(by_item: Mapping[str, Price], calls: int) -> Cost:
    price = by_item.get(CALL)
    if price is None or not calls:
        return Cost(0.0)
    return Cost(0.0, (CALL,)) if price.usd is None else Cost(price.usd * calls)


def _oldest(table: Sequence[Price]) -> str:
    return min((price.as_of for price in table if price.usd), default="")


def _hours(begin: str, end: str) -> float:
    until = datetime.fromisoformat(end) if end else datetime.now(UTC)
    return (until - datetime.fromisoformat(begin)).total_seconds() / SECONDS_PER_HOUR
