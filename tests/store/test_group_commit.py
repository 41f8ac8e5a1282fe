"""Everything queued is committed together, then each producer is told what became of its own rows."""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from automl_bench.errors import RecordsError
from automl_bench.store import Store, open_store
from automl_bench.store.records import Invocation, TrialRecord

MakeInvocation = Callable[..., Invocation]


@contextmanager
def writer_held_up(store: Store) -> Iterator[None]:
    """Keep the writer in a job of ours, so that what is submitted inside piles up behind it."""
    started, go_on = threading.Event(), threading.Event()

    def wait(_connection: sqlite3.Connection) -> None:
        started.set()
        assert go_on.wait(20)

    future = store._submit(wait)
    assert started.wait(20)
    try:
        yield
    finally:
        go_on.set()
        future.result(20)


def stored(path: Path) -> int:
    connection = sqlite3.connect(path)
    try:
        return int(connection.execute("SELECT count(*) FROM invocations").fetchone()[0])
    finally:
        connection.close()


def test_a_row_is_in_the_file_when_its_producer_is_told(
    store: Store, store_path: Path, invocation: MakeInvocation
) -> None:
    for number in range(20):
        store.add_invocations([invocation(f"s{number}")])
        assert stored(store_path) == number + 1


def test_what_is_queued_goes_into_one_transaction(store: Store, invocation: MakeInvocation) -> None:
    statements: list[str] = []
    assert store._write_connection is not None
    store._write_connection.set_trace_callback(statements.append)
    with writer_held_up(store):
        futures = [store.submit_invocations([invocation(f"s{number}")]) for number in range(200)]
    assert sum(future.result(20) for future in futures) == 200
    assert statements.count("COMMIT") == 2, "one for the job that held it up, one for all the others"


def test_a_bad_row_spoils_only_itself(store: Store, invocation: MakeInvocation) -> None:
    with writer_held_up(store):
        good = store.submit_invocations([invocation("s1")])
        bad = store.submit_invocations([invocation("s2", trial_id="unknown")])
        also_good = store.submit_invocations([invocation("s3")])
    assert good.result(20) == also_good.result(20) == 1
    with pytest.raises(RecordsError, match="Trial unknown is not in the results file"):
        bad.result(20)
    assert store.invoked_sample_ids("t1") == {"s1", "s3"}


def test_many_threads_each_get_their_own_answer(store: Store, invocation: MakeInvocation) -> None:
    answers: list[int] = []

    def produce(name: int) -> None:
        for number in range(50):
            # Every second row is one that all threads write: exactly one of them is told that it was new.
            sample = f"shared-{number}" if number % 2 else f"{name}-{number}"
            answers.append(store.add_invocations([invocation(sample)]))

    threads = [threading.Thread(target=produce, args=(name,)) for name in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(answers) == len(store.invocations("t1")) == 8 * 25 + 25


def test_readers_work_while_the_writer_is_busy(store: Store) -> None:
    with writer_held_up(store):
        assert store.trial("t1") is not None


def test_flush_waits_for_all_that_was_submitted(store: Store, store_path: Path, invocation: MakeInvocation) -> None:
    futures = [store.submit_invocations([invocation(f"s{number}")]) for number in range(300)]
    store.flush()
    assert stored(store_path) == 300
    assert all(future.done() for future in futures)


def test_closing_finishes_what_is_queued(store_path: Path, invocation: MakeInvocation) -> None:
    store = open_store(store_path)
    store.save_trial(TrialRecord("t1", "p", "v", "d", "f", 5))
    futures = [store.submit_invocations([invocation(f"s{number}")]) for number in range(500)]
    store.close()
    store.close()
    assert all(future.done() for future in futures)
    assert stored(store_path) == 500
    assert [path.name for path in store_path.parent.iterdir()] == [store_path.name], "the log is folded into the file"


def test_a_closed_store_says_so(store_path: Path, invocation: MakeInvocation) -> None:
    store = open_store(store_path)
    store.close()
    with pytest.raises(RecordsError, match="was closed before this write"):
        store.add_invocations([invocation("s1")])
    with pytest.raises(RecordsError, match="was closed before this read"):
        store.trials()


def test_a_mistake_in_a_job_reaches_its_producer_and_the_writer_lives_on(
    store: Store, invocation: MakeInvocation
) -> None:
    def mistaken(connection: sqlite3.Connection) -> None:
        connection.execute("DELETE FROM trials")
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        store._write(mistaken)
    assert store.trial("t1") is not None, "what the job did was rolled back"
    assert store.add_invocations([invocation("s1")]) == 1


def test_a_forked_child_may_not_use_its_parents_connection(
    store: Store, invocation: MakeInvocation, monkeypatch: pytest.MonkeyPatch
) -> None:
    parent = os.getpid()
    with monkeypatch.context() as patched:
        patched.setattr(os, "getpid", lambda: parent + 1)
        with pytest.raises(RecordsError, match="before this process was forked off"):
            store.add_invocations([invocation("s1")])
        store.close()
    assert store.add_invocations([invocation("s1")]) == 1, "the child's close left the parent's store alone"
