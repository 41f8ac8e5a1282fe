"""A file or disk that cannot be used gives one sentence and a remedy, and stays as it was."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from automl_bench.errors import AutomlBenchError, CorruptRecord, RecordsError, WorkspaceError
from automl_bench.store import open_store
from automl_bench.store.records import Invocation, TrialRecord


def filled(path: Path, rows: int = 2_000) -> None:
    from automl_bench.store.records import CallTiming, Outcome

    with open_store(path) as store:
        store.save_trial(TrialRecord("t1", "p", "v", "d", "f", 5))
        store.add_invocations(
            [Invocation("t1", f"s{i}", "a", "a", 1.0, Outcome.OK, CallTiming(1, 2)) for i in range(rows)]
        )


def assert_is_one_sentence_with_a_remedy(error: AutomlBenchError, path: Path) -> None:
    assert str(path) in error.message
    assert "\n" not in str(error)
    assert error.remedy.endswith(".")


@pytest.mark.parametrize("read_only", [False, True])
def test_a_file_that_is_no_database_is_refused_and_left_alone(store_path: Path, read_only: bool) -> None:
    store_path.parent.mkdir()
    store_path.write_bytes(b"label,predicted\n" * 1000)
    before = store_path.read_bytes()
    with pytest.raises(CorruptRecord) as caught:
        open_store(store_path, read_only=read_only)
    assert_is_one_sentence_with_a_remedy(caught.value, store_path)
    assert store_path.read_bytes() == before


@pytest.mark.parametrize("read_only", [False, True])
def test_a_database_of_another_program_is_refused_and_left_alone(store_path: Path, read_only: bool) -> None:
    store_path.parent.mkdir()
    connection = sqlite3.connect(store_path)
    connection.execute("CREATE TABLE theirs (a)")
    connection.commit()
    connection.close()
    before = store_path.read_bytes()
    with pytest.raises(CorruptRecord, match="not one of automl-bench") as caught:
        open_store(store_path, read_only=read_only)
    assert_is_one_sentence_with_a_remedy(caught.value, store_path)
    assert store_path.read_bytes() == before


@pytest.mark.parametrize("read_only", [False, True])
def test_a_truncated_file_is_damaged(store_path: Path, read_only: bool) -> None:
    filled(store_path)
    with store_path.open("r+b") as file:
        file.truncate(store_path.stat().st_size // 2)
    with pytest.raises(CorruptRecord) as caught:
        open_store(store_path, read_only=read_only)
    assert_is_one_sentence_with_a_remedy(caught.value, store_path)


def test_damage_inside_the_file_is_told_when_it_is_read(store_path: Path) -> None:
    filled(store_path)
    connection = sqlite3.connect(store_path)
    page = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = 'invocations'").fetchone()[0]
    connection.close()
    with store_path.open("r+b") as file:
        file.seek(4096 * (page - 1))
        file.write(b"\xff" * 4096)
    with open_store(store_path, read_only=True) as store, pytest.raises(CorruptRecord) as caught:
        store.invocations("t1")
    assert_is_one_sentence_with_a_remedy(caught.value, store_path)


def test_text_that_is_not_utf8_is_damage(store_path: Path) -> None:
    filled(store_path, 1)
    connection = sqlite3.connect(store_path)
    connection.execute("UPDATE invocations SET label = CAST(x'ff' AS TEXT)")
    connection.commit()
    connection.close()
    with open_store(store_path, read_only=True) as store, pytest.raises(CorruptRecord) as caught:
        store.invocations("t1")
    assert_is_one_sentence_with_a_remedy(caught.value, store_path)


def test_json_that_is_none_is_damage(store_path: Path) -> None:
    filled(store_path, 1)
    connection = sqlite3.connect(store_path)
    connection.execute("UPDATE trials SET images = '{'")
    connection.commit()
    connection.close()
    with open_store(store_path) as store, pytest.raises(CorruptRecord, match="where JSON belongs"):
        store.trials()


def test_an_empty_file_becomes_a_results_file(store_path: Path) -> None:
    store_path.parent.mkdir()
    store_path.touch()
    with open_store(store_path) as store:
        assert store.trials() == []


def test_reading_before_anything_was_run_says_what_to_do(store_path: Path) -> None:
    with pytest.raises(RecordsError, match="no results yet") as caught:
        open_store(store_path, read_only=True)
    assert_is_one_sentence_with_a_remedy(caught.value, store_path)
    assert not store_path.parent.exists(), "reading creates nothing"


def test_a_folder_in_the_files_place_is_refused(store_path: Path) -> None:
    store_path.mkdir(parents=True)
    with pytest.raises(WorkspaceError) as caught:
        open_store(store_path)
    assert_is_one_sentence_with_a_remedy(caught.value, store_path)


def test_a_file_in_the_folders_place_is_refused(store_path: Path) -> None:
    store_path.parent.write_text("a file")
    with pytest.raises(WorkspaceError) as caught:
        open_store(store_path)
    assert_is_one_sentence_with_a_remedy(caught.value, store_path)


def test_a_folder_that_takes_no_files_is_refused() -> None:
    path = Path("/proc/automl-bench/results.sqlite")
    with pytest.raises(WorkspaceError) as caught:
        open_store(path)
    assert_is_one_sentence_with_a_remedy(caught.value, path)


def test_a_file_that_may_only_be_read_is_refused_for_writing(store_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    filled(store_path, 1)
    monkeypatch.setattr(os, "access", lambda _path, _mode: False)  # root may write everywhere
    with pytest.raises(WorkspaceError, match="Permission denied") as caught:
        open_store(store_path)
    assert_is_one_sentence_with_a_remedy(caught.value, store_path)


def test_a_file_that_turns_read_only_under_the_writer_is_one_sentence(
    store_path: Path, invocation: Callable[..., Invocation]
) -> None:
    with open_store(store_path) as store:
        store.save_trial(TrialRecord("t1", "p", "v", "d", "f", 5))
        assert store._write_connection is not None
        store._write_connection.execute("PRAGMA query_only = ON")  # SQLite answers as on a read-only disk
        with pytest.raises(WorkspaceError, match="may not be written to") as caught:
            store.add_invocations([invocation("s1")])
        assert_is_one_sentence_with_a_remedy(caught.value, store_path)
        store._write_connection.execute("PRAGMA query_only = OFF")
        assert store.add_invocations([invocation("s1")]) == 1


UNPRIVILEGED = """
import json, os, sys
from pathlib import Path
from automl_bench.errors import AutomlBenchError
from automl_bench.store import open_store
from automl_bench.store.records import TrialRecord

