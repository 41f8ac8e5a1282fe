"""Where numbers come from: the machine they were measured on, and results that were measured elsewhere."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Mapping, Sequence
from typing import Any

from automl_bench.contract import Json
from automl_bench.errors import RecordsError, UsageError
from automl_bench.store.records import ImportedResult
from automl_bench.store.results_file import ResultsFile, from_json, now, to_json

_COLUMNS = "source, provider, variant, dataset, classes, shots, fold, accuracy, test_samples, train_seconds"

_POINT = "provider = ? AND variant = ? AND dataset = ? AND shots IS ? AND fold = ?"
"""What a result is of: two results of one point would be averaged as if they were two draws."""


class ProvenanceTable(ResultsFile):
    """Reads and writes environments and imported results."""

    def record_environment(self, environment: Mapping[str, Json]) -> int:
        """Store a description of the machine and its software; the same content is stored once.

        Args:
            environment: JSON, without secrets and without anything that changes from run to run.

        Returns:
            The environment's number.
        """
        # By way of plain JSON, so that tuples and lists, or another order of keys, are the same content.
        content = json.dumps(json.loads(to_json(environment)), sort_keys=True, ensure_ascii=False)
        digest = _hash(content)

        def job(connection: sqlite3.Connection) -> int:
            connection.execute(
                "INSERT INTO environments (content_hash, content, recorded_at) VALUES (?, ?, ?)"
                " ON CONFLICT (content_hash) DO NOTHING",
                (digest, content, now()),
            )
            sql = "SELECT environment_id FROM environments WHERE content_hash = ?"
            return int(connection.execute(sql, (digest,)).fetchone()[0])

        return self._write(job)

    def environment(self, environment_id: int) -> dict[str, Any] | None:
        """Return an environment's content, or None if there is none of that number."""
        rows = self._read("SELECT content FROM environments WHERE environment_id = ?", (environment_id,))
        return dict(from_json(rows[0][0])) if rows else None

    def environment_key(self, environment_id: int) -> str:
        """Return the name of an environment that is the same in every results file: a hash of its content.

        Raises:
            RecordsError: If there is none of that number.
        """
        rows = self._read("SELECT content_hash FROM environments WHERE environment_id = ?", (environment_id,))
        if not rows:
            raise RecordsError(f"There is no environment {environment_id}.", remedy="Record it first.")
        return str(rows[0][0])

    def environment_of_key(self, key: str) -> dict[str, Any] | None:
        """Return the content of the environment of that key, or None if it is not here."""
        rows = self._read("SELECT content FROM environments WHERE content_hash = ?", (key,))
        return dict(from_json(rows[0][0])) if rows else None

    def add_imported(self, results: Sequence[ImportedResult], *, replace: bool = False) -> int:
        """Store results measured elsewhere; a row that is there already, from whatever file, is not doubled.

        Args:
            results: Rows of one file.
            replace: Whether a row takes the place of another one of the same provider, variant, dataset, shots, fold.

        Returns:
            How many were new.

        Raises:
            UsageError: Another result of the same point is there and is not to be replaced; then nothing is stored.
            RecordsError: A row cannot be stored; then none is.
        """
        rows: list[tuple[Any, ...]] = []
        for result in results:
            content = (
                result.provider,
                result.variant,
                result.dataset,
                result.classes,
                result.shots,
                result.fold,
                float(result.accuracy),
                result.test_samples,
                None if result.train_seconds is None else float(result.train_seconds),
            )
            rows.append((_hash(to_json(content)), result.source, *content))

        def job(connection: sqlite3.Connection) -> int:
            for row, result in zip(rows, results, strict=True):
                point = (result.provider, result.variant, result.dataset, result.shots, result.fold)
                others = f"FROM imported WHERE {_POINT} AND content_hash <> ?"
                if replace:
                    connection.execute(f"DELETE {others}", (*point, row[0]))
                elif found := connection.execute(f"SELECT source, accuracy {others}", (*point, row[0])).fetchone():
                    raise _other_result(result, *found)
            before = connection.total_changes
            connection.executemany(
                f"INSERT INTO imported (content_hash, {_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
                " ON CONFLICT (content_hash) DO NOTHING",
                rows,
            )
            return connection.total_changes - before

        return self._write(job)

    def remove_imported(self, source: str) -> int:
        """Delete the results that came from a file, for example before its corrected copy is imported.

        Returns:
            How many were deleted.
        """
        return self._write(
            lambda connection: connection.execute("DELETE FROM imported WHERE source = ?", (source,)).rowcount
        )

    def remove_imported_trials(self, source: str, trial_id: str | None = None) -> int:
        """Delete the trials whose answers came from a file of predictions; measured ones are never touched.

        Args:
            source: Name of the file.
            trial_id: Only this one.

        Returns:
            How many were deleted.
        """
        where = "json_extract(variant_settings, '$.predictions_from') = ?"
        values: tuple[str, ...] = (source,)
        if trial_id is not None:
            where, values = f"{where} AND trial_id = ?", (source, trial_id)
        return self._write(lambda connection: connection.execute(f"DELETE FROM trials WHERE {where}", values).rowcount)

    def imported(self) -> list[ImportedResult]:
        """Return all imported results in the order they came in."""
        rows = self._read(f"SELECT {_COLUMNS} FROM imported ORDER BY import_key")
        names = _COLUMNS.split(", ")
        return [ImportedResult(**dict(zip(names, row, strict=True))) for row in rows]


def _other_result(result: ImportedResult, source: str, accuracy: float) -> UsageError:
    shots = "all" if result.shots is None else result.shots
    return UsageError(
        f"{result.provider}:{result.variant} on {result.dataset} at {shots} shots, fold {result.fold} is there from"
        f" {source} with accuracy {accuracy:g}, and {result.source} has {result.accuracy:g}.",
        remedy="Import it again with --replace if it is a correction, or give another draw its own fold.",
    )


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
