"""Standard output and error that outlive their reader: a closed pipe or terminal never ends work half done."""

from __future__ import annotations

import codecs
import io
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, TextIO, cast

from automl_bench.errors import WorkspaceError

PLAIN = {
    "±": "+-", "×": "x", "–": "-", "—": "-", "−": "-", "…": "...", "≥": ">=", "≤": "<=", "≈": "~", "µ": "u", "·": "|",
    "→": "->", "“": '"', "”": '"', "‘": "'", "’": "'", "│": "|", "•": "*",
}  # fmt: skip
"""What stands for a character on a terminal that has no such character; any other one is shown by its number."""
PLAIN_ERRORS = "automl_bench_plain"

_when_lost: list[Callable[[], None]] = []


class SteadyStream:
    """A text stream whose first failed write is noted, and whose later ones go nowhere.

    Args:
        stream: The stream itself.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self.failure: OSError | None = None

    def write(self, text: str) -> int:
        """Write text, or lose it where nobody can read it any more."""
        try:
            return self._stream.write(text)
        except OSError as error:
            self._lose(error)
            return len(text)

    def flush(self) -> None:
        """Pass on what was written."""
        try:
            self._stream.flush()
        except OSError as error:
            self._lose(error)

    def writelines(self, lines: Any) -> None:
        """Write several texts."""
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def _lose(self, error: OSError) -> None:
        if self.failure is not None:
            return
        self.failure = error
        # The buffered rest is written again at every flush, and at the end of the process: it must go somewhere.
        with suppress(OSError, ValueError):
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self._stream.fileno())
            os.close(nowhere)
        for tell in _when_lost:
            tell()


def speak_plainly() -> None:
    """Let standard output and error write a plain word for a character that their encoding lacks, and never fail."""
    codecs.register_error(PLAIN_ERRORS, _in_plain_words)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=PLAIN_ERRORS)


def _in_plain_words(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    text = error.object[error.start : error.end]
    return "".join(PLAIN.get(one) or f"\\u{ord(one):04x}" for one in text), error.end


@contextmanager
def steady_streams() -> Iterator[Callable[[TextIO], TextIO]]:
    """Replace stdout and stderr by steady ones while a command runs.

    Yields:
        What makes another stream of the command's output steady.

    Raises:
        WorkspaceError: At the end, if output was lost for another reason than that its reader went away.
    """
    kept = sys.stdout, sys.stderr
    out, err = SteadyStream(sys.stdout), SteadyStream(sys.stderr)
    made = [out]

    def steady(stream: TextIO) -> TextIO:
        made.append(SteadyStream(stream))
        return cast(TextIO, made[-1])

    sys.stdout, sys.stderr = cast(TextIO, out), cast(TextIO, err)
    try:
        yield steady
        out.flush()
    finally:
        sys.stdout, sys.stderr = kept
    failure = next((one.failure for one in made if one.failure is not None), None)
    if failure is not None and not _reader_left(failure):
        raise WorkspaceError(
            f"the output could not be written: {failure.strerror}.",
            remedy="Make room where it goes, then run the same command again: what is done is not done again.",
        )


def _reader_left(error: OSError) -> bool:
    import errno

    return error.errno in (errno.EPIPE, errno.EIO, errno.EBADF, errno.ENXIO)


@contextmanager
def told_when_lost(tell: Callable[[], None]) -> Iterator[None]:
    """Call a function once stdout or stderr has lost its reader while the block runs."""
    _when_lost.append(tell)
    try:
        yield
    finally:
        _when_lost.remove(tell)
