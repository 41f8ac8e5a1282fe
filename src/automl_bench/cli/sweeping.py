"""What earlier commands should have deleted, tried again by each command that works on the workspace."""

from __future__ import annotations

import threading
from collections.abc import Collection
from typing import TYPE_CHECKING

from automl_bench.cli.output import say

if TYPE_CHECKING:
    from automl_bench.cli.session import Session
    from automl_bench.store import Store


def sweep_first(
    session: Session, store: Store, *, stop: threading.Event | None = None, but: Collection[str] = ()
) -> None:
    """Delete what should be gone, and say what remains of it; the command goes on either way.

    Args:
        session: Sets the providers up.
        store: The results file, open for writing.
        stop: Set when the user wants to end.
        but: Trials that this command works on.
    """
    from automl_bench.trials.sweeping import due, sweep
    from automl_bench.trials.waiting import Insistence

    lines = due(store, but=but)
    if not lines:
        return
    say(f"deleting {'one resource' if len(lines) == 1 else f'{len(lines)} resources'} that should be gone")
    for item in sweep(store, session.bind, insistence=Insistence(stop, say), but=but):
        say(f"still there: {item}")
