"""`teardown --all` and `--orphans`: everything the ledger knows, and what only the providers know."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

import typer

from automl_bench.cli.output import console, print_json, say
from automl_bench.contract import Capability
from automl_bench.errors import AutomlBenchError, Interrupted, UsageError

if TYPE_CHECKING:
    from automl_bench.cli.session import Session
    from automl_bench.contract import Resource
    from automl_bench.store.records import LedgerEntry
    from automl_bench.trials.teardown import Leftover
    from automl_bench.trials.trial import BoundProvider


def clear(*, everything: bool, orphans: bool, provider: str | None, yes: bool, as_json: bool) -> None:
    """Delete what is left, in this workspace's ledger or at the providers.

    Raises:
        ResourcesLeft: If something remains.
    """
    from automl_bench.cli.session import Session
    from automl_bench.trials.teardown import complain

    session = Session()
    count = 0
    left: list[Leftover] = []
    if everything:
        count, left = _clear_ledger(session)
    if orphans:
        found, remaining = _clear_orphans(session, provider, yes=yes)
        count, left = count + found, [*left, *remaining]
    announce(count, left, as_json=as_json)
    complain(left)


def announce(count: int, left: Sequence[Leftover], *, as_json: bool) -> None:
    """Say how many resources there were and what remains."""
    if as_json:
        print_json({"found": count, "deleted": count - len(left), "left": [str(item) for item in left]})
        return
    deleted = count - len(left)
    console().print("nothing to delete" if not count else f"deleted {deleted} of {count} resources", markup=False)


def _clear_ledger(session: Session) -> tuple[int, list[Leftover]]:
    from automl_bench.store.leases import owner_alive
    from automl_bench.store.records import TrialStatus
    from automl_bench.trials.teardown import tear_down

    if not session.workspace.store_path.exists():
        return 0, []
    with session.store() as store:
        entries = store.ledger(open_only=True)
        busy = {
            entry.trial_id
            for entry in entries
            if (owner := store.trial_owner(entry.trial_id)) is not None and owner_alive(owner)
        }
        if busy:
            raise UsageError(
                f"another automl-bench process still works on {len(busy)} of these trials.",
                remedy="Stop it first (Ctrl-C there tears down too).",
            )
        left = tear_down(store, _bind_all(session, entries), entries)
        for trial_id in {entry.trial_id for entry in entries}:
            trial = store.trial(trial_id)
            if trial is not None and trial.status in (TrialStatus.RUNNING, TrialStatus.TEARING_DOWN):
                store.set_trial_status(trial_id, TrialStatus.INTERRUPTED)
    return len(entries), left


def _bind_all(session: Session, entries: Sequence[LedgerEntry]) -> dict[str, BoundProvider]:
    """Bind the providers of ledger lines; one that cannot be bound leaves its lines, with the reason logged."""
    bound = {}
    for name in {entry.provider for entry in entries}:
        try:
            bound[name] = session.bind(name)
        except AutomlBenchError as error:
            say(f"{name}: {error}")
    return bound


def _clear_orphans(session: Session, only: str | None, *, yes: bool) -> tuple[int, list[Leftover]]:
    """Delete what providers list and no ledger line speaks of; then look again, as their lists may lag behind."""
    known: list[LedgerEntry] = []
    if session.workspace.store_path.exists():
        with session.store_to_read() as store:
            known = store.ledger(open_only=True)
    looked_at, count, left = _look_and_delete(_listing_providers(session, only), known, [], only=only, yes=yes)
    lag = max((bound.provider.description.settle_seconds for bound in looked_at), default=0.0)
    if lag > 0:
        say(f"looking again in {lag:.0f} s, as what was made a moment ago may not show yet")
        time.sleep(lag)
        _, late, remaining = _look_and_delete(looked_at, known, left, only=only, yes=yes)
        count, left = count + late, [*left, *remaining]
    return count, left


def _look_and_delete(
    providers: Sequence[BoundProvider],
    known: Sequence[LedgerEntry],
    tried: Sequence[Leftover],
    *,
    only: str | None,
    yes: bool,
) -> tuple[list[BoundProvider], int, list[Leftover]]:
    """Ask each provider once and delete what it lists, but for what was tried before.

    Returns:
        The providers that answered, how many orphans there were, and those that remain.
    """
    from automl_bench.trials.teardown import delete_orphans, orphans

    before = {(item.provider, item.resource.kind, item.resource.name) for item in tried}
    answered: list[BoundProvider] = []
    count = 0
    left: list[Leftover] = []
    for bound in providers:
        name = bound.provider.name
        try:
            found = [each for each in orphans(bound, known) if (name, each.kind, each.name) not in before]
        except AutomlBenchError as error:
            if only:
                raise
            say(f"{name}: not looked at: {error}")
            continue
        answered.append(bound)
        if not found:
            continue
        _show(name, found)
        if not yes:
            _confirm(len(found))
        count += len(found)
        left.extend(delete_orphans(bound, found))
    return answered, count, left


def _listing_providers(session: Session, only: str | None) -> list[BoundProvider]:
    names = [only.partition(":")[0]] if only else session.registry.names()
    bound = []
    for name in names:
        try:
            one = session.bind(name)
            if Capability.LIST_RESOURCES in one.provider.description.capabilities:
                bound.append(one)
        except AutomlBenchError as error:
            if only:
                raise
            say(f"{name}: not looked at: {error}")
    return bound


def _show(provider: str, found: Sequence[Resource]) -> None:
    for resource in found:
        price = "price unknown" if resource.hourly_usd is None else f"${resource.hourly_usd:.2f} an hour"
        say(f"{provider}: {resource.kind} {resource.name} ({price})")


def _confirm(count: int) -> None:
    if not sys.stdin.isatty():
        raise UsageError(f"{count} orphans found, none deleted.", remedy="Add --yes to delete them.")
    if not typer.confirm(f"Delete these {count}? They may belong to a colleague's run in the same account", err=True):
        raise Interrupted("nothing deleted.")
