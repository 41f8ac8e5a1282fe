"""The tables, and the numbered steps that bring an older file forward.

The number of the last step taken stands in the file's `PRAGMA user_version`; `PRAGMA application_id` marks the file as
ours. Steps are append-only: a published one is never edited, a change is a new step. Each step and its number are
committed in one transaction, so a killed migration leaves the old version. docs/design/store.md explains the tables.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from pathlib import Path

from automl_bench.errors import UnknownFormatVersion
from automl_bench.store.looks_schema import LOOKS
from automl_bench.store.sql_errors import damaged
from automl_bench.store.sql_scripts import statements
from automl_bench.store.standing import standing
from automl_bench.store.usage_schema import USAGE

APPLICATION_ID = 0x41_4D_42_31
"""The letters AMB1: `file results/automl-bench.sqlite` shows it, and a database of somebody else is not touched."""

_TRIALS = """
CREATE TABLE trials (
    trial_key        INTEGER PRIMARY KEY,
    trial_id         TEXT    NOT NULL UNIQUE,
    provider         TEXT    NOT NULL,
    variant          TEXT    NOT NULL,
    dataset          TEXT    NOT NULL,
    fingerprint      TEXT    NOT NULL,
    shots            INTEGER,
    fold             INTEGER NOT NULL,
    repeat           INTEGER NOT NULL,
    seed             INTEGER NOT NULL,
    variant_settings TEXT    NOT NULL,
    images           TEXT    NOT NULL,
    test_limit       INTEGER,
    status           TEXT    NOT NULL,
    reason           TEXT    NOT NULL,
    created_at       TEXT    NOT NULL
);
CREATE INDEX trials_by_name ON trials (provider, dataset, variant, shots);

CREATE TABLE leases (
    trial_key    INTEGER PRIMARY KEY REFERENCES trials ON DELETE CASCADE,
    owner        TEXT NOT NULL,
    claimed_at   REAL NOT NULL,
    heartbeat_at REAL NOT NULL
);

CREATE TABLE environments (
    environment_id INTEGER PRIMARY KEY,
    content_hash   TEXT NOT NULL UNIQUE,
    content        TEXT NOT NULL,
    recorded_at    TEXT NOT NULL
);

CREATE TABLE experiments (
    experiment_key INTEGER PRIMARY KEY,
    name           TEXT NOT NULL UNIQUE,
    settings       TEXT NOT NULL,
    environment_id INTEGER REFERENCES environments,
    created_at     TEXT NOT NULL
);
CREATE TABLE experiment_trials (
    experiment_key INTEGER NOT NULL REFERENCES experiments ON DELETE CASCADE,
    position       INTEGER NOT NULL,
    trial_id       TEXT    NOT NULL,
    PRIMARY KEY (experiment_key, position)
) WITHOUT ROWID;
"""

_WORK = """
CREATE TABLE stages (
    trial_key        INTEGER NOT NULL REFERENCES trials ON DELETE CASCADE,
    stage            TEXT    NOT NULL,
    status           TEXT    NOT NULL,
    token            TEXT    NOT NULL,
    result           TEXT    NOT NULL,
    started_at       TEXT    NOT NULL,
    finished_at      TEXT    NOT NULL,
    wall_seconds     REAL,
    queue_seconds    REAL,
    work_seconds     REAL,
    billable_seconds REAL,
    message          TEXT    NOT NULL,
    PRIMARY KEY (trial_key, stage)
) WITHOUT ROWID;

CREATE TABLE operations (
    operation_key INTEGER PRIMARY KEY,
    trial_key     INTEGER NOT NULL REFERENCES trials ON DELETE CASCADE,
    stage         TEXT    NOT NULL,
    token         TEXT    NOT NULL,
    saved_at      TEXT    NOT NULL,
    UNIQUE (trial_key, stage, token)
);

