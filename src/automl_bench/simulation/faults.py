"""What the simulated cloud can be told to do wrong, at which request, and how often."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping

from automl_bench.errors import (
    BillingRequired,
    ConnectionLost,
    PermissionDenied,
    ProviderError,
    QuotaExceeded,
    RateLimited,
    ResourceMissing,
    ServiceUnavailable,
    Unauthenticated,
)
from automl_bench.simulation.loopback_service import Fault, Target

RETRY_SECONDS = 0.05

FAULTS_TABLE = """
CREATE TABLE IF NOT EXISTS faults (
    fault TEXT, target TEXT, times INTEGER, at TEXT, skip INTEGER, spreads INTEGER, retry_after REAL)
"""

_ERRORS: Mapping[Fault, type[ProviderError]] = {
    Fault.SERVER_ERROR: ServiceUnavailable,
    Fault.UNAVAILABLE: ServiceUnavailable,
    Fault.RESET: ConnectionLost,
    Fault.UNAUTHENTICATED: Unauthenticated,
    Fault.FORBIDDEN: PermissionDenied,
    Fault.NOT_FOUND: ResourceMissing,
    Fault.BILLING: BillingRequired,
    Fault.QUOTA: QuotaExceeded,
}
_WORDS: Mapping[Fault, str] = {
    Fault.THROTTLED: "the simulated cloud is told to throttle.",
    Fault.SERVER_ERROR: "the simulated cloud is told to fail.",
    Fault.UNAVAILABLE: "the simulated cloud is told to be unavailable.",
    Fault.RESET: "the connection to the simulated cloud was reset.",
    Fault.UNAUTHENTICATED: "the simulated cloud is told to refuse the credentials.",
    Fault.FORBIDDEN: "the simulated cloud is told to forbid it.",
    Fault.NOT_FOUND: "the simulated cloud is told not to find it.",
    Fault.BILLING: "the simulated cloud is told to want a paid plan.",
    Fault.QUOTA: "the simulated cloud is told that the allowance is used up.",
}
SINGLE_FAULTS = frozenset(_WORDS)
"""Faults of one request that it can make."""


def tell(
    connection: sqlite3.Connection,
    fault: Fault,
    target: Target,
    times: int | None,
    *,
    at: str,
    skip: int,
    spreads: bool,
    retry_after: float,
) -> None:
    """Keep a fault to be made; see `SimulatedCloud.tell`."""
    connection.execute(
        "INSERT INTO faults VALUES (?, ?, ?, ?, ?, ?, ?)",
        (fault.value, target.value, times, at, skip, int(spreads), retry_after),
    )


def told(connection: sqlite3.Connection, fault: Fault, *, once: bool) -> bool:
    """Whether a lasting fault was told; `once` takes it back, as does the last of its times."""
    row = connection.execute("SELECT rowid, times FROM faults WHERE fault = ?", (fault.value,)).fetchone()
    if row is None:
        return False
    if once or row[1] == 1:
        connection.execute("DELETE FROM faults WHERE rowid = ?", (row[0],))
    elif row[1] is not None:
        connection.execute("UPDATE faults SET times = times - 1 WHERE rowid = ?", (row[0],))
    return True


def take_fault(connection: sqlite3.Connection, target: Target, at: str) -> ProviderError | None:
    """Return the error that the next fault told for such a request makes, and count it."""
    rows = connection.execute(
        "SELECT rowid, fault, times, skip, spreads, retry_after FROM faults"
        " WHERE (target = ? AND at IN ('', ?)) OR (spreads AND at = '')",
        (target.value, at),
    ).fetchall()
    for row, name, times, skip, spreads, retry_after in rows:
        fault = Fault(name)
        if fault not in SINGLE_FAULTS:
            continue
        if skip:
            connection.execute("UPDATE faults SET skip = skip - 1 WHERE rowid = ?", (row,))
            continue
        if times == 1:
            connection.execute("DELETE FROM faults WHERE rowid = ?", (row,))
        elif times is not None:
            connection.execute("UPDATE faults SET times = times - 1 WHERE rowid = ?", (row,))
        if spreads:
            connection.execute("UPDATE faults SET at = '' WHERE rowid = ?", (row,))
        if fault is Fault.THROTTLED:
            return RateLimited(_WORDS[fault], retry_after=retry_after)
        return _ERRORS[fault](_WORDS[fault])
    return None
