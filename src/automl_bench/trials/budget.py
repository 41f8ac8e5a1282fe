"""The gate that --max-cost puts before each trial: reserve the most that it may cost, give back what it did not use."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from automl_bench.errors import BudgetExceeded
from automl_bench.store import Store
from automl_bench.store.records import TrialRecord
from automl_bench.trials.extent import Extent
from automl_bench.trials.pricing import Cost, prices, reservation
from automl_bench.trials.spending import spent
from automl_bench.trials.trial import BoundProvider


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
    def reserved(self, trial: TrialRecord, extent: Extent) -> Iterator[None]:
        """Hold a trial's reservation while it runs.

        Raises:
            BudgetExceeded: If the reservation does not fit, or cannot be made because a price is unknown.
        """
        if self._limit is None:
            yield
            return
        bound = self._providers[trial.provider]
        need = reservation(prices(bound, trial), extent, bound.budget).total
        if need.unknown:
            raise BudgetExceeded(
                f"{trial.label} may cost an unknown amount ({', '.join(need.unknown)}), so --max-cost cannot be kept.",
                remedy=unknown_remedy(trial.provider, need),
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
        return spent(self._store, trial, prices(self._providers[trial.provider], trial)).total


def unknown_remedy(provider: str, cost: Cost) -> str:
    """Return what to do about an amount that no table bounds."""
    lines = ", ".join(f"{item} = DOLLARS" for item in cost.unknown)
    return (
        f"Say the most that one trial may cost for it: [budget] {lines} in configs/providers/{provider}.toml; "
        "or run it without --max-cost."
    )
