"""Measured classifications of the accuracy pass."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Sequence
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any

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
from automl_bench.store.records import CallPhase, Invocation, Outcome
from automl_bench.store.results_file import ResultsFile, SqlValue
from automl_bench.store.usage_rows import USAGE_COLUMNS, USAGE_WIDTH, usage_from, usage_values
from automl_bench.store.writer import Job

if TYPE_CHECKING:
    import numpy as np

_WIDTH = 25
_KEY = "trial_key, phase, sample_key, attempt"
_COLUMNS = {
    "trial_id": "text",
    "sample_id": "text",
    "label": "text",
    "predicted": "text",
    "confidence": "float",
    "outcome": "text",
    "phase": "text",
    "attempt": "int",
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
    "error": "text",
    "at": "text",
    "unseen_ns": "float",
    "unseen_least_ns": "float",
    "true_rank": "float",
    "usd": "float",
}
_FINAL = (Outcome.OK, Outcome.REFUSED, Outcome.TIMEOUT, Outcome.FAILED)


class InvocationsTable(ResultsFile):
    """Reads and writes invocations."""

    def add_invocations(self, invocations: Sequence[Invocation]) -> int:
        """Store invocations and wait until they are durable; one that is there already is not doubled or changed.

        Args:
            invocations: The calls; of any trials that were saved.

        Returns:
            How many were new.

        Raises:
            RecordsError: A trial was never saved; then none of these rows is stored.
            WorkspaceError: The file cannot be written.
        """
        return self._write(self._invocation_insertion(invocations))

    def submit_invocations(self, invocations: Sequence[Invocation]) -> Future[int]:
        """Queue invocations; once durable the future gives how many were new, or raises as `add_invocations`."""
        return self._submit(self._invocation_insertion(invocations))

    def _invocation_insertion(self, invocations: Sequence[Invocation]) -> Job[int]:
        rows = tuple(invocations)  # the caller may go on using its list

        def job(connection: sqlite3.Connection) -> int:
            samples = self._keys.samples(connection, (row.sample_id for row in rows))
            keys = {trial_id: self._leased_key(connection, trial_id) for trial_id in {row.trial_id for row in rows}}
            values = [
                (
                    keys[row.trial_id],
                    PHASE_CODES[row.phase],
                    samples[row.sample_id],
                    row.attempt,
                    row.label,
                    row.predicted,
                    row.confidence,
                    OUTCOME_CODES[row.outcome],
                    *clock_values(row.timing),
                    row.status,
                    row.error,
                    row.at,
                    row.unseen_ns,
                    row.unseen_least_ns,
                    row.true_rank,
                    row.usd,
                )
                for row in rows
            ]
            before = connection.total_changes
            insert_rows(connection, "invocations", _WIDTH, _KEY, values)
            new = connection.total_changes - before
            used = [
                (keys[row.trial_id], PHASE_CODES[row.phase], samples[row.sample_id], row.attempt, *usage_values(usage))
                for row in rows
                if (usage := row.usage) is not None
            ]
            insert_rows(connection, "usages", USAGE_WIDTH, _KEY, used)
            return new

        return job

    def invocations(self, trial_id: str, phase: CallPhase | None = None) -> list[Invocation]:
        """Return a trial's invocations in the order sent.

        Args:
            trial_id: The trial.
            phase: Only calls of this phase.
        """
        values: tuple[SqlValue, ...] = (trial_id,) if phase is None else (trial_id, PHASE_CODES[phase])
        rows = self._read(
            "SELECT sample_id, label, predicted, confidence, outcome, phase, attempt, i.status, error, at,"
            f" unseen_ns, unseen_least_ns, true_rank, usd, {CLOCK_COLUMNS}, {USAGE_COLUMNS}"
            " FROM invocations i JOIN trials USING (trial_key) JOIN samples USING (sample_key)"
            " LEFT JOIN usages u USING (trial_key, phase, sample_key, attempt)"
            f" WHERE trial_id = ?{'' if phase is None else ' AND phase = ?'} ORDER BY at, sent_ns, sample_key, attempt",
            values,
        )
        return [
            Invocation(
                trial_id=trial_id,
                sample_id=row[0],
                label=row[1],
                predicted=row[2],
                confidence=row[3],
                outcome=OUTCOMES[row[4]],
                phase=PHASES[row[5]],
                attempt=row[6],
                status=row[7],
                error=row[8],
                at=row[9],
                unseen_ns=row[10],
                unseen_least_ns=row[11],
                true_rank=row[12],
                usd=row[13],
                timing=timing_from(row[14:24]),
                usage=usage_from(row[24:]),
            )
            for row in rows
        ]

    def invoked_sample_ids(self, trial_id: str) -> frozenset[str]:
        """Return the samples whose measured call has ended for good; a throttled one alone is to be asked again."""
        codes = ", ".join(str(OUTCOME_CODES[outcome]) for outcome in _FINAL)
        rows = self._read(
            "SELECT DISTINCT sample_id FROM invocations JOIN trials USING (trial_key) JOIN samples USING (sample_key)"
            f" WHERE trial_id = ? AND phase = {PHASE_CODES[CallPhase.MEASURED]} AND outcome IN ({codes})",
            (trial_id,),
        )
        return frozenset(row[0] for row in rows)

    def answered(self, trial_id: str) -> int:
        """Return how many samples `invoked_sample_ids` has, by counting alone."""
        codes = ", ".join(str(OUTCOME_CODES[outcome]) for outcome in _FINAL)
        rows = self._read(
            "SELECT count(DISTINCT sample_key) FROM invocations JOIN trials USING (trial_key)"
            f" WHERE trial_id = ? AND phase = {PHASE_CODES[CallPhase.MEASURED]} AND outcome IN ({codes})",
            (trial_id,),
        )
        return int(rows[0][0])

    def true_labels(self, fingerprint: str) -> frozenset[str]:
        """Return the true labels of all test samples of a dataset's content that any trial has asked for."""
        rows = self._read(
            "SELECT DISTINCT label FROM invocations JOIN trials USING (trial_key) WHERE fingerprint = ?", (fingerprint,)
        )
        return frozenset(row[0] for row in rows)

    def invocation_columns(
        self,
        trial_ids: Sequence[str],
        phase: CallPhase | None = CallPhase.MEASURED,
        *,
        only: Collection[str] | None = None,
    ) -> dict[str, np.ndarray[Any, Any]]:
        """Return the invocations of several trials as one numpy array a column, in the order of the trials and sent.

        Args:
            trial_ids: The trials.
            phase: Only these calls; None for all.
            only: Only these columns, by default all; a few are read several times as fast.

        Returns:
            Arrays of one length. Text columns (trial_id, sample_id, label, predicted, outcome, phase, error, at) hold
            objects, None where there is no value. attempt, scheduled_ns, sent_ns, received_ns, service_ns and
            response_ns are int64 nanoseconds; where nothing was scheduled, scheduled_ns equals sent_ns. The other
            numbers (confidence, status, phases of the request, new_connection as 0/1, unseen_ns, true_rank, usd) are
            float64, NaN if unknown.
        """
        chosen = {name: kind for name, kind in _COLUMNS.items() if only is None or name in only}
        columns = ", ".join(VIEW_EXPRESSIONS.get(name, name) for name in chosen)
        where = "" if phase is None else " AND phase = ?"
        rows: list[Any] = []
        for trial_id in trial_ids:
            values: tuple[SqlValue, ...] = (trial_id,) if phase is None else (trial_id, phase.value)
            rows += self._read(
                f"SELECT {columns} FROM readable_invocations WHERE trial_id = ?{where} ORDER BY at, sent_ns, attempt",
                values,
            )
        return arrays(", ".join(chosen), rows, chosen)
