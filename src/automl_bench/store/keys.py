"""Small integers instead of long ids in the tables that hold millions of rows."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from pathlib import Path

from automl_bench.errors import RecordsError

CACHE_LIMIT = 200_000
"""Ids remembered in memory, about 30 MB; then the memory is emptied."""


class RowKeys:
    """The integer keys of trials, samples and load runs. Only the writer thread uses it.

    Args:
        path: The results file, for messages.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._trials: dict[str, int] = {}
        self._runs: dict[str, int] = {}
        self._samples: dict[str, int] = {}

    def clear(self) -> None:
        """Forget all keys, as a rollback may have taken their rows away."""
        self._trials.clear()
        self._runs.clear()
        self._samples.clear()

    def trial(self, connection: sqlite3.Connection, trial_id: str) -> int:
        """Return the key of a trial.

        Raises:
            RecordsError: The trial was never saved.
        """
        key = self._trials.get(trial_id)
        if key is None:
            row = connection.execute("SELECT trial_key FROM trials WHERE trial_id = ?", (trial_id,)).fetchone()
            if row is None:
                raise RecordsError(
                    f"Trial {trial_id} is not in the results file {self._path}.", remedy="Save the trial first."
                )
            key = self._trials[trial_id] = int(row[0])
        return key

    def load_run(self, connection: sqlite3.Connection, load_run_id: str) -> int:
        """Return the key of a load run.

        Raises:
            RecordsError: The load run was never begun.
        """
        key = self._runs.get(load_run_id)
        if key is None:
            row = connection.execute("SELECT run_key FROM load_runs WHERE load_run_id = ?", (load_run_id,)).fetchone()
            if row is None:
                raise RecordsError(
                    f"Load run {load_run_id} is not in the results file {self._path}.", remedy="Begin the run first."
                )
            key = self._runs[load_run_id] = int(row[0])
        return key

    def samples(self, connection: sqlite3.Connection, sample_ids: Iterable[str]) -> dict[str, int]:
        """Return a mapping that has the key of each of these samples; new ones get the next number.

        Args:
            connection: In a write transaction.
            sample_ids: Sample ids, repeats allowed.
        """
        if len(self._samples) > CACHE_LIMIT:
            self._samples.clear()
        known = self._samples
        for sample_id in dict.fromkeys(sample_ids):  # in the order given, whatever the hash seed
            if sample_id in known:
                continue
            cursor = connection.execute(
                "INSERT INTO samples (sample_id) VALUES (?) ON CONFLICT (sample_id) DO NOTHING", (sample_id,)
            )
            if cursor.rowcount == 1:
                known[sample_id] = int(cursor.lastrowid or 0)
            else:
                row = connection.execute("SELECT sample_key FROM samples WHERE sample_id = ?", (sample_id,)).fetchone()
                known[sample_id] = int(row[0])
        return known
