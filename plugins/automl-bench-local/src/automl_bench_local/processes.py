"""Our own detached processes: begun, found again by command line, and ended.

A process is known by its module, name and home folder on its command line, so that it is found with no file of ours
left, by another command, and never confused with another workspace's or with a later process of the same number.
"""

from __future__ import annotations

import contextlib
import fcntl
import itertools
import json
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from automl_bench_local import fork_server
from automl_bench_local.fork_server import LOCK_DESCRIPTOR

if TYPE_CHECKING:
    import psutil

LOCK_FILE = "process.lock"
PROCESS_FILE = "process.json"
STARTING_SECONDS = 10.0
"""Far longer than a process has no command line; the clock of process starts may be a second off."""
ENDING_SECONDS = 2.0
"""Far longer than the threads of a killed process take to end."""
LOOK_AGAIN = 0.01
SOON, SELDOM = 0.02, 0.1
"""Seconds between two looks at a process: while it is young, and later."""

PASSED_ON = frozenset(
    {
        *("PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "LANGUAGE", "TZ", "TMPDIR", "TEMP", "TMP"),
        *("LD_LIBRARY_PATH", "LD_PRELOAD", "DYLD_LIBRARY_PATH", "VIRTUAL_ENV", "CONDA_PREFIX"),
        *("PYTHONPATH", "PYTHONHOME", "PYTHONHASHSEED", "PYTHONUTF8", "PYTHONIOENCODING", "PYTHONWARNINGS"),
        *("PYTHONDONTWRITEBYTECODE", "PYTHONPYCACHEPREFIX", "PYTHONUNBUFFERED", "PYTHONNOUSERSITE", "PYTHONUSERBASE"),
        *("CUDA_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES", "COVERAGE_PROCESS_START"),
        *("XDG_CACHE_HOME", "XDG_DATA_HOME", "XDG_RUNTIME_DIR"),
    }
)
"""Variables that a begun process gets. Keys of clouds are not among them: it needs none."""

LEADS_TO_PACKAGES = frozenset({"PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "CONDA_PREFIX"})

PASSED_ON_PREFIXES = ("LC_", "OMP_", "OPENBLAS_", "MKL_", "BLIS_", "KMP_", "GOMP_", "MALLOC_")

THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "BLIS_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "NUMEXPR_NUM_THREADS",
)


@dataclass(frozen=True, slots=True)
class Role:
    """What identifies one of our processes.

    Attributes:
        module: The module it runs.
        name: The resource it is.
        home: The provider's folder that it belongs to.
        starts: Words that begin its command line, where it runs in an environment of a variant's own.
    """

    module: str
    name: str
    home: Path
    starts: tuple[str, ...] = ()

    def arguments(self) -> list[str]:
        """Return the command line, up to the process's own options."""
        # -P: a file of the current folder must not shadow a library
        starts = self.starts or (sys.executable, "-P")
        return [*starts, "-m", self.module, "--name", self.name, "--home", str(self.home)]


@dataclass(frozen=True, slots=True)
class Running:
    """A process of ours that runs."""

    pid: int
    name: str
    started: float


def begin(
    role: Role,
    options: Sequence[str],
    folder: Path,
    *,
    log: Path,
    threads: int,
    clean: Callable[[], None],
    warm: Sequence[str] | None = None,
    also: Mapping[str, str] = MappingProxyType({}),
) -> bool:
    """Start a detached process unless the one of this folder already runs.

    The process inherits a lock on the folder's lock file and holds it as long as it lives. So there is no moment, not
    even when this process is killed between two lines, in which a second one could be started.

    Args:
        role: Who it is.
        options: The rest of its command line.
        folder: Existing folder of the lock file.
        log: File that gets its output.
        threads: Threads of its numeric libraries.
        clean: Called under the lock before the start; removes what an earlier process left.
        warm: Names of libraries that it needs: it is forked from a process of this command that has imported them and
            the module. None starts Python anew.
        also: Variables that it gets beside those of every process of ours.

    Returns:
        Whether a process was started.

    Raises:
        OSError: If the folder cannot be written or the process not be started.
    """
    lock = os.open(folder / LOCK_FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        if not _locked(lock, role, folder):
            return False
        clean()
        usual = inside_environment if role.starts else own_environment
        pid = _start(role, options, {**usual(os.environ, threads), **also}, lock, log, warm)
        temporary = folder / f".{PROCESS_FILE}.new"
        temporary.write_text(json.dumps({"pid": pid}), encoding="utf-8")
        temporary.replace(folder / PROCESS_FILE)
        return True
    finally:
        os.close(lock)


def _start(
    role: Role,
    options: Sequence[str],
    environment: Mapping[str, str],
    lock: int,
    log: Path,
    warm: Sequence[str] | None,
) -> int:
    """Fork or start a process that holds the lock, and return its number."""
    line = [*role.arguments(), *options]
    writing = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o644)
    try:
        if warm is not None:
            order = fork_server.Order(tuple(line), skip=line.index(role.module) + 1, needs=tuple(warm))
            pid = fork_server.begin(role.module, environment, order, lock=lock, log=writing)
            if pid is not None:
                return pid
        return os.posix_spawn(
            line[0],
            line,
            environment,
            file_actions=[
                (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                (os.POSIX_SPAWN_DUP2, writing, 1),
                (os.POSIX_SPAWN_DUP2, 1, 2),
                (os.POSIX_SPAWN_DUP2, lock, LOCK_DESCRIPTOR),
            ],
            setsid=True,
        )
    finally:
        os.close(writing)


def own_environment(around: Mapping[str, str], threads: int) -> dict[str, str]:
    """Return the environment of a begun process: what programs and libraries need, and nothing else.

    A list of what is let through, not of what is kept out: nobody can list the names of all secrets.

    Args:
        around: The environment of this process.
        threads: Threads of the numeric libraries.
    """
    kept = {name: value for name, value in around.items() if name in PASSED_ON or name.startswith(PASSED_ON_PREFIXES)}
    return {**kept, **dict.fromkeys(THREAD_VARIABLES, str(threads))}


def inside_environment(around: Mapping[str, str], threads: int) -> dict[str, str]:
    """Return the environment of a process that runs in a variant's own: without what leads to this one's packages.

    Args:
        around: The environment of this process.
        threads: Threads of the numeric libraries.
    """
    own = own_environment(around, threads)
    return {name: value for name, value in own.items() if name not in LEADS_TO_PACKAGES}


def _locked(lock: int, role: Role, folder: Path) -> bool:
    """Take the lock of a folder and return whether that was possible.

    A killed process may hold it a moment longer than it is found: its first thread is gone and the others are just
    ending.
    """
    until = time.monotonic() + ENDING_SECONDS
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= until or find_one(role, folder) is not None:
                return False
            time.sleep(LOOK_AGAIN)
        else:
            return True


def keep_lock_to_ourselves() -> None:
    """Called by a begun process: what it starts must not hold the lock after its death."""
    with contextlib.suppress(OSError):
        os.set_inheritable(LOCK_DESCRIPTOR, False)


def find(module: str, home: Path, prefix: str) -> list[Running]:
    """Return our running processes of a module and home whose name begins with a prefix, oldest first."""
    import psutil

    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            running = _read(process, process.cmdline(), module, home)
            if running is not None and running.name.startswith(prefix):
                found.append(running)
    return sorted(found, key=lambda running: (running.started, running.pid))


def next_look(folder: Path) -> float:
    """Return after how many seconds the process of a folder is worth the next look: a small training takes 20 ms."""
    try:
        age = time.time() - (folder / PROCESS_FILE).stat().st_mtime
    except OSError:
        return SELDOM
    return min(SELDOM, max(SOON, age / 4))


def find_one(role: Role, folder: Path) -> Running | None:
    """Return the process of a role, or None: by its noted number if that is there, else in the process table."""
    import psutil

    with contextlib.suppress(OSError, ValueError, KeyError, TypeError, psutil.Error):
        pid = int(json.loads((folder / PROCESS_FILE).read_text(encoding="utf-8"))["pid"])
        process = psutil.Process(pid)
        line = process.cmdline()  # once: what is empty in this moment may be complete in the next
        if not line and _is_starting(process):
            return Running(pid, role.name, process.create_time())
        running = _read(process, line, role.module, role.home)
        if running is not None and running.name == role.name:
            return running
    return next((running for running in find(role.module, role.home, role.name) if running.name == role.name), None)


def _read(process: psutil.Process, line: Sequence[str], module: str, home: Path) -> Running | None:
    if not line:  # a zombie has none; if it is our child, this lets go of it
        _reap(process.pid)
        return None
    options = dict(_pairs(line))
    if options.get("-m") != module or options.get("--home") != str(home) or "--name" not in options:
        return None
    return Running(process.pid, options["--name"], process.create_time())


def _is_starting(process: psutil.Process) -> bool:
    """Tell whether a noted process without a command line is at its very beginning.

    The kernel lets the parent go on before the child's new command line is in place: for some microseconds it is empty.
    """
    import psutil

    young = time.time() - process.create_time() < STARTING_SECONDS
    return young and process.status() not in {psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD}


def _pairs(line: Sequence[str]) -> Iterator[tuple[str, str]]:
    return itertools.pairwise(line)


def _reap(pid: int) -> None:
    with contextlib.suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)


def ask_to_end(running: Running, *, within: float) -> bool:
    """Send SIGTERM and wait a moment; return whether the process is gone."""
    return _signal(running, signal.SIGTERM, within)


def kill(running: Running, *, within: float) -> bool:
    """Send SIGKILL to the process and all it started, and wait a moment; return whether it is gone."""
    return _signal(running, signal.SIGKILL, within)


def _signal(running: Running, number: signal.Signals, within: float) -> bool:
    import psutil

    try:
        process = psutil.Process(running.pid)
        if number is signal.SIGKILL:
            os.killpg(running.pid, number)  # it leads its own session
        else:
            process.send_signal(number)
        process.wait(timeout=within)
    except psutil.TimeoutExpired:
        return False
    except (psutil.NoSuchProcess, ProcessLookupError):
        return True
    return True
