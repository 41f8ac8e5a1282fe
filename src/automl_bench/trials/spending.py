"""What a trial has cost so far, as far as the provider's words, the ledger's hours and the calls stored can tell."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from automl_bench.contract import Counted, Price, Stage
from automl_bench.store import Store
from automl_bench.store.answer_columns import ToldUsd
from automl_bench.store.elapsed import Instant, clock_stamp, seconds_between
from automl_bench.store.records import LedgerEntry, StageRecord, TrialRecord
from automl_bench.trials.extent import SECONDS_PER_HOUR
from automl_bench.trials.price_records import TOLD_USD
from automl_bench.trials.pricing import CALL, EVERYTHING, TRAINING, Cost, Part, is_simulated, part_of, together


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
        simulated: Whether the prices are those of a simulation.
    """

    train: Cost
    serve: Cost
    calls: Cost
    train_hours: float | None
    serve_hours: float
    call_count: int
    as_of: str
    simulated: bool = False

    @property
    def total(self) -> Cost:
        """Everything together; an item without a price is named as unknown."""
        return together((self.train, self.serve, self.calls))


def spent(store: Store, trial: TrialRecord, table: Sequence[Price]) -> Spending:
    """Return what a trial has cost so far."""
    calls = len(store.invocations(trial.trial_id))
    told = store.answers_usd(trial.trial_id)
    return spending(store, trial, table, stages=store.stages(trial.trial_id), calls=calls, told=told)


def spending(
    store: Store,
    trial: TrialRecord,
    table: Sequence[Price],
    *,
    stages: Iterable[StageRecord],
    calls: int,
    told: ToldUsd,
) -> Spending:
    """Return what a trial has cost so far, given what was read of it already.

    Without a price table nothing is known but the ledger's hours and what answers themselves say that they cost.

    Args:
        store: The results file.
        trial: The trial.
        table: Its price table.
        stages: Its stages.
        calls: Its stored invocations.
        told: What they cost by their own account.
    """
    stages, entries = list(stages), store.ledger(trial_id=trial.trial_id)
    by_item = {price.item: price for price in table}
    train, train_hours = _training(by_item, next((one for one in stages if one.stage is Stage.TRAIN), None))
    serve, serve_hours = _existing(entries)
    loaded = sum(store.load_run_extent(run.load_run_id)[0] for run in store.load_runs(trial_id=trial.trial_id))
    calls += loaded
    if not table and (stages or entries or calls):
        train = Cost(0.0, (EVERYTHING,))
    asked = _told(told, loaded) if told.telling else _calls(table, calls)
    return Spending(train, serve, asked, train_hours, serve_hours, calls, _oldest(table), is_simulated(table))


def _told(told: ToldUsd, loaded: int) -> Cost:
    """Return what calls cost by their own account; each one of a load run, whose answers are not kept, as the mean."""
    return Cost(told.usd * (1 + loaded / told.telling), (CALL,) if told.silent else ())


def _training(by_item: Mapping[str, Price], stage: StageRecord | None) -> tuple[Cost, float | None]:
    if stage is None:
        return Cost(0.0), 0.0
    seconds = next((value for value in (stage.billable_seconds, stage.work_seconds) if value is not None), None)
    hours = None if seconds is None else seconds / SECONDS_PER_HOUR
    if isinstance(told := stage.result.get(TOLD_USD), (int, float)):
        return Cost(float(told)), hours
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
            hours = _hours(entry)
            if hours is None:
                unknown.append(entry.kind)
                continue
            usd += entry.hourly_usd * hours
            longest = max(longest, hours)
    return Cost(usd, tuple(dict.fromkeys(unknown))), longest


def _calls(table: Sequence[Price], calls: int) -> Cost:
    """Return what the calls cost: every item that is priced by the call, or whose unit nobody here can count."""
    if not calls:
        return Cost(0.0)
    usd, unknown = 0.0, []
    for price in table:
        if price.usd == 0 or part_of(price) not in (Part.CALLS, Part.OTHER):
            continue
        counted = price.item == CALL or price.counted is Counted.CALLS
        units = calls * price.units_each if counted else price.per_trial
        if not counted and price.per_trial == 0:
            continue
        if price.usd is None or units is None:
            unknown.append(price.item)
        else:
            usd += price.usd * units
    return Cost(usd, tuple(dict.fromkeys(unknown)))


def _oldest(table: Sequence[Price]) -> str:
    return min((price.as_of for price in table if price.usd), default="")


def _hours(entry: LedgerEntry) -> float | None:
    """Return how long something has existed; None if clocks that were set in between do not tell."""
    begin = Instant(entry.created_at, entry.created_clock)
    if entry.deleted_at:
        end = Instant(entry.deleted_at, entry.deleted_clock)
    else:
        end = Instant(datetime.now(UTC).isoformat(timespec="milliseconds"), clock_stamp())
    seconds = seconds_between(begin, end)
    return None if seconds is None else seconds / SECONDS_PER_HOUR
