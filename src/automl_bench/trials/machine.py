"""Who may use this machine's processors now: nothing computes while something is being measured here."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from enum import Enum

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


class Machine:
    """A lock with three kinds of use, served in order of arrival so that none starves."""

    def __init__(self) -> None:
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
        ticket = object()
        with self._changed:
            self._waiting.append(ticket)
            while not (self._waiting[0] is ticket and self._compatible(kind)):
                self._changed.wait(LOOK_SECONDS)
                if stop is not None and stop.is_set():
                    break
            self._waiting.remove(ticket)
            self._active[kind] += 1
            self._changed.notify_all()
        try:
            yield
        finally:
            with self._changed:
                self._active[kind] -= 1
                self._changed.notify_all()

    def _compatible(self, kind: Use) -> bool:
        busy = {use for use, count in self._active.items() if count}
        return not busy or (kind is not Use.QUIET and busy == {kind})
