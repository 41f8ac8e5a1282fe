"""Who may use this machine's processors now: nothing computes while something is being measured here."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from enum import Enum
from typing import Protocol

LOOK_SECONDS = 0.5
"""How often someone who waits for a turn looks whether there is still a point in it."""


class Use(Enum):
    """What a stage does to this machine."""

    COMPUTE = "compute"
    """Trains or starts servers here; may run beside other computing."""
    MEASURE = "measure"
    """Times a service elsewhere; may run beside other such timing."""
    QUIET = "quiet"
    """Times a service on this machine, or loads one: must be alone."""


class Shared(Protocol):
    """The machine as this process shares it with others; see `machine_lock.MachineLock`."""

    def acquire(self, stop: threading.Event | None = None) -> bool:
        """Wait until this process may use the machine; False if `stop` was set before."""
        ...

    def release(self) -> None:
        """Let others use it."""
        ...

    def is_wanted(self) -> bool:
        """Whether another process waits for it."""
        ...


class Machine:
    """A lock with three kinds of use, served in order of arrival so that none starves.

    Args:
        shared: The lock between processes; it is held while anything is in use here. None for this process alone.
    """

    def __init__(self, shared: Shared | None = None) -> None:
        self._shared = shared
        self._holds_shared = False
        self._changed = threading.Condition()
        self._active: dict[Use, int] = dict.fromkeys(Use, 0)
        self._waiting: list[object] = []

    @contextmanager
    def use(self, kind: Use | None, stop: threading.Event | None = None) -> Iterator[None]:
        """Hold the machine for one kind of use; None (work elsewhere) never waits.

        Args:
            kind: What for.
            stop: Ends the wait for one's turn: the work then begins at once, sees the event itself and ends.
        """
        if kind is None:
            yield
            return
        self._enter(kind, stop)
        try:
            yield
        finally:
            self._leave(kind)

    def _enter(self, kind: Use, stop: threading.Event | None) -> None:
        ticket = object()
        with self._changed:
            self._waiting.append(ticket)
            while not (self._waiting[0] is ticket and self._may_begin(kind)):
                self._changed.wait(LOOK_SECONDS)
                if stop is not None and stop.is_set():
                    break
            stopped = stop is not None and stop.is_set()
            first = self._shared is not None and not self._holds_shared and not stopped
        if first and self._shared is not None:
            # Still first in line: nobody else of this process begins meanwhile.
            self._holds_shared = self._shared.acquire(stop)
        with self._changed:
            self._waiting.remove(ticket)
            self._active[kind] += 1
            self._changed.notify_all()

    def _leave(self, kind: Use) -> None:
        with self._changed:
            self._active[kind] -= 1
            if self._holds_shared and self._shared is not None and not any(self._active.values()):
                self._holds_shared = False
                self._shared.release()
            self._changed.notify_all()

    def _may_begin(self, kind: Use) -> bool:
        busy = {use for use, count in self._active.items() if count}
        if not busy:
            return True
        # Joining what goes on here is not allowed past another process that waits.
        return kind is not Use.QUIET and busy == {kind} and not (self._shared is not None and self._shared.is_wanted())
