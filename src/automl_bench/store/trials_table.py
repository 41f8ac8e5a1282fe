"""Trials, and the experiments they belong to."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection
from concurrent.futures import Future
from typing import Any

from automl_bench.border.texts import clean
from automl_bench.store.records import ExperimentRecord, TrialRecord, TrialStatus
from automl_bench.store.results_file import ResultsFile, SqlValue, from_json, now, to_json

_COLUMNS = (
    "t.trial_id, t.provider, t.variant, t.dataset, t.fingerprint, t.shots, t.fold, t.repeat, t.seed,"
    " t.variant_settings, t.images, t.test_limit, t.status, t.reason, t.created_at"
)
ANY = object()
"""For `trials(shots=…)`, where None means "all samples"."""


class TrialsTable(ResultsFile):
    """Reads and writes trials and experiments."""

    def save_trial(self, trial: TrialRecord) -> None:
        """Insert a trial; one that is there already stays as it is, its status too.

        Args:
            trial: The trial; an empty `created_at` becomes the present moment.

        Raises:
            RecordsError: The row cannot be stored.
            WorkspaceError: The file cannot be written.
        """
        row = (
            trial.trial_id,
            trial.provider,
            trial.variant,
            trial.dataset,
            trial.fingerprint,
            trial.shots,
            trial.fold,
            trial.repeat,
            trial.seed,
            to_json(trial.variant_settings),
            to_json(trial.images),
            trial.test_limit,
            trial.status.value,
            clean(trial.reason),
            trial.created_at or now(),
        )
        marks = ",".join("?" * len(row))
        names = _COLUMNS.replace("t.", "")
        sql = f"INSERT INTO trials ({names}) VALUES ({marks}) ON CONFLICT (trial_id) DO NOTHING"
        self._write(lambda connection: connection.execute(sql, row).rowcount)

    def trial(self, trial_id: str) -> TrialRecord | None:
        """Return a trial, or None if it was never saved."""
        rows = self._read(f"SELECT {_COLUMNS} FROM trials t WHERE t.trial_id = ?", (trial_id,))
        return _trial(rows[0]) if rows else None

    def trials(
        self,
        provider: str | None = None,
        dataset: str | None = None,
        variant: str | None = None,
        shots: int | object | None = ANY,
        experiment: str | None = None,
        status: TrialStatus | None = None,
    ) -> list[TrialRecord]:
        """Return the trials that match everything given, in the order saved, or in the experiment's own order.

        Args:
            provider: Provider's name.
            dataset: Dataset's name.
            variant: Variant's name.
            shots: Samples per class; None asks for the trials with all samples; left out, for any.
            experiment: Name of an experiment.
            status: Where the trial stands.
        """
        conditions: list[str] = []
        values: list[Any] = []
        for column, wanted in (("provider", provider), ("dataset", dataset), ("variant", variant), ("status", status)):
            if wanted is not None:
                conditions.append(f"t.{column} = ?")
                values.append(str(wanted))
        if shots is not ANY:
            conditions.append("t.shots IS ?")
            values.append(shots)
        source, order = "trials t", "t.trial_key"
        if experiment is not None:
            source += " JOIN experiment_trials x USING (trial_id) JOIN experiments e USING (experiment_key)"
            conditions.append("e.name = ?")
            values.append(experiment)
            order = "x.position"
        where = f" WHERE {' AND '.join(conditions)}" if conditions else ""
        return [_trial(row) for row in self._read(f"SELECT {_COLUMNS} FROM {source}{where} ORDER BY {order}", values)]

    def set_trial_status(self, trial_id: str, status: TrialStatus, reason: str = "") -> None:
        """Say where a trial stands.

        Args:
            trial_id: The trial.
            status: Where it stands now.
            reason: One sentence where it failed or is infeasible.

        Raises:
            LeaseLost: Another process works on it.
            RecordsError: The trial was never saved.
        """
        self.submit_trial_status(trial_id, status, reason).result()

    def submit_trial_status(self, trial_id: str, status: TrialStatus, reason: str = "") -> Future[None]:
        """Queue where a trial stands; the future raises as `set_trial_status`."""

        def job(connection: sqlite3.Connection) -> None:
            key = self._leased_key(connection, trial_id)
            connection.execute(
                "UPDATE trials SET status = ?, reason = ? WHERE trial_key = ?", (status.value, clean(reason), key)
            )

        return self._submit(job)

    # --- experiments -------------------------------------------------------------------------------------

    def save_experiment(self, experiment: ExperimentRecord) -> None:
        """Insert an experiment, or replace its settings, environment and list of trials; `created_at` stays.

        Args:
            experiment: Its settings hold secrets as references only.
        """
        row = (
            experiment.name,
            to_json(experiment.settings),
            experiment.environment_id,
            experiment.created_at or now(),
        )

        def job(connection: sqlite3.Connection) -> None:
            connection.execute(
                "INSERT INTO experiments (name, settings, environment_id, created_at) VALUES (?, ?, ?, ?)"
                " ON CONFLICT (name) DO UPDATE SET settings = excluded.settings,"
                " environment_id = excluded.environment_id",
                row,
            )
            key = connection.execute(
                "SELECT experiment_key FROM experiments WHERE name = ?", (experiment.name,)
            ).fetchone()[0]
            connection.execute("DELETE FROM experiment_trials WHERE experiment_key = ?", (key,))
            connection.executemany(
                "INSERT INTO experiment_trials VALUES (?, ?, ?)",
                [(key, position, trial_id) for position, trial_id in enumerate(experiment.trial_ids)],
            )

        self._write(job)

    def set_aside_experiment(self, name: str, trial_ids: Collection[str]) -> str | None:
        """Rename an experiment of which none of these trials is part: another one is to take its name.

        Returns:
            Its new name, `NAME@CREATED`, or None if there is none of that name or it shares a trial.
        """
        known = self.experiment(name)
        if known is None or not known.trial_ids or set(known.trial_ids) & set(trial_ids):
            return None
        aside = f"{name}@{known.created_at[:19].replace(':', '')}"
        self._write(
            lambda connection: connection.execute("UPDATE experiments SET name = ? WHERE name = ?", (aside, name))
        )
        return aside

    def experiment(self, name: str) -> ExperimentRecord | None:
        """Return an experiment, or None if it was never saved."""
        found = self._experiments(" WHERE name = ?", (name,))
        return found[0] if found else None

    def experiments(self) -> list[ExperimentRecord]:
        """Return all experiments, oldest first."""
        return self._experiments("", ())

    def _experiments(self, where: str, values: tuple[SqlValue, ...]) -> list[ExperimentRecord]:
        rows = self._read(
            "SELECT name, settings, environment_id, created_at, (SELECT json_group_array(trial_id) FROM"
            " (SELECT trial_id FROM experiment_trials x WHERE x.experiment_key = e.experiment_key ORDER BY position))"
            f" FROM experiments e{where} ORDER BY experiment_key",
            values,
        )
        return [
            ExperimentRecord(
                name=name,
                settings=from_json(settings),
                trial_ids=tuple(from_json(trial_ids)),
                environment_id=environment_id,
                created_at=created_at,
            )
            for name, settings, environment_id, created_at, trial_ids in rows
        ]


def _trial(row: tuple[Any, ...]) -> TrialRecord:
    return TrialRecord(
        trial_id=row[0],
        provider=row[1],
        variant=row[2],
        dataset=row[3],
        fingerprint=row[4],
        shots=row[5],
        fold=row[6],
        repeat=row[7],
        seed=row[8],
        variant_settings=from_json(row[9]),
        images=from_json(row[10]),
        test_limit=row[11],
        status=TrialStatus(row[12]),
        reason=row[13],
        created_at=row[14],
    )
