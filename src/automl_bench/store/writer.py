"""One writer thread, group commit: everything queued is committed together, then each producer is told.

A job is a function of the connection that executes its statements and returns a value. Its producer is answered only
after the transaction that holds the job was committed with `synchronous=FULL`, so an answer means "on the disk".
If anything in a group fails, the group is rolled back and each of its jobs is tried in a transaction of its own:
one bad row spoils only itself. Jobs are therefore run up to twice and may keep no state outside the database.
"""

from __future__ import annotations

import queue
import sqlite3
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import Any, TypeVar

from automl_bench.errors import RecordsError, WorkspaceError
from automl_bench.store.sql_errors import is_busy, translate

Result = TypeVar("Result")
Job = Callable[[sqlite3.Connection], Result]

GROUP_LIMIT = 1000
"""Most jobs in one transaction: bounds how long the first of them waits."""

LOOK_SECONDS = 0.5
HURRIED_SECONDS = 2.0
"""How long a producer waits for its row once the command is to end: what costs money is to be deleted meanwhile.

Nor does the thread wait longer for a lock then, and it does so once, not again for each row written on the way out."""

BUSY_PATIENCE = 60.0
"""Seconds a group waits for a lock held by another process before its producers get an error."""


class _Ticket:
    """A queued job, and where its answer goes. A bare lock wakes its producer far more cheaply than an Event."""

    __slots__ = ("answered", "error", "future", "job", "value")

    def __init__(self, job: Job[Any], future: Future[Any] | None) -> None:
        self.job = job
        self.future = future
        self.value: Any = None
        self.error: BaseException | None = None
        self.answered = threading.Lock()
        self.answered.acquire()

    def answer(self) -> None:
        """Tell the producer."""
        if self.future is None:
            self.answered.release()
        elif self.error is not None:
            self.future.set_exception(self.error)
        else:
            self.future.set_result(self.value)


class GroupCommitWriter:
    """Runs all writes of one process on one connection in one thread.

    Args:
        connection: In autocommit mode, opened with `check_same_thread=False`; nobody else may use it.
        path: The results file, for messages.
        verify: Called before each transaction; what it raises is told to the producers.
        forget: Called after a rollback: what was learned from rows that are not there any more is to be forgotten.
        patience: Seconds to wait for a lock that another process holds.
    """

    def __init__(
        self,
        connection: sqlite3.Connection,
        path: Path,
        *,
        verify: Callable[[], None] = lambda: None,
        forget: Callable[[], None] = lambda: None,
        patience: float = BUSY_PATIENCE,
    ) -> None:
        self._connection = connection
        self._path = path
        self.hurry = threading.Event()
        self._verify = verify
        self._forget = forget
        self._patience = patience
        self._queue: queue.SimpleQueue[_Ticket | None] = queue.SimpleQueue()
        self._gate = threading.Lock()
        self._closed = False
        self._locked_out = False
        # SQLite's own wait cannot be ended, so it is kept short; `_begin` repeats it for as long as patience lasts.
        self._connection.execute(f"PRAGMA busy_timeout = {int(min(patience, LOOK_SECONDS) * 1000)}")
        self._thread = threading.Thread(target=self._work, name="automl-bench-store", daemon=True)
        self._thread.start()

    def write(self, job: Job[Result]) -> Result:
        """Run a job and wait until it is durable.

        Args:
            job: Executes statements; may be run twice.

        Returns:
            What the job returned.

        Raises:
            RecordsError: The row does not fit, the file is damaged, or the store is closed.
            WorkspaceError: The disk is full or refuses, or another process keeps the file locked.
        """
        ticket = _Ticket(job, None)
        self._put(ticket)
        waited = 0.0
        while not ticket.answered.acquire(timeout=LOOK_SECONDS):
            waited += LOOK_SECONDS
            if self.hurry.is_set() and waited >= HURRIED_SECONDS:
                raise WorkspaceError(
                    f"{self._path} could not be written to within {waited:.0f} s, and the command is to end.",
                    remedy="Find out what holds the file or fills the disk, then run the same command again.",
                )
        if ticket.error is not None:
            raise ticket.error
        value: Result = ticket.value
        return value

    def submit(self, job: Job[Result]) -> Future[Result]:
        """Queue a job; the future is answered once it is durable, and cannot be cancelled.

        Args:
            job: Executes statements; may be run twice.
        """
        future: Future[Result] = Future()
        future.set_running_or_notify_cancel()
        self._put(_Ticket(job, future))
        return future

    def close(self) -> None:
        """Finish what is queued, answer it, and end the thread. The connection stays open."""
        with self._gate:
            if self._closed:
                return
            self._closed = True
            self._queue.put(None)
        self._thread.join()

    def _put(self, ticket: _Ticket) -> None:
        with self._gate:
            if self._closed:
                raise RecordsError(
                    f"The results file {self._path} was closed before this write.",
                    remedy="Keep the store open until all of its writers have ended.",
                )
            self._queue.put(ticket)

    def _work(self) -> None:
        open_ = True
        while open_:
            first = self._queue.get()
            if first is None:
                return
            group = [first]
            try:
                self._begin()
            except BaseException as error:  # noqa: BLE001 (the thread must live on; each producer is told)
                if self.hurry.is_set():
                    open_ = self._collect(group)
                self._refuse(group, error)
                continue
            try:
                open_ = self._collect(group)
                for ticket in group:
                    ticket.value = ticket.job(self._connection)
                self._connection.execute("COMMIT")
            except BaseException as error:  # noqa: BLE001 (the thread must live on; each producer gets its own error)
                self._recover(group, error)
            for ticket in group:
                ticket.answer()

    def _collect(self, group: list[_Ticket]) -> bool:
        """Add what is queued to the group; False once the queue has ended."""
        try:
            while len(group) < GROUP_LIMIT:
                ticket = self._queue.get_nowait()
                if ticket is None:
                    return False
                group.append(ticket)
        except queue.Empty:
            pass
        return True

    def _begin(self) -> None:
        """Take the write lock, waiting as long as patience lasts."""
        self._verify()
        begun = time.monotonic()
        while True:
            try:
                self._connection.execute("BEGIN IMMEDIATE")
            except sqlite3.OperationalError as error:
                if not is_busy(error) or time.monotonic() > begun + self._patience_now():
                    self._locked_out = is_busy(error)
                    raise
            else:
                self._locked_out = False
                return

    def _patience_now(self) -> float:
        """Return the seconds for which a group may wait for the lock."""
        if not self.hurry.is_set():
            return self._patience
        return 0.0 if self._locked_out else min(self._patience, HURRIED_SECONDS)

    def _refuse(self, group: list[_Ticket], error: BaseException) -> None:
        """Tell a group that no transaction could be begun for it: no job of it is to blame, and none is tried alone."""
        self._roll_back()
        for ticket in group:
            ticket.error = translate(error, self._path)
            ticket.answer()

    def _recover(self, group: list[_Ticket], error: BaseException) -> None:
        self._roll_back()
        if len(group) == 1:
            group[0].error = translate(error, self._path)
            return
        for ticket in group:
            try:
                self._begin()
                ticket.value = ticket.job(self._connection)
                self._connection.execute("COMMIT")
            except BaseException as own:  # noqa: BLE001 (handed to the producer whose job it is)
                self._roll_back()
                ticket.error = translate(own, self._path)

    def _roll_back(self) -> None:
        self._forget()
        if self._connection.in_transaction:
            try:
                self._connection.execute("ROLLBACK")
            except sqlite3.Error:
                # SQLite rolls back by itself after some I/O errors; the next BEGIN shows whether the file still works.
                return
