"""What every command prints with: one console for people, plain JSON for scripts, one progress bar."""

from __future__ import annotations

import json
import os
import sys
import traceback
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, Protocol

from automl_bench.border import streams
from automl_bench.border.command_lines import in_one_piece, with_spaces
from automl_bench.border.texts import loggable, printable, scrub

if TYPE_CHECKING:
    from rich.console import Console


PROGRAM = "automl-bench "

PIPE_WIDTH = 160
"""Columns of output that goes into a file or a pipe."""


class Advance(Protocol):
    """Reports progress: (done, total, note)."""

    def __call__(self, done: int, total: int | None, note: str = "") -> None:
        """Set how much is done."""
        ...


def console(*, stderr: bool = False) -> Console:
    """Return a console for people; progress and messages go to stderr so that stdout can be piped.

    Whatever text it is given is printed without secrets and without anything that a terminal would obey.
    """
    from rich.console import Console

    class CleanConsole(Console):
        def print(self, *objects: Any, **options: Any) -> None:
            texts = [printable(item) if isinstance(item, str) else item for item in objects]
            if options.get("markup") is False and not (self.soft_wrap or options.get("soft_wrap")):
                # rich would break a path, and a command, in the middle
                texts = [_folded(item, self.width) if isinstance(item, str) else item for item in texts]
                options["soft_wrap"] = all(isinstance(item, str) for item in texts)
            elif any(isinstance(item, str) and PROGRAM in item for item in texts):
                options.setdefault("soft_wrap", True)  # a command is copied from the terminal: no line breaks in it
            super().print(*texts, **options)

    stream = sys.stderr if stderr else streams.output()
    # Into a file or a pipe, tables are as wide as they need rather than folded to a terminal's 80 columns.
    width = None if stream.isatty() or "COLUMNS" in os.environ else PIPE_WIDTH
    # On stderr the stream is looked up at each print, as a progress bar puts another one in its place.
    place: dict[str, Any] = {"stderr": True} if stderr else {"file": stream}
    return CleanConsole(highlight=False, width=width, soft_wrap=not stream.isatty(), **place)


def say(text: str) -> None:
    """Print lines for people on stderr, if there is still somebody to read them.

    On a terminal they break between words, and never in a command.
    """
    with suppress(OSError, ValueError):
        shown = printable(text)
        if sys.stderr.isatty():
            import shutil

            width = shutil.get_terminal_size().columns
            shown = _folded(shown, width)
        print(shown, file=sys.stderr, flush=True)


def _folded(text: str, width: int) -> str:
    """Return lines of a width, broken between words only, and never in a command."""
    return "\n".join(_folded_line(line, width) for line in text.split("\n"))


def _folded_line(line: str, width: int) -> str:
    if len(line) <= width or (PROGRAM in line and "`" not in line):
        return line
    import textwrap

    indent = line[: len(line) - len(line.lstrip())]
    whole = textwrap.fill(
        in_one_piece(line), width, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
    )
    return with_spaces(whole)


def say_plainly(text: str) -> None:
    """Print text on stdout as it is, so that it can go into a file; only secrets are taken out."""
    print(scrub(text), file=streams.output())


def trace_of(error: BaseException) -> str:
    """Return where an error comes from, as it may be printed and kept."""
    return loggable("".join(traceback.format_exception(error)))


def print_json(value: Any) -> None:
    """Print a value as JSON on stdout, NaN as null, one document a command."""
    out = streams.output()
    ascii_only = not (out.encoding or "utf-8").lower().startswith("utf")
    text = json.dumps(_finite(value), indent=2, ensure_ascii=ascii_only, default=str)
    out.write(f"{scrub(text)}\n")


def _finite(value: Any) -> Any:
    if isinstance(value, float) and (value != value or value in (float("inf"), float("-inf"))):
        return None
    if isinstance(value, Mapping):
        return {str(key): _finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(item) for item in value]
    return value


def print_table(columns: Sequence[str], rows: Sequence[Sequence[Any]], *, title: str = "") -> None:
    """Print a table on stdout; numbers are right-aligned, and no name is broken in the middle."""
    from automl_bench.cli.tables import fitting

    numeric = [
        bool(rows) and all(isinstance(row[index], (int, float)) or row[index] == "" for row in rows)
        for index in range(len(columns))
    ]
    heads = [printable(name) for name in columns]
    cells = [["" if cell is None else printable(str(cell)) for cell in row] for row in rows]
    out = console()
    found = fitting(heads, cells, numeric, out.width, printable(title))
    for part in found if isinstance(found, list) else [found]:
        out.print(part, markup=False)


@contextmanager
def progress_bar(description: str) -> Iterator[Advance]:
    """Show a progress bar on stderr while long work goes on; silent where stderr is no terminal."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}"),
    )
    with Progress(*columns, console=console(stderr=True), disable=not sys.stderr.isatty()) as progress:
        task = progress.add_task(description, total=None, note="")

        def advance(done: int, total: int | None, note: str = "") -> None:
            progress.update(task, completed=done, total=total, note=printable(note))

        yield advance
