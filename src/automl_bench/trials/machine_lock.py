"""One lock for this machine, across processes, workspaces and users: who measures or computes here does so alone.

The locks are files in one folder that all users share. The system releases them when their process ends, however it
ends. A process that holds the machine lets others of its own work join (see `machine`), but not past somebody who
waits: whoever wants the machine first takes the turn, a second lock, and keeps it until the machine is free.
"""

from __future__ import annotations

import getpass
import json
import logging
import os
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

log = logging.getLogger(__name__)

FOLDER_VARIABLE = "AUTOML_BENCH_MACHINE_FOLDER"
LOOK_SECONDS = 0.2
LOCKS = ("turn.lock", "machine.lock")
TELL_SECONDS = 1.0
"""Waits longer than this are told."""


class MachineLock:
    """The machine as one process holds it. Used by one thread at a time.

    Args:
        workspace: Folder of the workspace, for those who wait.
        say: Tells the user one line.
        folder: Where the locks lie; by default one that all users of the machine share.
    """

    def __init__(self, workspace: str, say: Callable[[str], None], folder: Path | None = None) -> None:
        self._workspace = workspace
        self._say = say
        self._folder = folder
        self._locks: tuple[FileLock, FileLock] | None = None

    def acquire(self, stop: threading.Event | None = None) -> bool:
        """Wait until this process may use the machine; False if `stop` was set before."""
        turn, machine = self._files()
        begun = time.monotonic()
        told = False
        for lock in (turn, machine):
            while not _taken(lock):
                if stop is not None and stop.is_set():
                    turn.release()
                    return False
                if not told and time.monotonic() - begun > TELL_SECONDS:
                    self._say(f"waiting for this machine: {self._holder()} measures or computes here")
                    told = True
                time.sleep(LOOK_SECONDS)
        turn.release()
        self._write_holder()
        return True

    def release(self) -> None:
        """Let others use the machine."""
        _, machine = self._files()
        self._holder_file(os.getpid()).unlink(missing_ok=True)
        machine.release()

    def is_wanted(self) -> bool:
        """Whether another process waits for the machine."""
        turn, _ = self._files()
        if not _taken(turn):
            return True
        turn.release()
        return False

    def _files(self) -> tuple[FileLock, FileLock]:
        if self._locks is None:
            folder = self._folder or shared_folder()
            self._folder = folder
            turn, machine = (FileLock(folder / name, mode=0o666, thread_local=False) for name in LOCKS)
            self._locks = turn, machine
        return self._locks

    def _holder_file(self, pid: int) -> Path:
        assert self._folder is not None
        return self._folder / f"holder-{os.getuid()}-{pid}.json"

    def _write_holder(self) -> None:
        words = {
            "pid": os.getpid(),
            "user": _user(),
            "workspace": self._workspace,
            "since": datetime.now(UTC).isoformat(timespec="seconds"),
        }
        path = self._holder_file(os.getpid())
        try:
            path.unlink(missing_ok=True)
            with path.open("x", encoding="utf-8") as file:
                json.dump(words, file)
            path.chmod(0o644)
        except OSError as error:
            log.info("who holds the machine is not written down: %s", error)

    def _holder(self) -> str:
        """Return who holds the machine, in words: the newest note of a process, as older ones may have been killed."""
        assert self._folder is not None
        newest: dict[str, Any] = {}
        for path in self._folder.glob("holder-*.json"):
            try:
                found = json.loads(path.read_text(encoding="utf-8"))
                if str(found["since"]) > str(newest.get("since", "")):
                    newest = found
            except (OSError, ValueError, KeyError, TypeError):
                continue
        if not newest:
            return "another process"
        return (
            f"process {newest.get('pid')} of {newest.get('user')} in workspace {newest.get('workspace')} "
            f"(since {str(newest['since'])[:19].replace('T', ' ')} UTC)"
        )


def _taken(lock: FileLock) -> bool:
    try:
        lock.acquire(blocking=False)
    except Timeout:
        return False
    return True


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # a container's user may have no name
        return str(os.getuid())


def shared_folder() -> Path:
    """Return the folder of the machine's locks: AUTOML_BENCH_MACHINE_FOLDER, or one under the temporary folder.

    Everybody may add files to it and nobody may remove those of others. Where somebody else has made it otherwise, this
    user's processes still share a folder of their own.
    """
    named = os.environ.get(FOLDER_VARIABLE)
    if named:
        folder = Path(named)
        folder.mkdir(parents=True, exist_ok=True)
        return folder
    root = Path("/tmp") if sys.platform.startswith("linux") else Path(tempfile.gettempdir())
    folder = root / "automl-bench-machine"
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        if folder.stat(follow_symlinks=False).st_uid == os.getuid():
            prepare(folder)
        if not folder.is_symlink() and _is_usable(folder):
            return folder
    except OSError as error:
        log.info("%s cannot be used: %s", folder, error)
    own = Path(tempfile.gettempdir()) / f"automl-bench-machine-{os.getuid()}"
    own.mkdir(mode=0o700, exist_ok=True)
    return own


def prepare(folder: Path) -> None:
    """Make the locks in a folder of this user's, and let all users take them.

    Their owner must be the folder's: in a folder where everybody may add files, a lock of anybody else could be
    replaced while it is held, and is refused.
    """
    for name in LOCKS:
        path = folder / name
        path.touch(mode=0o666)
        if path.stat().st_mode & 0o777 != 0o666:
            path.chmod(0o666)
    if folder.stat().st_mode & 0o7777 != 0o1777:
        folder.chmod(0o1777)


def _is_usable(folder: Path) -> bool:
    owners = {folder.stat().st_uid, os.getuid()}
    locks = [folder / name for name in LOCKS]
    return os.access(folder, os.W_OK | os.X_OK) and all(
        lock.is_file() and not lock.is_symlink() and lock.stat().st_uid in owners and os.access(lock, os.R_OK | os.W_OK)
        for lock in locks
    )
