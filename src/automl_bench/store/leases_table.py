"""Who works on which trial, and which workspace the file belongs to."""

from __future__ import annotations

import sqlite3
import time

from automl_bench.store.leases import Lease, lease_seconds
from automl_bench.store.records import WorkspaceRecord
from automl_bench.store.results_file import ResultsFile

_LEASE = "SELECT owner, fence, beat, seconds FROM leases JOIN trials USING (trial_key) WHERE trial_id = ?"


class LeasesTable(ResultsFile):
    """Reads and writes leases, and the workspace's id."""

    def claim_trial(self, trial_id: str, owner: str) -> bool:
        """Take the lease of a trial, so that no two processes work on it.

        A lease of another process is taken over at once if that process is known to have ended, and otherwise when its
        heartbeat has not moved between calls of this method for as long as the lease lasts.

        Args:
            trial_id: The trial.
            owner: `leases.current_owner()`.

        Returns:
            True if the trial is the owner's now, or was already.

        Raises:
            RecordsError: The trial was never saved.
        """
        seconds = lease_seconds()

        def job(connection: sqlite3.Connection) -> int | None:
            key = self._keys.trial(connection, trial_id)
            row = connection.execute(_LEASE, (trial_id,)).fetchone()
            held = None if row is None else Lease(*row)
            if held is not None and held.owner == owner:
                return held.fence
            if held is not None and self._alive(held.owner) is not False and not self._watch.is_silent(trial_id, held):
                return None
            fence: int = connection.execute(
                "UPDATE trials SET last_fence = last_fence + 1 WHERE trial_key = ? RETURNING last_fence", (key,)
            ).fetchone()[0]
            connection.execute(
                "INSERT OR REPLACE INTO leases (trial_key, owner, claimed_at, heartbeat_at, fence, beat, seconds)"
                " VALUES (?1, ?2, ?3, ?3, ?4, 0, ?5)",
                (key, owner, time.time(), fence, seconds),
            )
            return fence

        fence = self._write(job)
        if fence is None:
            return False
        self._fences[trial_id] = fence
        self._worked_on.add(trial_id)
        self._watch.forget(trial_id)
        return True

    def heartbeat(self, trial_id: str, owner: str) -> bool:
        """Count the heartbeat of a lease up.

        Returns:
            False if this process does not hold it (any more) and must stop working on the trial.
        """
        fence = self._fences.get(trial_id)

        def job(connection: sqlite3.Connection) -> bool:
            key = self._keys.trial(connection, trial_id)
            sql = "UPDATE leases SET beat = beat + 1, heartbeat_at = ? WHERE trial_key = ? AND owner = ? AND fence = ?"
            return connection.execute(sql, (time.time(), key, owner, fence)).rowcount == 1

        return self._write(job)

    def release_trial(self, trial_id: str, owner: str) -> None:
        """Give a lease back; a lease of somebody else stays."""
        fence = self._fences.get(trial_id)

        def job(connection: sqlite3.Connection) -> None:
            key = self._keys.trial(connection, trial_id)
            connection.execute(
                "DELETE FROM leases WHERE trial_key = ? AND owner = ? AND fence = ?", (key, owner, fence)
            )

        try:
            self._write(job)
        finally:
            self._fences.pop(trial_id, None)

    def has_worked_on(self, trial_id: str) -> bool:
        """Whether this process ever claimed a trial."""
        return trial_id in self._worked_on

    def lease(self, trial_id: str) -> Lease | None:
        """Return the lease of a trial, of a living process or not, or None."""
        rows = self._read(_LEASE, (trial_id,))
        return Lease(*rows[0]) if rows else None

    def trial_owner(self, trial_id: str) -> str | None:
        """Return who holds the lease of a trial, living or not, or None."""
        lease = self.lease(trial_id)
        return None if lease is None else lease.owner

    def living_owner(self, trial_id: str) -> str | None:
        """Return who holds the lease of a trial, or None if nobody does or the process is known to have ended."""
        owner = self.trial_owner(trial_id)
        return None if owner is None or self._alive(owner) is False else owner

    def is_heard(self, trial_id: str) -> bool:
        """Whether the holder of a trial's lease was seen to live between calls of `claim_trial`."""
        return self._watch.is_moving(trial_id)

    def require_lease(self, trial_id: str) -> None:
        """Check, before something is deleted, that no other process has taken the trial over.

        Raises:
            LeaseLost: If one has.
            RecordsError: The file cannot be read.
            WorkspaceError: The file is not there any more.
        """
        lease = self.lease(trial_id)
        self._require_lease(trial_id, None if lease is None else (lease.owner, lease.fence))

    # --- the workspace -----------------------------------------------------------------------------------

    def settle_workspace(self, record: WorkspaceRecord) -> WorkspaceRecord:
        """Write which workspace the file belongs to, unless that is written already; return what is."""

        def job(connection: sqlite3.Connection) -> WorkspaceRecord:
            row = connection.execute("SELECT workspace_id, root FROM workspace").fetchone()
            if row is not None:
                return WorkspaceRecord(*row)
            connection.execute("INSERT INTO workspace VALUES (?, ?)", (record.workspace_id, record.root))
            return record

        return self._write(job)

    def move_workspace(self, record: WorkspaceRecord) -> None:
        """Write where the workspace is now."""
        self._write(
            lambda connection: (
                connection.execute(
                    "UPDATE workspace SET workspace_id = ?, root = ?", (record.workspace_id, record.root)
                ).rowcount
            )
        )

    def begin_as_copy(self, record: WorkspaceRecord) -> int:
        """Make the file that of another workspace: what exists at providers, and who works on it, is the original's.

        Returns:
            How many resources are left to the original.
        """

        def job(connection: sqlite3.Connection) -> int:
            connection.execute("DELETE FROM leases")
            connection.execute(
                "UPDATE stages SET status = 'undone', token = '' WHERE status IN ('done', 'running')"
                " AND stage IN ('upload', 'train', 'deploy')"
                " AND trial_key IN (SELECT trial_key FROM ledger WHERE state <> 'deleted')"
            )
            connection.execute("UPDATE trials SET status = 'interrupted' WHERE status IN ('running', 'tearing_down')")
            left = connection.execute("DELETE FROM ledger WHERE state <> 'deleted'").rowcount
            connection.execute("DELETE FROM workspace")
            connection.execute("INSERT INTO workspace VALUES (?, ?)", (record.workspace_id, record.root))
            return left

        return self._write(job)
