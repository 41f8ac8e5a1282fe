"""Deleting what trials left at providers: in reverse order, as often as it takes, and saying what remains."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from automl_bench.border.texts import remember
from automl_bench.contract import (
    NAME_PREFIX,
    Capability,
    Deletion,
    ProviderContext,
    Resource,
    Variant,
)
from automl_bench.errors import AutomlBenchError, ResourcesLeft
from automl_bench.providers.discovery import requirement_of
from automl_bench.store import Store
from automl_bench.store.records import LedgerEntry, LedgerState
from automl_bench.trials.extent import DELETION_SECONDS
from automl_bench.trials.trial import BUILDING_STAGES, BoundProvider
from automl_bench.trials.waiting import FIRST_DELAY, GROWTH, LONGEST_DELAY, first_sentence, patiently

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Leftover:
    """A resource that could not be deleted, and why."""

    provider: str
    resource: Resource
    reason: str

    def __str__(self) -> str:
        """One line: what, where, its price, how to delete it by hand, why it is still there."""
        price = _price(self.resource.hourly_usd)
        by_hand = f"; delete it by hand: {self.resource.delete_by_hand}" if self.resource.delete_by_hand else ""
        return f"{self.provider} {self.resource.kind} {self.resource.name} ({price}){by_hand}; {self.reason}"


def _price(hourly_usd: float | None) -> str:
    return "price unknown" if hourly_usd is None else f"${hourly_usd:.2f} an hour"


def provider_context(bound: BoundProvider, variant: Variant | None = None) -> ProviderContext:
    """Return the context of hooks that belong to no trial."""
    name = bound.provider.name
    return ProviderContext(
        variant=variant or Variant(name, bound.provider.description.default_variant),
        settings=bound.settings,
        secrets=bound.secrets,
        cache_dir=bound.cache_dir,
        progress=lambda done, total, unit: None,
        log=lambda line: log.info("%s: %s", name, line),
        hide=remember,
    )


def tear_down(store: Store, providers: Mapping[str, BoundProvider], entries: Iterable[LedgerEntry]) -> list[Leftover]:
    """Delete the resources of ledger lines, last made first, and return those that remain.

    A line that was only intended is looked up at the provider by its name first. One that cannot be deleted does not
    stop the others.
    """
    left = []
    touched: set[str] = set()
    for entry in sorted(entries, key=lambda line: line.entry_id, reverse=True):
        touched.add(entry.trial_id)
        try:
            _delete_entry(store, _provider(providers, entry.provider), entry)
        except Exception as error:
            log.exception("teardown of %s %s failed", entry.kind, entry.name)
            left.append(Leftover(entry.provider, resource_of(entry), first_sentence(error)))
    for trial_id in touched:
        if not store.ledger(trial_id=trial_id, open_only=True):
            store.mark_stages_undone(trial_id, BUILDING_STAGES)
    return left


def _provider(providers: Mapping[str, BoundProvider], name: str) -> BoundProvider:
    if name not in providers:
        wanted = requirement_of(name)
        raise AutomlBenchError(
            f"the provider {name} is not available here.",
            remedy=f"pip install '{wanted}'" if wanted else "Install its plugin again.",
        )
    return providers[name]


def _delete_entry(store: Store, bound: BoundProvider, entry: LedgerEntry) -> None:
    context = provider_context(bound, Variant(entry.provider, entry.variant))
    resource: Resource | None = resource_of(entry)
    if entry.state is LedgerState.INTENDED:
        resource = _look_up(bound, context, entry)
    if resource is not None:
        store.ledger_deleting(entry.entry_id)
        delete(bound, context, resource)
    store.ledger_deleted(entry.entry_id)


def _look_up(bound: BoundProvider, context: ProviderContext, entry: LedgerEntry) -> Resource | None:
    """Find out whether a resource whose creation was never confirmed exists."""
    description = bound.provider.description
    if Capability.LIST_RESOURCES not in description.capabilities:
        return resource_of(entry)
    until = time.monotonic() + description.settle_seconds
    while True:
        listed = patiently(
            lambda: bound.provider.list_resources(context, entry.name), None, what=f"looking for {entry.name}"
        )
        for resource in listed:
            if resource.kind == entry.kind and resource.name == entry.name:
                return resource
        if time.monotonic() >= until:
            return None
        time.sleep(min(1.0, description.settle_seconds))


def delete(bound: BoundProvider, context: ProviderContext, resource: Resource) -> None:
    """Delete one resource and wait until the provider says that it is gone.

    Raises:
        ProviderError: If the provider refuses.
        ResourcesLeft: If it is still there after the longest wait.
    """
    what = f"deleting {resource.kind} {resource.name}"
    until = time.monotonic() + DELETION_SECONDS
    delay = FIRST_DELAY
    while True:
        state = patiently(lambda: bound.provider.delete_resource(context, resource), None, what=what)
        if state is not Deletion.PENDING:
            return
        if time.monotonic() >= until:
            raise ResourcesLeft(f"{what} has not ended after {DELETION_SECONDS:.0f} s.")
        time.sleep(delay)
        delay = min(LONGEST_DELAY, delay * GROWTH)


def orphans(bound: BoundProvider, known: Sequence[LedgerEntry]) -> list[Resource]:
    """Return what exists at a provider under our name prefix and stands in no open line of the ledger given."""
    context = provider_context(bound)
    listed = patiently(
        lambda: bound.provider.list_resources(context, NAME_PREFIX), None, what=f"listing {bound.provider.name}"
    )
    open_names = {(entry.kind, entry.name) for entry in known if entry.state is not LedgerState.DELETED}
    return [resource for resource in listed if (resource.kind, resource.name) not in open_names]


def delete_orphans(bound: BoundProvider, found: Sequence[Resource]) -> list[Leftover]:
    """Delete resources that no ledger line speaks of, last listed first, and return those that remain."""
    left = []
    for resource in reversed(found):
        try:
            delete(bound, provider_context(bound), resource)
        except Exception as error:
            log.exception("deleting the orphan %s %s failed", resource.kind, resource.name)
            left.append(Leftover(bound.provider.name, resource, first_sentence(error)))
    return left


def resource_of(entry: LedgerEntry) -> Resource:
    """Return a ledger line as the plugins know it."""
    return Resource(
        kind=entry.kind,
        name=entry.name,
        resource_id=entry.resource_id,
        hourly_usd=entry.hourly_usd,
        details=entry.details,
        delete_by_hand=entry.delete_by_hand,
        since=entry.created_at,
    )


def complain(left: Sequence[Leftover]) -> None:
    """Raise if anything remains.

    Raises:
        ResourcesLeft: With one line a resource.
    """
    if left:
        count = "one resource" if len(left) == 1 else f"{len(left)} resources"
        raise ResourcesLeft(
            f"{count} may still exist and cost money.",
            items=[str(item) for item in left],
            remedy="Try again: automl-bench teardown --all; or delete them by hand as listed.",
        )
