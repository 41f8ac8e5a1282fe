"""SQL scripts of several statements, run one by one within a transaction."""

from __future__ import annotations

import sqlite3


def statements(script: str) -> list[str]:
    """Split a script into statements, which `executescript` cannot run without committing the transaction around it."""
    found: list[str] = []
    current = ""
    for line in script.splitlines(keepends=True):
        current += line
        if sqlite3.complete_statement(current):
            found.append(current.strip())
            current = ""
    if current.strip():
        found.append(current.strip())
    return found
