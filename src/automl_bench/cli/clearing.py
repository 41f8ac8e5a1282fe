"""`teardown --all` and `--orphans`: everything the ledger knows, and what only the providers know."""

from __future__ import annotations

import sys
import threading
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import typer

from automl_bench.cli.output import console, print_json, say
from automl_bench.cli.parting import forget_list, stopping
from automl_bench.contract import Capability
from automl_bench.errors import AutomlBenchError, Interrupted, LeaseLost, UsageError
from automl_bench.numbers_in_words import number_of

if TYPE_CHECKING:
    from automl_bench.cli.session import Session
    from automl_bench.store import Store
    from automl_bench.store.records import LedgerEntry
    from automl_bench.trials.orphans import Found
    from automl_bench.trials.teardown import Leftover
    from automl_bench.trials.trial import BoundProvider
    from automl_bench.trials.waiting import Insistence


@dataclass(slots=True)
class Cleared:
    """What came of it.

    Attributes:
        count: Resources found.
        left: Those that remain.
        others: By provider, one line for each owner whose resources were left alone.
    """

    count: int = 0
    left: list[Leftover] = field(default_factory=list)
    others: dict[str, list[str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Whose:
    """Whose orphans the user means, and whether to ask before deleting them."""

    workspace: str = ""
    everyone: bool = False
    yes: bool = False


def clear(*, everything: bool, orphans: bool, provider: str | None, whose: Whose, as_json: bool) -> None:
    """Delete what is left, in this workspace's ledger or at the providers.

    Raises:
        Interrupted: If the user stopped it and nothing that costs money by the hour remains.
        ResourcesLeft: If something remains.
    """
    from automl_bench.cli.session import Session
    from automl_bench.trials.teardown import complain

    session = Session()
    cleared = Cleared()
    with stopping() as stop:
        if everything:
            _clear_ledger(session, cleared, stop)
        if orphans:
            _clear_orphans(session, provider, whose, cleared, stop)
    others = [line for lines in cleared.others.values() for line in lines]
    announce(cleared.count, cleared.left, as_json=as_json, others=others)
    if everything and not cleared.left:
        forget_list()
    if stop.is_set() and not any(item.resource.hourly_usd != 0.0 for item in cleared.left):
        raise Interrupted(
            f"stopped on request, with {len(cleared.left)} of {number_of(cleared.count, 'resource')} not deleted.",
            remedy="Run the same command again to go on.",
        )
    complain(cleared.left)


def announce(count: int, left: Sequence[Leftover], *, as_json: bool, others: Sequence[str] = ()) -> None:
    """Say how many resources there were and what remains."""
    if as_json:
        document = {"found": count, "deleted": count - len(left), "left": [str(item) for item in left]}
        print_json({**document, "others": list(others)} if others else document)
        return
    for line in others:
        say(line)
    deleted = count - len(left)
    console().print(
        "nothing to delete" if not count else f"deleted {deleted} of {number_of(count, 'resource')}",
        markup=False,
    )


def _clear_ledger(session: Session, cleared: Cleared, stop: threading.Event) -> None:
    """Tear down every trial of the ledger that no living process works on."""
    from automl_bench.trials.claims import Claims
    from automl_bench.trials.waiting import Insistence

    if not session.workspace.store_path.exists():
        return
    with session.store() as store, Claims(store, say) as claims:
        store.hurry_with(stop)
        entries = store.ledger(open_only=True)
        cleared.count += len(entries)
        by_trial: dict[str, list[LedgerEntry]] = {}
        for entry in entries:
            by_trial.setdefault(entry.trial_id, []).append(entry)
        providers = _bind_all(session, entries)
        try:
            mine = claims.take(by_trial, stop)
        except Interrupted:
            mine = set()
        for trial_id, lines in by_trial.items():
            if stop.is_set():
                cleared.left += _not_deleted(lines, "not deleted: stopped on request")
            elif trial_id not in mine:
                lease = store.lease(trial_id)
                holder = "another process" if lease is None else lease.holder()
                cleared.left += _not_deleted(lines, f"in use: {holder} works on its trial")
            else:
                cleared.left += _clear_trial(store, providers, trial_id, lines, Insistence(stop, say))


def _clear_trial(
    store: Store,
    providers: dict[str, BoundProvider],
    trial_id: str,
    lines: Sequence[LedgerEntry],
    insistence: Insistence,
) -> list[Leftover]:
    from automl_bench.store.records import TrialStatus
    from automl_bench.trials.teardown import tear_down, written_if_possible

    try:
        # Read again: between the first look and the claim its process may have gone on.
        left = tear_down(store, providers, store.open_lines(trial_id), insistence)
    except LeaseLost as error:
        return _not_deleted(lines, error.message)
    with written_if_possible(f"status of trial {trial_id}"):
        trial = store.trial(trial_id)
        if trial is not None and trial.status in (TrialStatus.RUNNING, TrialStatus.TEARING_DOWN):
            store.set_trial_status(trial_id, TrialStatus.INTERRUPTED)
    return left


def _not_deleted(lines: Sequence[LedgerEntry], reason: str) -> list[Leftover]:
    from automl_bench.trials.teardown import Leftover, resource_of

    return [Leftover(line.provider, resource_of(line), reason) for line in lines]


def _bind_all(session: Session, entries: Sequence[LedgerEntry]) -> dict[str, BoundProvider]:
    """Bind the providers of ledger lines; one that cannot be bound leaves its lines, with the reason said."""
    bound = {}
    for name in sorted({entry.provider for entry in entries}):
        try:
            bound[name] = session.bind(name)
        except AutomlBenchError as error:
            say(f"{name}: {error}")
    return bound


def _clear_orphans(session: Session, only: str | None, whose: Whose, cleared: Cleared, stop: threading.Event) -> None:
    """Delete what providers list and no ledger line speaks of; then look again, as their lists may lag behind."""
    from automl_bench.trials.orphans import Found, Reach
    from automl_bench.trials.waiting import Insistence

    with ExitStack() as held:
        store = held.enter_context(session.store()) if session.workspace.store_path.exists() else None
        owner = session.owner()
        reach = Reach("" if owner is None else owner.workspace, whose.workspace, whose.everyone)
        found = Found(store, reach, Insistence(stop, say))
        providers = _listing_providers(session, only)
        if not whose.yes:  # the question names everything: what was made a moment ago shows by then
            _wait_for_lists(providers, "looking", stop)
        looked_at = _look_and_delete(providers, found, cleared, only=only, yes=whose.yes)
        if _wait_for_lists(looked_at, "looking again", stop):
            _look_and_delete(looked_at, found, cleared, only=only, yes=whose.yes)


def _wait_for_lists(providers: Sequence[BoundProvider], what: str, stop: threading.Event) -> bool:
    """Wait for as long as the providers' lists may lag behind; return whether they do and the user goes on."""
    lag = max((bound.provider.description.settle_seconds for bound in providers), default=0.0)
    if lag <= 0 or stop.is_set():
        return False
    say(f"{what} in {lag:.1f} s, as what was made a moment ago may not show yet")
    return not stop.wait(lag)


def _look_and_delete(
    providers: Sequence[BoundProvider], found: Found, cleared: Cleared, *, only: str | None, yes: bool
) -> list[BoundProvider]:
    """Ask each provider once and delete what it lists, but for what was tried before.

    Returns:
        The providers that answered.
    """
    from automl_bench.trials.orphans import described, summed_up

    before = {(item.provider, item.resource.kind, item.resource.name) for item in cleared.left}
    answered: list[BoundProvider] = []
    for bound in providers:
        name = bound.provider.name
        try:
            ours, others = found.look(bound)
        except AutomlBenchError as error:
            if only:
                raise
            say(f"{name}: not looked at: {error}")
            continue
        answered.append(bound)
        cleared.others[name] = summed_up(name, [(each, found.owner(bound, each)) for each in others])
        ours = [each for each in ours if (name, each.kind, each.name) not in before]
        if not ours:
            continue
        for resource in ours:
            say(described(name, resource, found.owner(bound, resource)))
        if not yes:
            _confirm(len(ours))
        count, left = found.delete(bound, ours)
        cleared.count += count
        cleared.left += left
    return answered


def _listing_providers(session: Session, only: str | None) -> list[BoundProvider]:
    names = [only.partition(":")[0]] if only else session.registry.names()
    bound = []
    for name in names:
        if not only and session.registry.only_listens(name):
            continue
        try:
            one = session.bind(name)
            if Capability.LIST_RESOURCES in one.provider.description.capabilities:
                bound.append(one)
        except AutomlBenchError as error:
            if only:
                raise
            say(f"{name}: not looked at: {error}")
    return bound


def _confirm(count: int) -> None:
    if not sys.stdin.isatty():
        raise UsageError(f"{number_of(count, 'orphan')} found, none deleted.", remedy="Add --yes to delete them.")
    if not typer.confirm(f"Delete {'this one' if count == 1 else f'these {count}'}?", err=True):
        raise Interrupted("nothing deleted.")
