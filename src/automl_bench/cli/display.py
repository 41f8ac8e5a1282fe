"""What is seen while an experiment runs: a line a trial, and bars where the terminal can show them."""

from __future__ import annotations

import sys
import threading
import time
from types import TracebackType
from typing import TYPE_CHECKING, Any

from automl_bench.border.texts import clean
from automl_bench.cli.output import console
from automl_bench.contract import Stage
from automl_bench.store.records import TrialRecord, TrialStatus

if TYPE_CHECKING:
    from rich.progress import TaskID

SIGNS = {
    TrialStatus.DONE: "[green]done[/]",
    TrialStatus.FAILED: "[red]failed[/]",
    TrialStatus.INFEASIBLE: "[yellow]infeasible[/]",
    TrialStatus.INTERRUPTED: "[yellow]interrupted[/]",
    TrialStatus.RUNNING: "[yellow]still running[/]",
    TrialStatus.PLANNED: "[yellow]not begun[/]",
}

LONGEST_NOTE = 160
"""Characters of a note beside a bar."""
NARROW = 120
"""Columns below which trials have no bar: their names and numbers need the room."""
NUMBERS = 24
"""Columns of the numbers of a line, with what stands between them."""


class RunDisplay:
    """Shows trials as they go on and end; on stderr, so that stdout stays for the result."""

    def __init__(self, total: int, *, quiet: bool = False) -> None:
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, TextColumn, TimeElapsedColumn
        from rich.table import Column

        self._console = console(stderr=True)
        self._quiet = quiet
        self._total = total
        self._ended = 0
        self._lock = threading.Lock()
        self._tasks: dict[str, TaskID] = {}
        self._begun: dict[str, float] = {}
        width = self._console.width
        bar: list[ProgressColumn] = [BarColumn(bar_width=24)] if width >= NARROW else []
        # What is longer is cut, so that the numbers never are.
        name = Column(no_wrap=True, overflow="ellipsis", max_width=max(10, width - NUMBERS) if not bar else None)
        note: list[ProgressColumn] = [TextColumn("{task.fields[note]}")] if bar else []
        self._progress = Progress(
            TextColumn("{task.description}", table_column=name),
            *bar,
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            *note,
            console=self._console,
            disable=quiet or not sys.stderr.isatty(),
            transient=True,
        )
        self._all = self._progress.add_task("trials", total=total, note="")

    def __enter__(self) -> RunDisplay:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._progress.stop()

    def report(self, trial: TrialRecord, stage: Stage, done: int, total: int | None, note: str) -> None:
        """Show how far a trial is."""
        with self._lock:
            self._begun.setdefault(trial.trial_id, time.monotonic())
            fields: dict[str, Any] = {"description": _plain(f"{trial.label}: {stage}"), "note": _plain(note)}
            if trial.trial_id not in self._tasks:
                self._tasks[trial.trial_id] = self._progress.add_task(total=total, **fields)
            self._progress.update(self._tasks[trial.trial_id], completed=done, total=total, **fields)

    def ended(self, trial: TrialRecord, status: TrialStatus, reason: str) -> None:
        """Show that a trial ended, and why if not well."""
        from rich.markup import escape

        with self._lock:
            self._ended += 1
            task = self._tasks.pop(trial.trial_id, None)
            if task is not None:
                self._progress.remove_task(task)
            self._progress.update(self._all, completed=self._ended)
            if self._quiet:
                return
            begun = self._begun.get(trial.trial_id)
            took = f" in {time.monotonic() - begun:.1f} s" if begun is not None else ""
            why = f": {escape(clean(reason))}" if reason else ""
            line = f"[{self._ended}/{self._total}] "
            self._progress.console.print(escape(line) + f"{SIGNS.get(status, status)} {escape(trial.label)}{took}{why}")

    def say(self, text: str) -> None:
        """Print one line."""
        self._progress.console.print(text, markup=False)


def _plain(text: str) -> str:
    """Return words from outside as a bar shows them: short, and never read as markup."""
    from rich.markup import escape

    return escape(clean(text, longest=LONGEST_NOTE))
