"""A warm process of this command that has imported what trainings or servers need, and forks them in milliseconds.

Importing scikit-learn or a web framework takes a second or more; a command with a hundred trials would do it two
hundred times. What is forked is a process as any other: it leads its own session, has its own command line in the
process table, holds its folder's lock, and outlives the command. The fork server itself ends with the command, however
that ends: its control socket closes.

    command ── order: command line, lock, log ──▶ fork server ── fork ──▶ child
       ◀──────────────── number, once the child can be found ────────────────┘

The child looks whether the command still lives after it can be found by its command line, and ends if not: so whoever
looks for remains of a killed command sees every child that will ever do something.
"""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import signal
import socket
import sys
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

MODULE = "automl_bench_local.forked"
LOCK_DESCRIPTOR = 3
"""Where a process of ours holds the lock of its folder."""
CONTROL_DESCRIPTOR = 4
ROOM = 4 * 1024
"""Bytes that the command line of a child may have: the fork server is started with so many, to be overwritten."""

PATIENCE_SECONDS = 120.0
"""Far longer than the slowest import; a fork server that does not answer by then is given up."""


@dataclass(frozen=True, slots=True)
class Order:
    """What a child is to be.

    Attributes:
        line: Its whole command line, as if it had been started on its own: interpreter, options, module, arguments.
        skip: How many words of the line stand before the module's own arguments.
        needs: Dotted names that are imported before the fork, and so only once: libraries, never a user's own code.
    """

    line: tuple[str, ...]
    skip: int
    needs: tuple[str, ...] = ()

    def fits(self) -> bool:
        """Whether the command line can be shown in the process table."""
        return len(as_bytes(self.line)) <= ROOM


class ForkServer:
    """One fork server, started at once.

    Args:
        module: What its children run.
        environment: Its whole environment, and theirs.

    Raises:
        OSError: If it cannot be started.
    """

    def __init__(self, module: str, environment: Mapping[str, str]) -> None:
        self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._pid = os.posix_spawn(
                sys.executable,
                [sys.executable, "-P", "-m", MODULE, module, "-" * ROOM],
                environment,
                file_actions=[
                    (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                    (os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0),
                    (os.POSIX_SPAWN_DUP2, 1, 2),
                    (os.POSIX_SPAWN_OPEN, LOCK_DESCRIPTOR, os.devnull, os.O_RDONLY, 0),  # no library gets this number
                    (os.POSIX_SPAWN_DUP2, theirs.fileno(), CONTROL_DESCRIPTOR),
                ],
                setsid=True,
            )
        self._control.settimeout(PATIENCE_SECONDS)

    def begin(self, order: Order, *, lock: int, log: int) -> int | None:
        """Fork a child.

        Args:
            order: What it is to be.
            lock: Descriptor of the locked file that it holds as long as it lives.
            log: Descriptor of the file that gets its output.

        Returns:
            Its number, once it can be found by its command line; None if there is no child, and never will be.
        """
        try:
            words = {"line": order.line, "skip": order.skip, "needs": order.needs, "folder": str(Path.cwd())}
            socket.send_fds(self._control, [json.dumps(words).encode()], [lock, log])
            # empty once nobody holds the other end: neither the server nor a child that it was about to make
            answer = self._control.recv(64)
        except OSError:
            answer = b""
        return int(answer) or None if answer else None

    def close(self) -> None:
        """End it; its children go on. One that nobody was told of yet ends."""
        self._control.close()
        with contextlib.suppress(ProcessLookupError):
            os.kill(self._pid, signal.SIGKILL)
        with contextlib.suppress(ChildProcessError):
            os.waitpid(self._pid, 0)

    def forget(self) -> None:
        """Let go of it in a process that was forked from its owner."""
        self._control.close()


_servers: dict[str, tuple[frozenset[tuple[str, str]], ForkServer]] = {}
_gate = threading.Lock()


def begin(module: str, environment: Mapping[str, str], order: Order, *, lock: int, log: int) -> int | None:
    """Fork a child from this command's fork server of a module; it is started when first asked for.

    An environment that has changed since is that of a new fork server.

    Returns:
        The child's number; None if this system or this command line does not allow it, or the fork server failed.
    """
    if not sys.platform.startswith("linux") or not order.fits():
        return None
    around = frozenset(environment.items())
    with _gate:
        known, server = _servers.get(module, (None, None))
        if server is not None and known != around:
            server.close()
            server = None
        if server is None:
            try:
                server = ForkServer(module, environment)
            except OSError:
                return None
            _servers[module] = (around, server)
        pid = server.begin(order, lock=lock, log=log)
        if pid is None:
            server.close()
            del _servers[module]
        return pid


def as_bytes(line: Sequence[str]) -> bytes:
    """Return a command line as the process table has it."""
    return b"".join(os.fsencode(word) + b"\0" for word in line)


@atexit.register
def end_all() -> None:
    """End this command's fork servers; the next child is forked from a new one."""
    for _, server in _servers.values():
        server.close()
    _servers.clear()


def _forget_all() -> None:
    global _gate
    _gate = threading.Lock()
    for _, server in _servers.values():
        server.forget()
    _servers.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_all)
