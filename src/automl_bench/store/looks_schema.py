"""The step of the schema that keeps what `watch` asked and was answered."""

from __future__ import annotations

LOOKS = """
CREATE TABLE looks (
    trial_key INTEGER NOT NULL REFERENCES trials (trial_key) ON DELETE CASCADE,
    number    INTEGER NOT NULL,
    reference INTEGER NOT NULL,
    at        TEXT    NOT NULL,
    finding   TEXT    NOT NULL,
    reason    TEXT    NOT NULL,
    compared  INTEGER,
    worsened  INTEGER,
    improved  INTEGER,
    p         REAL,
    level     REAL,
    usd       REAL,
    PRIMARY KEY (trial_key, number)
) WITHOUT ROWID;
CREATE TABLE look_answers (
    trial_key  INTEGER NOT NULL REFERENCES trials (trial_key) ON DELETE CASCADE,
    number     INTEGER NOT NULL,
    sample_key INTEGER NOT NULL REFERENCES samples (sample_key),
    label      TEXT    NOT NULL,
    predicted  TEXT,
    model      TEXT    NOT NULL,
    PRIMARY KEY (trial_key, number, sample_key)
) WITHOUT ROWID;
"""
"""Looks at a trial, numbered from 1; `reference` is the number of the look that it was held against."""
