"""Which experiments are still to be sent: a file each in the workspace, which outlives every process."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from automl_bench.settings.workspace import CACHE

WAIT_SECONDS = 60.0
"""How long one process waits for another that sends."""


def folder_of(workspace: Path) -> Path:
    """Return the folder of what is kept for MLflow in a workspace."""
    return workspace / CACHE / "mlflow"


class Backlog:
    """Experiments with trials that may not have been sent.

    Args:
        workspace: The workspace's folder.
    """

    def __init__(self, workspace: Path) -> None:
        self._folder = folder_of(workspace) / "to-send"

    @contextmanager
    def sending(self) -> Iterator[None]:
        """Keep other processes from sending, so that no run is made twice.

        Raises:
            TimeoutError: If another process sends for long.
        """
        from filelock import FileLock

        self._folder.mkdir(parents=True, exist_ok=True)
        with FileLock(self._folder.with_suffix(".lock"), timeout=WAIT_SECONDS):
            yield

    def add(self, name: str) -> None:
        """Add an experiment; one that is there is to be sent once more."""
        self._folder.mkdir(parents=True, exist_ok=True)
        (self._folder / name).write_text(uuid.uuid4().hex, encoding="utf-8")

    def entries(self) -> dict[str, str]:
        """Return the experiments, and a mark of when each was added last."""
        if not self._folder.is_dir():
            return {}
        return {path.name: path.read_text(encoding="utf-8") for path in sorted(self._folder.iterdir())}

    def sent(self, name: str, mark: str) -> None:
        """Take an experiment away, unless it was added again meanwhile."""
        path = self._folder / name
        with suppress(OSError):
            if path.read_text(encoding="utf-8") == mark:
                path.unlink()
