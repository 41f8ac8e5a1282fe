"""Money that trials under way may still cost: one sum for all processes that work in the workspace."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Mapping
from dataclasses import dataclass

from automl_bench.store.leases import LEASE_SECONDS
from automl_bench.store.results_file import ResultsFile


@dataclass(frozen=True, slots=True)
class Grant:
    """What came of a request to reserve money.

    Attributes:
        granted: Trials whose money is reserved now.
        committed: US dollars that were spent or reserved before.
        wait: Whether nothing was reserved because more would fit once trials under way have ended.
        shared: Whether another process has reserved money here, too.
    """

    granted: frozenset[str]
    committed: float
    wait: bool
    shared: bool


class ReservationsTable(ResultsFile):
    """Reads and writes reservations. Those of a process that has ended count no more."""

    def reserve(self, needs: Mapping[str, float], spent: Mapping[str, float], *, limit: float, owner: str) -> Grant:
        """Reserve money for trials that begin together, in one transaction; nothing while waiting helps.

        Args:
            needs: The most that each may cost, by trial id, in US dollars.
            spent: What trials have cost so far; one with a reservation counts by that instead.
            limit: The most for all together.
            owner: `leases.current_owner()`.

        Raises:
            RecordsError: A trial was never saved.
        """

        def job(connection: sqlite3.Connection) -> Grant:
            rows = self._living(connection)
            others = {trial: (usd, settled) for trial, (_, usd, settled) in rows.items() if trial not in needs}
            base = sum(usd for trial, usd in spent.items() if trial not in others and trial not in needs)
            base += sum(spent.get(trial, 0.0) for trial in needs)
            settled = base + sum(usd for usd, is_settled in others.values() if is_settled)
            committed = base + sum(usd for usd, _ in others.values())
            granted = _fitting(needs, limit - committed)
            shared = any(holder != owner for holder, _, _ in rows.values())
            if granted != _fitting(needs, limit - settled):
                return Grant(frozenset(), committed, True, shared)
            for trial in granted:
                connection.execute(
                    "INSERT INTO reservations VALUES (?, ?, ?, 0, ?) ON CONFLICT (trial_key) DO UPDATE SET"
                    " owner = excluded.owner, usd = excluded.usd, settled = 0, seen_at = excluded.seen_at",
                    (self._keys.trial(connection, trial), owner, needs[trial] + spent.get(trial, 0.0), time.time()),
                )
            return Grant(frozenset(granted), committed, False, shared)

        return self._write(job)

    def settle_reservation(self, trial_id: str, usd: float, owner: str) -> None:
        """Replace what was reserved for a trial by what it has cost; it counts as long as its owner lives."""

        def job(connection: sqlite3.Connection) -> None:
            connection.execute(
                "UPDATE reservations SET usd = ?, settled = 1 WHERE trial_key = ? AND owner = ?",
                (usd, self._keys.trial(connection, trial_id), owner),
            )

        self._write(job)

    def renew_reservations(self, owner: str) -> None:
        """Say that their owner lives, for processes on other machines."""
        self._write(
            lambda connection: (
                connection.execute("UPDATE reservations SET seen_at = ? WHERE owner = ?", (time.time(), owner)).rowcount
            )
        )

    def release_reservations(self, owner: str) -> None:
        """Take back all reservations of a process."""
        self._write(
            lambda connection: connection.execute("DELETE FROM reservations WHERE owner = ?", (owner,)).rowcount
        )

    def _living(self, connection: sqlite3.Connection) -> dict[str, tuple[str, float, bool]]:
        """Return the reservations of processes that live, and delete the others."""
        found = {}
        rows = connection.execute(
            "SELECT trial_id, owner, usd, settled, seen_at FROM reservations JOIN trials USING (trial_key)"
        ).fetchall()
        for trial_id, owner, usd, settled, seen_at in rows:
            alive = self._alive(owner)
            if alive or (alive is None and time.time() - seen_at < LEASE_SECONDS):
                found[trial_id] = (owner, usd, bool(settled))
            else:
                connection.execute("DELETE FROM reservations WHERE owner = ?", (owner,))
        return found


def _fitting(needs: Mapping[str, float], free: float) -> list[str]:
    """Return the trials whose needs fit, in their order."""
    found = []
    for trial, usd in needs.items():
        if usd <= free:
            found.append(trial)
            free -= usd
    return found
