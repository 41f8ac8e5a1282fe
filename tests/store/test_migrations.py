"""Older files are brought forward, newer ones are refused, and a published step never changes."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from automl_bench.errors import UnknownFormatVersion
from automl_bench.store import open_store, schema
from automl_bench.store.records import CallPhase, Outcome, TrialStatus
from automl_bench.store.sql_scripts import statements

STORED_V1 = Path(__file__).with_name("schema_v1.sql")
"""A dump of a file that version 1 wrote, with rows in every table. Never edited."""

NEXT = schema.Migration(
    schema.current_version() + 1,
    "ALTER TABLE trials ADD COLUMN colour TEXT NOT NULL DEFAULT 'grey';\nCREATE TABLE extra (a INTEGER);",
)


def file_of_version_1(path: Path) -> None:
    path.parent.mkdir(parents=True)
    connection = sqlite3.connect(path)
    connection.executescript(STORED_V1.read_text())
    connection.close()


def tables_of(path: Path) -> list[tuple[str, str]]:
    connection = sqlite3.connect(path)
    found = connection.execute("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY name").fetchall()
    connection.close()
    return found


def version_of(path: Path) -> int:
    connection = sqlite3.connect(path)
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    connection.close()
    return int(version)


@pytest.mark.parametrize("read_only", [False, True])
def test_a_file_of_version_1_opens_and_keeps_every_row(store_path: Path, read_only: bool) -> None:
    file_of_version_1(store_path)
    with open_store(store_path, read_only=read_only) as store:
        trial = store.trial("abcdef012345")
        assert trial is not None
        assert (trial.provider, trial.shots, trial.status) == ("local", 5, TrialStatus.DONE)
        assert [record.stage.value for record in store.stages("abcdef012345")] == ["train"]
        assert [token for _, token, _ in store.operations("abcdef012345")] == ["job-1"]
        assert [entry.name for entry in store.ledger(open_only=True)] == ["automl-bench-abcdef012345-server"]
        call = store.invocations("abcdef012345")[0]
        assert (call.predicted, call.outcome, call.phase) == ("dog", Outcome.OK, CallPhase.MEASURED)
        assert [run.summary for run in store.load_runs(complete_only=True)] == [{"p50": 20.0}]
        assert len(store.load_calls("run-1")) == 1
        assert store.trial_owner("abcdef012345") == "host:1:2"
        assert [record.trial_ids for record in store.experiments()] == [("abcdef012345",)]
        assert store.environment(1) == {"cpu": "x"}
        assert [result.provider for result in store.imported()] == ["AWS"]
    assert version_of(store_path) == schema.current_version()


def test_the_published_first_step_still_makes_the_tables_of_version_1(tmp_path: Path) -> None:
    file_of_version_1(tmp_path / "stored" / "a.sqlite")
    fresh = tmp_path / "fresh.sqlite"
    connection = sqlite3.connect(fresh, isolation_level=None)
    schema.migrate(connection, fresh, migrations=schema.MIGRATIONS[:1])
    connection.close()
    assert tables_of(fresh) == tables_of(tmp_path / "stored" / "a.sqlite"), "a published step is never edited"


def test_steps_are_numbered_without_gaps() -> None:
    assert [step.version for step in schema.MIGRATIONS] == list(range(1, len(schema.MIGRATIONS) + 1))


def test_a_new_step_is_taken_once_and_keeps_the_rows(store_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file_of_version_1(store_path)
    monkeypatch.setattr(schema, "MIGRATIONS", (*schema.MIGRATIONS, NEXT))
    for read_only in (True, False, True):
        with open_store(store_path, read_only=read_only) as store:
            assert list(store.stream("SELECT trial_id, colour FROM trials")) == [[("abcdef012345", "grey")]]
    assert version_of(store_path) == NEXT.version


def test_a_step_that_fails_leaves_the_old_version_whole(store_path: Path) -> None:
    file_of_version_1(store_path)
    open_store(store_path).close()
    before = tables_of(store_path)
    broken = schema.Migration(NEXT.version, NEXT.script + "\nCREATE TABLE extra (b INTEGER);")
    connection = sqlite3.connect(store_path, isolation_level=None)
    with pytest.raises(sqlite3.OperationalError, match="extra already exists"):
        schema.migrate(connection, store_path, migrations=(*schema.MIGRATIONS, broken))
    connection.close()
    assert tables_of(store_path)[: len(before)] == before
    assert "extra" not in dict(tables_of(store_path))
    assert version_of(store_path) == schema.current_version()


@pytest.mark.parametrize("read_only", [False, True])
def test_a_file_of_a_newer_automl_bench_is_refused_and_left_alone(store_path: Path, read_only: bool) -> None:
    open_store(store_path).close()
    connection = sqlite3.connect(store_path)
    connection.execute(f"PRAGMA user_version = {schema.current_version() + 1}")
    connection.commit()
    connection.close()
    with pytest.raises(UnknownFormatVersion) as caught:
        open_store(store_path, read_only=read_only)
    assert "Update automl-bench" in caught.value.remedy
    assert version_of(store_path) == schema.current_version() + 1


def test_a_file_is_opened_with_the_settings_that_durability_needs(store_path: Path) -> None:
    with open_store(store_path) as store:
        connection = store._write_connection
        assert connection is not None
        found = {
            name: connection.execute(f"PRAGMA {name}").fetchone()[0]
            for name in ("journal_mode", "synchronous", "foreign_keys")
        }
        assert connection.execute("PRAGMA busy_timeout").fetchone()[0] > 0
    assert found == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1}


def test_statements_are_split_at_their_ends_only() -> None:
    script = "CREATE TABLE a (\n  b TEXT DEFAULT ';'\n);\nINSERT INTO a VALUES ('x;\ny');\n"
    assert statements(script) == [
        "CREATE TABLE a (\n  b TEXT DEFAULT ';'\n);",
        "INSERT INTO a VALUES ('x;\ny');",
    ]


def test_a_file_that_another_process_makes_while_it_is_looked_at_is_not_taken_for_a_foreign_one(tmp_path: Path) -> None:
    path = tmp_path / "results.sqlite"
    maker = sqlite3.connect(path, isolation_level=None)
    maker.execute("PRAGMA journal_mode = WAL")
    made: list[str] = []

    def make(statement: str) -> None:
        if "application_id" in statement and not made:
            made.append(statement)
            maker.executescript(
                f"BEGIN; PRAGMA application_id = {schema.APPLICATION_ID}; PRAGMA user_version = 1;"
                "CREATE TABLE t (a); COMMIT;"
            )

    looking = sqlite3.connect(path, isolation_level=None)
    looking.set_trace_callback(make)
    assert schema.stored_version(looking, path) == 0
    assert made, "nothing was made in between"
    assert schema.stored_version(looking, path) == 1
    looking.close()
    maker.close()
