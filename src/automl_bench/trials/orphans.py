"""What exists at providers under our name prefix and in no ledger: whose it is, how old, and what may be deleted."""

from __future__ import annotations

import logging
from collections.abc import Collection, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from automl_bench.contract import NAME_PREFIX, Owner, Resource, owner_of, parse_name
from automl_bench.providers.simulation import hourly_words
from automl_bench.store import Store
from automl_bench.store.records import LedgerState
from automl_bench.trials.claims import Claims
from automl_bench.trials.teardown import Leftover, delete
from automl_bench.trials.trial import BoundProvider
from automl_bench.trials.waiting import Insistence, first_sentence

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Reach:
    """Whose orphans are meant.

    Attributes:
        own: Id of this workspace, "" if it has none yet.
        workspace: Id of the one workspace meant, or "" for this one.
        everyone: Whether everybody's are meant, also those of an unknown owner.
    """

    own: str = ""
    workspace: str = ""
    everyone: bool = False

    def covers(self, owner: Owner | None) -> bool:
        """Whether things of an owner may be deleted."""
        if self.everyone:
            return True
        wanted = self.workspace or self.own
        return owner is not None and owner.workspace == wanted != ""


class Found:
    """Looks at providers for what no open line of this workspace's ledger speaks of.

    Args:
        store: This workspace's results file, open for writing; None if it has none.
        reach: Whose orphans are meant.
        insistence: How long look-ups and deletions are tried.
    """

    def __init__(self, store: Store | None, reach: Reach, insistence: Insistence) -> None:
        self._store = store
        self._insistence = insistence
        self._reach = reach

    def look(self, bound: BoundProvider) -> tuple[list[Resource], list[Resource]]:
        """Ask a provider once; return the orphans that may be deleted, and those that are somebody else's."""
        context = bound.context()
        patience = self._insistence.patience(f"listing {bound.provider.name}")
        listed = patience.call(lambda: bound.provider.list_resources(context, NAME_PREFIX))
        known = self._lines(bound.provider.name)
        orphans = [each for each in listed if known.get((each.kind, each.name)) is not True]
        ours = [each for each in orphans if self._reach.covers(self.owner(bound, each))]
        return ours, [each for each in orphans if each not in ours]

    def owner(self, bound: BoundProvider, resource: Resource) -> Owner | None:
        """Return whose a resource is; one of an old name that stands in this workspace's ledger is this workspace's."""
        owner = owner_of(resource)
        if owner is None and (resource.kind, resource.name) in self._lines(bound.provider.name):
            return Owner(self._reach.own) if self._reach.own else None
        return owner

    def delete(self, bound: BoundProvider, found: Sequence[Resource]) -> tuple[int, list[Leftover]]:
        """Delete orphans, last listed first.

        Right before each deletion the ledger is read again, and the trial that the name belongs to is held meanwhile:
        what a live run of this workspace has made or is making is no orphan.

        Returns:
            How many were orphans indeed, and those that remain.
        """
        count = 0
        left = []
        stays: set[tuple[str | None, str]] = set()
        for resource in reversed(found):
            trial = _trial_named_by(resource)
            with ExitStack() as held:
                if not self._is_orphan(bound, resource, held):
                    continue
                count += 1
                try:
                    insistence = replace(self._insistence, held=trial in stays)
                    delete(bound, bound.context(), resource, insistence)
                except Exception as error:  # named with what remains; the others are deleted all the same
                    log.warning("deleting the orphan %s %s failed", resource.kind, resource.name, exc_info=True)
                    left.append(Leftover(bound.provider.name, resource, first_sentence(error)))
                    stays.update([trial] if trial else [])
        return count, left

    def _is_orphan(self, bound: BoundProvider, resource: Resource, held: ExitStack) -> bool:
        if self._store is None:
            return True
        trial_id = self._trial_of(resource)
        if trial_id:
            claims = held.enter_context(Claims(self._store))
            if not held.enter_context(claims.holding(trial_id)):
                log.warning("%s %s is left: a process of this workspace works on it", resource.kind, resource.name)
                return False
        return self._lines(bound.provider.name).get((resource.kind, resource.name)) is not True

    def _trial_of(self, resource: Resource) -> str:
        """Return the trial of this workspace that a name belongs to, or ""."""
        parts = parse_name(resource.name)
        if parts is None or self._store is None or (parts.workspace or self._reach.own) != self._reach.own:
            return ""
        return next((trial.trial_id for trial in self._store.trials() if parts.is_of(trial.trial_id)), "")

    def _lines(self, provider: str) -> dict[tuple[str, str], bool]:
        """Return the kinds and names that ever stood in the ledger, and whether the line is open."""
        if self._store is None:
            return {}
        found: dict[tuple[str, str], bool] = {}
        for line in self._store.ledger(provider=provider):
            key = (line.kind, line.name)
            found[key] = found.get(key, False) or line.state is not LedgerState.DELETED
        return found


def _trial_named_by(resource: Resource) -> tuple[str | None, str] | None:
    """Return workspace and trial that a name says; short names have only the first digits of the trial's id."""
    parts = parse_name(resource.name)
    return None if parts is None else (parts.workspace, parts.trial_id[:8])


def described(provider: str, resource: Resource, owner: Owner | None) -> str:
    """Return an orphan in one line: what, whose, how old, its price."""
    whose = "unknown owner" if owner is None else str(owner)
    return (
        f"{provider}: {resource.kind} {resource.name}, {whose}, {age_words(resource.since)}, "
        f"{hourly_words(resource.hourly_usd, provider)}"
    )


def summed_up(provider: str, others: Sequence[tuple[Resource, Owner | None]]) -> list[str]:
    """Return one line for each owner of what was left alone, with the option that covers it."""
    by_owner: dict[str, list[tuple[Resource, Owner | None]]] = {}
    for resource, owner in others:
        by_owner.setdefault("" if owner is None else owner.workspace, []).append((resource, owner))
    lines = []
    for workspace, found in sorted(by_owner.items()):
        count = "one resource" if len(found) == 1 else f"{len(found)} resources"
        # Some resources have tags with user and host, others a name only: the longest words say most.
        whose = f"of {max((str(owner) for _, owner in found), key=len)}" if workspace else "of an unknown owner"
        option = f"--workspace {workspace}" if workspace else "--everyone"
        oldest = min((resource.since for resource, _ in found if resource.since), default="")
        price = hourly_sum([resource.hourly_usd for resource, _ in found], provider)
        lines.append(
            f"{provider}: {count} {whose} left alone (oldest: {age_words(oldest)}; {price}); "
            f"add {option} to list and delete them"
        )
    return lines


def hourly_sum(prices: Collection[float | None], provider: str) -> str:
    """Return what things of a provider cost by the hour together, and how many prices are unknown."""
    known = [price for price in prices if price is not None]
    unknown = len(prices) - len(known)
    parts = [hourly_words(sum(known), provider)] if known else []
    parts += [f"{unknown} of unknown price"] if unknown else []
    return " and ".join(parts)


def age_words(since: str) -> str:
    """Return how old something is: "3 h old"."""
    try:
        begun = datetime.fromisoformat(since)
    except ValueError:
        return "age unknown"
    hours = (datetime.now(UTC) - (begun if begun.tzinfo else begun.replace(tzinfo=UTC))).total_seconds() / 3600
    if hours < 0:
        return f"made {since[:16]}"
    if hours < 2:
        return f"{hours * 60:.0f} min old"
    return f"{hours:.0f} h old" if hours < 72 else f"{hours / 24:.0f} days old"
