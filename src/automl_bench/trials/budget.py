"""Money: what a trial may cost, what it has cost, and the gate that --max-cost puts before each trial."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

from automl_bench.contract import Price, Stage, Variant
from automl_bench.errors import BudgetExceeded
from automl_bench.store import Store
from automl_bench.store.records import TrialRecord
from automl_bench.trials.teardown import provider_context
from automl_bench.trials.trial import BoundProvider

CALL = "call"
"""Item of a price table that is counted in prediction requests."""
TRAINING = "train_hour"
SECONDS_PER_HOUR = 3600.0


@dataclass(frozen=True, slots=True)
class Cost:
    """An amount that knows what it does not know.

    Attributes:
        usd: US dollars of what is known.
        unknown: Items without a price or a quantity; with any, `usd` is a lower bound.
    """

    usd: float
    unknown: tuple[str, ...] = ()

    def __str__(self) -> str:
        """The amount for people: an unknown one never looks like 0."""
        if not self.unknown:
            return f"${self.usd:.2f}"
        return f"at least ${self.usd:.2f}, unknown: {', '.join(self.unknown)}"


def prices(bound: BoundProvider, trial: TrialRecord) -> Sequence[Price]:
    """Return the provider's price table for a trial's variant."""
    variant = Variant(trial.provider, trial.variant, trial.variant_settings)
    return bound.provider.price(provider_context(bound, variant))


def reservation(table: Sequence[Price], calls: int) -> Cost:
    """Return the most that one trial may cost.

    Args:
        table: The provider's price table.
        calls: Prediction requests of the trial, load run included.
    """
    if not table:
        return Cost(0.0, ("everything",))
    usd, unknown = 0.0, []
    for price in table:
        units = float(calls) if price.item == CALL else price.per_trial
        if price.usd == 0 or units == 0:
            continue
        if price.usd is None or units is None:
            unknown.append(price.item)
        else:
            usd += price.usd * units
    return Cost(usd, tuple(unknown))


def spent(store: Store, trial: TrialRecord, table: Sequence[Price]) -> Cost:
    """Return what a trial has cost so far, from what the provider billed, the ledger's hours and the calls stored.

    An item of the table that is counted in something else (storage by the month, say) is named as unknown.
    """
    usd = {price.item: price.usd for price in table}
    total, unknown = 0.0, []
    train = next((record for record in store.stages(trial.trial_id) if record.stage is Stage.TRAIN), None)
    if train is not None:
        seconds = next((value for value in (train.billable_seconds, train.work_seconds) if value is not None), None)
        rate = usd.get(TRAINING, 0.0)
        if rate is None or (seconds is None and rate):
            unknown.append(TRAINING)
        elif rate and seconds:
            total += rate * seconds / SECONDS_PER_HOUR
    for entry in store.ledger(trial_id=trial.trial_id):
        if entry.hourly_usd and entry.created_at:
            total += entry.hourly_usd * _hours(entry.created_at, entry.deleted_at)
        elif entry.hourly_usd is None and entry.created_at:
            unknown.append(entry.kind)
    if CALL in usd:
        calls = len(store.invocations(trial.trial_id))
        calls += sum(store.load_run_extent(run.load_run_id)[0] for run in store.load_runs(trial_id=trial.trial_id))
        if usd[CALL] is None:
            unknown.extend([CALL] if calls else [])
        else:
            total += (usd[CALL] or 0.0) * calls
    return Cost(total, tuple(dict.fromkeys(unknown)))


def _hours(begin: str, end: str) -> float:
    until = datetime.fromisoformat(end) if end else datetime.now(UTC)
    return (until - datetime.fromisoformat(begin)).total_seconds() / SECONDS_PER_HOUR


class Budget:
    """Reserves what a trial may cost before it begins, and gives back what it did not use.

    Args:
        limit: US dollars for all trials together, or None for no limit.
        store: Where the past is kept.
        providers: The providers by name.
    """

    def __init__(self, limit: float | None, store: Store, providers: Mapping[str, BoundProvider]) -> None:
        self._limit = limit
        self._store = store
        self._providers = providers
        self._reserved: dict[str, float] = {}
        self._spent: dict[str, float] = {}
        self._lock = threading.Lock()

    def remember(self, trials: Sequence[TrialRecord]) -> None:
        """Count what trials have cost in earlier runs."""
        if self._limit is None:
            return
        for trial in trials:
            self._spent[trial.trial_id] = self._cost(trial).usd

    @contextmanager
    def reserved(self, trial: TrialRecord, calls: int) -> Iterator[None]:
        """Hold a trial's reservation while it runs.

        Raises:
            BudgetExceeded: If the reservation does not fit, or cannot be made because a price is unknown.
        """
        if self._limit is None:
            yield
            return
        need = reservation(prices(self._providers[trial.provider], trial), calls)
        if need.unknown:
            raise BudgetExceeded(
                f"{trial.label} may cost an unknown amount ({', '.join(need.unknown)}), so --max-cost cannot be kept.",
                remedy="Leave this provider out, or run it without --max-cost.",
            )
        with self._lock:
            committed = sum(self._spent.values()) + sum(self._reserved.values())
            if committed + need.usd > self._limit:
                raise BudgetExceeded(
                    f"{trial.label} may cost ${need.usd:.2f}, "
                    f"and ${committed:.2f} of ${self._limit:.2f} are committed.",
                    remedy="Raise --max-cost to go on.",
                )
            self._reserved[trial.trial_id] = need.usd
        try:
            yield
        finally:
            with self._lock:
                self._reserved.pop(trial.trial_id, None)
                self._spent[trial.trial_id] = self._cost(trial).usd

    def _cost(self, trial: TrialRecord) -> Cost:
        return spent(self._store, trial, prices(self._providers[trial.provider], trial))
