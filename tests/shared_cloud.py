"""A simulated cloud that several workspaces, processes and hosts share, as colleagues share an account."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

from small_workspace import make_workspace

from automl_bench.settings.workspace import Workspace
from automl_bench.simulation.cloud import HOME, SimulatedCloud, Thing

SPEED = 20_000.0
LEASE_SECONDS = 2.0


class Cloud:
    """The cloud and the workspaces that use it.

    Args:
        root: An empty folder.
        make: Makes the first workspace; by default one with the dataset `tiny`.
    """

    def __init__(self, root: Path, make: Callable[[Path], Workspace] = make_workspace) -> None:
        self.root = root
        self.path = root / "cloud.sqlite"
        self.cloud = SimulatedCloud(self.path, SPEED)
        self._template = root / "template"
        self._template.mkdir()
        make(self._template)

    def workspace(self, name: str) -> Path:
        """Return a new workspace with the same data: a colleague's."""
        path = self.root / name
        path.mkdir()
        shutil.copytree(self._template / "data", path / "data")
        return path

    def environment(self, workspace: Path, *, region: str = HOME, speed: float = SPEED) -> dict[str, str]:
        """Return the environment of a command."""
        return {
            **os.environ,
            "AUTOML_BENCH_WORKSPACE": str(workspace),
            "AUTOML_BENCH_SIMULATED_CLOUD": str(self.path),
            "AUTOML_BENCH_SIMULATED_SPEED": str(speed),
            "AUTOML_BENCH_SIMULATED_REGION": region,
            "AUTOML_BENCH_LEASE_SECONDS": str(LEASE_SECONDS),
            "AUTOML_BENCH_MACHINE_FOLDER": str(self.root / "machine"),
            "COLUMNS": "200",
        }

    def things(self, kind: str = "") -> list[Thing]:
        """Return what exists in every region, without any lag."""
        return [thing for thing in self.cloud.existing() if kind in ("", thing.kind)]

    def of(self, workspace_id: str) -> list[Thing]:
        """Return what a workspace has made and what still exists of it."""
        return [thing for thing in self.things() if f"-{workspace_id}-" in thing.name]
