"""Whose standard output is whose: ours is the command's result, a plugin's prints are lines of the log.

From the first plugin that is loaded until the command ends, `sys.stdout` is the log and, in a command of its own
process, descriptor 1 is standard error, so that neither a `print` nor a C library nor a child process of a plugin can
stand in the middle of `--json`. What automl-bench itself prints goes to `output()`.
"""

from __future__ import annotations

import io
import logging
import os
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TextIO

from automl_bench.border.texts import clean

log = logging.getLogger(__name__)

LONGEST_LINE = 1000


class _LogLines(io.RawIOBase):
    """Writes whole lines to the log."""

    def __init__(self) -> None:
        super().__init__()
        self._rest = b""
        self._busy = threading.local()

    def writable(self) -> bool:
        """It is written to."""
        return True

    def fileno(self) -> int:
        """For a child process that is given this stream: standard error."""
        return 2

    def write(self, data: object) -> int:
        """Take bytes; each line that is complete becomes a line of the log."""
        new = bytes(data)  # type: ignore[call-overload]  # any buffer of bytes
        # A plugin's own log handler may write here: what it says is in the log already.
        if not getattr(self._busy, "at_work", False):
            self._busy.at_work = True
            try:
                *lines, self._rest = (self._rest + new).split(b"\n")
                for line in lines:
                    if text := clean(line.decode("utf-8", "replace"), longest=LONGEST_LINE):
                        log.info("a plugin printed: %s", text)
            finally:
                self._busy.at_work = False
        return len(new)


class _Diversion:
    """The state of this process's standard output."""

    def __init__(self) -> None:
        self.allowed = False
        self.descriptor_too = False
        self.steady: Callable[[TextIO], TextIO] = lambda stream: stream
        self.before: TextIO | None = None
        self.ours: TextIO | None = None
        self.diverted: TextIO | None = None


_state = _Diversion()
_lock = threading.Lock()


def output() -> TextIO:
    """Return where the command's own output goes."""
    return _state.ours or sys.stdout


@contextmanager
def plugins_print_to_the_log(
    *, descriptor_too: bool = False, steady: Callable[[TextIO], TextIO] = lambda stream: stream
) -> Iterator[None]:
    """For the length of a command, let `divert` act; afterwards everything is as before.

    Args:
        descriptor_too: Whether descriptor 1 is the command's own to move: it runs in a process of its own.
        steady: Makes the stream that is kept for the command's own output outlive its reader.
    """
    _state.allowed, _state.descriptor_too, _state.steady = True, descriptor_too, steady
    try:
        yield
    finally:
        _state.allowed = False
        restore()


def divert() -> None:
    """Turn `sys.stdout` into the log, if a command allows it; called before any code of a plugin runs."""
    with _lock:
        if not _state.allowed or _state.ours is not None:
            return
        _state.before = _state.ours = sys.stdout
        if _state.descriptor_too:
            sys.stdout.flush()
            kept = os.fdopen(os.dup(1), "w", encoding=sys.stdout.encoding, errors=sys.stdout.errors)
            kept.reconfigure(line_buffering=kept.isatty())
            _state.ours = _state.steady(kept)
            os.dup2(2, 1)
        _state.diverted = io.TextIOWrapper(io.BufferedWriter(_LogLines()), encoding="utf-8", line_buffering=True)
        sys.stdout = _state.diverted


def release() -> None:
    """Let everything print to standard output from now on, as the command is a plugin's own."""
    _state.allowed = False
    restore()


def restore() -> None:
    """Give standard output back."""
    with _lock:
        if _state.ours is None:
            return
        if _state.diverted is not None:
            _state.diverted.write("\n")
            _state.diverted.flush()
        if _state.descriptor_too:
            kept, _state.ours = _state.ours, None
            sys.stdout = _state.before or sys.stderr
            kept.flush()
            os.dup2(kept.fileno(), 1)
            kept.close()
        elif sys.stdout is _state.diverted:
            sys.stdout = _state.ours
        _state.before = _state.ours = _state.diverted = None
