"""Ctrl-C, SIGTERM and a closed terminal are one request: stop and tear down. A second Ctrl-C leaves at once."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

ONE_REQUEST_SECONDS = 0.5
"""Two Ctrl-C within this are one: shells and wrappers send it to the group and pass it on as well."""


@contextmanager
def listening(on_first: Callable[[], None], on_second: Callable[[], None]) -> Iterator[threading.Event]:
    """Give an event that the first signal sets.

    Only a second Ctrl-C hurries: a closing terminal, `timeout` and service managers send SIGHUP and SIGTERM several
    times for one and the same end. SIGHUP stays ignored where it was ignored before, as under nohup.

    Args:
        on_first: Tells the user that teardown begins.
        on_second: Ends the process at once and tells what remains; it does not return.
    """
    stop = threading.Event()
    first: list[float] = []

    def hear(number: int, frame: FrameType | None) -> None:
        now = time.monotonic()
        if not first:
            first.append(now)
            stop.set()
            on_first()
        elif number == signal.SIGINT and now - first[0] >= ONE_REQUEST_SECONDS:
            on_second()

    with handling(hear):
        yield stop


@contextmanager
def handling(hear: Callable[[int, FrameType | None], None]) -> Iterator[None]:
    """Have the signals that end a command handled by a function while the block runs.

    Python gives signals to the main thread alone: in another thread of somebody's program nothing is changed.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    heard = [number for number in SIGNALS if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN]
    previous = {number: signal.signal(number, hear) for number in heard}
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
