"""Load runs and their calls: many rows in short time."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any

from automl_bench.errors import RecordsError
from automl_bench.store.call_rows import (
    CLOCK_COLUMNS,
    OUTCOME_CODES,
    OUTCOMES,
    PHASE_CODES,
    PHASES,
    VIEW_EXPRESSIONS,
    arrays,
    clock_values,
    insert_rows,
    timing_from,
)
from automl_bench.store.records import CallPhase, LoadCall, LoadRun, Outcome
from automl_bench.store.results_file import ResultsFile, SqlValue, from_json, now, to_json
from automl_bench.store.writer import Job

if TYPE_CHECKING:
    import numpy as np

_WIDTH = 18
_KEY = "run_key, phase, number"
_COLUMNS = {
    "number": "int",
    "worker": "int",
    "sample_id": "text",
    "outcome": "text",
    "correct": "float",
    "phase": "text",
    "status": "float",
    "scheduled_ns": "int",
    "sent_ns": "int",
    "received_ns": "int",
    "service_ns": "int",
    "response_ns": "int",
    "lookup_ns": "float",
    "connect_ns": "float",
    "tls_ns": "float",
    "send_ns": "float",
    "wait_ns": "float",
    "receive_ns": "float",
    "new_connection": "float",
}


class LoadTable(ResultsFile):
    """Reads and writes load runs and their calls."""

    def begin_load_run(self, run: LoadRun) -> None:
        """Store a load run as incomplete, before its first call; one that was begun already stays as it is.

        Args:
            run: Id, trial, loop and settings; its `complete` is taken as False.

        Raises:
            RecordsError: The trial was never saved.
        """
        row = _values(run)

        def job(connection: sqlite3.Connection) -> None:
            key = self._leased_key(connection, run.trial_id)
            connection.execute(
                "INSERT INTO load_runs (trial_key, load_run_id, loop, settings, started_at, complete, valid, reasons,"
                " summary, anchor_wall, anchor_ns) VALUES (?, ?, ?, ?, ?, 0, NULL, ?, ?, ?, ?)"
                " ON CONFLICT (load_run_id) DO NOTHING",
                (key, run.load_run_id, *row),
            )

        self._write(job)

    def add_load_calls(self, load_run_id: str, calls: Sequence[LoadCall]) -> int:
        """Store calls of a load run and wait until they are durable; a (phase, number) there already is not doubled.

        Args:
            load_run_id: The run, begun before.
            calls: Its calls.

        Returns:
            How many were new.

        Raises:
            RecordsError: The run was never begun.
            WorkspaceError: The file cannot be written.
        """
        return self._write(self._load_insertion(load_run_id, calls))

    def submit_load_calls(self, load_run_id: str, calls: Sequence[LoadCall]) -> Future[int]:
        """Queue calls; cheap for the caller, as rows are made in the writer's thread.

        Batches of 100 to 1,000 calls are best. The future gives how many were new, or raises as `add_load_calls`.
        """
        return self._submit(self._load_insertion(load_run_id, calls))

    def _load_insertion(self, load_run_id: str, calls: Sequence[LoadCall]) -> Job[int]:
        rows = tuple(calls)

        def job(connection: sqlite3.Connection) -> int:
            key = self._keys.load_run(connection, load_run_id)
            trial = connection.execute(
                "SELECT trial_id FROM load_runs JOIN trials USING (trial_key) WHERE run_key = ?", (key,)
            ).fetchone()
            self._leased_key(connection, trial[0])
            samples = self._keys.samples(connection, (row.sample_id for row in rows))
            values = [
                (
                    key,
                    PHASE_CODES[row.phase],
                    row.number,
                    row.worker,
                    samples[row.sample_id],
                    OUTCOME_CODES[row.outcome],
                    row.correct,
                    row.status,
                    *clock_values(row.timing),
                )
                for row in rows
            ]
            before = connection.total_changes
            insert_rows(connection, "load_calls", _WIDTH, _KEY, values)
            return connection.total_changes - before

        return job

    def finish_load_run(self, run: LoadRun) -> None:
        """Store a load run's end, after all calls that were submitted before; everything but its trial is replaced.

        Args:
            run: With `complete`, `valid`, `reasons` and `summary`. One that was cut short keeps `complete=False`.

        Raises:
            RecordsError: The run was never begun.
        """
        row = _values(run)

        def job(connection: sqlite3.Connection) -> None:
            self._leased_key(connection, run.trial_id)
            cursor = connection.execute(
                "UPDATE load_runs SET loop = ?, settings = ?, started_at = ?, reasons = ?, summary = ?,"
                " anchor_wall = ?, anchor_ns = ?, complete = ?, valid = ? WHERE load_run_id = ?",
                (*row, int(run.complete), None if run.valid is None else int(run.valid), run.load_run_id),
            )
            if cursor.rowcount == 0:
                raise RecordsError(
                    f"Load run {run.load_run_id} is not in the results file {self.path}.",
                    remedy="Begin the run first.",
                )

        self._write(job)

    def load_runs(self, trial_id: str | None = None, complete_only: bool = False) -> list[LoadRun]:
        """Return load runs in the order begun.

        Args:
            trial_id: Only this trial's.
            complete_only: Leave out those whose end was never stored, which must not be mixed with complete ones.
        """
        conditions: list[str] = []
        values: list[SqlValue] = []
        if trial_id is not None:
            conditions.append("trial_id = ?")
            values.append(trial_id)
        if complete_only:
            conditions.append("complete = 1")
        where = f" WHERE {' AND '.join(conditions)}" if conditions else ""
        rows = self._read(
            "SELECT load_run_id, trial_id, loop, settings, started_at, complete, valid, reasons, summary, anchor_wall,"
            f" anchor_ns FROM load_runs JOIN trials USING (trial_key){where} ORDER BY run_key",
            values,
        )
        return [
            LoadRun(
                load_run_id=row[0],
                trial_id=row[1],
                loop=row[2],
                settings=from_json(row[3]),
                started_at=row[4],
                complete=bool(row[5]),
                valid=None if row[6] is None else bool(row[6]),
                reasons=tuple(from_json(row[7])),
                summary=from_json(row[8]),
                anchor_wall=row[9],
                anchor_ns=row[10],
            )
            for row in rows
        ]

    def load_calls(self, load_run_id: str) -> list[LoadCall]:
        """Return a run's calls in the order sent, warm-up included."""
        rows = self._read(
            f"SELECT number, worker, sample_id, outcome, correct, phase, c.status, {CLOCK_COLUMNS}"
            " FROM load_calls c JOIN load_runs USING (run_key) JOIN samples USING (sample_key)"
            " WHERE load_run_id = ? ORDER BY sent_ns, phase, number",
            (load_run_id,),
        )
        return [
            LoadCall(
                number=row[0],
                worker=row[1],
                sample_id=row[2],
                outcome=OUTCOMES[row[3]],
                correct=None if row[4] is None else bool(row[4]),
                phase=PHASES[row[5]],
                status=row[6],
                timing=timing_from(row[7:]),
            )
            for row in rows
        ]

    def load_run_extent(self, load_run_id: str) -> tuple[int, int, int]:
        """Return a run's measured calls, the successful ones among them, and the nanoseconds they took together.

        The time goes from the first call sent to the last one received; 0 without calls.
        """
        rows = self._read(
            f"SELECT count(*), coalesce(sum(outcome = {OUTCOME_CODES[Outcome.OK]}), 0),"
            " coalesce(max(sent_ns + service_ns) - min(sent_ns), 0)"
            " FROM load_calls JOIN load_runs USING (run_key)"
            f" WHERE load_run_id = ? AND phase = {PHASE_CODES[CallPhase.MEASURED]}",
            (load_run_id,),
        )
        calls, ok, nanoseconds = rows[0]
        return int(calls), int(ok), int(nanoseconds)

    def load_call_columns(self, load_run_id: str) -> dict[str, np.ndarray[Any, Any]]:
        """Return a run's calls as one numpy array a column, in the order sent, warm-up included.

        Returns:
            Arrays of one length. sample_id, outcome and phase hold text objects; number, worker, scheduled_ns, sent_ns,
            received_ns, service_ns and response_ns are int64 (nanoseconds); where nothing was scheduled, scheduled_ns
            equals sent_ns. The others are float64, NaN if unknown; correct and new_connection are 0 or 1.
        """
        columns = ", ".join(VIEW_EXPRESSIONS.get(name, name) for name in _COLUMNS)
        rows = self._read(
            f"SELECT {columns} FROM readable_load_calls WHERE load_run_id = ? ORDER BY sent_ns, phase, number",
            (load_run_id,),
        )
        return arrays(", ".join(_COLUMNS), rows, _COLUMNS)


def _values(run: LoadRun) -> tuple[SqlValue, ...]:
    return (
        run.loop,
        to_json(run.settings),
        run.started_at or now(),
        to_json(list(run.reasons)),
        to_json(run.summary),
        run.anchor_wall,
        run.anchor_ns,
    )
