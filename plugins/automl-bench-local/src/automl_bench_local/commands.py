"""The commands that this package adds: a plugin of its own, which `automl-bench --help` imports and stays quick."""

from __future__ import annotations

from typing import TYPE_CHECKING

from automl_bench.hookspecs import hookimpl
from automl_bench_local.export_command import export_service
from automl_bench_local.serve_command import serve

if TYPE_CHECKING:
    import typer


@hookimpl
def register_commands(app: typer.Typer) -> None:
    """Add the commands `serve` and `export service`."""
    app.command("serve")(serve)
    for group in app.registered_groups:
        if group.name == "export" and group.typer_instance is not None:
            group.typer_instance.command("service")(export_service)
