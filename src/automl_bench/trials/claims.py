"""Holding trials: a command claims them, keeps their heartbeat going while it works, and gives them back."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Self

from automl_bench.errors import AutomlBenchError, LeaseLost
from automl_bench.store import Store
from automl_bench.store.leases import BEATS_IN_A_LEASE, current_owner, lease_seconds
from automl_bench.trials.waiting import pause

log = logging.getLogger(__name__)

LOOK_SECONDS = 0.25
"""How often a lease of another process is looked at while it is watched."""


class Claims:
    """The trials that one command holds. A thread keeps their heartbeats going until the block ends.

    Args:
        store: The results file.
        say: Tells the user one line: that another process's lease is being watched.
    """

    def __init__(self, store: Store, say: Callable[[str], None] = lambda line: None) -> None:
        self._store = store
        self._say = say
        self._owner = current_owner()
        self._held: set[str] = set()
        self._lock = threading.Lock()
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._beat, name="automl-bench-heartbeat", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end.set()
        self._thread.join()
        for trial_id in self._snapshot():
            self.give_back(trial_id)

    def take(self, trial_ids: Iterable[str], stop: threading.Event | None = None, *, watch: bool = True) -> set[str]:
        """Claim trials and return those that are held now.

        A trial of another process is watched until that process is heard of, which leaves the trial to it, or has been
        silent for as long as its lease lasts.

        Args:
            trial_ids: Trials that were saved.
            stop: Ends the wait.
            watch: Whether to wait at all; else only what is free or known to be free is taken.

        Raises:
            Interrupted: If `stop` was set while watching.
        """
        taken: set[str] = set()
        pending = list(dict.fromkeys(trial_ids))
        told = False
        while True:
            for trial_id in list(pending):
                if self._store.claim_trial(trial_id, self._owner):
                    with self._lock:
                        self._held.add(trial_id)
                    taken.add(trial_id)
                    pending.remove(trial_id)
                elif self._store.is_heard(trial_id):
                    pending.remove(trial_id)
            if not pending or not watch:
                return taken
            if not told:
                self._tell_of(pending)
                told = True
            pause(LOOK_SECONDS, stop)

    def _tell_of(self, trial_ids: list[str]) -> None:
        lease = self._store.lease(trial_ids[0])
        if lease is not None:
            self._say(
                f"{lease.holder()} holds {'a trial' if len(trial_ids) == 1 else f'{len(trial_ids)} trials'}: "
                f"waiting up to {lease.seconds:.0f} s to see whether it still works"
            )

    def give_back(self, trial_id: str) -> None:
        """Give a trial's lease back; nothing happens where another process has taken it since."""
        with self._lock:
            self._held.discard(trial_id)
        try:
            self._store.release_trial(trial_id, self._owner)
        except AutomlBenchError as error:
            # It ends by itself, and an error on the way out must not hide the one that led there.
            log.warning("the lease of trial %s was not given back: %s", trial_id, error)

    @contextmanager
    def holding(self, trial_id: str, stop: threading.Event | None = None, *, watch: bool = True) -> Iterator[bool]:
        """Hold one trial while the block runs; False if another process works on it. See `take`."""
        taken = trial_id in self.take([trial_id], stop, watch=watch)
        try:
            yield taken
        finally:
            if taken:
                self.give_back(trial_id)

    def _snapshot(self) -> list[str]:
        with self._lock:
            return list(self._held)

    def _beat(self) -> None:
        while not self._end.wait(lease_seconds() / BEATS_IN_A_LEASE):
            for trial_id in self._snapshot():
                try:
                    if not self._store.heartbeat(trial_id, self._owner):
                        log.warning("another process has taken trial %s over", trial_id)
                except AutomlBenchError as error:
                    # A locked file or a full disk may pass; until then nobody else can take the trial over either.
                    log.warning("trial %s: no heartbeat was written: %s", trial_id, error)


def require_lease(store: Store, trial_id: str) -> None:
    """Check, right before something is created or deleted, that the trial is still this process's to work on.

    Where the results file cannot be read any more, nobody else can have taken the trial over through it: what exists
    must be deleted all the same.

    Raises:
        LeaseLost: If another process has taken it over.
    """
    try:
        store.require_lease(trial_id)
    except LeaseLost:
        raise
    except AutomlBenchError as error:
        log.warning("the lease of trial %s could not be looked at: %s", trial_id, error)