if os.geteuid() == 0:
    os.setgid(65534)
    os.setuid(65534)
path = Path(sys.argv[1])
with open_store(path, read_only=True) as store:
    found = [trial.trial_id for trial in store.trials()]
try:
    open_store(path).close()
    error = ""
except AutomlBenchError as caught:
    error = type(caught).__name__
print(json.dumps([found, error]))
"""


@pytest.mark.parametrize("in_use", [False, True])
def test_a_user_without_write_permission_can_read_but_not_write(in_use: bool) -> None:
    with tempfile.TemporaryDirectory() as name:  # pytest's own folders are closed to other users
        folder = Path(name)
        path = folder / "results.sqlite"
        store = open_store(path)
        store.save_trial(TrialRecord("t1", "p", "v", "d", "f", 5))
        if not in_use:
            store.close()
        path.chmod(0o444)
        folder.chmod(0o555)
        try:
            done = subprocess.run(
                [sys.executable, "-c", UNPRIVILEGED, str(path)], capture_output=True, text=True, check=True, timeout=60
            )
        finally:
            folder.chmod(0o755)
            store.close()
        assert json.loads(done.stdout) == [["t1"], "WorkspaceError"]


FULL_DISK = """
import resource, sys
from pathlib import Path
from automl_bench.errors import WorkspaceError
from automl_bench.store import open_store
from automl_bench.store.records import CallTiming, Invocation, Outcome, TrialRecord

def row(number):
    return Invocation("t1", f"s{number}" + "x" * 1000, "a", "a", 1.0, Outcome.OK, CallTiming(1, 2))

with open_store(Path(sys.argv[1])) as store:
    store.save_trial(TrialRecord("t1", "p", "v", "d", "f", 5))
    resource.setrlimit(resource.RLIMIT_FSIZE, (600_000, resource.RLIM_INFINITY))
    acknowledged = 0
    error = None
    while error is None:
        try:
            store.add_invocations([row(acknowledged)])
            acknowledged += 1
        except WorkspaceError as caught:
            error = caught
    print(type(error).__name__, error.message, sep="|")
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    store.add_invocations([row(acknowledged)])
    print(acknowledged + 1)
"""


def test_a_full_disk_is_one_sentence_and_the_file_stays_whole(store_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", FULL_DISK, str(store_path)], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    sentence, count = done.stdout.splitlines()
    assert sentence.startswith("WorkspaceError|")
    assert str(store_path) in sentence
    with open_store(store_path) as store:
        assert len(store.invocations("t1")) == int(count) > 1
        assert list(store.stream("PRAGMA integrity_check")) == [[("ok",)]]


def test_a_file_that_may_not_grow_is_a_full_disk(store_path: Path, invocation: Callable[..., Invocation]) -> None:
    with open_store(store_path) as store:
        store.save_trial(TrialRecord("t1", "p", "v", "d", "f", 5))
        assert store._write_connection is not None
        pages = store._write_connection.execute("PRAGMA page_count").fetchone()[0]
        store._write_connection.execute(f"PRAGMA max_page_count = {pages}")
        with pytest.raises(WorkspaceError, match="no space left") as caught:
            store.add_invocations([invocation(f"s{i}" + "x" * 200) for i in range(5_000)])
        assert_is_one_sentence_with_a_remedy(caught.value, store_path)
        assert store.invocations("t1") == []
        store._write_connection.execute("PRAGMA max_page_count = 1000000")
        assert store.add_invocations([invocation("s1")]) == 1
