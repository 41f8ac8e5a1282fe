"""The fork server process: `python -m automl_bench_local.forked MODULE PADDING`, begun by `fork_server`.

Imports the module, calls its `before_forks`, then waits for orders; each becomes a child that runs the module's `main`.
Ends when its command does.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import importlib
import json
import os
import pkgutil
import select
import signal
import socket
import sys
import traceback
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

from automl_bench_local.fork_server import CONTROL_DESCRIPTOR, LOCK_DESCRIPTOR, MODULE, ROOM, as_bytes

LARGEST_ORDER = 64 * 1024
NOTHING = b"0"
"""Answer of a child that cannot be found by its command line here, and ends."""

ARGUMENTS_AT = 45
"""Position of the address of the command line in /proc/self/stat, counted behind the process's name."""


def main() -> int:
    """Answer orders until the command that gave them has ended."""
    control = socket.socket(fileno=CONTROL_DESCRIPTOR)
    control.set_inheritable(False)
    show_command_line([sys.executable, "-P", "-m", MODULE, sys.argv[1]])
    module = importlib.import_module(sys.argv[1])
    module.before_forks()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # ended children need nobody to ask for them
    # numeric libraries may have threads of their own, and bring them through a fork themselves
    warnings.filterwarnings("ignore", category=DeprecationWarning, message=".*multi-threaded.*fork")
    while True:
        content, descriptors, _, _ = socket.recv_fds(control, LARGEST_ORDER, 2)
        if not content:
            return 0
        order = json.loads(content)
        for name in order["needs"]:
            with contextlib.suppress(ImportError, AttributeError):  # who needs it tells why it cannot be had
                pkgutil.resolve_name(name)
        gc.collect()
        gc.freeze()  # what is shared with the children stays so
        if os.fork() == 0:
            _be_child(module, order, control, *descriptors)
        for descriptor in descriptors:
            os.close(descriptor)


def _be_child(module: ModuleType, order: Mapping[str, Any], control: socket.socket, lock: int, log: int) -> None:
    """Become the process that was ordered. Never returns."""
    status = 1
    try:
        os.setsid()
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        shown = show_command_line(order["line"])
        if not shown or _has_ended(control):
            control.send(NOTHING)
            os._exit(1)
        control.send(str(os.getpid()).encode())
        control.close()
        os.dup2(lock, LOCK_DESCRIPTOR, inheritable=False)
        for descriptor in (1, 2):
            os.dup2(log, descriptor)
        for descriptor in (lock, log):
            os.close(descriptor)
        os.chdir(order["folder"])
        if "numpy" in sys.modules:
            sys.modules["numpy"].random.seed()  # else every child would draw the same numbers
        sys.argv = [str(module.__file__), *order["line"][order["skip"] :]]
        status = int(module.main())
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else 1
    except BaseException:  # noqa: BLE001  # a forked child must never return into its parent's code
        traceback.print_exc()
    finally:
        with contextlib.suppress(Exception):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(status)


def show_command_line(line: Sequence[str]) -> bool:
    """Write another command line over this process's own, and return whether the process table shows it.

    The kernel reads it from the process's memory, where it was put at the start; there is room for `ROOM` bytes.
    """
    content = as_bytes(line)
    try:
        numbers = Path("/proc/self/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
        start, end = (int(numbers[ARGUMENTS_AT + position]) for position in (0, 1))
        if not start or not end - start >= ROOM or len(content) > end - start:
            return False
        ctypes.memmove(start, content.ljust(end - start, b"\0"), end - start)
        return Path("/proc/self/cmdline").read_bytes().rstrip(b"\0") == content.rstrip(b"\0")
    except (OSError, ValueError, IndexError):
        return False


def _has_ended(control: socket.socket) -> bool:
    """Whether nobody holds the other end of the control socket any more."""
    looking = select.poll()
    looking.register(control, select.POLLHUP)
    return any(event & (select.POLLHUP | select.POLLERR) for _, event in looking.poll(0))


if __name__ == "__main__":
    sys.exit(main())
