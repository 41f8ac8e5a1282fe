"""A workspace whose commands talk to the stand-in of a service.

Each command is a child of a process that has the provider's SDK imported, which takes seconds; and it looks often
(`SHORT_WAITS`).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from compressed_commands import server_with
from small_workspace import command_environment, make_workspace, write_experiment

from automl_bench.errors import ExitCode
from automl_bench.testing.conformance import SHORT_WAITS
from automl_bench.testing.crash import Ended


class ServiceBench:
    """A workspace and its commands.

    Args:
        root: An empty folder.
        service: Variables that lead commands to the stand-in.
        experiment: What `run` runs where no other is given.
        preload: Modules of the provider's SDK.

    Attributes:
        environment: The whole environment of the commands.
        outputs: What they printed and said.
    """

    def __init__(self, root: Path, service: Mapping[str, str], experiment: str, preload: Sequence[str] = ()) -> None:
        self.root = root
        self.workspace = make_workspace(root)
        self.environment = {**command_environment(root), **service}
        self.experiment = experiment
        self.outputs: list[str] = []
        self._preload = preload

    def __call__(self, *arguments: str, timeout: float = 110) -> Ended:
        server = server_with(SHORT_WAITS, *self._preload)
        ended = server.run(*arguments, environment=self.environment, folder=self.root, timeout=timeout)
        self.outputs += [ended.stdout, ended.stderr]
        return ended

    def run(self, *options: str, experiment: str = "", timeout: float = 110) -> Ended:
        path = write_experiment(self.root, experiment or self.experiment)
        return self("run", str(path), *options, timeout=timeout)


def rows(ended: Ended) -> list[dict[str, Any]]:
    """Return the results that a command has printed as JSON."""
    assert ended.returncode == ExitCode.OK, ended.stderr
    return list(json.loads(ended.stdout)["results"])
