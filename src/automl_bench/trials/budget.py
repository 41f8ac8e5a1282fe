"""The gate that --max-cost puts before each trial: reserve the most that it may cost, give back what it did not use."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

from automl_bench.contract import Modality, Price
from automl_bench.errors import AutomlBenchError, BudgetExceeded
from automl_bench.store import Store
from automl_bench.store.leases import current_owner
from automl_bench.store.records import TrialRecord
from automl_bench.trials.extent import Extent
from automl_bench.trials.pricing import Cost, prices, reservation
from automl_bench.trials.spending import spent
from automl_bench.trials.trial import BoundProvider
from automl_bench.trials.waiting import pause

log = logging.getLogger(__name__)

ASK_AGAIN_SECONDS = 0.5
"""How often a trial that waits for money asks whether some has become free."""


class Budget:
    """Reserves what trials may cost before they begin, and gives back what they did not use.

    Reservations stand in the results file: all processes that work in a workspace draw on one sum.

    Args:
        limit: US dollars for all trials together, or None for no limit.
        store: Where the past is kept.
        providers: The providers by name.
        say: Tells the user one line.
        modality_of: What one sample of a trial is, on which prices may depend; None where it is not known.
    """

    def __init__(
        self,
        limit: float | None,
        store: Store,
        providers: Mapping[str, BoundProvider],
        say: Callable[[str], None] = lambda text: None,
        modality_of: Callable[[TrialRecord], Modality | None] = lambda trial: None,
    ) -> None:
        self._limit = limit
        self._store = store
        self._providers = providers
        self._say = say
        self._modality_of = modality_of
        self._owner = current_owner()
        self._trials: dict[str, TrialRecord] = {}
        self._spent: dict[str, float] = {}
        self._settled: set[str] = set()
        self._lock = threading.Lock()

    @contextmanager
    def opened(self, trials: Sequence[TrialRecord]) -> Iterator[None]:
        """Count what trials have cost in earlier runs, and take this process's reservations back at the end."""
        if self._limit is None:
            yield
            return
        self._trials = {trial.trial_id: trial for trial in trials}
        self._count_again()
        try:
            yield
        finally:
            try:
                self._store.release_reservations(self._owner)
            except AutomlBenchError as error:
                log.warning("reservations were not taken back: %s", error)

    @contextmanager
    def reserved(
        self, wanted: Mapping[str, tuple[TrialRecord, Extent]], stop: threading.Event
    ) -> Iterator[dict[str, BudgetExceeded]]:
        """Hold the reservations of trials that begin together while they run.

        Waits while the money is reserved for trials under way that may not use it; nothing is held meanwhile.

        Args:
            wanted: The trials and the most that each takes, by id.
            stop: Set when the user wants to end.

        Yields:
            Why trials may not begin, by id: what they may cost does not fit, or cannot be told.

        Raises:
            Interrupted: If the user wants to end while waiting.
        """
        if self._limit is None or not wanted:
            yield {}
            return
        refused: dict[str, BudgetExceeded] = {}
        needs: dict[str, float] = {}
        for trial_id, (trial, extent) in wanted.items():
            bound = self._providers[trial.provider]
            need = reservation(self._prices(trial), extent, bound.budget).total
            if need.unknown:
                refused[trial_id] = BudgetExceeded(
                    f"{trial.label} may cost an unknown amount ({', '.join(need.unknown)}), so --max-cost cannot be "
                    "kept.",
                    remedy=unknown_remedy(trial.provider, need),
                )
            else:
                needs[trial_id] = need.usd
        granted, committed = self._reserve(needs, stop)
        for trial_id in needs.keys() - granted:
            label = wanted[trial_id][0].label
            refused[trial_id] = BudgetExceeded(
                f"{label} may cost ${needs[trial_id]:.2f}, and ${committed:.2f} of ${self._limit:.2f} are committed.",
                remedy="Raise --max-cost to go on.",
            )
        try:
            yield refused
        finally:
            for trial_id in granted:
                self._settle(wanted[trial_id][0], needs[trial_id])

    def renew(self) -> None:
        """Say that this process lives, for processes on other machines."""
        if self._limit is not None:
            self._store.renew_reservations(self._owner)

    def _reserve(self, needs: Mapping[str, float], stop: threading.Event) -> tuple[frozenset[str], float]:
        """Reserve what fits; returns those trials, and what was committed before."""
        assert self._limit is not None
        told = False
        while needs:
            with self._lock:
                known = dict(self._spent)
            grant = self._store.reserve(needs, known, limit=self._limit, owner=self._owner)
            if grant.shared:
                self._count_again()  # what the other process has spent meanwhile counts, too
            if not grant.wait:
                return grant.granted, grant.committed
            if not told:
                self._say(
                    f"waiting for money that trials under way have reserved: ${grant.committed:.2f} of "
                    f"${self._limit:.2f} are committed"
                )
                told = True
            pause(ASK_AGAIN_SECONDS, stop)
        return frozenset(), 0.0

    def _settle(self, trial: TrialRecord, reserved: float) -> None:
        try:
            cost = self._cost(trial)
            with self._lock:
                # What cannot be told afterwards has cost as much as was reserved for it, and not nothing.
                usd = max(cost.usd, self._spent.get(trial.trial_id, 0.0) + reserved) if cost.unknown else cost.usd
                self._spent[trial.trial_id] = usd
                self._settled.add(trial.trial_id)
            self._store.settle_reservation(trial.trial_id, usd, self._owner)
        except AutomlBenchError as error:
            # The reservation stays as it was made: too much is counted, never too little.
            log.warning("%s: what it has cost could not be counted: %s", trial.label, error)

    def _count_again(self) -> None:
        with self._lock:
            others = [trial for trial_id, trial in self._trials.items() if trial_id not in self._settled]
        found = {trial.trial_id: self._cost(trial).usd for trial in others}
        with self._lock:
            self._spent.update({trial_id: usd for trial_id, usd in found.items() if trial_id not in self._settled})

    def _cost(self, trial: TrialRecord) -> Cost:
        return spent(self._store, trial, self._prices(trial)).total

    def _prices(self, trial: TrialRecord) -> Sequence[Price]:
        return prices(self._providers[trial.provider], trial, self._modality_of(trial))


def unknown_remedy(provider: str, cost: Cost) -> str:
    """Return what to do about an amount that no table bounds."""
    lines = ", ".join(f"{item} = DOLLARS" for item in cost.unknown)
    return (
        f"Say the most that one trial may cost for it: [budget] {lines} in configs/providers/{provider}.toml; "
        "or run it without --max-cost."
    )
