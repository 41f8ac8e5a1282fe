PRAGMA application_id = 1095582257;
PRAGMA user_version = 1;
BEGIN TRANSACTION;
CREATE TABLE environments (
    environment_id INTEGER PRIMARY KEY,
    content_hash   TEXT NOT NULL UNIQUE,
    content        TEXT NOT NULL,
    recorded_at    TEXT NOT NULL
);
INSERT INTO "environments" VALUES(1,'a95283c6d6204e103fd903e7f6c95da9963352e21c38a693909c384a7412a916','{"cpu": "x"}','2026-11-21T07:39:01.190613+00:00');
CREATE TABLE experiment_trials (
    experiment_key INTEGER NOT NULL REFERENCES experiments ON DELETE CASCADE,
    position       INTEGER NOT NULL,
    trial_id       TEXT    NOT NULL,
    PRIMARY KEY (experiment_key, position)
) WITHOUT ROWID;
INSERT INTO "experiment_trials" VALUES(1,0,'abcdef012345');
CREATE TABLE experiments (
    experiment_key INTEGER PRIMARY KEY,
    name           TEXT NOT NULL UNIQUE,
    settings       TEXT NOT NULL,
    environment_id INTEGER REFERENCES environments,
    created_at     TEXT NOT NULL
);
INSERT INTO "experiments" VALUES(1,'demo','{"shots":[5]}',1,'2026-01-01T00:00:00+00:00');
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
INSERT INTO "imported" VALUES(1,'08748ac58d8ec022396da83166d203e074b3f4bffe6ba7f772f40f712f21702c','f.csv','AWS','imported','food',NULL,5,0,0.5,NULL,NULL);
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
INSERT INTO "invocations" VALUES(1,2,1,1,'cat','dog',0.5,0,10,10,5,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,'','2026-01-01T00:00:00+00:00');
CREATE TABLE leases (
    trial_key    INTEGER PRIMARY KEY REFERENCES trials ON DELETE CASCADE,
    owner        TEXT NOT NULL,
    claimed_at   REAL NOT NULL,
    heartbeat_at REAL NOT NULL
);
INSERT INTO "leases" VALUES(1,'host:1:2',1.79524674118931031226e+09,1.79524674118931031226e+09);
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
INSERT INTO "ledger" VALUES(1,1,'deploy','local','auto','server','automl-bench-abcdef012345-server','','intended',NULL,'{}','',0,'2026-01-01T00:00:00+00:00','','');
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
INSERT INTO "load_calls" VALUES(1,2,0,0,1,0,NULL,NULL,10,10,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL);
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
INSERT INTO "load_runs" VALUES(1,'run-1',1,'closed','{"calls":1}','2026-01-01T00:00:00+00:00',1,1,'[]','{"p50":20.0}','',0);
CREATE TABLE operations (
    operation_key INTEGER PRIMARY KEY,
    trial_key     INTEGER NOT NULL REFERENCES trials ON DELETE CASCADE,
    stage         TEXT    NOT NULL,
    token         TEXT    NOT NULL,
    saved_at      TEXT    NOT NULL,
    UNIQUE (trial_key, stage, token)
);
INSERT INTO "operations" VALUES(1,1,'train','job-1','2026-11-21T07:39:01.198242+00:00');
CREATE TABLE outcomes (code INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
INSERT INTO "outcomes" VALUES(0,'ok');
INSERT INTO "outcomes" VALUES(1,'throttled');
INSERT INTO "outcomes" VALUES(2,'timeout');
INSERT INTO "outcomes" VALUES(3,'refused');
INSERT INTO "outcomes" VALUES(4,'failed');
CREATE TABLE phases (code INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
INSERT INTO "phases" VALUES(0,'cold');
INSERT INTO "phases" VALUES(1,'warm_up');
INSERT INTO "phases" VALUES(2,'measured');
CREATE TABLE samples (sample_key INTEGER PRIMARY KEY, sample_id TEXT NOT NULL UNIQUE);
INSERT INTO "samples" VALUES(1,'s1');
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
INSERT INTO "stages" VALUES(1,'train','done','job-1','{}','2026-01-01T00:00:00+00:00','2026-01-01T00:00:01+00:00',1.0,NULL,NULL,NULL,'');
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
INSERT INTO "trials" VALUES(1,'abcdef012345','local','auto','pets','ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff',5,0,0,0,'{"a":1}','{}',NULL,'done','','2026-01-01T00:00:00+00:00');
CREATE INDEX trials_by_name ON trials (provider, dataset, variant, shots);
CREATE UNIQUE INDEX ledger_open_once ON ledger (trial_key, kind, name) WHERE state <> 'deleted';
CREATE INDEX load_runs_by_trial ON load_runs (trial_key);
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
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('ledger',1);
COMMIT;
