"""Leaving truthfully: what a command leaves at providers is said on stderr, in a file, and by the exit code."""

from __future__ import annotations

import os
import tempfile
import threading
import weakref
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from automl_bench.border.command_lines import command_line
from automl_bench.border.texts import scrub
from automl_bench.cli.output import say
from automl_bench.errors import ExitCode
from automl_bench.settings.workspace import Workspace

if TYPE_CHECKING:
    from automl_bench.store import Store
    from automl_bench.trials.teardown import Leftover

_stores: weakref.WeakSet[Store] = weakref.WeakSet()
"""The results files that this process writes to: they remember what exists, also when they cannot be read any more."""


def remember(store: Store) -> None:
    """Note a results file that this command writes to."""
    _stores.add(store)


def billed_here() -> list[Leftover]:
    """Return what may cost money by the hour and belongs to a trial that this process has worked on."""
    from automl_bench.trials.teardown import Leftover, resource_of

    lines = {
        (line.trial_id, line.entry_id): line
        for store in list(_stores)
        for line in store.remembered_lines()
        if line.hourly_usd != 0.0 and store.has_worked_on(line.trial_id)
    }
    return [Leftover(line.provider, resource_of(line), "not deleted") for line in lines.values()]


def leave_at_once() -> None:
    """End the process now, after the second Ctrl-C: say and write down what remains, without waiting for anything."""
    left = billed_here()
    if left:
        say(f"\nleft at once. {len(left)} resource{'' if len(left) == 1 else 's'} may still cost money:")
        for item in left:
            say(f"  - {item}")
        keep_list([str(item) for item in left])
        say(f"Delete with: {command_line('teardown', '--all')}")
    else:
        say("\nleft at once. Nothing that this command made costs money by the hour.")
    os._exit(ExitCode.RESOURCES_LEFT if left else ExitCode.INTERRUPTED)


def keep_list(items: Sequence[str]) -> Path | None:
    """Write what remains to the workspace's emergency file, or to the temporary folder where that is not possible.

    Returns:
        Where it stands; None if it could be written nowhere.
    """
    workspace = Workspace.current()
    head = f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC, workspace {workspace.root}: what may still cost money\n"
    delete = command_line("teardown", "--all", workspace=str(workspace.root))
    text = scrub(head + "".join(f"- {item}\n" for item in items) + f"Delete with: {delete}\n")
    path = workspace.emergency_file
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _write(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644), text)
    except OSError:
        try:
            number, name = tempfile.mkstemp(prefix="automl-bench-left-running-", suffix=".txt")
            path = Path(name)
            _write(number, text)
        except OSError:
            return None
    return path


def _write(number: int, text: str) -> None:
    with os.fdopen(number, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


@contextmanager
def stopping() -> Iterator[threading.Event]:
    """Give the event that Ctrl-C, SIGTERM, a closed terminal and a lost reader of our output set."""
    from automl_bench.cli.streams import told_when_lost
    from automl_bench.trials.interruption import listening

    def say_stopping() -> None:
        say("\nstopping: tearing down what costs money. Press Ctrl-C again to leave at once.")

    with listening(say_stopping, leave_at_once) as stop, told_when_lost(stop.set):
        yield stop


def forget_list() -> None:
    """Take the emergency file away: nothing that it could name exists any more."""
    with suppress(OSError):
        Workspace.current().emergency_file.unlink(missing_ok=True)
