"""SQLite's errors in the words of `automl_bench.errors`: one sentence of fact, one of remedy."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from automl_bench.errors import AutomlBenchError, CorruptRecord, RecordsError, WorkspaceError

_PRIMARY = 0xFF
"""SQLite's extended result codes keep the primary code in the low byte (https://sqlite.org/rescode.html)."""

_BUSY = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED})
_DAMAGED = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_FORMAT})


def is_busy(error: sqlite3.Error) -> bool:
    """Return whether another process held the lock for longer than the busy time-out."""
    return primary_code(error) in _BUSY


def primary_code(error: sqlite3.Error) -> int | None:
    """Return SQLite's primary result code, or None where the error comes from Python's module itself."""
    code = getattr(error, "sqlite_errorcode", None)
    return None if code is None else int(code) & _PRIMARY


def damaged(path: Path, fact: str) -> CorruptRecord:
    """Return the error for a results file that cannot be read as one."""
    return CorruptRecord(
        f"The results file {path} {fact}.",
        remedy="Move it aside and restore a copy, or save what can be saved with `sqlite3 OLD .recover | sqlite3 NEW`.",
    )


def translate(error: BaseException, path: Path) -> BaseException:
    """Return the error of our own tree that says what an SQLite or OS error means for the user.

    An error that is no SQLite, OS or value error, and a mistake in our own SQL, comes back unchanged.

    Args:
        error: What was raised.
        path: The results file.
    """
    if isinstance(error, AutomlBenchError):
        return error
    if isinstance(error, OSError):
        return WorkspaceError(
            f"The results file {path} cannot be used: {error.strerror or error}.",
            remedy="Check that its folder exists, is a folder, and may be written to.",
        )
    if isinstance(error, (UnicodeEncodeError, OverflowError)):
        return RecordsError(
            f"A value cannot be stored in {path}: {error}.",
            remedy="Rename the file or label that holds characters outside Unicode, or correct the number.",
        )
    if not isinstance(error, sqlite3.Error):
        return error
    return _translate_sqlite(error, path)


def _translate_sqlite(error: sqlite3.Error, path: Path) -> BaseException:
    code = primary_code(error)
    if code == sqlite3.SQLITE_FULL:
        return WorkspaceError(
            f"There is no space left to write {path}.", remedy="Free some disk space and run the same command again."
        )
    if code in _BUSY:
        return WorkspaceError(
            f"Another process keeps {path} locked.",
            remedy="Wait for it or end it, then run the same command again.",
        )
    if code in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM, sqlite3.SQLITE_AUTH):
        return WorkspaceError(
            f"The results file {path} may not be written to.",
            remedy="Give yourself write permission on the file and its folder, or choose another workspace.",
        )
    if code == sqlite3.SQLITE_CANTOPEN:
        return WorkspaceError(
            f"The results file {path} cannot be opened.",
            remedy="Check that its folder exists, is a folder, and may be written to.",
        )
    if code == sqlite3.SQLITE_IOERR:
        return WorkspaceError(
            f"The disk refused to read or write {path} ({error}).",
            remedy="Check the disk's free space, quota and health, then run the same command again.",
        )
    if code in _DAMAGED or (code is None and "decode" in str(error)):  # text that is not UTF-8
        return damaged(path, f"is damaged or is not an SQLite file ({error})")
    if code == sqlite3.SQLITE_CONSTRAINT:
        return RecordsError(
            f"A row does not fit the others in {path} ({error}).",
            remedy="Save the trial before its stages, resources and calls, and run again.",
        )
    return error


@contextmanager
def own_errors(path: Path) -> Iterator[None]:
    """Raise what happens inside as an error of our own tree.

    Args:
        path: The results file.

    Raises:
        RecordsError: A row does not fit, or the file is damaged (CorruptRecord).
        WorkspaceError: Permissions, full disk, or a lock that is not released.
    """
    try:
        yield
    except (sqlite3.Error, OSError, UnicodeEncodeError, OverflowError) as error:
        meaning = translate(error, path)
        if meaning is error:
            raise
        raise meaning from error
