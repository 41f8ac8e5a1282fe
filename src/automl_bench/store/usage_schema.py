"""The step of the schema that keeps what single answers used."""

from __future__ import annotations

USAGE = """
CREATE TABLE usages (
    trial_key        INTEGER NOT NULL REFERENCES trials (trial_key) ON DELETE CASCADE,
    phase            INTEGER NOT NULL REFERENCES phases (code),
    sample_key       INTEGER NOT NULL REFERENCES samples (sample_key),
    attempt          INTEGER NOT NULL,
    input_tokens     INTEGER,
    cached_tokens    INTEGER,
    output_tokens    INTEGER,
    reasoning_tokens INTEGER,
    images           INTEGER,
    told_usd         REAL,
    model            TEXT    NOT NULL,
    finish_reason    TEXT    NOT NULL,
    text             TEXT    NOT NULL,
    PRIMARY KEY (trial_key, phase, sample_key, attempt)
) WITHOUT ROWID;
CREATE VIEW readable_usages AS
SELECT t.trial_id, s.sample_id, p.name AS phase, u.attempt, u.input_tokens, u.cached_tokens, u.output_tokens,
       u.reasoning_tokens, u.images AS images_read, u.told_usd, u.model, u.finish_reason, u.text
FROM usages u JOIN trials t USING (trial_key) JOIN samples s USING (sample_key) JOIN phases p ON p.code = u.phase;
"""
"""What single answers used: tokens, the model that answered, how the answer ended, its text."""
