"""Stages of a trial and the tokens of the operations they wait for."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from typing import Any

from automl_bench.border.texts import clean
from automl_bench.contract import Stage
from automl_bench.store.elapsed import clock_stamp
from automl_bench.store.records import StageRecord, StageStatus
from automl_bench.store.results_file import ResultsFile, from_json, now, to_json

_COLUMNS = (
    "trial_id, stage, s.status, token, result, started_at, finished_at, wall_seconds, queue_seconds, work_seconds,"
    " billable_seconds, message, started_clock"
)
_STORED = (
    "trial_key, stage, status, token, result, started_at, finished_at, wall_seconds, queue_seconds, work_seconds,"
    " billable_seconds, message, started_clock"
)
_ORDER = {stage: place for place, stage in enumerate(Stage)}


class StagesTable(ResultsFile):
    """Reads and writes stages and operations."""

    def begin_stage(self, trial_id: str, stage: Stage) -> StageRecord:
        """Begin a stage, or go on with one that was under way when its process ended.

        A stage that is RUNNING keeps its token and start; any other starts afresh.

        Args:
            trial_id: The trial.
            stage: The stage.

        Returns:
            The stage as it stands now: a token means that an operation is to be polled, not begun again.

        Raises:
            RecordsError: The trial was never saved.
        """

        def job(connection: sqlite3.Connection) -> StageRecord:
            key = self._leased_key(connection, trial_id)
            connection.execute(
                f"INSERT INTO stages ({_STORED})"
                " VALUES (?, ?, 'running', '', '{}', ?, '', NULL, NULL, NULL, NULL, '', ?)"
                " ON CONFLICT (trial_key, stage) DO UPDATE SET status = excluded.status, token = '', result = '{}',"
                " started_at = excluded.started_at, finished_at = '', wall_seconds = NULL, queue_seconds = NULL,"
                " work_seconds = NULL, billable_seconds = NULL, message = '', started_clock = excluded.started_clock"
                " WHERE status <> 'running'",
                (key, stage.value, now(), clock_stamp()),
            )
            return _stage(
                connection.execute(
                    f"SELECT {_COLUMNS} FROM stages s JOIN trials USING (trial_key) WHERE trial_key = ? AND stage = ?",
                    (key, stage.value),
                ).fetchone()
            )

        return self._write(job)

    def save_operation(self, trial_id: str, stage: Stage, token: str) -> None:
        """Store an operation's token, durable before anybody waits for the operation.

        Every token stays in the table `operations`, also those of earlier attempts.

        Args:
            trial_id: The trial.
            stage: The stage, begun before.
            token: The provider's identifiers, never a secret.

        Raises:
            RecordsError: The trial was never saved.
        """

        def job(connection: sqlite3.Connection) -> None:
            key = self._leased_key(connection, trial_id)
            moment = now()
            connection.execute(
                "INSERT INTO operations (trial_key, stage, token, saved_at) VALUES (?, ?, ?, ?)"
                " ON CONFLICT (trial_key, stage, token) DO NOTHING",
                (key, stage.value, token, moment),
            )
            connection.execute(
                f"INSERT INTO stages ({_STORED})"
                " VALUES (?, ?, 'running', ?, '{}', ?, '', NULL, NULL, NULL, NULL, '', ?)"
                " ON CONFLICT (trial_key, stage) DO UPDATE SET token = excluded.token",
                (key, stage.value, token, moment, clock_stamp()),
            )

        self._write(job)

    def finish_stage(self, record: StageRecord) -> None:
        """Store how a stage ended.

        Args:
            record: An empty token, `started_at` or `finished_at` keeps what is stored, or becomes the present moment.

        Raises:
            RecordsError: The trial was never saved.
        """

        def job(connection: sqlite3.Connection) -> None:
            key = self._leased_key(connection, record.trial_id)
            moment = now()
            connection.execute(
                f"INSERT INTO stages ({_STORED}) VALUES (?1, ?2, ?3, ?4, ?5, coalesce(nullif(?6, ''), ?13),"
                " coalesce(nullif(?7, ''), ?13), ?8, ?9, ?10, ?11, ?12, ?14)"
                " ON CONFLICT (trial_key, stage) DO UPDATE SET"
                " status = excluded.status, token = coalesce(nullif(?4, ''), token), result = excluded.result,"
                " started_at = coalesce(nullif(?6, ''), started_at), finished_at = excluded.finished_at,"
                " wall_seconds = excluded.wall_seconds, queue_seconds = excluded.queue_seconds,"
                " work_seconds = excluded.work_seconds, billable_seconds = excluded.billable_seconds,"
                " message = excluded.message,"
                " started_clock = coalesce(nullif(excluded.started_clock, ''), started_clock)",
                (
                    key,
                    record.stage.value,
                    record.status.value,
                    record.token,
                    to_json(record.result),
                    record.started_at,
                    record.finished_at,
                    record.wall_seconds,
                    record.queue_seconds,
                    record.work_seconds,
                    record.billable_seconds,
                    clean(record.message),
                    moment,
                    record.started_clock,
                ),
            )

        self._write(job)

    def mark_stages_undone(self, trial_id: str, stages: Iterable[Stage]) -> None:
        """Say that teardown deleted what these stages made; a token of deleted work is not polled again.

        Only stages that are DONE or RUNNING change: a failure stays on record.

        Args:
            trial_id: The trial.
            stages: Which stages.

        Raises:
            RecordsError: The trial was never saved.
        """
        names = [stage.value for stage in stages]

        def job(connection: sqlite3.Connection) -> None:
            key = self._leased_key(connection, trial_id)
            connection.executemany(
                "UPDATE stages SET status = 'undone', token = '' WHERE trial_key = ? AND stage = ?"
                " AND status IN ('done', 'running')",
                [(key, name) for name in names],
            )

        self._write(job)

    def stage(self, trial_id: str, stage: Stage) -> StageRecord | None:
        """Return a stage, or None if it never began."""
        rows = self._read(
            f"SELECT {_COLUMNS} FROM stages s JOIN trials USING (trial_key) WHERE trial_id = ? AND stage = ?",
            (trial_id, stage.value),
        )
        return _stage(rows[0]) if rows else None

    def stages(self, trial_id: str | None = None) -> list[StageRecord]:
        """Return the stages of a trial that ever began, in the order they run; of all trials if none is named."""
        where = "" if trial_id is None else " WHERE trial_id = ?"
        rows = self._read(
            f"SELECT {_COLUMNS} FROM stages s JOIN trials USING (trial_key){where} ORDER BY trial_key",
            () if trial_id is None else (trial_id,),
        )
        found = [_stage(row) for row in rows]
        if trial_id is not None:
            found.sort(key=lambda record: _ORDER[record.stage])
        return found

    def operations(self, trial_id: str) -> list[tuple[Stage, str, str]]:
        """Return every token ever saved for a trial as (stage, token, ISO time), oldest first."""
        rows = self._read(
            "SELECT stage, token, saved_at FROM operations JOIN trials USING (trial_key) WHERE trial_id = ?"
            " ORDER BY operation_key",
            (trial_id,),
        )
        return [(Stage(stage), token, saved_at) for stage, token, saved_at in rows]


def _stage(row: tuple[Any, ...]) -> StageRecord:
    return StageRecord(
        trial_id=row[0],
        stage=Stage(row[1]),
        status=StageStatus(row[2]),
        token=row[3],
        result=from_json(row[4]),
        started_at=row[5],
        finished_at=row[6],
        wall_seconds=row[7],
        queue_seconds=row[8],
        work_seconds=row[9],
        billable_seconds=row[10],
        message=row[11],
        started_clock=row[12],
    )
