"""The command line: which commands there are, and how an error ends one."""

from __future__ import annotations

import logging
import os
import sys
import traceback
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from automl_bench import __version__
from automl_bench.cli import (
    ablate,
    bench_self,
    compare,
    data,
    experiments,
    plan,
    providers,
    report,
    resources,
    results,
    verbs,
)
from automl_bench.errors import AutomlBenchError, ExitCode, InvalidMeasurement, ResourcesLeft
from automl_bench.settings.workspace import WORKSPACE_VARIABLE, Workspace

app = typer.Typer(
    name="automl-bench",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

_debug = False


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"automl-bench {__version__}")
        raise typer.Exit


@app.callback()
def root(
    workspace: Annotated[
        Path | None,
        typer.Option("--workspace", "-w", help="Folder of data, configs, results and reports.", show_default="."),
    ] = None,
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks and every log line.")] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Which hosted AutoML service should you use for [bold]your[/] labelled data?

    automl-bench sends the same nested training subsets to every provider, trains, deploys, measures and tears down,
    and reports accuracy, latency, throughput and training time with honest intervals.

    \b
    Examples:
      automl-bench demo                                  a whole comparison on this machine
      automl-bench data import pets ~/pictures/pets      bring your own folder of class folders
      automl-bench plan configs/experiments/demo.toml    feasibility, dollars, hours, power: before any request
      automl-bench run configs/experiments/demo.toml     all stages of all trials; again to resume
      automl-bench report demo                           one HTML file to show around
    """
    global _debug
    _debug = debug
    if workspace is not None:
        os.environ[WORKSPACE_VARIABLE] = str(workspace.absolute())
    logging.basicConfig(
        level=logging.DEBUG if debug else logging.ERROR, format="%(levelname)s %(name)s: %(message)s", stream=sys.stderr
    )
    for noisy in ("matplotlib", "PIL", "urllib3", "asyncio"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    from automl_bench.settings.secrets import ScrubbingFilter

    for handler in logging.getLogger().handlers:
        handler.addFilter(ScrubbingFilter())


app.add_typer(data.app, name="data", help="Datasets: list, show, fetch, import, check.")
app.command("ablate", rich_help_panel="Data")(ablate.ablate)
verbs.register(app)
app.command("plan", rich_help_panel="Experiments")(plan.plan)
experiments.register(app)
app.add_typer(results.app, name="results")
app.command("compare", rich_help_panel="Results")(compare.compare)
app.command("report", rich_help_panel="Results")(report.report)
app.command("export", rich_help_panel="Results")(report.export)
app.command("resources", rich_help_panel="Experiments")(resources.resources)
app.add_typer(providers.app, name="providers", help="Providers: list, show, check, new.")
app.command("bench-self", rich_help_panel="Results")(bench_self.bench_self)


def main(arguments: list[str] | None = None) -> None:
    """Run the command line; every way out goes through here and ends with an `ExitCode`."""
    sys.exit(run(arguments))


def run(arguments: list[str] | None = None) -> int:
    """Run one command and return its exit code."""
    try:
        _mount_plugin_commands(sys.argv[1:] if arguments is None else arguments)
        app(args=arguments, standalone_mode=False)
    except AutomlBenchError as error:
        return _explain(error)
    except typer.Exit as error:
        return error.exit_code
    except (typer.Abort, KeyboardInterrupt):
        print("stopped.", file=sys.stderr)
        return ExitCode.INTERRUPTED
    except BrokenPipeError:
        # The reader of our output went away, as `| head` does; nothing is left to say to it.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return ExitCode.OK
    except SystemExit as error:
        return error.code if isinstance(error.code, int) else ExitCode.UNEXPECTED
    except Exception as error:  # noqa: BLE001  # the last resort of every command
        return _explain_unexpected(error)
    return ExitCode.OK


def _explain(error: AutomlBenchError) -> int:
    from automl_bench.settings.secrets import scrub

    if _debug:
        print(scrub("".join(traceback.format_exception(error))), file=sys.stderr)
    print(scrub(f"error: {error}"), file=sys.stderr)
    details = error.items if isinstance(error, ResourcesLeft) else ()
    details = error.reasons if isinstance(error, InvalidMeasurement) else details
    for line in details:
        print(scrub(f"  - {line}"), file=sys.stderr)
    return int(error.exit_code)


def _explain_unexpected(error: Exception) -> int:
    """Turn a usage error of the command line into one line, and a bug into a file with its traceback."""
    from automl_bench.settings.secrets import scrub

    if hasattr(error, "format_message") and hasattr(error, "exit_code"):
        context = getattr(error, "ctx", None)
        hint = f" See: {context.command_path} --help" if context is not None else ""
        message = str(error.format_message()).rstrip(".")
        print(scrub(f"error: {message}.{hint}"), file=sys.stderr)
        return ExitCode.USAGE
    trace = scrub("".join(traceback.format_exception(error)))
    if _debug:
        print(trace, file=sys.stderr)
    where = _keep_traceback(trace)
    print(scrub(f"error: this is a bug in automl-bench: {type(error).__name__}: {error}."), file=sys.stderr)
    print(f"The traceback is in {where}; please report it." if where else "Run it with --debug.", file=sys.stderr)
    return ExitCode.UNEXPECTED


def _keep_traceback(trace: str) -> Path | None:
    folder = Workspace.current().logs
    path = folder / f"error-{datetime.now(UTC):%Y%m%dT%H%M%S}-{os.getpid()}.txt"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        path.write_text(trace, encoding="utf-8")
    except OSError:
        return None
    return path


def _mount_plugin_commands(arguments: list[str]) -> None:
    """Load the plugins' commands, but only when the command asked for is none of ours: `--help` stays fast."""
    known = {command.name for command in app.registered_commands} | {group.name for group in app.registered_groups}
    words = [word for word in arguments if not word.startswith("-")]
    if not words or known & set(words):
        return
    from automl_bench.providers.discovery import PluginRegistry

    registry = PluginRegistry()
    registry.load_all()
    registry.manager.hook.register_commands(app=app)


if __name__ == "__main__":
    main()
