"""Deleting what trials left at providers: in reverse order, as often as it takes, and saying what remains."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, replace

from automl_bench.border.command_lines import quoted_command
from automl_bench.contract import (
    Capability,
    Deletion,
    Modality,
    ProviderContext,
    Resource,
    Variant,
)
from automl_bench.errors import AutomlBenchError, LeaseLost, ProviderError, ResourcesLeft
from automl_bench.providers.discovery import requirement_of
from automl_bench.providers.simulation import hourly_words
from automl_bench.store import Store
from automl_bench.store.records import LedgerEntry, LedgerState
from automl_bench.toolkit.certainty import is_young
from automl_bench.trials.claims import require_lease
from automl_bench.trials.scopes import require_same_scope
from automl_bench.trials.trial import BUILDING_STAGES, BoundProvider
from automl_bench.trials.waiting import FIRST_DELAY, GROWTH, LONGEST_DELAY, Insistence, duration, first_sentence

log = logging.getLogger(__name__)

UNTIL_ITS_BOUND = Insistence()
"""Each deletion is tried for as long as its provider says that one may take."""


@dataclass(frozen=True, slots=True)
class Leftover:
    """A resource that could not be deleted, and why."""

    provider: str
    resource: Resource
    reason: str

    def __str__(self) -> str:
        """One line: what, where, its price, how to delete it by hand, why it is still there."""
        price = hourly_words(self.resource.hourly_usd, self.provider)
        by_hand = f"; delete it by hand: {self.resource.delete_by_hand}" if self.resource.delete_by_hand else ""
        return f"{self.provider} {self.resource.kind} {self.resource.name} ({price}){by_hand}; {self.reason}"


def provider_context(
    bound: BoundProvider, variant: Variant | None = None, modality: Modality | None = None
) -> ProviderContext:
    """Return the context of hooks that belong to no trial."""
    return bound.context(variant, modality)


def tear_down(
    store: Store,
    providers: Mapping[str, BoundProvider],
    entries: Iterable[LedgerEntry],
    insistence: Insistence = UNTIL_ITS_BOUND,
) -> list[Leftover]:
    """Delete the resources of ledger lines, last made first, and return those that remain.

    A line that was only intended is looked up at the provider by its name first. One that cannot be deleted does not
    stop the others; that one made before it is in use is then the last word on that one, too.
    """
    left = []
    held: set[str] = set()
    touched: set[str] = set()
    writes: list[Future[LedgerEntry]] = []
    for entry in sorted(entries, key=lambda line: line.entry_id, reverse=True):
        touched.add(entry.trial_id)
        insistence = replace(insistence, held=entry.trial_id in held)
        try:
            _delete_entry(store, _provider(providers, entry.provider), entry, insistence, writes)
        except LeaseLost:
            _settle(writes)
            raise
        except Exception as error:
            log.warning(
                "teardown of %s %s failed", entry.kind, entry.name, exc_info=not isinstance(error, ProviderError)
            )
            left.append(Leftover(entry.provider, resource_of(entry), first_sentence(error)))
            held.add(entry.trial_id)
    _settle(writes)
    for trial_id in touched:
        with written_if_possible(f"stages of trial {trial_id}"):
            if not store.ledger(trial_id=trial_id, open_only=True):
                store.mark_stages_undone(trial_id, BUILDING_STAGES)
    return left


def _settle(writes: Iterable[Future[LedgerEntry]]) -> None:
    """Wait until what was deleted stands in the ledger; a line that stays open is found to be gone the next time."""
    for write in writes:
        with written_if_possible("a line of the ledger"):
            write.result()


@contextmanager
def written_if_possible(what: str) -> Iterator[None]:
    """Write something about a deletion; that it cannot be written must not stop the deletions that follow."""
    try:
        yield
    except AutomlBenchError as error:
        log.warning("%s: not written: %s", what, error)


def _provider(providers: Mapping[str, BoundProvider], name: str) -> BoundProvider:
    if name not in providers:
        wanted = requirement_of(name)
        raise AutomlBenchError(
            f"the provider {name} is not available here.",
            remedy=f"pip install '{wanted}'" if wanted else "Install its plugin again.",
        )
    return providers[name]


def _delete_entry(
    store: Store,
    bound: BoundProvider,
    entry: LedgerEntry,
    insistence: Insistence,
    writes: list[Future[LedgerEntry]],
) -> None:
    require_same_scope(bound, [entry])
    context = provider_context(bound, Variant(entry.provider, entry.variant))
    resource: Resource | None = resource_of(entry)
    if entry.state is LedgerState.INTENDED:
        resource = _look_up(bound, context, entry, insistence)
    require_lease(store, entry.trial_id)
    # The words are queued, not awaited: a full disk or a locked file must not keep a paid endpoint running.
    if resource is not None:
        writes.append(store.submit_deleting(entry.entry_id))
        delete(bound, context, resource, insistence)
    writes.append(store.submit_deleted(entry.entry_id))


def _look_up(
    bound: BoundProvider, context: ProviderContext, entry: LedgerEntry, insistence: Insistence
) -> Resource | None:
    """Find out whether a resource whose creation was never confirmed exists."""
    description = bound.provider.description
    if Capability.LIST_RESOURCES not in description.capabilities:
        return resource_of(entry)
    until = time.monotonic() + description.settle_seconds
    while True:
        patience = insistence.patience(f"looking for {entry.name}")
        listed = patience.call(lambda: bound.provider.list_resources(context, entry.name))
        for resource in listed:
            if resource.kind == entry.kind and resource.name == entry.name:
                return resource
        if time.monotonic() >= until:
            return None
        time.sleep(min(1.0, description.settle_seconds))


def delete(
    bound: BoundProvider, context: ProviderContext, resource: Resource, insistence: Insistence = UNTIL_ITS_BOUND
) -> None:
    """Delete one resource and wait until the provider says that it is gone.

    "Already gone" is not believed of what was made so recently that the provider's answers may not show it yet.

    Raises:
        ProviderError: If the provider refuses.
        ResourcesLeft: If it is still there when the provider's bound, or the insistence, has ended.
    """
    what = f"deleting {resource.kind} {resource.name}"
    description = bound.provider.description
    seconds = description.deletion_seconds
    patience = insistence.patience(what, seconds)
    delay = FIRST_DELAY
    while True:
        state = patience.call(lambda: bound.provider.delete_resource(context, resource))
        may_show_later = state is Deletion.ALREADY_GONE and is_young(resource, description.settle_seconds)
        if state is not Deletion.PENDING and not may_show_later:
            return
        if time.monotonic() >= patience.until:
            raise ResourcesLeft(f"{what} has not ended yet; the provider may take {duration(seconds)} for it.")
        time.sleep(delay)
        delay = min(LONGEST_DELAY, delay * GROWTH)


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


def complain(left: Sequence[Leftover], because: Exception | None = None) -> None:
    """Raise if anything remains.

    Args:
        left: What remains.
        because: What ended the work, if something did; its sentence is told, too.

    Raises:
        ResourcesLeft: With one line a resource.
    """
    if left:
        why = "" if because is None else f"{first_sentence(because)} "
        count = "one resource" if len(left) == 1 else f"{len(left)} resources"
        raise ResourcesLeft(
            f"{why}{count} may still exist and cost money.",
            items=[str(item) for item in left],
            remedy=f"Try again: {quoted_command('teardown', '--all')}; or delete them by hand as listed.",
        )