CREATE TABLE ledger (
    entry_id       INTEGER PRIMARY KEY AUTOINCREMENT,
    trial_key      INTEGER NOT NULL REFERENCES trials,
    stage          TEXT    NOT NULL,
    provider       TEXT    NOT NULL,
    variant        TEXT    NOT NULL,
    kind           TEXT    NOT NULL,
    name           TEXT    NOT NULL,
    resource_id    TEXT    NOT NULL,
    state          TEXT    NOT NULL,
    hourly_usd     REAL,
    details        TEXT    NOT NULL,
    delete_by_hand TEXT    NOT NULL,
    keep           INTEGER NOT NULL,
    intended_at    TEXT    NOT NULL,
    created_at     TEXT    NOT NULL,
    deleted_at     TEXT    NOT NULL
);
CREATE UNIQUE INDEX ledger_open_once ON ledger (trial_key, kind, name) WHERE state <> 'deleted';
"""

_CALLS = """
CREATE TABLE outcomes (code INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
INSERT INTO outcomes VALUES (0, 'ok'), (1, 'throttled'), (2, 'timeout'), (3, 'refused'), (4, 'failed');
CREATE TABLE phases (code INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
INSERT INTO phases VALUES (0, 'cold'), (1, 'warm_up'), (2, 'measured');

CREATE TABLE samples (sample_key INTEGER PRIMARY KEY, sample_id TEXT NOT NULL UNIQUE);

CREATE TABLE invocations (
    trial_key      INTEGER NOT NULL REFERENCES trials ON DELETE CASCADE,
    phase          INTEGER NOT NULL,
    sample_key     INTEGER NOT NULL REFERENCES samples,
    attempt        INTEGER NOT NULL,
    label          TEXT    NOT NULL,
    predicted      TEXT,
    confidence     REAL,
    outcome        INTEGER NOT NULL,
    sent_ns        INTEGER NOT NULL,
    service_ns     INTEGER NOT NULL,
    late_ns        INTEGER,
    lookup_ns      INTEGER,
    connect_ns     INTEGER,
    tls_ns         INTEGER,
    send_ns        INTEGER,
    wait_ns        INTEGER,
    receive_ns     INTEGER,
    new_connection INTEGER,
    status         INTEGER,
    error          TEXT    NOT NULL,
    at             TEXT    NOT NULL,
    PRIMARY KEY (trial_key, phase, sample_key, attempt)
) WITHOUT ROWID;

CREATE TABLE load_runs (
    run_key     INTEGER PRIMARY KEY,
    load_run_id TEXT    NOT NULL UNIQUE,
    trial_key   INTEGER NOT NULL REFERENCES trials ON DELETE CASCADE,
    loop        TEXT    NOT NULL,
    settings    TEXT    NOT NULL,
    started_at  TEXT    NOT NULL,
    complete    INTEGER NOT NULL,
    valid       INTEGER,
    reasons     TEXT    NOT NULL,
    summary     TEXT    NOT NULL,
    anchor_wall TEXT    NOT NULL,
    anchor_ns   INTEGER NOT NULL
);
CREATE INDEX load_runs_by_trial ON load_runs (trial_key);

CREATE TABLE load_calls (
    run_key        INTEGER NOT NULL REFERENCES load_runs ON DELETE CASCADE,
    phase          INTEGER NOT NULL,
    number         INTEGER NOT NULL,
    worker         INTEGER NOT NULL,
    sample_key     INTEGER NOT NULL REFERENCES samples,
    outcome        INTEGER NOT NULL,
    correct        INTEGER,
    status         INTEGER,
    sent_ns        INTEGER NOT NULL,
    service_ns     INTEGER NOT NULL,
    late_ns        INTEGER,
    lookup_ns      INTEGER,
    connect_ns     INTEGER,
    tls_ns         INTEGER,
    send_ns        INTEGER,
    wait_ns        INTEGER,
    receive_ns     INTEGER,
    new_connection INTEGER,
    PRIMARY KEY (run_key, phase, number)
) WITHOUT ROWID;
"""

_IMPORTED = """
CREATE TABLE imported (
    import_key    INTEGER PRIMARY KEY,
    content_hash  TEXT    NOT NULL UNIQUE,
    source        TEXT    NOT NULL,
    provider      TEXT    NOT NULL,
    variant       TEXT    NOT NULL,
    dataset       TEXT    NOT NULL,
    classes       INTEGER,
    shots         INTEGER,
    fold          INTEGER NOT NULL,
    accuracy      REAL    NOT NULL,
    test_samples  INTEGER,
    train_seconds REAL
);
"""

_VIEWS = """
CREATE VIEW readable_invocations AS
SELECT t.trial_id, t.provider, t.variant, t.dataset, t.shots, t.fold, t.repeat, s.sample_id, i.label, i.predicted,
       i.confidence, o.name AS outcome, p.name AS phase, i.attempt, i.status AS http_status, i.error, i.at,
       i.sent_ns - i.late_ns AS scheduled_ns, i.sent_ns, i.sent_ns + i.service_ns AS received_ns, i.service_ns,
       i.service_ns + coalesce(i.late_ns, 0) AS response_ns, i.lookup_ns, i.connect_ns, i.tls_ns, i.send_ns, i.wait_ns,
       i.receive_ns, i.new_connection
FROM invocations i JOIN trials t USING (trial_key) JOIN samples s USING (sample_key)
     JOIN outcomes o ON o.code = i.outcome JOIN phases p ON p.code = i.phase;

CREATE VIEW readable_load_calls AS
SELECT r.load_run_id, t.trial_id, r.complete, c.number, c.worker, s.sample_id, o.name AS outcome, c.correct,
       p.name AS phase, c.status AS http_status, c.sent_ns - c.late_ns AS scheduled_ns, c.sent_ns,
       c.sent_ns + c.service_ns AS received_ns, c.service_ns, c.service_ns + coalesce(c.late_ns, 0) AS response_ns,
       c.lookup_ns, c.connect_ns, c.tls_ns, c.send_ns, c.wait_ns, c.receive_ns, c.new_connection
FROM load_calls c JOIN load_runs r USING (run_key) JOIN trials t ON t.trial_key = r.trial_key
     JOIN samples s USING (sample_key) JOIN outcomes o ON o.code = c.outcome JOIN phases p ON p.code = c.phase;
"""


_OWNERSHIP = """
CREATE TABLE workspace (
    workspace_id TEXT NOT NULL,
    root         TEXT NOT NULL
);
ALTER TABLE trials ADD COLUMN last_fence INTEGER NOT NULL DEFAULT 0;
ALTER TABLE leases ADD COLUMN fence INTEGER NOT NULL DEFAULT 0;
ALTER TABLE leases ADD COLUMN beat INTEGER NOT NULL DEFAULT 0;
ALTER TABLE leases ADD COLUMN seconds REAL NOT NULL DEFAULT 60;
ALTER TABLE ledger ADD COLUMN scope TEXT NOT NULL DEFAULT '{}';
"""
_UNSEEN = """
ALTER TABLE invocations ADD COLUMN unseen_ns INTEGER;
ALTER TABLE invocations ADD COLUMN unseen_least_ns INTEGER;
DROP VIEW readable_invocations;
CREATE VIEW readable_invocations AS
SELECT t.trial_id, t.provider, t.variant, t.dataset, t.shots, t.fold, t.repeat, s.sample_id, i.label, i.predicted,
       i.confidence, o.name AS outcome, p.name AS phase, i.attempt, i.status AS http_status, i.error, i.at,
       i.sent_ns - i.late_ns AS scheduled_ns, i.sent_ns, i.sent_ns + i.service_ns AS received_ns, i.service_ns,
       i.service_ns + coalesce(i.late_ns, 0) AS response_ns, i.lookup_ns, i.connect_ns, i.tls_ns, i.send_ns, i.wait_ns,
       i.receive_ns, i.new_connection, i.unseen_ns, i.unseen_least_ns
FROM invocations i JOIN trials t USING (trial_key) JOIN samples s USING (sample_key)
     JOIN outcomes o ON o.code = i.outcome JOIN phases p ON p.code = i.phase;
"""
"""How long an answer lay unread because the client was kept from looking."""


@dataclass(frozen=True, slots=True)
class Migration:
    """One numbered step.

    Attributes:
        version: Number the file has after it; steps count up from 1 without gaps.
        script: SQL statements, each ended by a semicolon.
    """

    version: int
    script: str


_MONEY = """
ALTER TABLE ledger ADD COLUMN created_clock TEXT NOT NULL DEFAULT '';
ALTER TABLE ledger ADD COLUMN deleted_clock TEXT NOT NULL DEFAULT '';
ALTER TABLE ledger ADD COLUMN keep_until TEXT NOT NULL DEFAULT '';
ALTER TABLE stages ADD COLUMN started_clock TEXT NOT NULL DEFAULT '';
CREATE TABLE reservations (
    trial_key INTEGER PRIMARY KEY REFERENCES trials ON DELETE CASCADE,
    owner     TEXT NOT NULL,
    usd       REAL NOT NULL,
    settled   INTEGER NOT NULL,
    seen_at   REAL NOT NULL
);
"""

_IMPORTED_RUNS = """
CREATE TABLE imported_runs (
    run_key      INTEGER PRIMARY KEY,
    content_hash TEXT    NOT NULL UNIQUE,
    source       TEXT    NOT NULL,
    provider     TEXT    NOT NULL,
    variant      TEXT    NOT NULL,
    dataset      TEXT    NOT NULL,
    shots        INTEGER,
    fold         INTEGER NOT NULL,
    seconds      REAL    NOT NULL,
    calls        INTEGER NOT NULL,
    ok           INTEGER NOT NULL,
    concurrency  INTEGER,
    loop         TEXT    NOT NULL,
    valid        INTEGER
);
"""

_ANSWERS = """
INSERT INTO phases VALUES (3, 'training');
ALTER TABLE invocations ADD COLUMN true_rank INTEGER;
ALTER TABLE invocations ADD COLUMN usd REAL;
DROP VIEW readable_invocations;
CREATE VIEW readable_invocations AS
SELECT t.trial_id, t.provider, t.variant, t.dataset, t.shots, t.fold, t.repeat, s.sample_id, i.label, i.predicted,
       i.confidence, i.true_rank, i.usd, o.name AS outcome, p.name AS phase, i.attempt, i.status AS http_status,
       i.error, i.at, i.sent_ns - i.late_ns AS scheduled_ns, i.sent_ns, i.sent_ns + i.service_ns AS received_ns,
       i.service_ns, i.service_ns + coalesce(i.late_ns, 0) AS response_ns, i.lookup_ns, i.connect_ns, i.tls_ns,
       i.send_ns, i.wait_ns, i.receive_ns, i.new_connection, i.unseen_ns, i.unseen_least_ns
FROM invocations i JOIN trials t USING (trial_key) JOIN samples s USING (sample_key)
     JOIN outcomes o ON o.code = i.outcome JOIN phases p ON p.code = i.phase;
"""
"""Where the true label stands among the scores of an answer, what it cost, and calls with training samples."""

MIGRATIONS: tuple[Migration, ...] = (
    Migration(1, _TRIALS + _WORK + _CALLS + _IMPORTED + _VIEWS),
    Migration(2, _MONEY),
    Migration(3, _OWNERSHIP),
    Migration(4, _UNSEEN),
    Migration(5, _IMPORTED_RUNS),
    Migration(6, _ANSWERS),
    Migration(7, USAGE),
    Migration(8, LOOKS),
)
"""All steps, oldest first. Append; never edit one that was published."""


def current_version() -> int:
    """Return the version that this automl-bench writes."""
    return MIGRATIONS[-1].version


def stored_version(connection: sqlite3.Connection, path: Path, *, newest: int | None = None) -> int:
    """Return the version of the file, 0 for a new one.

    Args:
        connection: An open connection.
        path: The results file, for messages.
        newest: Version this automl-bench knows; by default that of `MIGRATIONS`.

    Raises:
        CorruptRecord: The file is a database of some other program.
        UnknownFormatVersion: A newer automl-bench wrote it.
    """
    newest = current_version() if newest is None else newest
    version, application, tables = standing(connection)
    if application != APPLICATION_ID and (application or version or tables):
        raise damaged(path, "is a database, but not one of automl-bench")
    if application == APPLICATION_ID and not (version and tables):
        raise damaged(path, "has lost its tables")
    if version > newest:
        raise UnknownFormatVersion(
            f"The results file {path} has format {version}, and this automl-bench knows formats up to {newest}.",
            remedy="Update automl-bench with `pip install --upgrade automl-bench`.",
        )
    return version


def migrate(
    connection: sqlite3.Connection, path: Path, *, migrations: tuple[Migration, ...] | None = None
) -> tuple[int, int]:
    """Bring the file forward to the newest version; what is there stays.

    Args:
        connection: A connection in autocommit mode (`isolation_level=None`) that may write.
        path: The results file, for messages.
        migrations: The steps to take; by default `MIGRATIONS`.

    Returns:
        The version found and the version now.

    Raises:
        CorruptRecord: The file is a database of some other program.
        UnknownFormatVersion: A newer automl-bench wrote it.
    """
    migrations = MIGRATIONS if migrations is None else migrations
    newest = migrations[-1].version
    found = stored_version(connection, path, newest=newest)
    for step in migrations[found:]:
        connection.execute("BEGIN IMMEDIATE")
        try:
            # Another process may have taken the step while this one waited for the lock.
            if stored_version(connection, path, newest=newest) < step.version:
                for statement in statements(step.script):
                    connection.execute(statement)
                connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
                connection.execute(f"PRAGMA user_version = {step.version}")
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise
    return found, newest
