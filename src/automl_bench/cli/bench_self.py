"""`automl-bench bench-self`: what automl-bench itself adds to a measurement on this machine."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from automl_bench.cli.output import console, print_json, print_table, progress_bar
from automl_bench.settings.workspace import Workspace
from automl_bench.toolkit.whole_files import write_text

FILE_NAME = "self.json"


def bench_self(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")] = False,
) -> None:
    """Measure what automl-bench itself adds on this machine: overhead, highest rate, lateness. 15 seconds.

    The result is kept in results/self.json, and reports state it. Run it on an idle machine: it shows the noise
    that your measurements would have, too.

    \b
    Examples:
      automl-bench bench-self
      automl-bench bench-self --json
    """
    from automl_bench.calibration.self_measurement import measure_self, table_rows

    with progress_bar("bench-self") as advance:
        result = measure_self(advance)
    path = Workspace.current().results / FILE_NAME
    _keep(path, result)
    if as_json:
        print_json(result)
        return
    machine = result["machine"]
    print_table(
        ["automl-bench adds", "p50", "p99 or 95 % interval", "n"],
        table_rows(result),
        title=f"{machine['processor']}, {machine['cores']} cores, Python {machine['python']}, "
        f"libcurl {machine['libcurl']}",
    )
    console().print(f"Kept in {path}; reports state it.", markup=False)


def _keep(path: Path, result: dict[str, Any]) -> None:
    """Write the result, whole or not at all.

    Raises:
        WorkspaceError: If the file cannot be written.
    """
    write_text(path, json.dumps(result, indent=2, ensure_ascii=False) + "\n")
