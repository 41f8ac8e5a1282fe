"""A copy of a results file in which some answers are left out; the file itself stays as it is."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Mapping
from contextlib import closing
from pathlib import Path

from automl_bench.store.sql_errors import translate
from automl_bench.store.store import Store


def copy_without(store: Store, to: Path, left_out: Mapping[str, Collection[str]]) -> int:
    """Copy a results file without the answers for some samples.

    Args:
        store: The results file.
        to: Path of the copy, in a folder of its own.
        left_out: Dataset → content ids of the samples whose answers, on that dataset, are left out.

    Returns:
        How many answers were left out.

    Raises:
        WorkspaceError: If the copy cannot be written.
        RecordsError: If the file is damaged.
    """
    pairs = [(dataset, sample) for dataset, samples in left_out.items() for sample in samples]
    try:
        with (
            closing(sqlite3.connect(f"{store.path.resolve().as_uri()}?mode=ro", uri=True)) as source,
            closing(sqlite3.connect(to)) as target,
        ):
            source.backup(target)
            target.execute("CREATE TEMP TABLE left_out (dataset TEXT, sample_id TEXT)")
            target.executemany("INSERT INTO left_out VALUES (?, ?)", pairs)
            where = (
                "WHERE (trial_key, sample_key) IN (SELECT t.trial_key, s.sample_key"
                " FROM left_out l JOIN trials t USING (dataset) JOIN samples s USING (sample_id))"
            )
            target.execute(f"DELETE FROM usages {where}")
            removed = target.execute(f"DELETE FROM invocations {where}").rowcount
            target.commit()
    except (sqlite3.Error, OSError) as error:
        raise translate(error, to) from error
    return int(removed)
