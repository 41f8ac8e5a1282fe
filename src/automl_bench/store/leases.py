"""Leases: who works on a trial, and whether that process is still heard of.

A lease is a fencing token. Each claim of a trial gets a higher number than all before it, every write of a trial's rows
carries the number, and a process whose number is not the present one can neither write nor delete.

A holder counts its heartbeat up. Whoever else wants the trial watches whether the count moves, by a clock of its own:
no clocks of two machines are compared, and no host name or process id of another machine or container is trusted. Only
the death of a process on this very machine, since this boot and among the processes seen from here, is known at once.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from automl_bench.errors import SettingsError

LEASE_SECONDS = 60.0
"""A lease may be taken over once its heartbeat has not moved for so long, as seen by whoever wants it."""
BEATS_IN_A_LEASE = 8
"""Heartbeats while a lease lasts: some may be late on a busy machine."""
LEASE_VARIABLE = "AUTOML_BENCH_LEASE_SECONDS"

OwnerAlive = Callable[[str], bool | None]
"""Tells whether an owner lives; False if it is known to have ended, else None."""


@dataclass(frozen=True, slots=True)
class Lease:
    """A trial's lease as it stands in the results file.

    Attributes:
        owner: The process that holds it, as `current_owner` names it.
        fence: Number of the claim; a later claim of the trial has a higher one.
        beat: Heartbeats so far.
        seconds: How long it outlives its last heartbeat.
    """

    owner: str
    fence: int
    beat: int
    seconds: float

    def holder(self) -> str:
        """Return who holds it, for people."""
        host, pid, *_ = (*self.owner.split(":"), "", "")
        return f"process {pid} on {host}" if pid else self.owner


class LeaseWatch:
    """Remembers since when each lease has been still, by this process's own monotonic clock.

    Args:
        clock: Seconds; replaced in tests.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._seen: dict[str, tuple[tuple[str, int, int], float, bool]] = {}

    def is_silent(self, trial_id: str, lease: Lease) -> bool:
        """Take a look at a lease; True if its heartbeat has not moved for as long as it lasts."""
        state, moment = (lease.owner, lease.fence, lease.beat), self._clock()
        known = self._seen.get(trial_id)
        if known is None or known[0] != state:
            moved = known is not None and known[0][:2] == state[:2]
            self._seen[trial_id] = (state, moment, moved)
            return False
        return moment - known[1] >= lease.seconds

    def is_moving(self, trial_id: str) -> bool:
        """Whether the heartbeat was seen to move: its holder lives."""
        known = self._seen.get(trial_id)
        return known is not None and known[2]

    def forget(self, trial_id: str) -> None:
        """Begin to watch anew."""
        self._seen.pop(trial_id, None)


def lease_seconds() -> float:
    """Return how long leases of this process outlive their last heartbeat: AUTOML_BENCH_LEASE_SECONDS, or a minute.

    Raises:
        SettingsError: If the variable holds something else than a number from 1 up.
    """
    text = os.environ.get(LEASE_VARIABLE, "")
    try:
        seconds = float(text) if text else LEASE_SECONDS
    except ValueError:
        seconds = 0.0
    if not 1.0 <= seconds < float("inf"):
        raise SettingsError(f"{LEASE_VARIABLE} is {text!r}.", remedy="Give a number of seconds from 1 up, or unset it.")
    return seconds


def current_owner() -> str:
    """Return this process as `host:pid:start:boot:namespace`.

    The start time tells a recycled process id apart; boot and process namespace say where the id means anything.
    """
    return f"{socket.gethostname()}:{os.getpid()}:{_start_of(os.getpid())}:{_boot_id()}:{_pid_namespace()}"


def owner_alive(owner: str) -> bool | None:
    """Return False if the process named by an owner string has ended, and None where only its heartbeat can tell.

    Args:
        owner: As `current_owner` writes it; anything else is unknown.
    """
    parts = owner.split(":")
    if len(parts) != 5 or not parts[1].isdigit() or not all(parts[2:]):
        return None
    _, pid, start, boot, namespace = parts
    if (boot, namespace) != (_boot_id(), _pid_namespace()):
        return None
    return None if _start_of(int(pid)) == start else False


@cache
def _boot_id() -> str:
    """Return what tells this boot of this machine from every other, or "" where there is none."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""


def _pid_namespace() -> str:
    """Return the namespace in which this process's id counts, or "" where there is none."""
    try:
        return Path("/proc/self/ns/pid").readlink().name.strip("pid:[]")
    except OSError:
        return ""


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
