"""Who works on a trial: the owner's name, and whether that owner still lives."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from pathlib import Path

LEASE_SECONDS = 120.0
"""A lease of an owner on another machine ends this long after its last heartbeat."""

OwnerAlive = Callable[[str], bool | None]
"""Tells whether an owner lives; None where this machine cannot know."""


def current_owner() -> str:
    """Return this process as `host:pid:start`; the start time tells a recycled process id apart."""
    return f"{socket.gethostname()}:{os.getpid()}:{_start_of(os.getpid())}"


def owner_alive(owner: str) -> bool | None:
    """Return whether the process named by an owner string runs, or None if it belongs to another machine.

    Args:
        owner: `host:pid:start` as `current_owner` writes it; anything else is unknown.
    """
    front, _, start = owner.rpartition(":")
    host, _, pid = front.rpartition(":")
    if host != socket.gethostname() or not pid.isdigit() or not start:
        return None
    return _start_of(int(pid)) == start


def _start_of(pid: int) -> str:
    """Return when a process began, as text that only equals itself; "" if there is no such process.

    Linux tells ticks since boot (field 22 of /proc/PID/stat, proc(5)), which no clock adjustment moves. A zombie has
    ended and cannot work any more.
    """
    try:
        # The command's name, field 2, stands in parentheses and may hold spaces and parentheses itself.
        fields = Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
    except OSError:
        return "" if Path("/proc/self/stat").exists() else _start_from_psutil(pid)
    return "" if fields[0] in "ZX" else fields[19]


def _start_from_psutil(pid: int) -> str:
    import psutil

    try:
        process = psutil.Process(pid)
        return "" if process.status() == psutil.STATUS_ZOMBIE else str(round(process.create_time()))
    except psutil.NoSuchProcess:
        return ""
