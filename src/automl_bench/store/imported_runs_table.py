"""Load runs that were made elsewhere: their throughput alone is known."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Sequence
from dataclasses import astuple, replace

from automl_bench.store.records import ImportedRun
from automl_bench.store.results_file import ResultsFile, to_json

_COLUMNS = "source, provider, variant, dataset, shots, fold, seconds, calls, ok, concurrency, loop, valid"


class ImportedRunsTable(ResultsFile):
    """Reads and writes imported load runs."""

    def add_imported_runs(self, runs: Sequence[ImportedRun]) -> int:
        """Store load runs; one that is there already, from whatever file, is not doubled.

        Returns:
            How many were new.
        """
        rows = [(hashlib.sha256(to_json(astuple(run)[1:]).encode()).hexdigest(), *astuple(run)) for run in runs]
        marks = ", ".join("?" * (1 + len(_COLUMNS.split(","))))

        def job(connection: sqlite3.Connection) -> int:
            before = connection.total_changes
            connection.executemany(
                f"INSERT INTO imported_runs (content_hash, {_COLUMNS}) VALUES ({marks})"
                " ON CONFLICT (content_hash) DO NOTHING",
                rows,
            )
            return connection.total_changes - before

        return self._write(job)

    def remove_imported_runs(self, source: str) -> int:
        """Delete the load runs that came from a file; return how many."""
        return self._write(
            lambda connection: connection.execute("DELETE FROM imported_runs WHERE source = ?", (source,)).rowcount
        )

    def imported_runs(self) -> list[ImportedRun]:
        """Return all imported load runs in the order they came in."""
        rows = self._read(f"SELECT {_COLUMNS} FROM imported_runs ORDER BY run_key")
        names = _COLUMNS.split(", ")
        runs = [ImportedRun(**dict(zip(names, row, strict=True))) for row in rows]
        return [replace(run, valid=None if run.valid is None else bool(run.valid)) for run in runs]
