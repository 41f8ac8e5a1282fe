"""Ctrl-C and SIGTERM: the first asks for teardown, the second leaves at once and says what remains."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from automl_bench.errors import ExitCode

SIGNALS = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def listening(on_first: Callable[[], None], on_second: Callable[[], None]) -> Iterator[threading.Event]:
    """Give an event that the first signal sets; the second ends the process.

    Args:
        on_first: Tells the user that teardown begins.
        on_second: Tells the user what remains; the process then ends with RESOURCES_LEFT.
    """
    stop = threading.Event()

    def hear(number: int, frame: FrameType | None) -> None:
        if stop.is_set():
            on_second()
            os._exit(ExitCode.RESOURCES_LEFT)
        stop.set()
        on_first()

    previous = {number: signal.signal(number, hear) for number in SIGNALS}
    try:
        yield stop
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
