"""The commands that this package adds: a plugin of its own, which `automl-bench --help` imports and stays quick."""

from __future__ import annotations

from typing import TYPE_CHECKING

from automl_bench.hookspecs import hookimpl
from automl_bench_local.serve_command import serve

if TYPE_CHECKING:
    import typer


@hookimpl
def register_commands(app: typer.Typer) -> None:
    """Add `automl-bench serve`."""
    app.command("serve")(serve)
