"""The SQLite file itself: how it is opened, by whom it is read and written."""

from __future__ import annotations

import errno
import json
import os
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

from automl_bench.border.command_lines import quoted_command
from automl_bench.border.texts import scrub
from automl_bench.contract import Json
from automl_bench.errors import CorruptRecord, LeaseLost, NoResults, RecordsError, WorkspaceError
from automl_bench.store import schema
from automl_bench.store.keys import RowKeys
from automl_bench.store.leases import LeaseWatch, OwnerAlive, current_owner, owner_alive
from automl_bench.store.network_files import refuse_network_files
from automl_bench.store.records import LedgerEntry
from automl_bench.store.sql_errors import is_busy, own_errors, translate
from automl_bench.store.writer import BUSY_PATIENCE, GroupCommitWriter, Job, Result

BUSY_TIMEOUT_MS = 10_000
CHECKPOINT_PAGES = 4_000
"""Pages of 4 KB in the write-ahead log before they are moved into the main file."""

SqlValue = str | int | float | bytes | None


def now() -> str:
    """Return the wall clock as ISO 8601, UTC, microseconds."""
    return datetime.now(UTC).isoformat(timespec="microseconds")


def to_json(value: Json) -> str:
    """Return a value as compact JSON text; mappings, tuples, sets and paths become objects, arrays and text."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=_plain)


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, (set, frozenset)):
        return sorted(value)
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    item = getattr(value, "item", None)  # a numpy number
    if callable(item):
        return item()
    raise TypeError(f"a {type(value).__name__} cannot be stored as JSON")


def from_json(text: str) -> Any:
    """Return the value of stored JSON text.

    Raises:
        CorruptRecord: The text is no JSON, which only damage or an editing hand can have done.
    """
    try:
        return json.loads(text)
    except ValueError as error:
        raise CorruptRecord(
            f"The results file holds {text[:40]!r} where JSON belongs.", remedy="Restore a copy of the results file."
        ) from error


class ResultsFile:
    """Connections to one results file: one writer thread, any number of readers. The tables build on it.

    Args:
        path: The file.
        read_only: Open for reading alone; works while another process writes.
        alive: Tells whether the owner of a lease lives.
        patience: Seconds to wait for a lock that another process holds.
    """

    def __init__(
        self,
        path: Path,
        *,
        read_only: bool = False,
        alive: OwnerAlive = owner_alive,
        patience: float = BUSY_PATIENCE,
    ) -> None:
        self.path = path
        self.read_only = read_only
        self._alive = alive
        self._watch = LeaseWatch()
        self._fences: dict[str, int] = {}
        self._worked_on: set[str] = set()
        self._remembered: dict[int, LedgerEntry] = {}
        self._gone: set[int] = set()
        self._keys = RowKeys(path)
        self._readers: list[sqlite3.Connection] = []
        self._readers_lock = threading.Lock()
        self._closed = False
        self._pid = os.getpid()
        self._writer: GroupCommitWriter | None = None
        self._write_connection: sqlite3.Connection | None = None
        with own_errors(path):
            if read_only:
                self._readers.append(_open_for_reading(path))
            else:
                self._write_connection = _open_for_writing(path, patience)
            self._file = _identity(path)
        if self._write_connection is not None:
            self._writer = GroupCommitWriter(
                self._write_connection,
                path,
                verify=self._require_same_file,
                forget=self._keys.clear,
                patience=patience,
            )

    # --- writing -----------------------------------------------------------------------------------------

    def _write(self, job: Job[Result]) -> Result:
        return self._open_writer().write(job)

    def _submit(self, job: Job[Result]) -> Future[Result]:
        return self._open_writer().submit(job)

    def _open_writer(self) -> GroupCommitWriter:
        if self._writer is None:
            raise RecordsError(
                f"The results file {self.path} was opened for reading only.", remedy="Open it without read_only."
            )
        if self._pid != os.getpid():
            raise RecordsError(
                f"The results file {self.path} was opened before this process was forked off.",
                remedy="Open the store again in each process.",
            )
        return self._writer

    def hurry_with(self, stop: threading.Event) -> None:
        """Have writes wait only briefly for a locked file or a full disk once the event is set.

        A row that was given up may still be written a little later.
        """
        if self._writer is not None:
            self._writer.hurry = stop

    def flush(self) -> None:
        """Wait until everything submitted so far is durable or has failed."""
        if self._writer is not None:
            self._write(lambda _connection: None)

    def _require_same_file(self) -> None:
        """Refuse to go on in a file that was deleted or replaced: SQLite would write to it without a word.

        Raises:
            WorkspaceError: If the path leads to another file now, or to none.
        """
        found = _identity(self.path)
        if found != self._file:
            done = "deleted" if found is None else "replaced by another file"
            raise WorkspaceError(
                f"The results file {self.path} was {done} while it was in use.",
                remedy="Put it back if you have it, then run the same command again.",
            )

    def _leased_key(self, connection: sqlite3.Connection, trial_id: str) -> int:
        """Return a trial's key for a write, if this process may write to the trial.

        Raises:
            LeaseLost: If another process holds the trial's lease, or took it since this one claimed it.
            RecordsError: The trial was never saved.
        """
        key = self._keys.trial(connection, trial_id)
        row = connection.execute("SELECT owner, fence FROM leases WHERE trial_key = ?", (key,)).fetchone()
        self._require_lease(trial_id, row)
        return key

    def _require_lease(self, trial_id: str, row: tuple[str, int] | None) -> None:
        fence = self._fences.get(trial_id)
        if fence is not None and (row is None or row[1] != fence):
            raise LeaseLost(
                f"another process has taken trial {trial_id} over, as this one was not heard of for too long.",
                remedy=f"Nothing of it was written or deleted since; {quoted_command('status')} shows how it goes on.",
            )
        if fence is None and row is not None and row[0] != current_owner():
            raise LeaseLost(
                f"another process works on trial {trial_id}.", remedy="Wait for it, or stop it, and run again."
            )

    # --- reading -----------------------------------------------------------------------------------------

    def _read(self, sql: str, values: Sequence[SqlValue] = ()) -> list[Any]:
        """Return all rows of a query, on a connection of its own: no reader waits for the writer."""
        with self._reader() as connection:
            return connection.execute(sql, values).fetchall()

    def column_names(self, sql: str) -> list[str]:
        """Return the names of a query's columns, without its rows."""
        with self._reader() as connection:
            return [str(column[0]) for column in connection.execute(f"SELECT * FROM ({sql}) LIMIT 0").description]

    def stream(self, sql: str, values: Sequence[SqlValue] = (), *, rows: int = 50_000) -> Iterator[list[Any]]:
        """Yield the rows of a query in lists of bounded length, all as of one moment; for exports.

        Args:
            sql: A SELECT statement; docs/design/store.md has the tables and views.
            values: Its parameters.
            rows: Most rows in one list.
        """
        with self._reader() as connection:
            cursor = connection.execute(sql, values)
            while block := cursor.fetchmany(rows):
                yield block

    @contextmanager
    def _reader(self) -> Iterator[sqlite3.Connection]:
        with self._readers_lock:
            if self._closed:
                raise RecordsError(
                    f"The results file {self.path} was closed before this read.",
                    remedy="Keep the store open until all of its readers have ended.",
                )
            connection = self._readers.pop() if self._readers else None
        with own_errors(self.path):
            if connection is None:
                self._require_same_file()
                connection = _open_for_reading(self.path)
            try:
                yield connection
            finally:
                with self._readers_lock:
                    keep = not self._closed
                    if keep:
                        self._readers.append(connection)
                if not keep:
                    connection.close()

    # --- ending ------------------------------------------------------------------------------------------

    def close(self) -> None:
        """Finish what is queued and close the file; closing twice does nothing."""
        if self._pid != os.getpid():
            return  # a forked child must not touch its parent's connections
        if self._writer is not None:
            self._writer.close()
        with self._readers_lock:
            self._closed = True
            readers, self._readers = self._readers, []
        for connection in readers:
            connection.close()
        if self._write_connection is not None:
            self._write_connection.close()
            self._write_connection = None


