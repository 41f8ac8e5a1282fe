"""Whole commands in compressed time (`compressed_time`), in forked children of one process."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from automl_bench.testing.crash import Ended, ForkServer, shared_fork_server

HERE = Path(__file__).resolve().parent


def run_compressed(*arguments: str, environment: Mapping[str, str], folder: Path) -> Ended:
    """Run one command and return how it ended.

    Args:
        arguments: As on the command line, without "automl-bench".
        environment: The whole environment of the command.
        folder: Its working directory.
    """
    return server_with("compressed_time").run(*arguments, environment=environment, folder=folder)


def server_with(*modules: str) -> ForkServer:
    """Return the fork server that has imported some modules, of those beside this one or of those installed."""
    places = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    if str(HERE) not in places:
        os.environ["PYTHONPATH"] = os.pathsep.join([str(HERE), *filter(None, places)])
    return shared_fork_server(modules)
