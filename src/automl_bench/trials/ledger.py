"""The write-ahead record at work: nothing is created at a provider without a durable line before it."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from automl_bench.border.values import fault_of
from automl_bench.contract import Resource, Stage
from automl_bench.providers.faults import violation
from automl_bench.store import Store
from automl_bench.store.records import LedgerEntry, TrialRecord
from automl_bench.toolkit.beginnings import beginning
from automl_bench.trials.claims import require_lease
from automl_bench.trials.scopes import require_same_scope
from automl_bench.trials.waiting import interrupted, pause

if TYPE_CHECKING:
    from automl_bench.trials.trial import BoundProvider

log = logging.getLogger(__name__)

LOOK_AGAIN = 1.0
"""Seconds between two looks for a resource whose creation was never confirmed."""


class TrialLedger:
    """A trial's `ResourceRecorder`.

    Args:
        store: Where the lines are kept.
        trial: The trial.
        stage: The stage at work.
        name_for: Gives the deterministic name of a kind.
        settle_seconds: How long the provider's lists may lag behind.
        stop: Set when the user wants to end: then nothing more is created.
        bound: The provider, for where its settings lead.
    """

    def __init__(
        self,
        store: Store,
        trial: TrialRecord,
        stage: Stage,
        *,
        name_for: Callable[[str], str],
        settle_seconds: float,
        stop: threading.Event,
        bound: BoundProvider,
    ) -> None:
        self._store = store
        self._trial = trial
        self._stage = stage
        self._name_for = name_for
        self._settle_seconds = settle_seconds
        self._stop = stop
        self._bound = bound

    def ensure(
        self,
        kind: str,
        *,
        find: Callable[[str], Resource | None],
        create: Callable[[str], Resource],
        name: str | None = None,
        hourly_usd: float | None = None,
    ) -> Resource:
        """Find or create one resource. See `automl_bench.contract.ResourceRecorder`."""
        if self._stop.is_set():
            raise interrupted()
        name = name or self._name_for(kind)
        self._checked("ensure", Resource(kind, name, hourly_usd=hourly_usd))
        # Created or not, a resource made a moment ago may not show in the provider's lists yet.
        lines = self._store.ledger(trial_id=self._trial.trial_id, open_only=True)
        made_before = [entry for entry in lines if entry.kind == kind and entry.name == name]
        require_same_scope(self._bound, made_before)
        entry = self._store.ledger_intend(
            LedgerEntry(
                trial_id=self._trial.trial_id,
                stage=self._stage,
                provider=self._trial.provider,
                variant=self._trial.variant,
                kind=kind,
                name=name,
                hourly_usd=hourly_usd,
                scope=self._bound.scope,
            )
        )
        found = self._find(find, name, self._settle_seconds if made_before else 0.0)
        require_lease(self._store, self._trial.trial_id)
        resource = self._checked("find or create", found if found is not None else self._create(create, name))
        if resource.hourly_usd is None and hourly_usd is not None:
            resource = replace(resource, hourly_usd=hourly_usd)
        self._store.ledger_created(entry.entry_id, resource)
        log.info("%s %s: %s", "found" if found else "created", kind, name)
        return resource

    def _create(self, create: Callable[[str], Resource], name: str) -> Resource:
        with beginning():
            return create(name)

    def _checked(self, what: str, resource: Resource) -> Resource:
        """Refuse what is no proper resource; the line that was intended stays, and teardown looks it up.

        Raises:
            ContractViolation: Naming the plugin.
        """
        if fault := fault_of(resource, Resource):
            raise violation(self._trial.provider, f"{what} of a resource", fault)
        return resource

    def _find(self, find: Callable[[str], Resource | None], name: str, settle_seconds: float) -> Resource | None:
        until = time.monotonic() + settle_seconds
        found = find(name)
        while found is None and time.monotonic() < until:
            pause(min(LOOK_AGAIN, settle_seconds), self._stop)
            found = find(name)
        return found
