"""What should be gone and is not: tried again at the start of every later command, and before `run` ends."""

from __future__ import annotations

import logging
import time
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import replace

from automl_bench.errors import AutomlBenchError
from automl_bench.store import Store
from automl_bench.store.records import LedgerEntry, LedgerState, TrialStatus
from automl_bench.trials.claims import Claims
from automl_bench.trials.retention import is_past, is_retained, let_go_of
from automl_bench.trials.teardown import Leftover, resource_of
from automl_bench.trials.trial import BoundProvider
from automl_bench.trials.waiting import Insistence, first_sentence

log = logging.getLogger(__name__)

SWEEP_SECONDS = 60.0
"""How long one sweep tries in all: each line was tried for its provider's own bound when it was first to go."""

AT_WORK = frozenset({TrialStatus.RUNNING})
"""Where a trial's resources are wanted: a run goes on with it, or verbs build it stage by stage."""


def due(store: Store, *, but: Collection[str] = ()) -> list[LedgerEntry]:
    """Return the ledger lines of resources that should be gone.

    That is what a deletion was begun for, what an ended trial left without being told to keep it, and what is past its
    retention.

    Args:
        store: The results file.
        but: Trials that are under way in this process.
    """
    found = []
    standing: dict[str, TrialStatus | None] = {}
    for entry in store.ledger(open_only=True):
        if entry.trial_id in but:
            continue
        if entry.trial_id not in standing:
            trial = store.trial(entry.trial_id)
            standing[entry.trial_id] = trial.status if trial else None
        if _is_due(entry, standing[entry.trial_id]):
            found.append(entry)
    return found


def _is_due(entry: LedgerEntry, status: TrialStatus | None) -> bool:
    if entry.state is LedgerState.DELETING or is_past(entry):
        return True
    return status not in AT_WORK and not entry.keep and not is_retained(entry)


def sweep(
    store: Store,
    bind: Callable[[str], BoundProvider],
    *,
    insistence: Insistence,
    but: Collection[str] = (),
    seconds: float = SWEEP_SECONDS,
) -> list[Leftover]:
    """Delete what should be gone, and return what remains of it. Trials of other processes are left alone.

    Args:
        store: The results file.
        bind: Gives a provider by name.
        insistence: How long deletions are tried; at most `seconds` here.
        but: Trials that are under way in this process.
        seconds: How long to try in all.
    """
    lines: dict[str, list[LedgerEntry]] = defaultdict(list)
    for entry in due(store, but=but):
        lines[entry.trial_id].append(entry)
    if not lines:
        return []
    until = time.monotonic() + seconds
    insistence = replace(insistence, until=until if insistence.until is None else min(until, insistence.until))
    providers = Providers(bind)
    left: list[Leftover] = []
    for trial_id, entries in lines.items():
        with Claims(store) as claims, claims.holding(trial_id, watch=False) as mine:
            if mine:
                left.extend(let_go_of(store, providers, trial_id, entries, insistence))
    return left


class Providers(Mapping[str, BoundProvider]):
    """Providers by name, set up when they are first asked for; one that cannot be is as if it were not there.

    Args:
        bind: Sets a provider up.
        known: Those that are set up already.
    """

    def __init__(self, bind: Callable[[str], BoundProvider], known: Mapping[str, BoundProvider] | None = None) -> None:
        self._bind = bind
        self._known: dict[str, BoundProvider | None] = dict(known or {})

    def __getitem__(self, name: str) -> BoundProvider:
        if name not in self._known:
            try:
                self._known[name] = self._bind(name)
            except AutomlBenchError as error:
                log.warning("%s cannot be used: %s", name, first_sentence(error))
                self._known[name] = None
        bound = self._known[name]
        if bound is None:
            raise KeyError(name)
        return bound

    def __iter__(self) -> Iterator[str]:
        return iter([name for name, bound in self._known.items() if bound is not None])

    def __len__(self) -> int:
        return sum(bound is not None for bound in self._known.values())


def still_open(store: Store, tried: Sequence[Leftover], *, but: Collection[str] = ()) -> list[Leftover]:
    """Return what should be gone and is not, each with the reason of its last attempt."""
    reasons = {(item.provider, item.resource.kind, item.resource.name): item for item in tried}
    return [
        reasons.get(
            (entry.provider, entry.kind, entry.name),
            Leftover(entry.provider, resource_of(entry), "another automl-bench process works on its trial"),
        )
        for entry in due(store, but=but)
    ]
