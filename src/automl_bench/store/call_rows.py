"""How one timed call becomes a compact row and a row becomes a call again.

Outcomes and phases are small integers (tables `outcomes`, `phases`); the clock is stored as the moment sent and the
durations around it, which take 4 bytes where absolute nanoseconds take 8.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from functools import lru_cache
from itertools import chain
from typing import TYPE_CHECKING, Any

from automl_bench.store.records import CallPhase, CallTiming, Outcome
from automl_bench.store.results_file import SqlValue

if TYPE_CHECKING:
    import numpy as np

OUTCOME_CODES: dict[str, int] = {
    Outcome.OK: 0,
    Outcome.THROTTLED: 1,
    Outcome.TIMEOUT: 2,
    Outcome.REFUSED: 3,
    Outcome.FAILED: 4,
}
PHASE_CODES: dict[str, int] = {CallPhase.COLD: 0, CallPhase.WARM_UP: 1, CallPhase.MEASURED: 2, CallPhase.TRAINING: 3}
OUTCOMES = {code: Outcome(name) for name, code in OUTCOME_CODES.items()}
PHASES = {code: CallPhase(name) for name, code in PHASE_CODES.items()}

CLOCK_COLUMNS = (
    "sent_ns, service_ns, late_ns, lookup_ns, connect_ns, tls_ns, send_ns, wait_ns, receive_ns, new_connection"
)

VIEW_EXPRESSIONS = {"scheduled_ns": "coalesce(scheduled_ns, sent_ns)", "status": "http_status"}
"""How a column of a record is read from the views, where its name alone would not do."""

ROWS_PER_STATEMENT = 128
"""Python's sqlite3 takes the interpreter lock anew for each statement stepped. With many rows in one INSERT it changes
hands less often between the writer and a load generator, and storing is twice as fast; 16 or 1,000 differ little."""


def clock_values(timing: CallTiming) -> tuple[SqlValue, ...]:
    """Return the ten values of `CLOCK_COLUMNS`."""
    sent, received, scheduled, *rest = timing
    return (sent, received - sent, None if scheduled is None else sent - scheduled, *rest)


def timing_from(values: Sequence[Any]) -> CallTiming:
    """Return the clock of the ten values of `CLOCK_COLUMNS`."""
    sent, service, late, lookup, connect, tls, send, wait, receive, new_connection = values
    return CallTiming(
        sent_ns=sent,
        received_ns=sent + service,
        scheduled_ns=None if late is None else sent - late,
        lookup_ns=lookup,
        connect_ns=connect,
        tls_ns=tls,
        send_ns=send,
        wait_ns=wait,
        receive_ns=receive,
        new_connection=None if new_connection is None else bool(new_connection),
    )


def insert_rows(
    connection: sqlite3.Connection, table: str, width: int, key: str, rows: Sequence[Sequence[SqlValue]]
) -> None:
    """Insert rows, leaving out those whose key is there already; any other conflict is an error.

    Args:
        connection: In a write transaction.
        table: Name of the table.
        width: Number of its columns.
        key: Its unique columns, comma-separated.
        rows: One sequence of `width` values a row.
    """
    full = len(rows) - len(rows) % ROWS_PER_STATEMENT
    if full:
        many = _insertion(table, width, key, ROWS_PER_STATEMENT)
        for start in range(0, full, ROWS_PER_STATEMENT):
            block = rows[start : start + ROWS_PER_STATEMENT]
            connection.execute(many, tuple(chain.from_iterable(block)))
    if full < len(rows):
        connection.executemany(_insertion(table, width, key, 1), rows[full:])


@lru_cache
def _insertion(table: str, width: int, key: str, rows: int) -> str:
    one = f"({','.join('?' * width)})"
    return f"INSERT INTO {table} VALUES {','.join([one] * rows)} ON CONFLICT ({key}) DO NOTHING"


def arrays(names: str, rows: Iterable[Sequence[Any]], kinds: dict[str, str]) -> dict[str, np.ndarray[Any, Any]]:
    """Turn rows into one numpy array a column.

    Args:
        names: Column names, comma-separated, in the order of the rows' values.
        rows: The rows.
        kinds: For each column "int" (int64), "float" (float64, None becomes NaN) or "text" (object, None stays).

    Returns:
        Arrays of shape (number of rows,), by column name.
    """
    import numpy as np

    columns = list(zip(*rows, strict=True)) or [()] * len(kinds)
    types = {"int": np.int64, "float": np.float64, "text": np.object_}
    return {
        name: np.array(column, dtype=types[kinds[name]])
        for name, column in zip(names.split(", "), columns, strict=True)
    }
