"""Joining results files: the finished trials of another machine's file, in one transaction or not at all."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections import defaultdict
from collections.abc import Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from automl_bench.errors import UsageError
from automl_bench.store.copied_file import copy_of
from automl_bench.store.store import Store

_OF_TRIAL = ("stages", "operations", "ledger", "invocations", "usages", "load_runs", "looks", "look_answers")
_OWN_KEYS = frozenset({"trial_key", "operation_key", "entry_id", "run_key", "import_key", "last_fence"})
_FINISHED = ("done", "failed", "infeasible", "interrupted")
_EMPTY = "NOT EXISTS (SELECT 1 FROM {table} x WHERE x.trial_key = t.trial_key)"


@dataclass(slots=True)
class Merged:
    """What came of a merge.

    Attributes:
        added: Trials taken over.
        same: Trials that were here already, row by row.
        beside: Trials that were here with other rows: theirs stand beside ours, marked with the name of their file.
        left: Trials left out, with the reason.
        imported: Imported results and load runs taken over.
        conflicts: Imported results left out because another one of the same point is here.
    """

    added: list[str] = field(default_factory=list)
    same: list[str] = field(default_factory=list)
    beside: list[str] = field(default_factory=list)
    left: dict[str, str] = field(default_factory=dict)
    imported: int = 0
    conflicts: int = 0


def merge(store: Store, other: Path, *, mark: str) -> Merged:
    """Take over the finished trials, experiments and imported results of another results file, which stays as it is.

    Args:
        store: Where to.
        other: The other file.
        mark: Setting that marks a trial which stands beside one of the same id, with the name of the file.

    Raises:
        UsageError: If it is the same file, or there is none.
        RecordsError: If it is damaged or too new; then nothing is written.
    """
    if other.is_file() and other.resolve() == store.path.resolve():
        raise UsageError(f"{other} is this workspace's own results file.", remedy="Give that of another machine.")
    with (
        copy_of(other) as copy,
        closing(sqlite3.connect(copy, check_same_thread=False)) as theirs,  # the writer's thread reads it
    ):
        theirs.row_factory = sqlite3.Row
        return store._write(lambda ours: _Merge(store, ours, theirs, other.name, mark).run())


class _Merge:
    """One merge, within the transaction of the file that is written."""

    def __init__(
        self, store: Store, ours: sqlite3.Connection, theirs: sqlite3.Connection, name: str, mark: str
    ) -> None:
        self._store, self._ours, self._theirs, self._name, self._mark = store, ours, theirs, name, mark
        self._found = Merged()
        self._samples = dict(theirs.execute("SELECT sample_key, sample_id FROM samples").fetchall())

    def run(self) -> Merged:
        for trial in self._theirs.execute("SELECT * FROM trials ORDER BY trial_key").fetchall():
            self._trial(trial)
        self._environments()
        self._experiments()
        self._imported()
        return self._found

    def _trial(self, trial: sqlite3.Row) -> None:
        trial_id, key = trial["trial_id"], trial["trial_key"]
        why = self._left_out(trial)
        if why:
            self._found.left[trial_id] = why
            return
        here = self._ours.execute("SELECT trial_key FROM trials WHERE trial_id = ?", (trial_id,)).fetchone()
        values = _plain(trial)
        if here is None:
            self._copy(key, values)
            self._found.added.append(trial_id)
        elif self._rows(self._ours, here[0]) == self._rows(self._theirs, key):
            self._found.same.append(trial_id)
        elif self._untouched(here[0]):
            self._ours.execute("DELETE FROM trials WHERE trial_key = ?", (here[0],))
            self._copy(key, values)
            self._found.added.append(trial_id)
        else:
            self._beside(key, values)

    def _left_out(self, trial: sqlite3.Row) -> str:
        if trial["status"] not in _FINISHED:
            return f"it is {trial['status']} there"
        sql = "SELECT count(*) FROM ledger WHERE trial_key = ? AND state <> 'deleted'"
        if self._theirs.execute(sql, (trial["trial_key"],)).fetchone()[0]:
            return "it still owns resources there; tear them down first"
        return ""

    def _untouched(self, key: int) -> bool:
        """Whether our trial of the same id is only planned."""
        empty = " AND ".join(_EMPTY.format(table=table) for table in (*_OF_TRIAL, "leases"))
        return bool(self._ours.execute(f"SELECT 1 FROM trials t WHERE trial_key = ? AND {empty}", (key,)).fetchone())

    def _beside(self, key: int, values: dict[str, Any]) -> None:
        content = hashlib.sha256(repr(self._rows(self._theirs, key)).encode()).hexdigest()
        values["variant_settings"] = json.dumps(json.loads(values["variant_settings"]) | {self._mark: self._name})
        values["trial_id"] = hashlib.sha256(f"{values['trial_id']} {content}".encode()).hexdigest()[:12]
        known = self._ours.execute("SELECT 1 FROM trials WHERE trial_id = ?", (values["trial_id"],)).fetchone()
        (self._found.same if known else self._found.beside).append(values["trial_id"])
        if not known:
            self._copy(key, values)

    def _rows(self, connection: sqlite3.Connection, key: int) -> list[tuple[Any, ...]]:
        """Return what was measured in a trial, in an order of its own."""
        calls = connection.execute(
            "SELECT phase, sample_id, attempt, label, predicted, outcome, sent_ns, service_ns, at FROM invocations"
            " JOIN samples USING (sample_key) WHERE trial_key = ? ORDER BY phase, sample_id, attempt",
            (key,),
        ).fetchall()
        runs = connection.execute(
            "SELECT load_run_id, complete FROM load_runs WHERE trial_key = ? ORDER BY load_run_id", (key,)
        ).fetchall()
        stages = connection.execute(
            "SELECT stage, status, started_at, finished_at FROM stages WHERE trial_key = ? ORDER BY stage", (key,)
        ).fetchall()
        return [tuple(row) for row in (*calls, *runs, *stages)]

    def _copy(self, key: int, trial: dict[str, Any]) -> None:
        new = self._insert("trials", [trial])
        for table in _OF_TRIAL:
            rows = self._theirs.execute(f"SELECT * FROM {table} WHERE trial_key = ?", (key,)).fetchall()
            if table == "load_runs":
                self._load_runs(rows, new)
            else:
                self._insert(table, [{**_plain(row), "trial_key": new} for row in rows])

    def _load_runs(self, rows: Sequence[sqlite3.Row], trial_key: int) -> None:
        for row in rows:
            if self._ours.execute("SELECT 1 FROM load_runs WHERE load_run_id = ?", (row["load_run_id"],)).fetchone():
                continue
            run = self._insert("load_runs", [{**_plain(row), "trial_key": trial_key}])
            calls = self._theirs.execute("SELECT * FROM load_calls WHERE run_key = ?", (row["run_key"],)).fetchall()
            self._insert("load_calls", [{**_plain(call), "run_key": run} for call in calls])

    def _insert(self, table: str, rows: Sequence[dict[str, Any]]) -> int:
        """Insert rows, with our own keys of their samples; return the key of the last one."""
        if not rows:
            return 0
        if "sample_key" in rows[0]:
            ids = [self._samples[row["sample_key"]] for row in rows]
            keys = self._store._keys.samples(self._ours, ids)
            rows = [{**row, "sample_key": keys[one]} for row, one in zip(rows, ids, strict=True)]
        names = list(rows[0])
        sql = f"INSERT INTO {table} ({', '.join(names)}) VALUES ({', '.join('?' * len(names))})"
        if len(rows) == 1:
            return int(self._ours.execute(sql, tuple(rows[0].values())).lastrowid or 0)
        self._ours.executemany(sql, [tuple(row.values()) for row in rows])
        return 0

    def _experiments(self) -> None:
        trials: dict[int, list[str]] = defaultdict(list)
        for key, trial_id in self._theirs.execute(
            "SELECT experiment_key, trial_id FROM experiment_trials ORDER BY experiment_key, position"
        ):
            trials[key].append(trial_id)
        for row in self._theirs.execute("SELECT * FROM experiments ORDER BY experiment_key").fetchall():
            key = self._experiment(row)
            there = self._ours.execute("SELECT trial_id FROM experiment_trials WHERE experiment_key = ?", (key,))
            known = [one[0] for one in there]
            new = [one for one in trials[row["experiment_key"]] if one not in known]
            self._ours.executemany(
                "INSERT INTO experiment_trials VALUES (?, ?, ?)",
                [(key, place, one) for place, one in enumerate(new, start=len(known))],
            )

    def _experiment(self, row: sqlite3.Row) -> int:
        """Return the key of an experiment here; one of the same name and other settings gets the file's name."""
        name = row["name"]
        for candidate in (name, f"{name}@{self._name.removesuffix('.sqlite')}"):
            sql = "SELECT experiment_key, settings FROM experiments WHERE name = ?"
            found = self._ours.execute(sql, (candidate,)).fetchone()
            if found is None:
                values = {**_plain(row), "name": candidate, "environment_id": self._environment(row["environment_id"])}
                values.pop("experiment_key")
                return self._insert("experiments", [values])
            if json.loads(found[1]) == json.loads(row["settings"]):
                return int(found[0])
        raise UsageError(
            f"{self._name} holds another experiment {name!r} than was merged from a file of this name before.",
            remedy="Rename the file and merge it again.",
        )

    def _environments(self) -> None:
        """Take over the environments: stages of trials name them by the hash of their content."""
        for row in self._theirs.execute("SELECT content_hash, content, recorded_at FROM environments").fetchall():
            if not self._has("environments", "content_hash = ?", (row["content_hash"],)):
                self._insert("environments", [dict(row)])

    def _environment(self, number: int | None) -> int | None:
        """Return the number that an environment of theirs has here."""
        sql = "SELECT content_hash FROM environments WHERE environment_id = ?"
        key = self._theirs.execute(sql, (number,)).fetchone()
        if key is None:
            return None
        sql = "SELECT environment_id FROM environments WHERE content_hash = ?"
        return int(self._ours.execute(sql, (key[0],)).fetchone()[0])

    def _imported(self) -> None:
        point = ("provider", "variant", "dataset", "shots", "fold")
        where = " AND ".join(f"{name} IS ?" for name in point)
        for table in ("imported", "imported_runs"):
            for row in self._theirs.execute(f"SELECT * FROM {table}").fetchall():
                if self._has(table, "content_hash = ?", (row["content_hash"],)):
                    continue
                if table == "imported" and self._has(table, where, [row[name] for name in point]):
                    self._found.conflicts += 1
                    continue
                self._insert(table, [_plain(row)])
                self._found.imported += 1

    def _has(self, table: str, where: str, values: Iterable[Any]) -> bool:
        return self._ours.execute(f"SELECT 1 FROM {table} WHERE {where}", tuple(values)).fetchone() is not None


def _plain(row: sqlite3.Row) -> dict[str, Any]:
    """Return a row without the keys that its own file gave it."""
    return {name: row[name] for name in row.keys() if name not in _OWN_KEYS}  # noqa: SIM118 (a Row iterates values)