def _identity(path: Path) -> tuple[int, int] | None:
    """Return what tells a file from another of the same path, or None if there is none."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino


class CleanConnection(sqlite3.Connection):
    """A connection that lets no known secret in, and none out of a file that an older automl-bench wrote."""

    def execute(self, sql: str, parameters: Any = (), /) -> sqlite3.Cursor:
        """Execute a statement, with texts among its parameters scrubbed."""
        return super().execute(sql, _scrubbed(parameters) if parameters else parameters)

    def executemany(self, sql: str, parameters: Iterable[Any], /) -> sqlite3.Cursor:
        """Execute a statement for many rows, with their texts scrubbed."""
        return super().executemany(sql, map(_scrubbed, parameters))


def _scrubbed(values: Any) -> Any:
    if isinstance(values, Mapping):
        return {key: scrub(value) if type(value) is str else value for key, value in values.items()}
    return [scrub(value) if type(value) is str else value for value in values]


def _text(data: bytes) -> str:
    try:
        return scrub(data.decode())
    except UnicodeDecodeError as error:
        # Told as SQLite's own reading tells it, so that it is known for damage.
        raise sqlite3.OperationalError(f"Could not decode to UTF-8: {error}") from error


def _connect(path: Path, query: str) -> sqlite3.Connection:
    connection = sqlite3.connect(
        f"file:{quote(str(path.absolute()))}?{query}",
        uri=True,
        isolation_level=None,
        check_same_thread=False,
        timeout=BUSY_TIMEOUT_MS / 1000,
        factory=CleanConnection,
    )
    connection.text_factory = _text
    try:
        connection.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}")
        connection.execute("PRAGMA foreign_keys = ON")
    except BaseException:
        connection.close()
        raise
    return connection


def _open_for_writing(path: Path, patience: float) -> sqlite3.Connection:
    refuse_network_files(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.exists() and not os.access(path, os.W_OK):
        # SQLite would open it for reading without a word, and the first row would be refused hours later.
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
    connection = _connect(path, "mode=rwc")
    try:
        connection.execute(f"PRAGMA busy_timeout = {min(BUSY_TIMEOUT_MS, max(1, int(patience * 1000)))}")
        schema.stored_version(connection, path)  # before anything is changed in a file that may not be ours
        _switch_to_wal(connection)
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute(f"PRAGMA wal_autocheckpoint = {CHECKPOINT_PAGES}")
        schema.migrate(connection, path)
    except BaseException:
        connection.close()
        raise
    return connection


def _switch_to_wal(connection: sqlite3.Connection) -> None:
    """Turn on write-ahead logging; the switch skips the busy handler, and several processes may create the file."""
    for attempt in range(50):
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if not is_busy(error) or attempt == 49:
                raise
            threading.Event().wait(0.02)
        else:
            return


def _open_for_reading(path: Path) -> sqlite3.Connection:
    if not path.exists():
        raise NoResults(
            f"There are no results yet: {path} does not exist.",
            remedy=f"Run an experiment first, for example {quoted_command('demo', '--cloud')}.",
        )
    connection = _connect(path, "mode=ro")
    try:
        try:
            version = schema.stored_version(connection, path)
        except sqlite3.OperationalError as error:
            # A reader of a write-ahead log needs the -shm file beside it; where the folder cannot be written to and no
            # log is left, the file cannot change either and may be read as it is (https://sqlite.org/wal.html#readonly).
            log = path.with_name(path.name + "-wal")
            if isinstance(translate(error, path), RecordsError) or log.exists():
                raise
            connection.close()
            connection = _connect(path, "mode=ro&immutable=1")
            version = schema.stored_version(connection, path)
    except BaseException:
        connection.close()
        raise
    if version < schema.current_version():
        connection.close()
        _open_for_writing(path, BUSY_PATIENCE).close()  # an older file is brought forward first
        return _connect(path, "mode=ro")
    return connection
