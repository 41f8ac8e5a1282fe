"""The ledger: a durable line before anything is created at a provider, until it is deleted."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from concurrent.futures import Future
from dataclasses import replace
from typing import Any

from automl_bench.contract import Resource, Stage
from automl_bench.errors import RecordsError, WorkspaceError
from automl_bench.store.elapsed import clock_stamp
from automl_bench.store.records import LedgerEntry, LedgerState
from automl_bench.store.results_file import ResultsFile, SqlValue, from_json, now, to_json

_SELECT = (
    "SELECT entry_id, trial_id, stage, l.provider, l.variant, kind, name, resource_id, state, hourly_usd, details,"
    " delete_by_hand, keep, intended_at, l.created_at, deleted_at, created_clock, deleted_clock, keep_until, scope"
    " FROM ledger l JOIN trials USING (trial_key)"
)

_KEEP_UNTIL = "UPDATE ledger SET keep_until = ? WHERE entry_id = ?"


class LedgerTable(ResultsFile):
    """Reads and writes the ledger. Every write returns the line as it stands after it.

    What was read or written is also remembered in memory: what exists must be deleted even when the file is gone, and
    said even when it cannot be read.
    """

    def ledger_intend(self, entry: LedgerEntry) -> LedgerEntry:
        """Write a line before the call that creates the resource.

        Args:
            entry: The resource; `entry_id` and `intended_at` are filled in here, its state is INTENDED.

        Returns:
            The stored line; if the trial has an undeleted one of this kind and name, that one, unchanged.

        Raises:
            RecordsError: The trial was never saved.
        """
        details, scope = to_json(entry.details), to_json(entry.scope)

        def job(connection: sqlite3.Connection) -> LedgerEntry:
            key = self._leased_key(connection, entry.trial_id)
            found = connection.execute(
                f"{_SELECT} WHERE trial_key = ? AND kind = ? AND name = ? AND state <> 'deleted'",
                (key, entry.kind, entry.name),
            ).fetchone()
            if found is not None:
                return _entry(found)
            cursor = connection.execute(
                "INSERT INTO ledger (trial_key, stage, provider, variant, kind, name, resource_id, state, hourly_usd,"
                " details, delete_by_hand, keep, intended_at, created_at, deleted_at, scope)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, 'intended', ?, ?, ?, ?, ?, '', '', ?)",
                (
                    key,
                    entry.stage.value,
                    entry.provider,
                    entry.variant,
                    entry.kind,
                    entry.name,
                    entry.resource_id,
                    entry.hourly_usd,
                    details,
                    entry.delete_by_hand,
                    int(entry.keep),
                    entry.intended_at or now(),
                    scope,
                ),
            )
            return self._line(connection, cursor.lastrowid or 0)

        line = self._write(job)
        self._gone.discard(line.entry_id)
        return self._remember(line)

    def ledger_created(self, entry_id: int, resource: Resource) -> LedgerEntry:
        """Write that the resource exists, with the provider's id and what deleting it needs.

        Args:
            entry_id: Number of the line.
            resource: As the provider's answer says; an unknown price keeps the one intended.

        Raises:
            RecordsError: There is no such line, or its resource was deleted.
        """
        details = to_json(resource.details)

        def job(connection: sqlite3.Connection) -> LedgerEntry:
            line = self._leased_line(connection, entry_id)
            if line.state is LedgerState.DELETED:
                raise RecordsError(
                    f"Line {entry_id} of the ledger ({line.kind} {line.name}) was closed by its deletion.",
                    remedy="Intend the resource anew before it is created again.",
                )
            connection.execute(
                "UPDATE ledger SET state = 'created', resource_id = ?, hourly_usd = coalesce(?, hourly_usd),"
                " details = ?, delete_by_hand = coalesce(nullif(?, ''), delete_by_hand),"
                " created_at = coalesce(nullif(created_at, ''), ?),"
                " created_clock = coalesce(nullif(created_clock, ''), ?) WHERE entry_id = ?",
                (
                    resource.resource_id,
                    resource.hourly_usd,
                    details,
                    resource.delete_by_hand,
                    now(),
                    clock_stamp(),
                    entry_id,
                ),
            )
            return self._line(connection, entry_id)

        try:
            return self._remember(self._write(job))
        except WorkspaceError:
            known = self._remembered.get(entry_id)
            if known is not None:
                self._remembered[entry_id] = replace(
                    known,
                    state=LedgerState.CREATED,
                    resource_id=resource.resource_id,
                    hourly_usd=known.hourly_usd if resource.hourly_usd is None else resource.hourly_usd,
                    details=resource.details,
                    delete_by_hand=resource.delete_by_hand or known.delete_by_hand,
                )
            raise

    def submit_deleting(self, entry_id: int) -> Future[LedgerEntry]:
        """Queue the word that deletion is about to be asked for: deleting never waits for the disk.

        The future raises RecordsError if there is no such line, LeaseLost, or WorkspaceError.
        """
        return self._set_state(entry_id, "state = 'deleting'")

    def submit_deleted(self, entry_id: int) -> Future[LedgerEntry]:
        """Queue the word that the resource is gone; the future raises as that of `submit_deleting`."""
        self._gone.add(entry_id)
        self._remembered.pop(entry_id, None)
        return self._set_state(entry_id, "state = 'deleted', deleted_at = ?, deleted_clock = ?", now(), clock_stamp())

    def ledger_deleting(self, entry_id: int) -> LedgerEntry:
        """Write that deletion is about to be asked for.

        Raises:
            RecordsError: There is no such line.
        """
        return self.submit_deleting(entry_id).result()

    def ledger_deleted(self, entry_id: int) -> LedgerEntry:
        """Write that the resource is gone.

        Raises:
            RecordsError: There is no such line.
        """
        return self.submit_deleted(entry_id).result()

    def ledger_keep(self, trial_id: str, keep: bool) -> None:
        """Mark all undeleted resources of a trial as kept by the user's wish, or not.

        Raises:
            RecordsError: The trial was never saved.
        """

        def job(connection: sqlite3.Connection) -> None:
            key = self._leased_key(connection, trial_id)
            connection.execute(
                "UPDATE ledger SET keep = ? WHERE trial_key = ? AND state <> 'deleted'", (int(keep), key)
            )

        self._write(job)

    def ledger_keep_until(self, entry_ids: Iterable[int], until: str) -> None:
        """Say until when resources that were paid for once stay; "" for those that are in use again.

        Args:
            entry_ids: Numbers of their lines.
            until: ISO 8601, UTC.
        """
        rows = [(until, entry_id) for entry_id in entry_ids]

        def job(connection: sqlite3.Connection) -> None:
            for _, entry_id in rows:
                self._leased_line(connection, entry_id)
            connection.executemany(_KEEP_UNTIL, rows)

        if rows:
            self._write(job)

    def ledger(
        self, trial_id: str | None = None, provider: str | None = None, open_only: bool = False
    ) -> list[LedgerEntry]:
        """Return lines in the order written; teardown goes through them backwards.

        Args:
            trial_id: Only this trial's.
            provider: Only this provider's.
            open_only: Leave out what is deleted, also what this process has deleted and could not write so.
        """
        conditions: list[str] = []
        values: list[SqlValue] = []
        if trial_id is not None:
            conditions.append("trial_id = ?")
            values.append(trial_id)
        if provider is not None:
            conditions.append("l.provider = ?")
            values.append(provider)
        if open_only:
            conditions.append("state <> 'deleted'")
        where = f" WHERE {' AND '.join(conditions)}" if conditions else ""
        found = [_entry(row) for row in self._read(f"{_SELECT}{where} ORDER BY entry_id", values)]
        for entry in found:
            self._remember(entry)
        return [entry for entry in found if entry.entry_id not in self._gone] if open_only else found

    def remembered_lines(self, trial_id: str | None = None) -> list[LedgerEntry]:
        """Return what exists as far as this process knows from what it has read and written, without the file."""
        lines = sorted(self._remembered.values(), key=lambda line: line.entry_id)
        return [line for line in lines if trial_id in (None, line.trial_id)]

    def open_lines(self, trial_id: str) -> list[LedgerEntry]:
        """Return the undeleted lines of a trial; as remembered, where the file cannot be read any more."""
        try:
            return self.ledger(trial_id=trial_id, open_only=True)
        except (RecordsError, WorkspaceError):
            return self.remembered_lines(trial_id)

    def _remember(self, entry: LedgerEntry) -> LedgerEntry:
        if entry.state is LedgerState.DELETED or entry.entry_id in self._gone:
            self._remembered.pop(entry.entry_id, None)
        else:
            self._remembered[entry.entry_id] = entry
        return entry

    def _set_state(self, entry_id: int, change: str, *values: SqlValue) -> Future[LedgerEntry]:
        def job(connection: sqlite3.Connection) -> LedgerEntry:
            self._leased_line(connection, entry_id)
            # What is deleted stays deleted, with the time of its first deletion.
            connection.execute(
                f"UPDATE ledger SET {change} WHERE entry_id = ? AND state <> 'deleted'", (*values, entry_id)
            )
            return self._line(connection, entry_id)

        return self._submit(job)

    def _leased_line(self, connection: sqlite3.Connection, entry_id: int) -> LedgerEntry:
        """Return a line of a trial that this process may write to."""
        line = self._line(connection, entry_id)
        self._leased_key(connection, line.trial_id)
        return line

    def _line(self, connection: sqlite3.Connection, entry_id: int) -> LedgerEntry:
        row = connection.execute(f"{_SELECT} WHERE entry_id = ?", (entry_id,)).fetchone()
        if row is None:
            raise RecordsError(
                f"The ledger in {self.path} has no line {entry_id}.", remedy="Intend the resource before it is created."
            )
        return _entry(row)


def _entry(row: tuple[Any, ...]) -> LedgerEntry:
    return LedgerEntry(
        entry_id=row[0],
        trial_id=row[1],
        stage=Stage(row[2]),
        provider=row[3],
        variant=row[4],
        kind=row[5],
        name=row[6],
        resource_id=row[7],
        state=LedgerState(row[8]),
        hourly_usd=row[9],
        details=from_json(row[10]),
        delete_by_hand=row[11],
        keep=bool(row[12]),
        intended_at=row[13],
        created_at=row[14],
        deleted_at=row[15],
        created_clock=row[16],
        deleted_clock=row[17],
        keep_until=row[18],
        scope=from_json(row[19]),
    )
