"""What a database file says of itself."""

from __future__ import annotations

import sqlite3


def standing(connection: sqlite3.Connection) -> tuple[int, int, int]:
    """Return version, application and number of tables as they were at one moment: another process may make them."""
    alone = not connection.in_transaction
    if alone:
        connection.execute("BEGIN")
    try:
        version = int(connection.execute("PRAGMA user_version").fetchone()[0])
        application = int(connection.execute("PRAGMA application_id").fetchone()[0])
        tables = int(connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0])
    finally:
        if alone:
            connection.execute("ROLLBACK")
    return version, application, tables
